"""A verdict is what a rule of claims.yml says about measured values. This module judges them; it runs no experiment."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib import files, runtime
from resnet_lib.evidence import markup, significance
from resnet_lib.evidence.cards import card, text
from resnet_lib.evidence.rules import Rule
from resnet_lib.evidence.statements import PRESETS, Claim, Ledger, Statement, load
from resnet_lib.sweep import provenance
from resnet_lib.sweep.agreement import Agreement
from resnet_lib.sweep.provenance import Result, Stamp

__all__ = ["Check", "Evidence", "Judgement", "Verdict", "check", "judge", "summary"]

SEED = 2015  # of the resampling; any would do, and it never changes
STATUSES = ("holds", "fails", "undecided", "invalid")


class NotFiniteError(ValueError):
    """Evidence with a value that is NaN or infinite."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The finding of a measure in a table: one value per seed or draw, and the same for the control.

    Attributes:
        values: The measured values: one-dimensional, finite; kept as float64.
        control: The same measurement where the answer is known beforehand.
        unit: What the values are counted in, for people: `decades`, `percentage points`.
    """

    values: np.ndarray
    control: np.ndarray
    unit: str = ""

    def __post_init__(self) -> None:
        for name in ("values", "control"):
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.ndim != 1 or not array.size:
                raise ValueError(
                    f"{name} has shape {array.shape}; a measure gives one number per seed or draw, at least one"
                )
            if bad := int((~np.isfinite(array)).sum()):
                raise NotFiniteError(
                    f"{name}: {bad} of {array.size} are NaN or infinite; say in the measure which finite number a run "
                    "that diverged counts as, since leaving it out would flatter the others"
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)


@dataclass(frozen=True)
class Verdict:
    """The verdict of a claim's rule on the evidence, with its certificate.

    Attributes:
        status: `holds`, `fails`, `undecided`, or `invalid` where the control did not come out as known.
        effect: The mean or median; for `every` the value that comes closest to a bound, or is farthest beyond it.
        low: Lower end of the 95% interval, None with fewer than five values; for `every` the least value.
        high: Its upper end; for `every` the largest value.
        n: How many values.
        inside: How many of them satisfy the bounds by themselves.
        control_effect: As `effect`, of the control.
        control_low: As `low`, of the control.
        control_high: As `high`, of the control.
        control_n: How many values the control has.
        control_inside: How many of them satisfy the bounds of `must` by themselves.
        control_fails: The control breaks as it has to: it came out as its rule `must` says.
        reason: The status in words.
    """

    status: str
    effect: float
    low: float | None
    high: float | None
    n: int
    inside: int
    control_effect: float
    control_low: float | None
    control_high: float | None
    control_n: int
    control_inside: int
    control_fails: bool
    reason: str


def judge(rule: Rule, must: Rule, evidence: Evidence, *path: str) -> Verdict:
    """The verdict of `rule` on the evidence; `invalid` where `must` does not hold for its control.

    `path` names the random streams of the two intervals: the same path, the same verdict, bit for bit.
    """
    measured = rule.judge(evidence.values, rng=runtime.rng(SEED, *path, "values"))
    control = must.judge(evidence.control, rng=runtime.rng(SEED, *path, "control"))
    valid = control.status == "holds"
    return Verdict(
        status=measured.status if valid else "invalid",
        effect=measured.effect,
        low=measured.low,
        high=measured.high,
        n=measured.n,
        inside=measured.inside,
        control_effect=control.effect,
        control_low=control.low,
        control_high=control.high,
        control_n=control.n,
        control_inside=control.inside,
        control_fails=valid,
        reason=measured.reason if valid else f"the control did not come out as {must.text}: {control.reason}",
    )


@dataclass(frozen=True)
class Judgement:
    """The verdict on one preset, and where its table comes from.

    Attributes:
        verdict: The verdict.
        stamp: Of the table.
        stale: Whether the source has changed since the table was stored.
        evidence: The values that were judged.
        same_again: Probability that a fresh run of the same size gives the same status.
        agrees: How the experiment says that its numbers agree between machines.
    """

    verdict: Verdict
    stamp: Stamp
    stale: bool
    evidence: Evidence = field(compare=False)
    same_again: float
    agrees: Agreement


@dataclass(frozen=True)
class Varied:
    """The verdict under another choice than the experiment's, and where its table comes from.

    Attributes:
        verdict: The verdict; None where trainings diverged, so that there is nothing to judge.
        stamp: Of the stored table.
        stale: Whether the source has changed since the table was stored.
    """

    verdict: Verdict | None
    stamp: Stamp
    stale: bool

    @property
    def record(self) -> dict[str, Any]:
        """What a row tells of it: a choice under which trainings diverge leaves a claim undecided."""
        told = {name: getattr(self.verdict, name, None) for name in ("status", "effect", "low", "high", "n", "inside")}
        told["status"] = told["status"] or "undecided"
        return told | {"stale": self.stale, "command": self.stamp.command, "commit": self.stamp.commit}


@dataclass(frozen=True)
class Check:
    """A judged claim. A notebook shows it as a card of stable text; the metadata of that output carry the whole record.

    Attributes:
        claim: Its entry in claims.yml.
        unit: What the values are counted in.
        runs: The verdict for each preset that was computed; at least one.
        varied: The judgements under other choices than the experiment's, by the words that name them.
    """

    claim: Claim
    unit: str
    runs: Mapping[str, Judgement]
    varied: Mapping[str, Varied] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The verdict at the largest size that was computed: FULL where it is, otherwise QUICK.

        A claim that the book leaves open at that size is undecided, whatever this one run says.
        """
        preset = [preset for preset in PRESETS if preset in self.runs][-1]
        found = self.runs[preset].verdict.status
        return "undecided" if self.claim.expects(preset) == "open" and found != "invalid" else found

    @property
    def record(self) -> dict[str, Any]:
        """Everything, at full precision, as JSON knows it. A preset that was not computed is None."""
        runs: dict[str, Any] = dict.fromkeys(PRESETS)
        for preset, run in self.runs.items():
            runs[preset] = {
                **asdict(run.verdict),
                "same_again": run.same_again,
                "stale": run.stale,
                "stamp": run.stamp.as_dict(),
            }
            if preset == "quick":  # what a run elsewhere is compared with
                values, control = run.evidence.values, run.evidence.control
                runs[preset] |= {"values": markup.listed(values), "control_values": markup.listed(control)}
        agrees = self.claim.agrees or next(iter(self.runs.values())).agrees
        varied = [{"choice": choice, **found.record} for choice, found in self.varied.items()]
        return {
            "id": self.claim.id,
            "status": self.status,
            "expected": {preset: self.claim.expects(preset) for preset in PRESETS},
            "expectation": self.claim.expectation,
            **self.claim.words,
            "rule": self.claim.holds_if,
            "control": self.claim.control.contract,
            "unit": self.unit,
            "agrees": {"values": agrees, "control": self.claim.control.agrees or agrees},
            **({"varied": varied} if varied else {}),
            **runs,
        }

    def __str__(self) -> str:
        return text(self.record)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        record = self.record
        data = {"text/plain": str(self), "text/html": card(record, exact=False)}
        return data, {"resnet_lib": provenance.sealed("verdict", record)}


def check(
    id: str,
    measure: Callable[[pd.DataFrame], Evidence],
    result: Result,
    *,
    varied: Mapping[str, Result] | None = None,
    ledger: Ledger | None = None,
) -> Check:
    """Judge a claim by its rule, on the table of `result` and on that of the stored FULL result where there is one.

    Args:
        id: The atomic claim's, as in claims.yml.
        measure: From a table to the evidence; it gets the table of each preset.
        result: What a sweep returned.
        varied: Stored results of other choices, such as three times the learning rate, by the words that name them: the
            verdict under each is shown beside the claim's own, which does not change.
        ledger: The default is the book's claims.yml.

    Raises:
        ValueError: No such claim, or evidence that is no finite number.
        TypeError: The measure returned no `Evidence`.

    Example:
        >>> from resnet_lib.experiments.stability_of_the_step import methods
        >>> from resnet_lib.sweep import results
        >>> check("stab-why.plus-one", methods.plus_one, results.read("stability-methods", files.root())).status
        'fails'
    """
    claim = (ledger or load(files.root() / files.LEDGER)).claim(id)
    rule, must = Rule.parse(claim.holds_if), Rule.parse(claim.control.must)
    runs: dict[str, Judgement] = {}
    unit = ""
    for part in (result, result.full):
        if part is None or part.stamp.preset in runs:
            continue
        preset = part.stamp.preset
        if preset not in PRESETS:
            raise ValueError(f"result has preset={preset!r}; a claim is judged on {' or '.join(PRESETS)}")
        try:
            evidence = measure(part.table)
        except Exception as error:
            error.add_note(f"while measuring claim {id} on the {preset.upper()} table of {part.stamp.experiment}")
            raise
        if not isinstance(evidence, Evidence):
            kind = type(evidence).__name__
            raise TypeError(f"measure of {id} returned {kind}; return claims.Evidence(values=..., control=...)")
        unit = unit or evidence.unit
        verdict = judge(rule, must, evidence, id)
        rng = runtime.rng(SEED, id, "same again")
        again = significance.same_again(rule, must, evidence.values, evidence.control, verdict.status, rng=rng)
        runs[preset] = Judgement(verdict, part.stamp, part.stale, evidence, again, part.agrees.default)
    under = {}
    for choice, part in (varied or {}).items():
        try:
            verdict = judge(rule, must, measure(part.table), id, "varied", choice)
        except NotFiniteError:
            verdict = None
        under[choice] = Varied(verdict, part.stamp, part.stale)
    return Check(claim, unit, runs, under)


def summary(statement: Statement, verdicts: Mapping[str, str]) -> str:
    """A statement in the light of what its sources say: `confirmed`, `confirmed in part`, `refuted` or `undecided`.

    Only claims with the role `as-said` count; what the book adds says under which conditions, in `statement.when`.
    Confirmed where all of them hold, refuted where none does. Where one holds and one fails it is confirmed in part,
    whatever an undecided one may come to; elsewhere that leaves it open. One that is invalid or missing always does.

    Args:
        statement: Of the ledger.
        verdicts: The status of claims by their ids; others than the statement's own are ignored.

    Raises:
        ValueError: A status that is none.
    """
    statuses = {verdicts.get(claim.id) for claim in statement.claims if claim.role == "as-said"}
    if unknown := {verdicts.get(claim.id) for claim in statement.claims} - {*STATUSES, None}:
        raise ValueError(
            f"verdicts of {statement.id} have status {unknown.pop()!r}; it is one of {', '.join(STATUSES)}"
        )
    if {"holds", "fails"} <= statuses:
        statuses -= {"undecided"}
    names = {("holds",): "confirmed", ("fails",): "refuted", ("holds", "fails"): "confirmed in part"}
    return {frozenset(found): name for found, name in names.items()}.get(frozenset(statuses), "undecided")
