"""The numbers that the page tells are those of the stored tables, of its own run, and of the laws."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import nets, runtime, sweep
from resnet_lib.analysis import fields
from resnet_lib.experiments.what_a_unit_sees import border, probes, published, untrained
from tests.experiments import chapter, verdicts
from tests.experiments.chapter import stored

ROOT = Path(__file__).parents[3]
NAME = "14_what_a_unit_sees"


@pytest.fixture(scope="module")
def words() -> str:
    return chapter.words(NAME)


def told(table: pd.DataFrame, stage: int, weights: str = "trained", digits: int = 2) -> str:
    return "{}, {}, {} and {}".format(*(f"{w:.{digits}f}" for w in published.widths(table, stage, weights).mean()))


def test_laws(words: str):
    six = [fields.law_width([p] * 6) for p in (1.0, 0.5)]
    assert f"a width of {six[0]:.2f} pixels" in words
    assert f"4$, {six[1]:.2f} pixels" in words
    limit = fields.law_width([fields.share(1e-4)] * 10_000)
    assert f"sqrt{{4/3}}={limit:.3f}$ pixels" in words
    blocks = 200
    law = fields.law([fields.share(1 / blocks)] * blocks, 4 * blocks + 1)
    assert f"with these {100 * float(fields.within(law[None], 0)):.0f}% end" in words
    assert f"{100 * (1 - fields.share(1 / 1000)) ** 1000:.0f}%. Some walks" in words
    assert f"has the width {float(fields.width(torch.full((1, 32, 32), 1 / 1024))):.1f}." in words
    net = nets.cifar_resnet(20, generator=runtime.stream(0, "net"))
    assert f"{fields.extent(net)} pixels at the end of ResNet-20" in words
    deep = nets.cifar_resnet(56, width=4, generator=runtime.stream(0, "net"))
    assert f"which {fields.extent(deep, 9)} pixels can reach" in words
    one = [fields.law_width([p]) for p in (1.0, 0.5)]
    assert f"one residual block with $s=1$ has $\\sqrt{{2/3}}={one[1]:.2f}$" in words
    assert one[0] == pytest.approx((4 / 3) ** 0.5)
    halving = 0.5 * (fields.TAP + 4 * fields.TAP)
    for before, behind, told in ((6, 6, "4.7"), (12, 0, "3.1")):
        found = (2 * fields.TAP * 0.5 * (before + 4 * behind) + halving) ** 0.5
        assert f"{found:.1f}" == told
        assert f"a width of {told}" in words
    for length, exact, found in ((16, "2.31", "2.07"), (256, "4.62", "4.48")):
        assert f"{(4 / 3 * length**0.5) ** 0.5:.2f}" == exact
        assert f"{fields.law_width([fields.share(length**-0.5)] * length):.2f}" == found
        assert exact in words
        assert found in words


def test_random_networks(words: str):
    effects = {name: chapter.quick(NAME, f"erf-{name}")["effect"] for name in ("focus.narrower", "depth.batch")}
    assert f"ratio of widths is {effects['focus.narrower']:.2f}" in words
    exponents = {name: chapter.quick(NAME, f"erf-depth.{name}")["effect"] for name in ("root", "batch", "scaled")}
    assert f"has the exponent {exponents['root']:.2f}" in words
    assert f"with batch normalisation {exponents['batch']:.2f} from 3 blocks to 12" in words
    assert f"the scaled one {exponents['scaled']:.2f}" in words
    table = pd.read_csv(ROOT / "figures/field-depth/data.csv")
    batch = table[table["family"] == "batch"]
    laws = [fields.law_width(untrained.shares("batch", round(blocks))) for blocks in batch["blocks"].tolist()]
    over = batch["mean"].to_numpy(dtype=float) / np.array(laws)
    assert 1 < np.mean(over) < 1.08


def test_all_draws_of_random_networks(words: str):
    table = stored(untrained.UNTRAINED)
    assert f"to 24 blocks, have {untrained.depth_start(table).values.mean():.3f} and decide" in words
    assert f"With batch normalisation they have {untrained.depth_batch(table).values.mean():.2f}" in words
    assert f"in QUICK and {untrained.focus_energy(table).values.mean():.2f} in FULL" in words
    for id, measure in (
        ("erf-focus.narrower", untrained.focus_narrower),
        ("erf-focus.energy", untrained.focus_energy),
        ("erf-depth.root", untrained.depth_start),
    ):
        assert verdicts.status(id, measure(table)) == "holds"


def test_published_networks(words: str):
    table = stored(published.PUBLISHED)
    assert f"are {told(table, 1)} pixels at 20, 32, 44 and 56 layers" in words
    assert f"The widths of the last state are {told(table, 3)}." in words
    assert f"have {told(table, 1, 'redrawn')} pixels at the end of the first stage" in words
    first = published.widths(table, 1).mean()
    redrawn = published.widths(table, 1, "redrawn").mean()
    grown = [100 * (one[56] / one[20] - 1) for one in (first, redrawn)]
    assert "{:.0f}% from first to last, where weights drawn anew have {:.0f}%".format(*grown) in words
    assert f"has {100 * published.focus_first(table).values.mean():.0f}% of its energy in three by three" in words
    assert f"training leaves {100 * published.depth_training(table).values.mean():.0f}%" in words
    deep = [published.widths(table, stage)[56].mean() for stage in (1, 2, 3)]
    assert "The widths are {:.1f}, {:.1f} and {:.1f} at the ends".format(*deep) in words
    last = {weights: published.widths(table, 3, weights).mean() for weights in published.WEIGHTS}
    assert f"from {last['redrawn'][20]:.1f} pixels to {last['trained'][20]:.1f}" in words
    assert f"from {last['redrawn'][56]:.1f} to {last['trained'][56]:.1f}" in words
    assert f"Their slope is ${published.depth_last(table).values.mean():.3f}$" in words


def test_shares_of_energy_and_slopes_of_the_published_networks(words: str):
    table = stored(published.PUBLISHED)

    def share(stage: int, radius: int, weights: str = "trained") -> str:
        rows = published.chosen(table, stage, weights)
        return f"{100 * rows[rows['depth'] == 56][f'within{radius}'].mean():.{1 if stage == 2 else 0}f}%"

    assert f"has {share(1, 1, 'redrawn')} there" in words
    assert f"nine by nine pixels hold {share(3, 4)} of its energy" in words
    assert f"17 by 17 hold {share(3, 8)}, drawn anew {share(3, 8, 'redrawn')}" in words
    assert f"{share(2, 8)} of the energy lies within 17 by 17" in words

    def slope(stage: int, weights: str = "trained", depths: tuple[int, ...] = published.DEPTHS) -> float:
        return float(published.slopes(published.widths(table, stage, weights)[list(depths)]).mean())

    deep = published.DEPTHS[1:]
    assert f"the slope is ${slope(1, depths=deep):.3f}$ instead of ${slope(1):.3f}$" in words
    assert f"from 32 layers to 56 it is ${slope(3, depths=deep):.3f}$" in words
    assert f"the slope is {slope(2):.3f} after training" in words
    assert f"and {slope(2, 'redrawn'):.3f} with weights drawn anew" in words
    assert f"drawn anew the slope is only {slope(3, 'redrawn'):.3f} there" in words
    for values in (published.slopes(published.widths(table, 1)[list(deep)]), published.depth_second(table).values):
        error = values.std(ddof=1) / len(values) ** 0.5
        assert abs(values.mean()) < 1.96 * error
    deepest = table[(table["depth"] == 56) & (table["weights"] == "trained")]
    variance = deepest.groupby("stage")["variance"].mean()
    own = np.diff([0, *variance]) / [1, 4, 16]
    assert "contribute {:.2f}, {:.2f} and {:.2f}: together a width of {:.1f}".format(*own, own.sum() ** 0.5) in words


MEASURES = {
    "erf-focus.published": (published.focus_first, "holds"),
    "erf-focus.published-last": (published.focus_last, "holds"),
    "erf-depth.published-first": (published.depth_first, "holds"),
    "erf-depth.published-second": (published.depth_second, "fails"),
    "erf-depth.published-rate": (published.depth_first, "fails"),
    "erf-depth.redrawn": (published.depth_redrawn, "holds"),
    "erf-depth.training": (published.depth_training, "holds"),
}


@pytest.mark.parametrize("id", list(MEASURES))
def test_verdicts_of_the_stored_tables(id: str):
    measure, status = MEASURES[id]
    assert verdicts.status(id, measure(stored(published.PUBLISHED))) == status


def test_linear_readings(words: str):
    table = stored(probes.PROBES)
    for depth in (20, 56):
        told = "{:.0f}% to {:.0f}% and {:.0f}%".format(*(probes.accuracy(table, n, depth).mean() for n in (1, 2, 3)))
        assert f"from {told} in ResNet-{depth}" in words
    ahead = probes.richer(table)
    assert f"ResNet-56 is {ahead.values.mean():.1f} points ahead; the interval, 0.7 to 4.3," in words
    last = probes.accuracy(table, 3, 56) - probes.accuracy(table, 3, 20)
    assert f"In the last state it is {last.mean():.1f} points ahead" in words
    assert f"differ by {probes.richer_first(table).control.mean():.1f} points in ResNet-56" in words
    assert verdicts.status("erf-hierarchy.richer", ahead) == "undecided"
    seen = published.widths(stored(published.PUBLISHED), 2).mean()
    assert seen[56] == pytest.approx(seen[20], rel=0.02)


def test_images_that_go_on_beyond_their_border(words: str):
    table = stored(border.BORDER)
    widths = "{}, {}, {} and {}".format(*(f"{w:.2f}" for w in border.widths(table, "continued").mean()))
    assert f"are then {widths} pixels, {100 * (border.wider(table).mean() - 1):.0f}% more" in words
    found = border.growth(table)
    assert f"their slope is ${found.values.mean():.3f}$ (interval $-0.022$ to $-0.002$)" in words
    assert f"they are {100 * (border.wider(table, 'redrawn').mean() - 1):.0f}% wider" in words
    assert found.control is not None
    assert f"the slope is {found.control.mean():.3f}; in the same images" in words
    within = published.slopes(border.widths(table, "image", "redrawn")).mean()
    assert found.control.mean() / within == pytest.approx(2, abs=0.05)
    assert verdicts.status("erf-depth.border", found) == "fails"


def test_maps_from_half_of_the_images_leave_the_verdict_as_it_is(words: str):
    result = sweep.stored(probes.PROBES, ROOT)
    assert result is not None
    found = [probes.richer(probes.others(result)[f"maps from the {half} of the images"].table) for half in HALVES]
    assert "ResNet-56 is {:.1f} and {:.1f} points ahead".format(*(each.values.mean() for each in found)) in words
    assert {verdicts.status("erf-hierarchy.richer", each) for each in found} == {"undecided"}


HALVES = probes.LEARNERS[1:]
