"""What the sweep costs beside the computation: `python -m benchmarks.overhead`.

The peer is the plain loop over the trials. Times are the best of several rounds, in turns: on a busy machine the others
measure the machine. Memory is that of Python's own allocator, which does not depend on what else runs.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from resnet_lib import runtime, sweep
from resnet_lib.sweep import Experiment, Grid, backlog
from resnet_lib.sweep.trial import Basis, trials


@dataclass(frozen=True)
class Pause:
    """A trial of that many seconds; the number tells the trials apart."""

    number: int
    seconds: float = 0.0
    width: int = 64
    name: str = "residual"


def pause(setting: Pause, seeds: Sequence[int]) -> pd.DataFrame:
    """Wait, and return one row per seed."""
    time.sleep(setting.seconds)
    return pd.DataFrame({"seed": list(seeds), "value": [setting.number + seed / 7 for seed in seeds], "kind": "pause"})


def experiment(settings: int, seeds: int, seconds: float = 0.0) -> Experiment:
    grid = Grid(tuple(Pause(i, seconds) for i in range(settings)), tuple(range(seeds)), 1)
    return Experiment("overhead", pause, grid, grid)


def loop(grid: Grid) -> pd.DataFrame:
    """The peer."""
    with runtime.numerics():
        tables = [pause(setting, seeds) for setting, seeds in itertools.product(grid.settings, grid.groups)]
    return pd.concat(tables, ignore_index=True)


def best(rounds: int, *sides: Callable[[], object]) -> list[float]:
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, found in zip(sides, times, strict=True):
            started = time.perf_counter()
            side()
            found.append(time.perf_counter() - started)
    return [min(found) for found in times]


def cached(folder: Path, rounds: int) -> None:
    found = experiment(100, 10)
    run = lambda: sweep.run(found, workers=1, cache=folder, progress=False)  # noqa: E731
    run()
    (seconds,) = best(rounds, run)
    print(f"1,000 cached trials: {seconds:.2f} s, {1000 * seconds / 1000:.2f} ms each (at most 5 ms)")


def computed(folder: Path, rounds: int, workers: int) -> None:
    number = itertools.count()
    found = experiment(10 * workers, 1, seconds=1.0)

    def run() -> None:
        sweep.run(found, workers=workers, cache=folder / str(next(number)), progress=False)

    run()  # starts the worker processes
    ours, peer = best(rounds, run, lambda: loop(found.quick))
    bare = peer / workers
    print(f"{10 * workers} trials of 1 s with {workers} worker(s): {ours:.3f} s, bare {bare:.3f} s", end=", ")
    print(f"{100 * (ours / bare - 1):.1f}% more (at most 3%)")


def listed(folder: Path, settings: int = 1000, seeds: int = 100) -> None:
    found = experiment(settings, seeds)
    kept = folder / "overhead"
    kept.mkdir(parents=True)
    for trial in trials(found, found.full, Basis.of(found, "cpu", found.full)):
        (kept / f"{trial.key}.npz").touch()
    items: list[backlog.Item] = []
    (seconds,) = best(2, lambda: items.append(backlog.survey(found, "full", folder, cache=folder)))
    print(f"{items[0].kept:,} cached trials listed in {seconds:.2f} s (less than 5 s)")


def memory(folder: Path) -> None:
    peaks, tables = [], []
    counts = (500, 5000)
    for count in counts:
        found = experiment(count // 10, 10)
        run = lambda found=found: sweep.run(found, workers=1, cache=folder, progress=False)  # noqa: E731
        run()
        tracemalloc.start()
        result = run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        tables.append(result.table.memory_usage(deep=True).sum())
    more = counts[1] - counts[0]
    grown, table = ((b - a) / more for a, b in (peaks, tables))
    print(f"memory: {grown:.0f} bytes more a trial, of which the table has {table:.0f}; peak {peaks[1] / 1e6:.1f} MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cached(folder / "cached", rounds)
        listed(folder / "listed")
        memory(folder / "memory")
        for workers in (1, 2):
            computed(folder / f"computed-{workers}", min(rounds, 2), workers)


if __name__ == "__main__":
    from benchmarks import overhead  # whose trial worker processes can import, which that of __main__ is not

    overhead.main()
