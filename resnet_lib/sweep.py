"""Run an experiment's grid of trials: in parallel, kept one by one, resumable, the same table however it came about.

The unit of work is a setting with a group of seeds. What a trial returns is decided by its key: the setting, the seeds,
the data, the source code that it reaches, the versions of what it computes with, and the kind of device.
"""

import contextlib
import functools
import itertools
import os
import platform
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import pandas as pd
import torch

from resnet_lib import data, progress, provenance, results, runtime, source
from resnet_lib.cache import Cache, Columns, Damaged, Entry, columns, decode, encode, key
from resnet_lib.grid import SCALARS, Experiment, Grid, as_json, join
from resnet_lib.provenance import Result, Stamp
from resnet_lib.results import store

__all__ = ["Experiment", "Failure", "Grid", "SweepError", "run", "store", "stored"]


@dataclass(frozen=True)
class Failure:
    """A trial that raised, and its traceback."""

    setting: Any
    seeds: tuple[int, ...]
    traceback: str

    def __str__(self) -> str:
        return f"{self.setting}, seeds {', '.join(map(str, self.seeds))}:\n{self.traceback}"


class SweepError(RuntimeError):
    """Trials have failed; all others are kept.

    Attributes:
        failures: The trials that raised, in the order of the grid.
    """

    def __init__(self, message: str, failures: Sequence[Failure] = ()):
        super().__init__("\n\n".join((message, *map(str, failures))))
        self.failures = tuple(failures)


class Trial(NamedTuple):
    """A unit of work, as it is sent to another process."""

    function: Callable[..., pd.DataFrame]
    roots: tuple[Callable, ...]
    setting: Any
    seeds: tuple[int, ...]
    key: str
    source: str
    device: str | None


def run(
    experiment: Experiment,
    preset: str = "quick",
    *,
    workers: int | None = None,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
    root: Path | None = None,
) -> Result:
    """Run the trials that are missing, and put all of them together in the order of the grid.

    The table is bit-identical for any number of workers and any order in which they finish, and after any interruption:
    each trial that is done is kept at once.

    Args:
        experiment: What to run.
        preset: Its grid, `quick` or `full`.
        workers: Processes; None for one a core. One, or a device other than the CPU, computes in this process.
        device: Of `runtime.device`; for trials that take one.
        cache: Where finished trials are kept; None for the user's cache folder.
        progress: Whether to show a bar (only in terminals and notebooks).
        root: The book's folder, for the stored FULL result; None to look for it from the working folder.

    Returns:
        The table (columns for the fields of the setting that hold one value, then the trial's own) with its stamp; for
        `quick` with the stored FULL result, where there is one.

    Raises:
        SweepError: Where trials have failed, after all others have been run and kept.
        CacheError: Where finished trials cannot be kept; before any is run.
        ResultError: Where the stored FULL result is damaged; before any is run.
        RuntimeError: Where the source has changed since it was imported.
    """
    grid = experiment.grid(preset)
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} must be at least 1; None uses one a core")
    if (digest := source.digest_as_imported(*experiment.roots)) != source.digest(*experiment.roots):
        raise RuntimeError(
            f"the source of {experiment.name} has changed since it was imported; restart Python (the kernel)"
        )
    place = runtime.device(device) if experiment.takes_device else torch.device("cpu")
    workers = 1 if place.type != "cpu" else workers or joblib.cpu_count()
    checksums = {name: data.checksum(name) for name in experiment.data}
    full = _stored_nearby(experiment, root) if preset == "quick" else None

    trials = list(_trials(experiment, grid, digest, checksums, place))
    entries = _compute(trials, workers, Cache(cache, experiment.name), _title(experiment, grid), show=progress)
    done = [entries[trial.key] for trial in trials]
    commit, dirty = provenance.commit()
    stamp = Stamp(
        experiment=experiment.name,
        preset=preset,
        command=f"resnet-lib run {experiment.name} --preset {preset}",
        commit=commit,
        dirty=dirty,
        source=digest,
        data={key: text for name in experiment.data for key, text in data.provenance(name).items()},
        settings=[as_json(setting) for setting in grid.settings],
        seeds=list(grid.seeds),
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else f"{place.type} ({platform.machine()})",
        versions=provenance.versions(),
        seconds=sum(entry.seconds for entry in done),
        created=max(entry.created for entry in done),
        peak_memory=max(entry.peak_memory for entry in done),
    )
    table = join([trial.setting for trial in trials], [entry.columns for entry in done])
    return Result(table, stamp, full)


def stored(experiment: Experiment, root: Path) -> Result | None:
    """The stored FULL result of an experiment, `stale` where the source that its trial reaches is not that of today."""
    result = results.read(experiment.name, root)
    if result is None:
        return None
    return Result(result.table, result.stamp, stale=result.stamp.source != source.digest(*experiment.roots))


def _stored_nearby(experiment: Experiment, root: Path | None) -> Result | None:
    with contextlib.suppress(FileNotFoundError):  # run outside of the book, where nothing is stored
        return stored(experiment, root or provenance.root())
    return None


def _title(experiment: Experiment, grid: Grid) -> str:
    settings, seeds = len(grid.settings), len(grid.seeds)
    return f"{experiment.name}: {settings} setting{'s' * (settings > 1)} × {seeds} seed{'s' * (seeds > 1)}"


def _trials(
    experiment: Experiment, grid: Grid, digest: str, checksums: dict[str, str], place: torch.device
) -> Iterator[Trial]:
    versions = provenance.versions()
    versions["python"] = versions["python"].rpartition(".")[0]
    function = f"{experiment.trial.__module__}:{experiment.trial.__qualname__}"
    for setting, seeds in itertools.product(grid.settings, grid.groups):
        parts = {"trial": function, "setting": as_json(setting), "seeds": seeds, "device": place.type}
        name = key(parts | {"source": digest, "data": checksums, "versions": versions})
        takes = str(place) if experiment.takes_device else None
        yield Trial(experiment.trial, experiment.roots, setting, seeds, name, digest, takes)


def _compute(trials: Sequence[Trial], workers: int, cache: Cache, title: str, *, show: bool) -> dict[str, Entry]:
    """The entries of all trials by their keys: those that are kept, and those that were missing, which are kept now."""
    entries: dict[str, Entry] = {}
    notices = {}
    for trial in trials:
        try:
            entry = cache.read(trial.key)
        except Damaged as damage:
            entry, notices[trial.key] = None, damage
        if entry is not None:
            entries[trial.key] = entry
    missing = [trial for trial in trials if trial.key not in entries]
    if missing:
        cache.require_writable()
    failures: dict[str, Failure] = {}
    with progress.meter(title, total=len(trials), cached=len(entries), show=show) as meter:
        for name, damage in notices.items():
            meter.notice(f"damaged cache entry, computed again: {damage}; the file is now {cache.set_aside(name)}")
        try:
            with contextlib.closing(_outcomes(missing, workers)) as outcomes:
                for name, outcome in outcomes:
                    if isinstance(outcome, Failure):
                        failures[name] = outcome
                    else:
                        cache.write(name, outcome)
                        entries[name] = decode(outcome, name)
                    meter.finished(failed=name in failures)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"{len(entries)} of {len(trials)} trials are kept; run it again to continue")
            raise
        except BrokenProcessPool as error:
            message = f"{len(entries)} of {len(trials)} trials are kept; run it again to continue, with fewer workers"
            raise SweepError(f"a worker process died, perhaps for lack of memory; {message} ({error})") from error
    if failures:
        message = f"{title}. {len(failures)} of {len(trials)} trials failed; the other {len(entries)} are kept"
        raise SweepError(message, [failures[trial.key] for trial in missing if trial.key in failures])
    return entries


def _outcomes(trials: Sequence[Trial], workers: int) -> Generator[tuple[str, bytes | Failure], None, None]:
    """What the trials come to, as they finish. Other ways of distributing them belong here."""
    if min(len(trials), workers) < 2:
        yield from map(_outcome, trials)
        return
    # One trial a batch, so that each is kept as soon as it is done. The workers stay for this process's next sweep.
    options: dict[str, Any] = {"return_as": "generator_unordered", "batch_size": 1, "max_nbytes": None}
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        outcomes: Any = joblib.Parallel(n_jobs=workers, **options)(
            joblib.delayed(_worker)(trial, os.getpid()) for trial in trials
        )
    try:
        yield from outcomes
    finally:
        with warnings.catch_warnings(action="ignore"):  # joblib tells that it stops early
            outcomes.close()


def _worker(trial: Trial, parent: int) -> tuple[str, bytes | Failure]:
    """Run one trial in another process, which ends with its parent: killed, that could not stop its workers."""
    _end_with(parent)
    return _outcome(trial)


@functools.cache
def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _outcome(trial: Trial) -> tuple[str, bytes | Failure]:
    """Run one trial; whatever it raises is its outcome."""
    try:
        if source.digest_as_imported(*trial.roots) != trial.source:
            raise RuntimeError(
                "the source has changed since the sweep or its workers were started; restart Python (the kernel)"
            )
        started = time.perf_counter()
        device = {} if trial.device is None else {"device": torch.device(trial.device)}
        with runtime.numerics():
            table = trial.function(trial.setting, trial.seeds, **device)
        seconds = time.perf_counter() - started
        created = datetime.now(UTC).isoformat(timespec="seconds")
        entry = Entry(_checked(table, trial), seconds, created, _peak_memory())
        return trial.key, encode(entry, trial.key)
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        return trial.key, Failure(trial.setting, trial.seeds, text)


def _checked(table: object, trial: Trial) -> Columns:
    """The columns of what a trial has returned."""
    name = trial.function.__qualname__
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} returned {type(table).__name__}; a trial returns a pandas.DataFrame")
    if table.empty or "seed" not in table or not set(table["seed"]) <= set(trial.seeds):
        raise ValueError(
            f"{name} returned {len(table)} rows with the columns {list(table.columns)}; a trial returns at least one "
            f"row, and a column 'seed' with values of {trial.seeds}"
        )
    for field in fields(trial.setting):
        value = getattr(trial.setting, field.name)
        if field.name in table and isinstance(value, SCALARS) and set(table[field.name]) != {value}:
            raise ValueError(
                f"{name} returned a column {field.name!r} that differs from the setting's field; rename it"
            )
    return columns(table)


def _peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes; 0 where the system does not tell (Windows)."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
