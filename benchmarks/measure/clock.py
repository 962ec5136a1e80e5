"""How long something takes, on a CPU or a GPU, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import torch


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Wall time of a call, to the end of what it starts on a GPU."""
    finish(device)
    start = time.perf_counter()
    call()
    finish(device)
    return time.perf_counter() - start


def finish(device: torch.device) -> None:
    """Wait for what a GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(
    sides: Mapping[str, Iterator[None]], device: torch.device, *, rounds: int, steps: int = 1
) -> dict[str, list[float]]:
    """Seconds per step of each side, for each round: every side once, then all again.

    On a machine that others use, too, the shortest time is the least disturbed one, and each side meets the same
    disturbance.

    Args:
        sides: Each makes one step at a time; the first step of each, which loads and compiles, does not count.
        device: Where they work.
        rounds: How often each is timed.
        steps: Steps in one timing; on a GPU enough of them that their launch runs ahead, as in a real training.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        next(side)
        next(side)
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(seconds(lambda side=side: [next(side) for _ in range(steps)], device) / steps)
    return times
