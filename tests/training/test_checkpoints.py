"""Tensors on disk: any layout and kind of number, and damage that shows wherever it is."""

from pathlib import Path

import pytest
import torch

from resnet_lib import runtime
from resnet_lib.files import Damaged
from resnet_lib.training import checkpoints


def test_a_checkpoint_holds_any_layout_and_kind_of_number(tmp_path):
    image = torch.randn(2, 3, 4, 5, generator=runtime.stream(0, "test"))
    tensors = {
        "last": image.contiguous(memory_format=torch.channels_last),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "view": image[:, 1],
        "flags": torch.tensor([True, False]),
        "nan": torch.tensor([float("nan"), float("inf")]),
    }
    checkpoints.write(tmp_path / "a", tensors, {"what": "test"})
    found, about = checkpoints.read(tmp_path / "a") or ({}, {})
    assert about == {"what": "test"}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(value.nan_to_num(7), tensors[name].nan_to_num(7)) for name, value in found.items())
    assert checkpoints.read(tmp_path / "b") is None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    checkpoints.write(path, {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(7)}, {"seeds": [0]})
    return path


@pytest.mark.parametrize("part", range(10))
def test_a_byte_that_changed_is_seen_wherever_it_is(file: Path, part: int):
    data = bytearray(file.read_bytes())
    at = part * (len(data) - 1) // 9
    data[at] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(Damaged, match=r"net\.safetensors"):
        checkpoints.read(file)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_file_that_was_cut_off_is_damaged(file: Path, length: int):
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(Damaged):
        checkpoints.read(file)


def test_what_is_interrupted_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.write(file, {"weight": torch.zeros(2)}, {})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
