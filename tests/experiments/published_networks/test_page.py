"""The numbers that the pages tell of published networks are those of the stored tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime
from resnet_lib.evidence import intervals
from resnet_lib.experiments.published_networks import errors, lesions, spectra, steps
from resnet_lib.experiments.published_networks.networks import DEPTHS
from tests.experiments import chapter, verdicts
from tests.experiments.chapter import stored

ROOT = Path(__file__).parents[3]
NAME = "27_published_networks"


@pytest.fixture(scope="module")
def words() -> str:
    return chapter.words(NAME)


def means(values: list[np.ndarray], digits: int = 1) -> list[str]:
    return [f"{found.mean():.{digits}f}" for found in values]


def test_errors(words: str):
    table = stored(errors.ERRORS)
    test = [f"{errors.by_depth(table, 'test')[depth].mean():.2f}" for depth in DEPTHS]
    assert "{}, {}, {} and {}%, are the published ones".format(*test) in words
    learned = errors.by_depth(table, "train")
    assert f"{learned[20].mean():.2f}% are wrong at 20 layers, {learned[56].mean():.2f}% at 56" in words
    assert f"falls by {-errors.falls(table).values.mean():.1f} points on average with each doubling" in words


def test_lesions(words: str):
    table = stored(lesions.LESIONS)
    trained = means([lesions.lost(table, depth) for depth in DEPTHS])
    assert f"ResNet-20 loses {trained[0]} points, and seven" in words
    assert "ResNet-32 loses {}, ResNet-44 {} and ResNet-56 {}.".format(*trained[1:]) in words
    anew = means([lesions.lost(table, depth, "anew") for depth in DEPTHS])
    assert "the median falls to {}, {}, {} and 0.9 points".format(*anew[:3]) in words
    assert 0.9 <= lesions.lost(table, 56, "anew").mean() < 1
    of = {depth: lesions.rows(table, depth, "trained", "removed").groupby("block")["loss"].mean() for depth in DEPTHS}
    assert of[20].min() == pytest.approx(7, abs=0.1)
    assert (of[56] < 2).sum() == 20
    assert (of[32].idxmax(), of[44].idxmax()) == (0, 1)
    assert f"its first, with {of[32].max():.0f} points" in words
    assert f"its second, with {of[44].max():.0f}" in words
    assert f"of ResNet-56 costs {of[56].max():.1f}" in words
    halving = {
        depth: lesions.rows(table, depth, "trained", "transition").groupby("block")["loss"].mean() for depth in (20, 56)
    }
    told = [f"{value:.0f}" for depth in (20, 56) for value in halving[depth]]
    assert "cost {} and {} points in ResNet-20, {} and {} in ResNet-56".format(*told) in words
    every = lesions.rows(table, 56, "trained", "shortcuts")["loss"].mean()
    assert f"are worth {every:.0f} points" in words


def test_what_a_block_takes_with_it(words: str):
    table = stored(lesions.LESIONS)
    rows = table[(table["measure"] == "ratio") & (table["statistics"] == "trained")]
    ratios = rows.groupby(["depth", "block"])["value"].mean()
    deep = ratios[56].sort_index()[:-1]
    assert f"between {deep.min():.1f} and {deep.max():.1f} times its own term" in words
    assert (
        f"up to {ratios[32].max():.1f} in ResNet-32 and exactly at the border in ResNet-20: {ratios[20].max():.1f}"
        in words
    )


def test_steps(words: str):
    table = stored(steps.STEPS)
    full = [steps.lost(table, depth, 2, measure="full").mean() for depth in DEPTHS]
    fresh = [steps.lost(table, depth, 2, measure="full", statistics="anew").mean() for depth in DEPTHS]
    assert f"costs {min(full):.0f} to {max(full):.0f} points in every network, and {min(fresh):.0f} to" in words
    assert f"to {max(fresh):.0f} with statistics anew" in words
    halves, eighths = ([steps.lost(table, depth, n).mean() for depth in DEPTHS] for n in (2, 8))
    assert round(halves[0]) == 5
    assert f"eight small ones {eighths[0]:.0f}" in words
    everything = stored(steps.FLOW)
    told = []
    for count in (2, 8):
        lost = steps.lost(everything, 56, count)
        told += [lost.mean(), *intervals.interval(lost, "mean", rng=runtime.rng(0, "page"))]
    assert f"two half steps cost {told[0]:.1f} points (interval $-{-told[1]:.1f}$ to {told[2]:.1f})" in words
    assert "eight small ones {:.1f}, with an interval from {:.1f} to {:.1f} that leaves".format(*told[3:]) in words
    assert "loses {:.1f} points, from {:.1f} to {:.1f}, which leaves".format(*told[3:]) in words
    assert f"of the figure give {abs(halves[3]):.1f} and {eighths[3]:.1f}" in words
    assert f"In between lie {eighths[1]:.0f} points at 32 layers and six at 44" in words
    assert round(eighths[2]) == 6
    anew = [steps.lost(table, depth, 8, statistics="anew").mean() for depth in DEPTHS]
    assert [anew[0], anew[1], anew[3]] == pytest.approx([8.75, 4.15, 0.85], abs=0.001)
    assert f"eight steps cost 8.8, 4.2, {anew[2]:.1f} and 0.9 points" in words
    lengths = table[(table["measure"] == "path") & (table["statistics"] == "trained")].groupby("depth")["value"].mean()
    assert f"grows from {lengths[20]:.1f} to {lengths[56]:.1f} relative changes" in words
    assert f"to the power {steps.lengthens(table).values.mean():.2f} on average" in words
    blocks = (np.array(DEPTHS) - 2) / 2 - 2
    local = np.diff(np.log(lengths.to_numpy())) / np.diff(np.log(blocks))
    assert "the power is {:.2f}, {:.2f} and {:.2f}.".format(*local) in words


def test_spectra(words: str):
    table = stored(spectra.SPECTRA)
    near, exact = ([spectra.median(table, name, depth).mean() for depth in DEPTHS] for name in ("near", "exact"))
    assert f"{100 * near[3]:.1f}% of the eigenvalues lie within 0.5 of 1, and {100 * exact[3]:.0f}% are equal" in words
    told = [f"{100 * share:.0f}" for share in near[:3]]
    assert "from {}% in ResNet-20 over {} and {} to nearly all".format(*told) in words
    assert f"hardly moves, {100 * min(exact):.0f} to {100 * max(exact):.0f}%" in words
    norms = [spectra.median(table, "norm", depth).mean() for depth in DEPTHS]
    assert f"from {norms[0]:.0f} over {norms[1]:.0f} and {norms[2]:.1f} to {norms[3]:.1f}" in words
    others = []
    for depth in (20, 56):
        last = table[(table["depth"] == depth) & (table["stage"] == 2)]
        share = ((last["near"] - last["exact"]) / (1 - last["exact"])).groupby(last["seed"]).median()
        others.append(f"{100 * share.mean():.0f}")
    assert f"from {others[0]}% to {others[1]}" in words


def test_the_live_network(words: str):
    table = pd.read_csv(ROOT / "figures/published-small/data.csv")
    trained = table[table["statistics"] == "trained"]
    median = trained[trained["measure"] == "removed"].groupby("seed")["loss"].median()
    assert f"{median.mean():.1f} points at the median block ({median.min():.1f} to {median.max():.1f} by seed)" in words
    eight = trained[(trained["measure"] == "divided") & (trained["steps"] == 8)]["loss"]
    assert eight.min() == 0
    assert f"by eight sub-steps {eight.mean():.1f}, from none to {eight.max():.1f} by seed" in words
    first = [
        table[(table["block"] == 0) & (table["statistics"] == kind)]["loss"].mean() for kind in ("trained", "anew")
    ]
    assert f"the first costs {first[0]:.0f} points, of which {first[1]:.1f} remain" in words


def test_other_pages_tell_the_same():
    table = stored(lesions.LESIONS)
    shallow, deep = (lesions.lost(table, depth).mean() for depth in (20, 56))
    other = chapter.words("16_dropping_blocks")
    assert f"lose {shallow:.1f}, 5.3, 3.3 and {deep:.1f} points without the median block" in other
    front = (ROOT / "index.md").read_text(encoding="utf-8")
    assert "ResNet-20 loses fourteen points of accuracy without the median block, ResNet-56 one" in front
    assert (int(shallow), round(deep)) == (14, 1)


MEASURES = {
    "plain-degrade.published": (errors.ERRORS, errors.degrade),
    "drop-graceful.published-shallow": (lesions.LESIONS, lesions.graceful_shallow),
    "ode-trained.published-shallow": (steps.STEPS, steps.flow_shallow),
    "eig-trained.published-small": (spectra.SPECTRA, spectra.small),
}


@pytest.mark.parametrize(("id", "status"), list(zip(MEASURES, ("holds", "fails", "fails", "fails"), strict=True)))
def test_verdicts_of_the_stored_tables(id: str, status: str):
    experiment, measure = MEASURES[id]
    assert verdicts.status(id, measure(stored(experiment))) == status
