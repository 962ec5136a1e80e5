"""Events to wait for and clocks that a test moves, so that no test depends on how fast the machine is."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 240.0
"""Seconds after which something hangs. A guard for whoever waits in front of the screen; no test is about it."""


def wait_for(
    what: str, happened: Callable[[], T], *, instead: Callable[[], object] = lambda: None, every: float = 0.01
) -> T:
    """Return what `happened` says once that is true.

    Args:
        what: What is waited for, in words.
        happened: Asked again and again.
        instead: Says (truly) what has happened in place of it, so that there is nothing to wait for any more.
        every: Seconds between two questions: more where a question costs as much as what is waited for.
    """
    ends = time.monotonic() + PATIENCE
    while not (found := happened()):
        if other := instead():
            raise AssertionError(f"waited for {what}; instead: {other}")
        if time.monotonic() > ends:
            raise AssertionError(f"waited {PATIENCE:g} s for {what}")
        time.sleep(every)
    return found


class Clock:
    """Stands in for the module `time` in a module that measures: moves on by `step` seconds when it is looked at."""

    def __init__(self, step: float = 0.0):
        self.now, self.step = 0.0, step

    def perf_counter(self) -> float:
        self.now += self.step
        return self.now

    process_time = perf_counter


def longer(seconds: float) -> Iterator[float]:
    """Time limits to try, one after the other, where something has to be *begun* within a limit to be stopped by it.

    A machine that is too slow for one of them is fast enough for another; what is wrong is wrong under all of them.
    """
    while seconds < 300:
        yield seconds
        seconds *= 4
