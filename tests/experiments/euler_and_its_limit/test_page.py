"""What the page tells in numbers is what the stored tables say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime, sweep
from resnet_lib.evidence import intervals
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.evidence.claims import NotFiniteError
from resnet_lib.experiments.euler_and_its_limit import measuring, readings, topology, trained
from tests.experiments import chapter

ROOT = Path(__file__).parents[3]

NAME = "18_euler_and_its_limit"


def mean(evidence) -> float:
    return float(evidence.values.mean())


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What is stored of the trained networks: as they are, at a third and three times each rate, with more epochs."""
    stored, other = sweep.stored(trained.TRAINED, ROOT), trained.CHOICES.results(ROOT)
    assert stored is not None
    return stored.table, other[THIRD].table, other[THRICE].table, other["twice the epochs"].table


def number(value: float, digits: int) -> str:
    """A number as the page sets it: a minus belongs to the mathematics."""
    text = f"{value:.{digits}f}"
    text = text if float(text) else text.lstrip("-")
    return f"${text}$" if text.startswith("-") else text


def span(values: np.ndarray, digits: int) -> tuple[str, ...]:
    """Mean and interval, as the page sets them."""
    low, high = intervals.interval(values, "mean", rng=runtime.rng(0, "page"))
    return tuple(number(float(found), digits) for found in (values.mean(), low, high))


KINDS = {
    "unscaled": ("mlp", 0.0),
    "small": ("small", 0.0),
    "slow": ("slow", 0.0),
    "zero": ("zero", 0.0),
    "quarter": ("mlp", 0.25),
    "root": ("mlp", 0.5),
    "linear": ("mlp", 1.0),
    "norm": ("norm", 0.0),
    "penalty": ("penalty", 1.0),
    "tied": ("tied", 1.0),
}


def lost(table: pd.DataFrame, measure: str, k: int, digits: int) -> dict[str, str]:
    """Points that a change costs, by the test's own words for the networks."""
    return {name: number(trained.loss(table, measure, k, *kind).mean(), digits) for name, kind in KINDS.items()}


def test_the_losses_that_the_page_tells_are_those_of_the_stored_tables():
    base, third, thrice, twice = tables()
    words = chapter.words(NAME)
    by_steps, by_rk4, finely = (
        lost(base, "substeps", measuring.RULE, 1),
        lost(base, "rk4", 1, 1),
        lost(base, "substeps", measuring.RULE, 2),
    )
    right = {name: f"{100 * trained.values(base, 'substeps', 1, *kind).mean():.1f}" for name, kind in KINDS.items()}
    five = base[base["seed"].isin(trained.SEEDS)]
    for said, *told in (
        ("variance $1/d$, then loses {} points of accuracy", by_steps["unscaled"]),
        ("the same network loses {}, and labels {}% rightly", finely["small"], right["small"]),
        ("rightly instead of {}%. Scaled", right["unscaled"]),
        ("eight steps of one eighth in place of each block it loses {} points", by_steps["unscaled"]),
        ("which follows that flow better, loses {} points", by_rk4["unscaled"]),
        ("by 64 sub-steps, {}.", lost(base, "flow", measuring.FINEST, 1)["unscaled"]),
        ("unscaled network loses {} points by sub-steps", finely["small"]),
        ("and {} by RK4, and labels {}% of", lost(base, "rk4", 1, 2)["small"], right["small"]),
        ("at 0.005, that of the unscaled network, it loses {} and {}", finely["slow"], lost(base, "rk4", 1, 2)["slow"]),
        ("Started at zero it loses {}.", finely["zero"]),
        ("lose {} points, from {} to {}", *span(trained.loss(base, "substeps", 8, "mlp", 0.0, 4), 2)),
        ("and {}, from {} to {}: the deeper", *span(trained.loss(base, "substeps", 8, "mlp", 0.0, 8), 2)),
        ("costs {} points, with an interval from {} to {}.", *span(trained.quarter(base).values, 1)),
        ("no scaling the network loses {} points, with an interval from {} to {}", *span(trained.norm(base).values, 2)),
        ("At a third of its rate it loses {} points", number(mean(trained.norm(third)), 1)),
        ("with twice the epochs {}, and both intervals", number(mean(trained.norm(twice)), 1)),
        ("of it the network loses {} points by sub-steps", number(mean(trained.unscaled(third)), 1)),
        ("and {} by RK4. Too short", number(mean(trained.rk4(third)), 1)),
        ("does not explain the {}: with twice", by_steps["unscaled"]),
        ("classifies better and loses {}, where", number(mean(trained.unscaled(twice)), 1)),
        ("where the same five seeds lost {}.", number(mean(trained.unscaled(five)), 1)),
        (
            "at a third of the rate, with {} points and an interval from {} to {}",
            *span(trained.quarter(third).values, 1),
        ),
        ("it {}% of the test images are labelled rightly, and without {}%", right["penalty"], right["linear"]),
    ):
        assert said.format(*told) in words, (said, told)
    for table in (base, third, twice):  # "next to nothing"
        assert max(abs(mean(measure(table))) for measure in (trained.root, trained.linear, trained.interpolated)) < 0.15
    for kind, power in (("mlp", 0.0), ("mlp", 0.25), ("mlp", 0.5), ("mlp", 1.0), ("norm", 0.0)):
        assert f"{trained.values(base, 'roughness', 1, kind, power).mean() / 2**0.5:.2f}" == "1.00"
    before = [100 * trained.values(table, "substeps", 1, "mlp", 0.0).mean() for table in (third, base)]
    assert [round(value) for value in before] == [92, 95]
    found = thrice[thrice["measure"] == "validation"].groupby(["kind", "power", "depth"])["value"]
    diverged = found.apply(lambda values: int(values.isna().sum()))
    assert ((diverged > 0).sum(), len(diverged)) == (10, 14)
    assert diverged["mlp", 0.0, 16] == 5
    for measure in (trained.unscaled, trained.quarter, trained.root, trained.linear, trained.norm, trained.rk4):
        with pytest.raises(NotFiniteError, match="diverged"):
            measure(thrice)


def test_what_the_page_tells_of_blocks_fields_and_distances_is_in_the_stored_tables():
    base, words = tables()[0], chapter.words(NAME)
    gone, moved = lost(base, "without", 1, 1), lost(base, "shuffled", 1, 1)
    cosine = {name: number(trained.values(base, "alignment", 1, *kind).mean(), 2) for name, kind in KINDS.items()}
    far = [
        number(trained.values(base, name, k, "mlp", 0.0).mean(), 3)
        for name, k in (("distance", measuring.FINEST), ("distance-substeps", measuring.RULE), ("distance-rk4", 1))
    ]
    for said, *told in (
        ("without any block loses {} points", gone["linear"]),
        ("has a cosine of {}, where one field", cosine["linear"]),
        ("by $1/L$ loses {} points and that with the penalty {}", gone["linear"], gone["penalty"]),
        ("loses {} points without them, with shared weights {}, unscaled", gone["root"], gone["tied"]),
        ("with a small start {}, and with batch normalisation {}", gone["small"], gone["norm"]),
        ("has a cosine of {} at scale $1/L$, {} at $1/\\sqrt L$", cosine["linear"], cosine["root"]),
        ("{} at $L^{{-1/4}}$ and {} unscaled", cosine["quarter"], cosine["unscaled"]),
        (
            "a quarter the cosine is {}, at zero {}, and with the penalty {}:",
            cosine["small"],
            cosine["zero"],
            cosine["penalty"],
        ),
        ("another order costs {} points", moved["linear"]),
        ("It costs {} at $1/\\sqrt L$ and {} at $L^{{-1/4}}$", moved["root"], moved["quarter"]),
        ("is {} from the flow's, that of 8 sub-steps {} and that of RK4 {}.", *far),
    ):
        assert said.format(*told) in words, (said, told)
    starts = [
        trained.values(base, "start-alignment", 1, *KINDS[name]).mean()
        for name in KINDS
        if name not in ("tied", "zero")
    ]
    assert max(map(abs, starts)) < 0.05  # "as all had before training"
    shown = readings.networks(base)
    assert len(shown) == len(readings.TITLES)
    assert f"{shown.set_index('network')['no block at all']['scaled by 1/L']}" == lost(base, "without", 1, 2)["linear"]


def test_the_exponents_that_the_page_tells_are_those_of_the_stored_tables():
    base, third, thrice, twice = tables()
    words, longer = chapter.words(NAME), trained.LONGER.results(ROOT)
    for power in (0.0, 1.0):
        found = [trained.values(thrice, "path", 1, "mlp", power, depth) for depth in trained.DEPTHS]
        assert not np.isfinite(found).all()

    def exponents(measure: str, k: int, power: float) -> list[str]:
        return [number(float(trained.slopes(table, measure, k, power).mean()), 2) for table in (base, third, twice)]

    def before(measure: str, k: int) -> str:
        return number(float(trained.slopes(base, f"start-{measure}", k, 0.0).mean()), 2)

    unscaled = exponents("path", 1, 0.0)
    assert "exponent of {}, of {} at a third of each rate and of {} with twice the epochs".format(*unscaled) in words
    assert f"an exponent of {min(unscaled)} to {max(unscaled)} under" in words
    assert f"Before training it is {before('path', 1)}." in words
    farther = exponents("distance", measuring.FINEST, 0.0)
    assert "an exponent of {}, and of {} and {} under these two choices".format(*farther) in words

    def ends(measure: str) -> list[str]:
        found = [trained.values(base, measure, measuring.FINEST, "mlp", 0.0, depth) for depth in trained.DEPTHS]
        return [number(values.mean(), 2) for values in found]

    assert "grows from {0} at 4 blocks to {2} at 16".format(*ends("distance")) in words
    assert "the distance is {}, {} and {} at 4, 8 and 16 blocks".format(*ends("start-distance")) in words
    assert f"an exponent of {before('distance', measuring.FINEST)}, and training" in words
    lengths = [number(trained.values(base, "path", 1, "mlp", 1.0, d).mean(), 2) for d in trained.DEPTHS]
    assert "the path is {} long at 4 blocks, {} at 8 and {} at 16".format(*lengths) in words
    for said, table, digits in (
        ("The exponent is {}, with an interval from {} to {} about", base, 2),
        ("After 24 epochs it is {}, with an interval from {} to {},", twice, 3),
        ("after 48 {}, from {} to {}", longer["four times the epochs"].table, 2),
        ("and after 96 {}, from {} to {}.", longer["eight times the epochs"].table, 2),
    ):
        told = span(trained.slopes(table, "path", 1, 1.0), digits)
        assert said.format(*told) in words, (said, told)
    assert f"At a third of each rate the exponent is {exponents('path', 1, 1.0)[1]}." in words


def test_what_the_page_says_of_the_earlier_rates_is_in_the_stored_tuning():
    table = trained.RATES.result(ROOT).table
    scores = table[(table["kind"] == "mlp") & (table["power"] == 1)]
    scores = 100 * scores.groupby(["depth", "rate"])["validation_accuracy"].mean()
    stored = trained.RATES.stored(ROOT)
    behind = [stored["mlp", 1.0, d].rate for d in (4, 16)]
    costs = [float(scores[d, rate] - scores[d, 0.32]) for d, rate in zip((4, 16), behind, strict=True)]
    assert costs == pytest.approx([1.2, 0.5], abs=0.05)
    assert 0.32 in stored["mlp", 1.0, 8].ties
    times = [0.3 / stored["mlp", 1.0, d].rate for d in trained.DEPTHS]
    assert f"which is {min(times):.2f} to {max(times):.2f} times what" in chapter.words(NAME)


def test_the_errors_that_the_page_tells_of_the_block_are_those_of_the_stored_tables():
    stored, other = sweep.stored(topology.TOPOLOGY, ROOT), topology.CHOICES.results(ROOT)
    assert stored is not None
    words = chapter.words(NAME)
    assert topology.big_step(stored.table).values.max() < 0.003
    for name, said in (
        (THIRD, "the worst of its five seeds has {:.3f}"),
        ("twice the steps", "the worst seed has {:.4f}"),
        (THRICE, "with three times the rate {:.4f}"),
    ):
        assert said.format(topology.big_step(other[name].table).values.max()) in words, name
    for result in (stored, *other.values()):
        assert topology.reflection(result.table).values.mean() == pytest.approx(1, abs=0.02)
        assert topology.spheres(result.table).values.mean() > 0.2
