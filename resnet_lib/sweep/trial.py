"""A trial is one unit of work: a setting with a group of seeds, its key, and its outcome. It knows no pool of workers.

What a trial returns is decided by its key: the setting, the seeds, the data, the source code that it reaches, the
versions of what it computes with, and the kind of device. Whoever computes it checks that all of this is what the key
says, in this process as in one of another machine.
"""

import contextlib
import faulthandler
import functools
import platform
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import torch

from resnet_lib import runtime
from resnet_lib.data import datasets, releases, shelf, sources
from resnet_lib.sweep import source, spent
from resnet_lib.sweep.cache import Columns, Entry, columns, encode
from resnet_lib.sweep.experiment import Experiment, Grid, takes_device
from resnet_lib.sweep.key import SCALARS, as_json, named, versions

GRACE = 10.0  # seconds, at most, that a trial beyond its time limit has to end by itself
_alone = threading.Lock()  # threads and denormals belong to the process: one trial at a time in each


@dataclass(frozen=True)
class Basis:
    """All that decides, besides setting and seeds, what the trials of a sweep compute.

    Attributes:
        source: `source.digest` of the trial.
        data: Name and checksum of each dataset.
        versions: Name and version of what can change a number.
        device: To compute on, as torch writes it: `cpu`, `cuda`, `cuda:1`.
    """

    source: str
    data: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    device: str

    @classmethod
    def of(cls, experiment: Experiment, device: str, grid: Grid) -> "Basis":
        """The basis of a grid's trials here and now; a trial that takes no device computes on the CPU."""
        device = device if experiment.takes_device else "cpu"
        checksums = tuple((name, data_checksum(name)) for name in experiment.datasets(grid))
        return cls(source.digest(*experiment.roots), checksums, tuple(versions().items()), device)


def data_checksum(name: str) -> str:
    """The checksum of what an experiment names among its data: a dataset, or published weights such as `published-20`.

    Raises:
        ValueError: Where it is not known or not on this machine, or its files were altered.
    """
    return shelf.checksum(name) if name in releases.names() else datasets.checksum(name)


def data_provenance(name: str) -> dict[str, str]:
    """The account of the same for results, with what is said of files that are not the official ones.

    Raises:
        ValueError: As `data_checksum`.
    """
    return {name: shelf.checksum(name)} if name in releases.names() else datasets.provenance(name)


class Trial(NamedTuple):
    """A unit of work, as it is sent to another process."""

    function: Callable[..., pd.DataFrame]
    roots: tuple[Callable, ...]
    setting: Any
    seeds: tuple[int, ...]
    key: str
    basis: Basis
    division: int = 0


@dataclass(frozen=True)
class Failure:
    """A trial that raised, and its traceback."""

    setting: Any
    seeds: tuple[int, ...]
    traceback: str

    def __str__(self) -> str:
        return f"{self.setting}, seeds {', '.join(map(str, self.seeds))}:\n{self.traceback}"


def trials(experiment: Experiment, grid: Grid, basis: Basis) -> Iterator[Trial]:
    """The trials of a grid with their keys, in its order."""
    parts = {"trial": experiment.trial.__qualname__, "data": dict(basis.data)}
    deciding = {"source": basis.source, "versions": dict(basis.versions), "device": basis.device}
    roots, groups = experiment.roots, grid.groups
    for setting in grid.settings:
        parts["setting"] = as_json(setting)
        for number, seeds in enumerate(groups, start=1):
            division = {"division": number} if experiment.divided else {}
            key = named(parts | {"seeds": seeds} | division, **deciding)
            yield Trial(experiment.trial, roots, setting, seeds, key, basis, **division)


def outcome(trial: Trial, limit: float | None = None) -> bytes | Failure:
    """Run one trial: the bytes of its entry in the cache. Whatever it raises is its outcome too, `sys.exit` included.

    Args:
        trial: What to run.
        limit: Seconds after which it is stopped, in a process that does nothing else; None for no limit.
    """
    try:
        _require_same(trial.roots, trial.basis)
        device = torch.device(trial.basis.device)
        options = {"device": device} if takes_device(trial.function) else {}
        division = sources.divided_anew(trial.division)
        with _alone, _limited(limit), runtime.numerics(), division, spent.counting(device.type) as found:
            started = spent.now()
            table = trial.function(trial.setting, trial.seeds, **options)
            seconds = spent.now() - started + sum(found)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return encode(Entry(_checked(table, trial), seconds, created, _peak_memory(), hardware(device)), trial.key)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        return Failure(trial.setting, trial.seeds, text)


def hardware(device: torch.device) -> str:
    """Name of what a device is on this machine, as stamps have it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return runtime.processor() if device.type == "cpu" else f"{device.type} ({platform.machine()})"


@functools.lru_cache(maxsize=64)  # looking up versions and hashing source takes as long as a small trial
def _require_same(roots: tuple[Callable, ...], basis: Basis) -> None:
    if source.digest_as_imported(*roots) != basis.source:
        raise RuntimeError(
            "the source has changed since the sweep or its workers were started; restart Python (the kernel), or, on "
            "a cluster, install the same checkout on every worker and restart it"
        )
    data = tuple((name, data_checksum(name)) for name, _ in basis.data)
    found = {"versions": tuple(versions().items()), "data": data}
    for what, here in found.items():
        if here != getattr(basis, what):
            raise RuntimeError(
                f"the {what} of this worker are {dict(here)}, and the sweep was started with "
                f"{dict(getattr(basis, what))}; install the same on every worker (requirements.txt)"
            )


@contextlib.contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Raise TimeoutError after that time; where the trial does not notice, end the process a little later."""
    if seconds is None:
        yield
        return
    # Only the main thread can be interrupted from outside; elsewhere, as on a Dask worker, the process has to end.
    polite = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    grace = min(GRACE, seconds) if polite else 0.0
    faulthandler.dump_traceback_later(seconds + grace, exit=True, file=sys.__stderr__ or 2)
    if polite:

        def expire(*_: object) -> None:
            raise TimeoutError(f"not done after {seconds:g} s, the time limit; raise it, or look where it hangs above")

        before = signal.signal(signal.SIGALRM, expire)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        if polite:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _checked(table: object, trial: Trial) -> Columns:
    """The columns of what a trial has returned."""
    name = trial.function.__qualname__
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} returned {type(table).__name__}; a trial returns a pandas.DataFrame")
    whole = not table.empty and "seed" in table and pd.api.types.is_integer_dtype(table["seed"])
    if not whole or not set(table["seed"]) <= set(trial.seeds):
        raise ValueError(
            f"{name} returned {len(table)} rows with the columns {list(table.columns)}; a trial returns at least one "
            f"row, and a column 'seed' with values of {trial.seeds}"
        )
    rows = {seed: int((table["seed"] == seed).sum()) for seed in trial.seeds}
    if missing := [seed for seed, count in rows.items() if not count]:
        raise ValueError(
            f"{name} returned no row of the seeds {missing}; a trial returns rows of each of {trial.seeds}, also where "
            "a draw has diverged: NaN is a value"
        )
    if len(set(rows.values())) > 1:
        usual = max(rows.values(), key=list(rows.values()).count)
        other = {seed: count for seed, count in rows.items() if count != usual}
        raise ValueError(
            f"{name} returned another number of rows for some seeds than for the others, which have {usual}: "
            + ", ".join(f"{count} of seed {seed}" for seed, count in other.items())
            + "; a trial measures each seed as often, and NaN is a value"
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
