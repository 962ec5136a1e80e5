"""Time of work that a trial found done, which counts as if the trial had done it itself. Knows no trial."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_running: ContextVar[list[float] | None] = ContextVar("running", default=None)


@contextmanager
def counting() -> Iterator[list[float]]:
    """The times in seconds that `found` is told in this thread meanwhile."""
    times: list[float] = []
    token = _running.set(times)
    try:
        yield times
    finally:
        _running.reset(token)


def found(seconds: float) -> None:
    """Say that work of so many seconds was found done; of no effect where nobody counts."""
    times = _running.get()
    if times is not None:
        times.append(seconds)
