"""This module runs an experiment's grid of trials, in parallel and resumably, to the same table however it came about.

It joins other modules: `trial` says what a unit of work is, `workers` who computes it, `cache` keeps it, and `table`
puts the table together.
"""

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import joblib
import torch

from resnet_lib import files, runtime
from resnet_lib.files import Damaged
from resnet_lib.sweep import progress, provenance, results, source, workers
from resnet_lib.sweep.cache import Cache
from resnet_lib.sweep.experiment import Experiment, Grid
from resnet_lib.sweep.key import as_json
from resnet_lib.sweep.provenance import Result, Stamp
from resnet_lib.sweep.signals import on_termination
from resnet_lib.sweep.table import join
from resnet_lib.sweep.trial import Basis, Failure, Trial, data_provenance, hardware, trials
from resnet_lib.sweep.turns import Turns
from resnet_lib.sweep.workers import Cluster, Local, TimeUp

__all__ = ["SweepError", "Terminated", "Unfinished", "older", "run", "stored"]


class SweepError(RuntimeError):
    """Trials have failed; all others are kept.

    Attributes:
        failures: The trials that raised, in the order of the grid.
    """

    def __init__(self, message: str, failures: Sequence[Failure] = ()):
        super().__init__("\n\n".join((message, *map(str, failures))))
        self.failures = tuple(failures)


class Unfinished(RuntimeError):
    """The time that was given is over; what is done is kept."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM); it stops as for Ctrl-C."""


def run(
    experiment: Experiment,
    preset: str = "quick",
    *,
    workers: int | None = None,
    device: str = "cpu",
    scheduler: str | None = None,
    limit: float | None = None,
    budget: float | None = None,
    cache: Path | None = None,
    progress: bool = True,
    root: Path | None = None,
) -> Result:
    """Run the trials that are missing, and put all of them together in the order of the grid.

    The table is bit-identical for any number of workers and any order in which they finish, on this machine or a
    cluster of such machines, and after any interruption: each trial that is done is kept at once. Several processes
    may run the same sweep with the same cache at once; they share its trials, and each is computed by one of them.

    Args:
        experiment: What to run.
        preset: Its grid, `quick` or `full`.
        workers: Processes; None for one per core. One, or a device other than the CPU, computes in this process.
        device: Of `runtime.device`; for trials that take one.
        scheduler: Address of a Dask scheduler, whose workers compute instead of this machine; on a device other than
            the CPU those with the resource GPU.
        limit: Seconds for each trial; one that takes longer has failed. None for no limit.
        budget: Seconds for all of it.
        cache: Where finished trials are kept; None for the user's cache folder.
        progress: Whether to show a bar (only in terminals and notebooks).
        root: The book's folder, for the stored FULL result; None to look for it from the working folder.

    Returns:
        The table (columns for the fields of the setting that hold one value, then the trial's own) with its stamp; for
        `quick` with the stored FULL result, where there is one.

    Raises:
        SweepError: Where trials have failed, after all others have been run and kept.
        Unfinished: Where the budget was not enough.
        CacheError: Where finished trials cannot be kept; before any is run.
        ConnectionError: Where there is no such scheduler.
        ResultError: Where the stored FULL result is damaged; before any is run.
        RuntimeError: Where the source has changed since it was imported.

    Example:
        >>> import tempfile
        >>> from resnet_lib.experiments.stability_of_the_step.methods import COMPARISON
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = run(COMPARISON, workers=1, cache=Path(folder), progress=False)
        >>> found.stamp.command, len(found.table.groupby("field"))
        ('resnet-lib run stability-methods --preset quick', 4)
    """
    until = None if budget is None else time.monotonic() + budget
    grid = experiment.grid(preset)
    for name, value in {"workers": workers, "limit": limit, "budget": budget}.items():
        if value is not None and value <= 0:
            raise ValueError(f"{name}={value} must be {'at least 1' if name == 'workers' else 'positive'}, or None")
    if source.digest_as_imported(*experiment.roots) != source.digest(*experiment.roots):
        raise RuntimeError(
            f"the source of {experiment.name} has changed since it was imported; restart Python (the kernel)"
        )
    place = _place(device, scheduler)
    basis = Basis.of(experiment, str(place), grid)
    full = _stored_nearby(experiment, root) if preset == "quick" else None
    pool = None
    if scheduler:
        pool = Cluster(scheduler, {} if basis.device == "cpu" else {"GPU": 1.0})
    elif (count := 1 if basis.device != "cpu" else workers or joblib.cpu_count()) > 1 or limit or budget:
        pool = Local(count)

    kept, title = Cache(cache, experiment.name), _title(experiment, grid)
    plan = list(trials(experiment, grid, basis))  # some 200 bytes each, and a key takes longer than to keep it
    _compute(plan, kept, title, pool, limit=limit, until=until, show=progress)
    totals: dict[str, Any] = {"seconds": 0.0, "created": "", "peak_memory": 0, "device": set()}
    table = _joined(plan, kept, totals)
    commit, dirty = provenance.commit()
    stamp = Stamp(
        experiment=experiment.name,
        preset=preset,
        command=f"resnet-lib run {experiment.name} --preset {preset}",
        commit=commit,
        dirty=dirty,
        source=basis.source,
        data={key: text for name in experiment.datasets(grid) for key, text in data_provenance(name).items()},
        settings=[as_json(setting) for setting in grid.settings],
        seeds=list(grid.seeds),
        versions=provenance.versions(),
        device=", ".join(sorted(totals.pop("device"))) or hardware(torch.device(basis.device)),
        **totals,
    )
    return Result(table, stamp, full, agrees=experiment.agrees)


def stored(experiment: Experiment, root: Path) -> Result | None:
    """The stored FULL result of an experiment, `stale` where it is `older` than what would be computed today.

    Example:
        >>> from resnet_lib.experiments.stability_of_the_step.methods import COMPARISON
        >>> stored(COMPARISON, files.root()).stamp.preset
        'full'
    """
    result = results.read(experiment.name, root)
    if result is None:
        return None
    stale = bool(older(experiment, result.stamp, root))
    return Result(result.table, result.stamp, stale=stale, agrees=experiment.agrees)


def older(experiment: Experiment, stamp: Stamp, root: Path) -> list[str]:
    """The changes since a FULL result was computed, in words: of the source that its trial reaches, of its grid.

    Example:
        >>> from dataclasses import replace
        >>> from resnet_lib.experiments.stability_of_the_step.methods import COMPARISON
        >>> more = replace(COMPARISON, full=replace(COMPARISON.full, seeds=(0, 1)))
        >>> older(more, stored(COMPARISON, files.root()).stamp, files.root())[-1]
        'the grid has changed'
    """
    grid, today = experiment.full, source.digest(*experiment.roots)
    same = stamp.source == today or (experiment.name, stamp.source, today) in results.same_sources(root)
    reasons = [] if same else ["the source has changed"]
    if stamp.settings != [as_json(setting) for setting in grid.settings] or stamp.seeds != list(grid.seeds):
        reasons.append("the grid has changed")
    return reasons


def _stored_nearby(experiment: Experiment, root: Path | None) -> Result | None:
    with contextlib.suppress(FileNotFoundError):  # run outside of the book, where nothing is stored
        return stored(experiment, root or files.root())
    return None


def _place(device: str, scheduler: str | None) -> torch.device:
    """The device; on a cluster one that this machine need not have."""
    if scheduler is None:
        return runtime.device(device)
    if device == "auto":
        raise ValueError("device='auto' would be this machine's; name that of the workers: cpu or cuda")
    return torch.device(device)


def _title(experiment: Experiment, grid: Grid) -> str:
    settings, seeds = len(grid.settings), len(grid.seeds)
    return f"{experiment.name}: {settings} setting{'s' * (settings > 1)} × {seeds} seed{'s' * (seeds > 1)}"


def _compute(
    plan: Sequence[Trial],
    cache: Cache,
    title: str,
    pool: Local | Cluster | None,
    *,
    limit: float | None,
    until: float | None,
    show: bool,
) -> None:
    """Compute and keep what is missing."""
    total, kept, notices = len(plan), 0, []
    for trial in plan:
        try:
            kept += cache.read(trial.key) is not None
        except Damaged as damage:
            notices.append((trial.key, damage))
    if total > kept:
        cache.require_writable()
    if total - kept < 2 and isinstance(pool, Local) and limit is until is None:
        pool = None
    failures: dict[str, Failure] = {}
    with progress.meter(title, total=total, cached=kept, show=show) as meter:
        for name, damage in notices:
            meter.notice(f"damaged cache entry, computed again: {damage}; the file is now {cache.set_aside(name)}")
        if total == kept:
            return
        try:
            with Turns(cache) as turns, _terminable():
                queue = workers.Queue(_without_file(plan, cache), cache, turns, meter.finished)
                outcomes = workers.together(queue, pool, limit=limit, until=until) if pool else workers.alone(queue)
                with contextlib.closing(outcomes):
                    for trial, outcome in outcomes:
                        if isinstance(outcome, Failure):
                            failures[trial.key] = outcome
                        else:
                            cache.write(trial.key, outcome)
                        turns.give_back(trial.key)
                        meter.finished(failed=trial.key in failures)
        except (KeyboardInterrupt, TimeUp, CancelledError) as stop:
            told = f"{sum(trial.key in cache for trial in plan)} of {total} trials are kept; run it again to continue"
            if isinstance(stop, TimeUp):
                raise Unfinished(f"{title}. The time is up; {told}") from None
            if isinstance(stop, CancelledError):
                raise SweepError(f"{title}. The cluster has dropped the trials; {told}") from stop
            stop.add_note(told)
            raise
    if failures:
        told = f"{len(failures)} of {total} trials failed; the other {total - len(failures)} are kept"
        raise SweepError(f"{title}. {told}", [failures[t.key] for t in plan if t.key in failures])


def _without_file(plan: Sequence[Trial], cache: Cache) -> Iterator[Trial]:
    return (trial for trial in plan if trial.key not in cache)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM stop as Ctrl-C does, where nobody else has said what it does."""

    def stop(*_: object) -> None:
        raise Terminated(signal.SIGTERM)

    with on_termination(stop):
        yield


def _joined(plan: Sequence[Trial], cache: Cache, totals: dict[str, Any]) -> Any:
    """The table of all entries; what they took is added to `totals`."""

    def entries() -> Iterator[Any]:
        for trial in plan:
            entry = cache.read(trial.key)
            if entry is None:
                raise Damaged(f"{cache.path(trial.key)} has been removed since the sweep began; run it again")
            totals["seconds"] += entry.seconds
            totals["created"] = max(totals["created"], entry.created)
            totals["peak_memory"] = max(totals["peak_memory"], entry.peak_memory)
            totals["device"] |= {entry.device} - {""}
            yield entry.columns

    return join((trial.setting for trial in plan), entries())
