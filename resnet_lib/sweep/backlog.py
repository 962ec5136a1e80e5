"""The backlog says what is computed, what is missing or older than the code, what it would cost, and what is first."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_lib.files import Damaged
from resnet_lib.sweep import results, runner
from resnet_lib.sweep.cache import Cache
from resnet_lib.sweep.experiment import Experiment, Grid
from resnet_lib.sweep.trial import Basis, trials

SAMPLE = 10  # finished trials whose times are looked up
DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True)
class Item:
    """One grid of an experiment, and how far it is.

    Attributes:
        experiment: Whose grid.
        preset: Which grid.
        device: Kind of device that most of its finished trials were computed on.
        total: How many trials it has.
        kept: How many of them are in the cache, for today's source.
        state: `current`, `older`, `missing`, `refused` (a damaged result) or `blocked` (it has no data here).
        why: That in words.
        seconds: Time of one trial; None where nobody has measured one.
        source: Where that time comes from.
        claims: How many claims are judged on the experiment.
    """

    experiment: Experiment
    preset: str
    device: str
    total: int
    kept: int
    state: str
    why: str
    seconds: float | None
    source: str
    claims: int

    @property
    def left(self) -> float | None:
        """Seconds of one processor that the missing trials take."""
        missing = 0 if self.state == "current" else self.total - self.kept
        return 0.0 if not missing else None if self.seconds is None else missing * self.seconds


def survey(
    experiment: Experiment,
    preset: str,
    root: Path,
    *,
    cache: Path | None = None,
    device: str | None = None,
    claims: int = 0,
) -> Item:
    """The grid of an experiment, and how far it is.

    Args:
        experiment: Whose grid.
        preset: Which grid.
        root: The book's folder, for the stored FULL result.
        cache: Where finished trials are kept; None for the user's cache folder.
        device: Kind of device whose trials count; None for the one with most of them.
        claims: How many claims are judged on it.
    """
    grid, kept = experiment.grid(preset), Cache(cache, experiment.name)
    total = len(grid.settings) * len(grid.groups)
    state, why = _state(experiment, root) if preset == results.PRESET else ("missing", "")
    kinds = (device,) if device else DEVICES if experiment.takes_device else ("cpu",)
    try:
        counts = {kind: _count(experiment, grid, kind, kept) for kind in kinds}
    except ValueError as absent:  # a dataset that nobody has fetched
        return Item(experiment, preset, kinds[0], total, 0, "blocked", str(absent), None, "", claims)
    best = max(counts, key=lambda kind: counts[kind])
    if preset != results.PRESET and counts[best] == total:
        state = "current"
    seconds, source = _time(experiment, grid, best, kept, root)
    return Item(experiment, preset, best, total, counts[best], state, why, seconds, source, claims)


def first(items: Iterable[Item], seconds: float | None, workers: int = 1) -> Item | None:
    """The grid to compute next: of those that fit the time, that with the most claims for the time.

    What has never been timed comes after what is known to fit, and what does not fit comes last: its finished trials,
    and the checkpoints of its unfinished ones, are there when it is continued.

    Args:
        items: What there is to choose from.
        seconds: Time that is left; None for no end.
        workers: Trials that are computed at once.
    """

    def rank(item: Item) -> tuple[int, float, float]:
        value = item.claims or 0.5  # what no claim is judged on, such as a tuning, serves others
        if item.left is None:
            return 1, -value, 0.0
        wall = item.left / workers
        return 2 * (seconds is not None and wall > seconds), -value / max(wall, 1e-3), wall

    return min((item for item in items if item.state not in ("current", "blocked")), key=rank, default=None)


def _state(experiment: Experiment, root: Path) -> tuple[str, str]:
    try:
        stored = runner.stored(experiment, root)
    except results.ResultError as error:
        return "refused", str(error)
    if stored is None:
        return "missing", ""
    reasons = runner.older(experiment, stored.stamp, root)
    return ("older", f"{' and '.join(reasons)} since {stored.stamp.commit[:7]}") if reasons else ("current", "")


def _count(experiment: Experiment, grid: Grid, kind: str, kept: Cache) -> int:
    return sum(trial.key in kept for trial in trials(experiment, grid, Basis.of(experiment, kind, grid)))


def _time(experiment: Experiment, grid: Grid, kind: str, kept: Cache, root: Path) -> tuple[float | None, str]:
    """Mean seconds of a trial: of those that are kept, of the stored result, or else of the QUICK ones on such data."""
    if known := _sampled(experiment, grid, kind, kept):
        return known, "measured"
    try:
        if (stored := results.read(experiment.name, root)) is not None and grid is experiment.full:
            stamp = stored.stamp
            each = stamp.seconds / (len(stamp.settings) * len(stamp.seeds))
            return each * len(grid.seeds) / len(grid.groups), "stored result"
    except results.ResultError:
        pass
    alike = grid is not experiment.quick and grid.data == experiment.quick.data  # other data, other networks
    if alike and (known := _sampled(experiment, experiment.quick, kind, kept)):
        return known, "as QUICK"
    return None, "never timed"


def _sampled(experiment: Experiment, grid: Grid, kind: str, kept: Cache) -> float | None:
    found: list[float] = []
    plan = (trial for trial in trials(experiment, grid, Basis.of(experiment, kind, grid)) if trial.key in kept)
    for trial in itertools.islice(plan, SAMPLE):
        try:
            entry = kept.read(trial.key)
        except Damaged:
            continue
        found += [entry.seconds] if entry else []
    return sum(found) / len(found) if found else None


def duration(seconds: float | None) -> str:
    """Seconds for people: `40 s`, `12 min`, `3.5 h`.

    Example:
        >>> duration(40.0), duration(720.0), duration(12600.0), duration(None)
        ('40 s', '12 min', '3.5 h', '?')
    """
    if seconds is None:
        return "?"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.{int(seconds < 10 * size)}f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "under 1 s"


def table(items: Sequence[Item], workers: int) -> str:
    """The items as text: one line for each grid, with what is kept of it and what is left to compute."""
    lines = []
    for item in items:
        told = {"blocked": "no data", "missing": "" if item.kept else "not computed"}.get(item.state, item.state)
        cost = "" if item.state in ("current", "blocked") else f"{duration(item.left and item.left / workers)} to go"
        cost += f" ({item.source})" if cost and item.left else ""
        where = f" on {item.device}" if item.kept and item.device != "cpu" else ""
        kept = f"{item.kept} of {item.total} trials{where}"
        lines.append(f"  {item.experiment.name:28} {item.preset:5} {kept:20} {told:12} {cost}".rstrip())
        lines += [f"      {item.why.splitlines()[0]}"] if item.why and item.state != "blocked" else []
    needed = {f"  {item.why}" for item in items if item.state == "blocked"}
    return "\n".join((*lines, *sorted(needed)))


def summary(items: Sequence[Item], workers: int) -> str:
    """All items in one line: how many are in which state, and what is left to compute."""
    known = sum(item.left or 0.0 for item in items) / workers
    counts = Counter("to compute" if item.state in ("missing", "older", "refused") else item.state for item in items)
    untimed = sum(item.left is None for item in items)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    more = f", and {untimed} that were never timed" if untimed else ""
    return f"{len(items)} results: {told}; about {duration(known)} to go with {workers} workers{more}"
