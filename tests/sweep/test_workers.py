"""Who computes: the queue of trials, and the loop that feeds processes and outlives the death of one."""

import warnings
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from pathlib import Path

import pytest
from trials import measure

from resnet_lib.sweep import workers
from resnet_lib.sweep.cache import Cache
from resnet_lib.sweep.trial import Failure, Trial
from resnet_lib.sweep.turns import Turns
from resnet_lib.sweep.workers import Local, Queue, TimeUp


def test_a_worker_that_is_replaced_because_it_has_grown_is_no_news():
    """What loky would write on standard error, and so into a notebook."""
    with workers.Local(1).open():
        warnings.warn("A worker stopped while some jobs were given to the executor. This can be", stacklevel=1)
        with pytest.raises(UserWarning, match="something else"):
            warnings.warn("something else", stacklevel=1)


def plan(*settings: str) -> list[Trial]:
    """Trials that nobody runs: the tests say what becomes of them."""
    return [Trial(measure, (), name, (0,), f"{i:064x}", None) for i, name in enumerate(settings)]  # pyright: ignore[reportArgumentType]


class Contested(Turns):
    """Turns of which another process has some."""

    def __init__(self, cache: Cache, *theirs: str):
        super().__init__(cache)
        self.theirs, self.given_back = set(theirs), []

    def take(self, name: str) -> bool:
        return name not in self.theirs

    def give_back(self, name: str) -> None:
        self.given_back.append(name)


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    found = Cache(tmp_path, "noise")
    found.require_writable()
    return found


def test_a_queue_postpones_what_others_compute_and_skips_what_they_have_kept(kept: Cache):
    a, b, c = plan("a", "b", "c")
    told: list[int] = []
    turns = Contested(kept, a.key)
    with turns:
        queue = Queue([a, b, c], kept, turns, lambda: told.append(1))
        assert queue.take() == b
        assert queue.take() == c
        assert queue.take() is None  # another process is at work on the first
        assert queue
        turns.theirs.clear()
        kept.path(a.key).touch()  # and has kept it
        assert queue.take() is None
        assert not queue
    assert told == [1]
    assert turns.given_back == [a.key]


def test_alone_waits_for_what_others_are_computing(kept: Cache, monkeypatch: pytest.MonkeyPatch):
    a, b = plan("a", "b")
    monkeypatch.setattr(workers, "outcome", lambda trial: trial.setting.encode())
    turns = Contested(kept, a.key)
    with turns:
        monkeypatch.setattr(workers.time, "sleep", lambda seconds: turns.theirs.clear())
        found = list(workers.alone(Queue([a, b], kept, turns, lambda: None)))
    assert found == [(b, b"b"), (a, b"a")]


class Inline(Executor):
    """Computes at once; what is called `kills` takes the executor with it."""

    def __init__(self):
        self.broken = False

    def submit(self, function, trial, limit):  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.broken:
            raise BrokenExecutor
        future: Future = Future()
        if trial.setting == "kills":
            self.broken = True
            future.set_exception(BrokenExecutor("exit codes of the workers are {EXIT(3)}\n"))
        elif trial.setting == "raises":
            future.set_exception(OSError("could not be sent"))
        else:
            future.set_result(function(trial, limit))
        return future


class Fragile(Local):
    """A pool of three such places, opened anew where it has broken."""

    opened = 0

    @contextmanager
    def open(self) -> Iterator:
        type(self).opened += 1
        yield Inline(), lambda: 3


def test_where_a_process_dies_the_one_that_kills_again_has_failed_and_the_others_have_not(
    kept: Cache, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(workers, "outcome", lambda trial, limit: f"{trial.setting} {limit}".encode())
    monkeypatch.setattr(Fragile, "opened", 0)
    trials = plan("a", "kills", "b", "raises", "c")
    with Contested(kept) as turns:
        found = dict(workers.together(Queue(trials, kept, turns, lambda: None), Fragile(3), limit=2.0))
    assert set(found) == set(trials)
    good = {trial.setting: outcome for trial, outcome in found.items() if isinstance(outcome, bytes)}
    assert good == {name: f"{name} 2.0".encode() for name in "abc"}
    bad = {trial.setting: outcome for trial, outcome in found.items() if isinstance(outcome, Failure)}
    assert "its worker process died twice" in bad["kills"].traceback
    assert "for longer than the time limit of 2 s {EXIT(3)}" in bad["kills"].traceback
    assert "OSError: could not be sent" in bad["raises"].traceback
    assert Fragile.opened >= 3


def test_where_the_time_is_up_nothing_more_is_waited_for(kept: Cache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "outcome", lambda trial, limit: b"")
    with Contested(kept) as turns, pytest.raises(TimeUp):
        list(workers.together(Queue(plan("a", "b"), kept, turns, lambda: None), Fragile(3), until=0.0))
