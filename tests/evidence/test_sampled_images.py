"""Images are sampled too: what a claim on the accuracy of trained networks says must not hang on one set of them.

The interval of a verdict is over seeds, at the test images of one division. A claim is safe from these in two ways: its
networks have been trained and tested under other divisions, a choice that stands beside its verdict; or it lies farther
from its rule than three standard errors of the sampling of images. That error is bounded without a look at any image: a
difference of two accuracies is the mean over `N` images of numbers between -1 and 1, whose square has the mean `m`, so
that their variance is `m - d^2` at the mean `d`. The number is not zero only where one of the networks errs, so that
`m` is at most the sum of their errors, and 1 where these are not known.
"""

from collections.abc import Callable, Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resnet_lib import data
from resnet_lib.evidence import choices, ledger
from resnet_lib.evidence.rules import Rule
from resnet_lib.sweep import results
from tests.experiments import chapter

ROOT = Path(__file__).parents[2]
EVIDENCE = ledger.read(ROOT)
POINTS, ERRORS = "percentage points", 3
IMAGES = len(data.load("digits").test.y)
"""All trained claims on accuracies are on the digits."""

TOLD: dict[str, dict[str, str]] = {
    "02_plain_networks": {
        "plain-degrade.plain": "and by {effect:.0f} on other divisions of the images",
        "plain-degrade.original": "On other divisions the first rises by {effect:.1f} points",
        "plain-degrade.pre": "the second by {effect:.1f} (interval {low:.1f} to {high:.1f})",
        "plain-degrade.bare": "and on {effect:.0f} on other divisions",
        "plain-fails.he": "On other divisions of the images they are {effect:.0f} points behind",
        "plain-fails.identity": "and on other divisions {effect:.1f} near the identity",
        "plain-fails.looks-linear": "and {effect:.1f} as looks-linear",
        "plain-fails.test": "there {effect:.1f} on new images",
        "skip-alone.repaired": "scaled branches is {effect:.1f} points behind (interval {low:.1f} to {high:.1f})",
    },
    "07_lipschitz_bounds": {
        "scaled-weights.cost": "on other divisions {effect:.1f} (interval ${low:.1f}$ to {high:.1f})"
    },
    "13_gates_and_scales": {
        "shortcut-clean.conv": "orthogonal matrices and those that start as the identity are {effect:.1f}",
        "shortcut-clean.start": "those that start as the identity are {effect:.1f} points behind",
        "shortcut-clean.paced": "slow ones {effect:.1f} (interval ${low:.1f}$ to {high:.1f})",
    },
    "15_counting_paths": {
        "ens-claim.average-eight": "on other divisions ${effect:.2f}$, from ${low:.2f}$ to {high:.2f}"
    },
    "16_dropping_blocks": {
        "drop-graceful.residual": "The median block costs {effect:.1f} points",
        "drop-graceful.scaled": "{effect:.1f} with scaled branches",
        "drop-graceful.bare": "{effect:.0f} in the bare sum",
        "drop-graceful.worst": "missed most costs {effect:.1f} with old",
        "drop-graceful.worst-anew": "and {effect:.1f} with new statistics",
        "drop-graceful.worst-rate": "with ten seeds ({effect:.1f}, interval {low:.1f} to {high:.1f})",
    },
    "18_euler_and_its_limit": {
        "ode-trained.unscaled": "loses {effect:.1f} points by sub-steps there",
        "ode-trained.rk4": "and {effect:.1f} by RK4",
    },
}
"""What chapters tell of other divisions, by claim, with its numbers there to be filled in."""
LESS: dict[str, dict[str, str]] = {
    "02_plain_networks": {
        "plain-fails.normalised": "and on other divisions by {effect:.1f}",
        "resnet-1000.gains": "and on other divisions {effect:.1f};",
    },
    "07_lipschitz_bounds": {
        "scaled-signal.accuracy": "the network is {effect:.1f} points behind (interval {low:.1f} to {high:.1f})"
    },
    "15_counting_paths": {
        "ens-claim.average": "with {effect:.1f} points (interval {low:.1f} to {high:.1f}, two seeds on each of five)"
    },
}
"""The same of claims whose effect is less than zero and told as how far one is behind, or ahead."""


def error(effect: float, better: float = 50.0, images: int = IMAGES) -> float:
    """A bound of the standard error of a difference of accuracies by the sampling of images, percentage points.

    Args:
        effect: The difference.
        better: Accuracy of the better network in percent; at most that.
        images: How many there are.
    """
    square = min(1.0, 2 * (1 - better / 100) + abs(effect) / 100)
    return 100 * sqrt(max(0.0, square - (effect / 100) ** 2) / images)


def whole(variant: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Accuracies of the networks of chapter 16 without a lesion."""
    return lambda table: table[
        (table["variant"] == variant) & (table["measure"] == "removed") & (table["removed"] == 0)
    ]["value"]


def undivided(table: pd.DataFrame) -> pd.Series:
    """Accuracies of the unscaled networks of chapter 18 with whole steps."""
    named = (table["kind"] == "mlp") & (table["power"] == 0) & (table["depth"] == 16)
    return table[named & (table["measure"] == "substeps") & (table["k"] == 1)]["value"]


BETTER: dict[str, tuple[str, Callable[[pd.DataFrame], pd.Series]]] = {
    "stab-need.mild": ("stability-contracting", lambda table: table[table["factor"] == 1]["test_accuracy"]),
    "drop-graceful.half-anew": ("dropping-digits", whole("residual")),
    "drop-graceful.residual": ("dropping-digits", whole("residual")),
    "drop-graceful.bare": ("dropping-digits", whole("bare")),
    "ode-trained.rk4": ("ode-trained", undivided),
}
"""Where the accuracy of the better of the two networks is stored, for claims that need it known."""


def better(id: str) -> float:
    """The stored accuracy of the better network of a claim, in percent; 50 where none is named, which tells nothing."""
    if id not in BETTER:
        return 50.0
    experiment, read = BETTER[id]
    stored = results.read(experiment, ROOT)
    assert stored is not None
    return 100 * float(read(stored.table).mean())


def divided(record: Mapping[str, Any]) -> bool:
    """Whether another division of the images is among the choices of a claim."""
    return any(each["choice"] == choices.DIVISIONS for each in record.get("varied", ()))


def far(rule: Rule, effect: float, better: float = 50.0) -> bool:
    """Whether the bounds of a rule are farther from an effect than images, by their sampling, move it."""
    bounds = [bound for bound in (rule.low, rule.high) if np.isfinite(bound)]
    return all(abs(effect - bound) > ERRORS * error(effect, better) for bound in bounds)


def accuracies() -> list[str]:
    """The claims on accuracies of trained networks, all of them differences in percentage points."""
    claims = {id: claim for id, claim in EVIDENCE.ledger.claims.items() if claim.kind == "trained"}
    shown = {id: each.record["unit"] for id, each in EVIDENCE.verdicts.items() if id in claims}
    return [id for id, unit in shown.items() if unit == POINTS or POINTS in claims[id].measure]


def test_a_claim_on_accuracies_has_other_divisions_or_is_farther_from_its_rule_than_images_move_it():
    left = []
    for id in accuracies():
        record, rule = EVIDENCE.verdicts[id].record, Rule.parse(EVIDENCE.ledger.claims[id].holds_if)
        runs = [run["effect"] for run in (record["quick"], record["full"]) if run]
        if not divided(record) and not all(far(rule, effect, better(id)) for effect in runs):
            left.append(id)
    assert not left
    assert len(accuracies()) > 60


def test_what_chapters_tell_of_other_divisions_is_what_is_stored():
    for told, sign in ((TOLD, 1), (LESS, -1)):
        for name, lines in told.items():
            words = chapter.words(name)
            for id, line in lines.items():
                (found,) = (v for v in EVIDENCE.verdicts[id].record["varied"] if v["choice"] == choices.DIVISIONS)
                low, high = sorted(sign * found[end] for end in ("low", "high"))
                assert line.format(effect=sign * found["effect"] + 0.0, low=low, high=high) in words, id


@pytest.mark.parametrize("one", [0.5, 0.97])
def test_the_error_of_the_images_is_bounded_by_that_of_draws(one: float):
    """Two networks that are as often right and err on other images; and one that is right where the other errs."""
    draw = np.random.default_rng(0)
    right = draw.random((2000, IMAGES)) < one
    other = draw.random((2000, IMAGES)) < one
    for found in (right.mean(1) - other.mean(1), right.mean(1) - (~right).mean(1)):
        assert 100 * found.std() < 1.1 * error(100 * found.mean())
    errors = right.mean(1) - other.mean(1)
    assert 100 * errors.std() < 1.1 * error(0, 100 * one)
    opposite = right.mean(1) - (~right).mean(1)
    assert 100 * opposite.std() == pytest.approx(error(100 * opposite.mean()), rel=0.1)  # the bound is attained


def test_what_is_near_its_rule_is_told_from_what_is_far():
    rule = Rule.parse("mean > 30")
    assert far(rule, 80)
    assert not far(rule, 35)
    assert far(Rule.parse("mean < 10"), 2, better=97)
    assert not far(Rule.parse("mean < 10"), 2)
    assert not far(Rule.parse("-10 < mean < 10"), -0.5)
    assert divided({"varied": [{"choice": choices.DIVISIONS}]})
    assert not divided({})
