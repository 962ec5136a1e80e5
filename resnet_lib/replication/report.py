"""A replication holds a live run of the book against the published outputs and the runs of other machines.

What is published is the reference. A run elsewhere repeats what is exact, to a stated tolerance, and replicates what is
sampled: its numbers agree as samples do, at a rate of false alarms that is fixed for the whole book.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_lib import runtime
from resnet_lib.evidence.ledger import Findings
from resnet_lib.evidence.rules import Rule
from resnet_lib.replication import comparison
from resnet_lib.replication.comparison import Column
from resnet_lib.replication.replicas import Replica, table_of
from resnet_lib.sweep import agreement

ALARM = 1e-3  # probability of a false alarm in a replication of the whole book: half for columns, half for all at once
OTHER_DRAWS, OTHER_TRAINING = 0.3, 0.7  # median correlation over seeds below which the seeds, or the training, differ
SEED = 1999


@dataclass(frozen=True)
class Difference:
    """A verdict that came out otherwise than the published one.

    Attributes:
        claim: Its id.
        published: The published status.
        here: The status of the new run.
        again: How probable the published status is in a fresh run of the same size.
        p: Of the comparison of its values.
    """

    claim: str
    published: str
    here: str
    again: float
    p: float

    def __str__(self) -> str:
        return (
            f"{self.claim} (published: {self.published}, here: {self.here}; a fresh run says {self.published} in "
            f"{self.again:.0%} of cases)"
        )


@dataclass(frozen=True)
class Report:
    """The outcome of a replication.

    Attributes:
        processor: Of the run.
        reference: Of the published outputs.
        verdicts: How many verdicts were compared.
        differing: Those that came out otherwise, within sampling.
        errors: What is no matter of sampling, one sentence each.
        notes: What else there is to say.
        exact: How many columns were compared to a tolerance, each value by itself.
        sampled: How many as samples.
        p: Of all sampled columns together; 1 where there are none.
        correlation: Median over the sampled columns of the correlation over seeds with the published values; or NaN.
        largest: The largest difference of an effect in units of half its 95% interval, and the claim that has it.
    """

    processor: str
    reference: str
    verdicts: int
    differing: tuple[Difference, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...]
    exact: int
    sampled: int
    p: float
    correlation: float
    largest: tuple[float, str]

    def __str__(self) -> str:
        same = self.verdicts - len(self.differing)
        lines = [f"{same} of {self.verdicts} verdicts as published"]
        if self.differing:
            verb = "differs" if len(self.differing) == 1 else "differ"
            told = "; ".join(map(str, self.differing))
            lines[0] += f"; {len(self.differing)} {verb} within sampling: {told}"
        lines.append(
            f"compared on {self.processor} with the reference from {self.reference}: {self.exact} columns to rounding, "
            f"{self.sampled} as samples"
        )
        return "\n".join([*lines, *self.notes])

    @property
    def summary(self) -> dict[str, Any]:
        """For the page that lists the runs."""
        return {
            "reference": self.reference,
            "verdicts": self.verdicts,
            "differing": [asdict(difference) for difference in self.differing],
            "sampled": self.sampled,
            "p": self.p,
            "correlation": None if math.isnan(self.correlation) else self.correlation,
            "largest": list(self.largest),
        }


@dataclass(frozen=True)
class Samples:
    """The findings in the sampled columns of a replication.

    Attributes:
        errors: Differences that sampling does not explain, one sentence each.
        notes: What else there is to say.
        p: Of all columns together; 1 where there are none, or where other seeds were drawn.
        correlation: Median over the columns of the correlation over seeds with the published values; or NaN.
        by_claim: The least p of each claim's columns.
    """

    errors: tuple[str, ...]
    notes: tuple[str, ...]
    p: float
    correlation: float
    by_claim: Mapping[str, float]


def judge(columns: Sequence[Column], *, flips: int = 100_000) -> Samples:
    """Compare sampled columns one by one and all together, at `ALARM` for all of it.

    Where the values hardly correlate with the published ones over seeds, other seeds were drawn: seeds are no blocks
    then, and each column is compared with the published one as an independent sample.

    Args:
        columns: Of a whole book; a part of it has fewer, and a level of its own.
        flips: Of `agreement.shifted_together`.

    Example:
        >>> kept = np.random.default_rng(0).normal(size=(1, 20))
        >>> same, moved = (Column("accuracy", "demo", kept, kept[0] + shift) for shift in (1e-3, 2.0))
        >>> len(judge([same], flips=1000).errors), judge([moved], flips=1000).errors[0].partition(":")[0]
        (0, 'accuracy (demo)')
    """
    known = [r for column in columns if not math.isnan(r := agreement.correlation(column.kept[0], column.fresh))]
    correlation = float(np.median(known)) if known else math.nan
    others = correlation < OTHER_DRAWS
    level = ALARM / 2 / max(len(columns), 1)
    errors, by_claim, p = [], {}, 1.0
    for column in columns:
        pair = column.kept[0] if others else column.kept, column.fresh
        contrast = agreement.pooled(*pair) if others else agreement.blocked(*pair)
        if contrast.p < level:
            errors.append(alarm(column, contrast, level))
        if column.claim:
            by_claim[column.claim] = min(contrast.p, by_claim.get(column.claim, 1.0))
    if columns and not others:
        p = agreement.shifted_together(_standardised(columns), rng=runtime.rng(SEED, "together"), flips=flips)
        if p < ALARM / 2:
            errors.append(
                f"all {len(columns)} sampled columns together: more small differences point one way than another "
                f"machine explains, p = {p:.0e}"
            )
    return Samples(tuple(errors), tuple(_about(correlation)), p, correlation, by_claim)


def _about(correlation: float) -> Iterator[str]:
    """What a correlation over seeds that is too small means."""
    if correlation < OTHER_DRAWS:
        yield (
            f"other draws: over seeds the values hardly correlate with the published ones (median {correlation:.2f}); "
            "they were compared as independent samples"
        )
    elif correlation < OTHER_TRAINING:
        yield (
            f"over seeds the values correlate less with the published ones (median {correlation:.2f}) than those of "
            "other processors do (0.95): another training, or much coarser rounding"
        )


def compare(published: Findings, fresh: Findings, runs: Sequence[Replica], *, roots: tuple[Path, Path]) -> Report:
    """Hold a new run of the book, or of some of its chapters, against the published outputs.

    Args:
        published: The reference, read from the checkout.
        fresh: The new run.
        runs: The kept runs of other machines.
        roots: The folders that hold the figures of the reference and of the new run.

    Example:
        >>> from resnet_lib.evidence.statements import Ledger
        >>> empty = Findings(Ledger(()), {}, {}, {}, ())
        >>> compare(empty, empty, [], roots=(Path(), Path())).errors
        ()
    """
    columns = comparison.sampled_columns(published, fresh, roots, runs)
    samples = judge(columns)
    errors, notes, differing, exact, verdicts, largest = list(samples.errors), list(samples.notes), [], 0, 0, (0.0, "")
    for name, shown in fresh.verdicts.items():
        if name not in published.verdicts:
            notes.append(f"claim {name} is new: nothing is published to compare it with")
            continue
        before, after = published.verdicts[name].record["quick"], shown.record["quick"]
        stored = comparison.stored_errors(published.verdicts[name].record, shown.record)
        errors += [f"claim {name}: {sentence}" for sentence in stored]
        if not before or not after:
            continue
        if why := comparison.other_version(before, after):
            errors.append(f"claim {name}: {why}")
            continue
        verdicts += 1
        wrong, compared = comparison.claim_errors(shown.record, before, after)
        errors += [f"claim {name}: {sentence}" for sentence in wrong]
        exact += compared
        if before["status"] != after["status"] and not wrong:
            again, p = before["same_again"], samples.by_claim.get(name, 1.0)
            differing.append(Difference(name, before["status"], after["status"], again, p))
        if (moved := _in_half_widths(shown.record, before, after)) > largest[0]:
            largest = (moved, name)
    for name, shown in fresh.figures.items():
        if name not in published.figures:
            notes.append(f"figure {name} is new: nothing is published to compare it with")
            continue
        tables = [table_of(root, name) for root in roots]
        wrong, compared = comparison.figure_errors(published.figures[name].record, shown.record, *tables)
        errors += [f"figure {name}: {sentence}" for sentence in wrong]
        exact += compared
    devices = sorted({device for device, _ in published_by(published)})
    return Report(
        processor=runtime.processor(),
        reference=" and ".join(devices) or "nowhere",
        verdicts=verdicts,
        differing=tuple(differing),
        errors=tuple(errors),
        notes=tuple(notes),
        exact=exact,
        sampled=len(columns),
        p=samples.p,
        correlation=samples.correlation,
        largest=largest,
    )


def alarm(column: Column, contrast: agreement.Contrast, level: float) -> str:
    """A sentence about a sampled column that differs by more than sampling explains."""
    return (
        f"{column.where} ({column.experiment}): {contrast.fresh:.4g} on average here, {contrast.kept:.4g} in "
        f"{len(column.kept)} published and kept runs, {contrast.shift:+.1f} standard deviations off; "
        f"p = {contrast.p:.1e}, which below {level:.0e} is no matter of sampling"
    )


def by_claim(published: Findings, fresh: Findings) -> str:
    """One line for each claim of a new run: published and new verdict and effect.

    Example:
        >>> from resnet_lib.evidence.records import Shown
        >>> from resnet_lib.evidence.statements import Ledger
        >>> shown = Shown("demo", {"quick": {"status": "holds", "effect": 0.5}})
        >>> book = Findings(Ledger(()), {}, {"demo.one": shown}, {}, ())
        >>> by_claim(book, book).split()
        ['demo.one', 'published', 'holds', '0.5', 'here', 'holds', '0.5']
    """
    lines = []
    for name, shown in fresh.verdicts.items():
        known = published.verdicts.get(name)
        runs = (known.record["quick"] if known else None, shown.record["quick"])
        told = [f"{run['status']:10} {run['effect']:12.5g}" if run else f"{'-':23}" for run in runs]
        mark = "" if runs[0] and runs[1] and runs[0]["status"] == runs[1]["status"] else "   otherwise"
        lines.append(f"  {name:34} published {told[0]}   here {told[1]}{mark}")
    return "\n".join(lines)


def published_by(evidence: Findings) -> set[tuple[str, str]]:
    """Kinds of machine and versions, as text, that computed the published QUICK results."""
    found = set()
    for shown in (*evidence.verdicts.values(), *evidence.figures.values()):
        stamp = shown.record.get("stamp") or (shown.record.get("quick") or {}).get("stamp")
        if stamp and stamp["preset"] == "quick":
            found.add((stamp["device"], json.dumps(stamp["versions"], sort_keys=True)))
    return found


def _standardised(columns: Iterable[Column]) -> list[list[np.ndarray]]:
    """For each experiment its columns' differences from the published run, in standard deviations over seeds.

    From one run and not from the mean of the kept ones: only two runs that a machine may exchange differ as often one
    way as the other, whatever the shape of what a machine adds. The deviation is that of the values of both runs
    together, which is the same whichever run a value came from. The runs' own deviations are not: they are small where
    the means lie apart, so that five seeds with much of the machine in them raised ten times as many alarms.
    """
    tables: dict[str, list[np.ndarray]] = {}
    for column in columns:
        published = column.kept[0]
        spread = np.concatenate([published, column.fresh]).std(ddof=1) if len(column.fresh) > 1 else 0.0
        if spread > 0:
            tables.setdefault(column.experiment, []).append((column.fresh - published) / spread)
    return list(tables.values())


def _in_half_widths(record: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """How far the effect of a sampled average has moved, in units of half its 95% interval."""
    average = Rule.parse(record["rule"]).statistic != "every"
    if not average or record["agrees"]["values"] != "sampled" or before["low"] is None:
        return 0.0
    half = (before["high"] - before["low"]) / 2
    return abs(after["effect"] - before["effect"]) / half if half else 0.0
