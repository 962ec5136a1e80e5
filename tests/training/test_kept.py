"""What is trained once and kept: against a run whose steps and whose clock are moved by hand."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from resnet_lib.sweep import spent
from resnet_lib.sweep.cache import CacheError
from resnet_lib.training import checkpoints, kept


class Counted:
    """A run of four steps that take ten seconds each, and may be stopped in one of them."""

    def __init__(self, clock: SimpleNamespace, stop: int = -1):
        self.clock, self.stop, self.step = clock, stop, torch.tensor(0)

    @property
    def done(self) -> bool:
        return int(self.step) == 4

    def advance(self) -> None:
        if int(self.step) == self.stop:
            raise KeyboardInterrupt
        self.clock.now += 10.0
        self.step = self.step + 1

    def state(self) -> Mapping[str, Tensor]:
        return {"step": self.step}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.step = state["step"]

    def records(self) -> Mapping[str, Tensor]:
        return {"end": self.step}


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    made = SimpleNamespace(now=0.0)
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(spent, "time", SimpleNamespace(process_time=lambda: made.now))
    return made


def refuse() -> tuple[kept.Resumable, dict]:
    raise AssertionError("it is kept, and was begun again")


def test_a_training_is_done_once_and_its_time_counts_for_whoever_finds_it(tmp_path: Path, clock):
    file = tmp_path / "a.safetensors"
    with spent.counting() as times:
        tensors, about = kept.once(file, lambda: (Counted(clock), {"of": "me"}), pause=1000.0)
    assert (tensors, about) == ({"end": torch.tensor(4)}, {"of": "me", "seconds": 40.0})
    assert times == []  # the trial has measured it itself
    with spent.counting() as times:
        again = kept.once(file, refuse, pause=1000.0)
    assert again == (tensors, about)
    assert times == [40.0]
    assert not file.with_suffix(".part").exists()


@pytest.mark.parametrize(("pause", "earlier"), [(0.0, 30.0), (15.0, 20.0), (1000.0, 0.0)])
def test_an_interrupted_training_goes_on_and_the_time_before_counts(tmp_path: Path, clock, pause, earlier):
    file = tmp_path / "a.safetensors"
    with pytest.raises(KeyboardInterrupt):
        kept.once(file, lambda: (Counted(clock, stop=3), {}), pause)
    assert not file.exists()
    assert file.with_suffix(".part").exists() == (earlier > 0)
    before = clock.now
    with spent.counting() as times:
        _, about = kept.once(file, lambda: (Counted(clock), {}), pause)
    assert sum(times) == earlier
    assert clock.now - before == 40.0 - earlier
    assert about["seconds"] == 40.0
    assert not file.with_suffix(".part").exists()


def test_a_damaged_file_is_set_aside(tmp_path: Path, clock):
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"no tensors")
    tensors, _ = kept.once(file, lambda: (Counted(clock), {}), pause=1000.0)
    assert tensors == {"end": torch.tensor(4)}
    assert file.with_suffix(".damaged").read_bytes() == b"no tensors"


def test_a_file_of_an_older_version_says_no_time(tmp_path: Path):
    file = tmp_path / "a.safetensors"
    checkpoints.write(file, {"end": torch.tensor(4)}, {})
    with spent.counting() as times:
        kept.once(file, refuse, pause=1000.0)
    assert times == [0.0]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, clock):
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"file.* cannot be written \(.*\); free it"):
        kept.once(tmp_path / "file" / "a.safetensors", lambda: (Counted(clock), {}), pause=1000.0)
