"""Time that a trial takes, with that of work which it found done and which counts as its own. Knows no trial."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_running: ContextVar[list[float] | None] = ContextVar("running", default=None)
_wall: ContextVar[bool] = ContextVar("wall", default=False)


@contextmanager
def counting(device: str = "cpu") -> Iterator[list[float]]:
    """The times in seconds that `found` is told in this thread meanwhile.

    Args:
        device: Type of the device that computes, which decides what `now` counts: a processor's time is that which
            this process has of it, which neither other processes nor waiting for them make longer; any other
            device's is that of the clock on the wall.
    """
    times: list[float] = []
    running, wall = _running.set(times), _wall.set(device != "cpu")
    try:
        yield times
    finally:
        _running.reset(running)
        _wall.reset(wall)


def now() -> float:
    """Seconds by the clock of who is counting, from a moment that means nothing; a processor's where nobody counts."""
    return time.perf_counter() if _wall.get() else time.process_time()


def found(seconds: float) -> None:
    """Say that work of so many seconds was found done; of no effect where nobody counts."""
    times = _running.get()
    if times is not None:
        times.append(seconds)
