"""What the page tells in numbers is what its figures and the stored tables say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime, sweep
from resnet_lib.analysis import paths
from resnet_lib.evidence import intervals
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.experiments.counting_paths import drawings, gradients, images, members, shares, unrolling
from tests.experiments import chapter

ROOT = Path(__file__).parents[3]

NAME = "15_counting_paths"
TWICE = "twice the epochs"


def excludes_zero(values: np.ndarray) -> bool:
    low, high = intervals.interval(values, "mean", rng=runtime.rng(0, "page"))
    return bool(low > 0 or high < 0)


def test_the_factors_and_mean_lengths_that_the_page_tells_are_those_of_the_stored_tables():
    words = chapter.words(NAME)
    table = pd.read_csv(ROOT / "figures/path-flows/data.csv").rename(columns={"sum": "exact"})
    flows = {kind: table[table["kind"] == kind] for kind in ("residual", "scaled")}
    g = 10 ** np.mean(
        [np.polyfit(k["length"], np.log10(k["path"]), 1)[0] for _, k in flows["residual"].groupby("seed")]
    )
    assert f"g\\approx{g:.2f}$" in words
    assert f"puts the mean at ${g / (1 + g):.2f}\\,L$, which is what the sampled paths give" in words
    lengths = [(flows["residual"][name] * flows["residual"]["length"]).sum() / 5 for name in ("share", "exact")]
    assert f"{lengths[0] / 16:.2f}" == f"{g / (1 + g):.2f}"
    assert f"smaller still, ${lengths[1] / 16:.2f}\\,L$" in words
    left = (flows["residual"]["exact"] / flows["residual"]["share"]).groupby(flows["residual"]["seed"])
    left = left.transform(lambda part: part / part.iloc[0]).groupby(flows["residual"]["length"]).mean()
    assert "branches {:.2f}, {:.2f}, {:.2f} and {:.2f} is left of".format(*left[[1, 2, 4, 8]]) in words
    assert f"at fourteen {left[14]:.2f} and at sixteen" in words
    root = np.array([paths.counts(16)[k] for k in (1, 2, 4, 8)]) ** -0.5
    assert "would be {:.2f}, {:.2f}, {:.2f} and {:.2f}.".format(*root) in words
    assert f"at 0.18 it is {g:.2f} and {lengths[0]:.1f}" in words
    shares = {kind: rows.groupby("length")[["share", "exact"]].mean() for kind, rows in flows.items()}
    assert f"carry about {100 * shares['residual']['share'][8]:.0f}% of the gradient" in words
    assert set(shares["residual"]["share"].nlargest(2).index) == {3, 4}
    assert [shares[kind]["exact"].idxmax() for kind in ("residual", "scaled")] == [2, 1]
    assert shares["scaled"]["share"].idxmax() == 2
    told = []
    for choice in (THIRD, THRICE, TWICE):
        other = gradients.CHOICES.results(ROOT)[choice].table
        told += [10 ** gradients.short_decay(other).values.mean(), gradients.short_effective(other).values.mean()]
    third, thrice, twice = ([f"{value:.2f}" for value in told[k : k + 2]] for k in (0, 2, 4))
    assert "a third of it $g\\approx{}$ and the sampled mean is ${}\\,L$".format(*third) in words
    assert (
        "at three times it ${}$ and ${}\\,L$; with twice the epochs ${}$ and ${}\\,L$".format(*thrice, *twice) in words
    )
    assert f"three times the learning rate {third[0]} and {thrice[0]}" in words
    ties = gradients.RATES.stored(ROOT)["residual"].ties
    assert (len(ties), min(ties), max(ties)) == (8, 0.032, 1)


def test_the_marks_that_the_page_tells_are_those_of_the_stored_tables():
    words = chapter.words(NAME)
    marks = pd.read_csv(ROOT / "figures/ens-marks/data.csv")
    rows = marks[["mark", "group", "mean", "high"]].itertuples(index=False)
    found = {(mark, group): (mean, high) for mark, group, mean, high in rows}
    apart, old, anew, deep = (title for title, _ in list(drawings.GROUPS.values())[:4])
    for said, mark, group, digits in (
        ("their correlation is {} against", "correlation", anew, 2),
        ("against {}. (With", "correlation", apart, 2),
        ("old statistics it is {}, of", "correlation", old, 2),
        ("five halves gains {} points", "gain", anew, 1),
        ("five networks trained apart {}.", "gain", apart, 1),
        ("is then {} points below", "behind", deep, 2),
        ("instead of {}.", "behind", anew, 2),
        ("five halves is {} points below", "behind", old, 1),
    ):
        assert said.format(f"{abs(found[mark, group][0]):.{digits}f}") in words, said
    assert f"lowers the calibration error by {-found['calibration', deep][0] / 100:.3f}" in words
    for group, zero in ((apart, True), (anew, True), (deep, False)):
        assert (found["calibration", group][1] > 0) == zero
    gain = pd.read_csv(ROOT / "figures/ens-gain/data.csv").query("last == 1")
    mean = gain.groupby(["group", "size"])[["accuracy", "gain"]].mean()
    assert [round(-mean["gain"][name, 1]) for name in ("halves-anew", "halves")] == [2, 11]
    assert abs(mean["gain"]["apart", 3]) < 0.1
    errors = 1 - mean["accuracy"]
    fewer = [100 * (1 - errors[name, 5] / errors[name, 1]) for name in ("halves-anew", "apart")]
    assert "averaging removes {:.0f}% of them, and {:.0f}% of those of".format(*fewer) in words
    assert errors["halves", 1] / errors["halves-anew", 1] == pytest.approx(3, abs=0.2)


def test_what_the_page_says_of_more_seeds_and_other_choices_is_in_the_stored_tables():
    words, other = chapter.words(NAME), members.CHOICES.results(ROOT)
    stored = sweep.stored(members.MEMBERS, ROOT)
    assert stored is not None
    full, third, thrice, twice = stored.table, *(other[name].table for name in (THIRD, THRICE, TWICE))
    fifty = [members.ens_average(table).values for table in (full, third, thrice, twice)]
    assert all(excludes_zero(values) for values in fifty)
    here = chapter.quick(NAME, "ens-claim.average")
    assert (
        f"are {-here['effect']:.2f} points below it in five seeds, with an interval from ${here['low']:.1f}$ to 0"
        in words
    )
    assert abs(here["high"]) < 1e-9
    behind = [-values.mean() for values in fifty]
    assert f"and {behind[0]:.2f} in the ten of FULL" in words
    assert f"fifty halves are {behind[1]:.1f} points below the network" in words
    assert f"rate they stay {behind[1]:.1f} points below" in words
    assert f"with {behind[2]:.2f} points, and with twice the epochs, with {behind[3]:.2f}" in words
    alike = [members.group(table, "halves-anew")["correlation"].mean() for table in (third, thrice)]
    apart = members.group(third, "apart")["correlation"].mean()
    assert (
        f"{alike[0]:.2f} at a third of it, where networks trained apart have {apart:.2f}, and {alike[1]:.2f} at"
        in words
    )
    apart = members.group(thrice, "apart")["correlation"].mean()
    assert f"become more alike as well, with {apart:.2f}." in words
    raised = [members.ens_calibrated(table).values.mean() for table in (third, thrice)]
    assert f"raises the error by {raised[0]:.3f}" in words
    assert f"at three times each rate it lowers it by {-raised[1]:.3f}" in words
    helps = []
    for table in (full, third, twice, thrice):
        with_it, without = (members.behind(table, "halves-anew", last=last) for last in (0.5, 1.0))
        helps.append(with_it - without)
    assert [excludes_zero(values) for values in helps] == [False, True, True, False]
    told = [f"{values.mean():.1f}" for values in helps]
    assert "the difference is {}, with".format(*told) in words
    assert "rates it is {1} and with twice the epochs {2}, and both intervals".format(*told) in words
    assert f"at three times it is ${told[3]}$" in words
    rows = members.group(full, "halves")
    assert f"in FULL, {(rows['ece'] - rows['whole_ece']).mean():.3f} worse calibrated" in words
    errors = [
        1 - members.group(full, name, size=k)["accuracy"].mean() for name in ("halves-anew", "apart") for k in (1, 5)
    ]
    fewer = [100 * (1 - errors[k + 1] / errors[k]) for k in (0, 2)]
    assert "In FULL these are {:.0f}% and {:.0f}%".format(*fewer) in words
    calibrated = members.calibrated(full, "apart")
    assert f"now it is {-calibrated.mean():.4f}" in words
    assert not excludes_zero(calibrated)


def test_what_the_page_says_of_images_starts_and_members_is_in_the_stored_tables():
    words = chapter.words(NAME)
    found = sweep.stored(images.IMAGES, ROOT)
    assert found is not None
    rows = images.summary(found.table).set_index(["network", "epochs", "images"]).to_dict("index")
    before, alike = rows["residual", 0, "by gradient"], rows["residual", 20, "alike"]
    scaled = rows["scaled", 20, "by gradient"]
    told = "$g\\approx{:.2f}$ and means of ${:.2f}\\,L$ and ${:.2f}\\,L$. So"
    assert told.format(*(before[name] for name in ("factor", "sampled", "exact"))) in words
    told = "$g\\approx{:.2f}$, and means of ${:.2f}\\,L$ and ${:.2f}\\,L$."
    assert told.format(*(alike[name] for name in ("factor", "sampled", "exact"))) in words
    assert "$g\\approx{:.2f}$ and a sampled mean of ${:.2f}\\,L$.".format(scaled["factor"], scaled["sampled"]) in words
    few = sorted(100 * rows[kind, 20, "alike"]["five largest"] for kind in ("residual", "scaled"))
    assert "carry {:.0f} to {:.0f}% of it".format(*few) in words
    unrolled = sweep.stored(unrolling.UNROLLED, ROOT)
    assert unrolled is not None
    assert f"off by {100 * unrolling.unroll_relu(unrolled.table).values.mean():.0f}% of the last state" in words
    stored, other = sweep.stored(shares.SHARES, ROOT), shares.CHOICES.results(ROOT)
    assert stored is not None
    means = [-shares.behind(stored.table, kept).mean() for kept in (1, 3, 5, 7)]
    assert "the average is, in FULL, {:.2f}, {:.2f}, {:.2f} and {:.2f} points below".format(*means) in words
    eight = shares.ens_most(stored.table).values
    assert abs(eight.mean()) < 0.005
    assert "differs from the network by 0.00 points" in words
    assert not excludes_zero(eight)
    third = shares.ens_most(other[THIRD].table).values.mean()
    assert f"At a third of the rate, with eight, it is ${third:.2f}$ points" in words
    halves = sweep.stored(members.MEMBERS, ROOT)
    assert halves is not None
    np.testing.assert_allclose(shares.behind(stored.table, 5), members.ens_average(halves.table).values, atol=1e-9)
