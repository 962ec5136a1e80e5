"""The chapter's measures against known tables, its trials against closed forms, its choices against the tuning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime, sweep
from resnet_lib.analysis import paths
from resnet_lib.evidence import intervals
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.experiments.counting_paths import drawings, gradients, images, members, shares, unrolling
from resnet_lib.experiments.counting_paths.gradients import Flow
from tests.experiments import chapter

ROOT = Path(__file__).parents[2]


def flow_table(factor: float, kind="residual", gain=1.0, depth=16) -> pd.DataFrame:
    """A table of paths that lose `factor` in every branch: lengths have the weights of a binomial law."""
    rows = [
        {"kind": kind, "gain": gain, "blocks": depth, "seed": seed, "length": k, "count": float(count)}
        | {"path": factor**k, "exact": count * factor**k}
        for seed in range(5)
        for k, count in enumerate(paths.counts(depth))
    ]
    return pd.DataFrame(rows)


def test_lengths_follow_the_binomial_law_of_the_factor():
    # Weights C(L, k) g^k are a binomial law with p = g / (1 + g): mean L g / (1 + g).
    table = pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal"), flow_table(0.01, "orthogonal", 0.01)])
    for measure in (gradients.short_effective, gradients.short_exact):
        np.testing.assert_allclose(measure(table).values, 0.2)
        np.testing.assert_allclose(measure(table).control, 0.5)
    np.testing.assert_allclose(gradients.short_decay(table).values, np.log10(0.25))
    np.testing.assert_allclose(gradients.short_decay(table).control, 0, atol=1e-12)
    many = gradients.short_many(table)
    np.testing.assert_allclose(many.control, 1 / 1.01**16)
    assert (many.values < 0.5).all()


def test_counts_are_veit_s():
    evidence = gradients.short_count(pd.DataFrame())
    assert evidence.values[0] == pytest.approx(0.980, abs=5e-4)
    assert evidence.control[0] == pytest.approx(0.0045, abs=5e-5)


def test_orthogonal_branches_lose_nothing_and_need_no_training():
    with runtime.numerics():
        table = gradients.trial(Flow("orthogonal", blocks=6, images=5, paths=10), (0, 1))
        small = gradients.trial(Flow("orthogonal", blocks=6, gain=0.1, images=5, paths=10), (0,))
    start = table[table["length"] == 0].set_index("seed")["path"]
    np.testing.assert_allclose(table["path"] / table["seed"].map(start), 1, rtol=1e-12)
    ratio = small["path"] / small.loc[small["length"] == 0, "path"].iloc[0]
    np.testing.assert_allclose(ratio, 0.1 ** small["length"], rtol=1e-9)


@pytest.mark.parametrize(("branch", "exact"), [("linear", True), ("relu", False)])
def test_only_linear_branches_split_over_paths(branch, exact):
    with runtime.numerics():
        table = unrolling.trial(unrolling.Unrolled(branch, blocks=5, width=8), (0, 1))
    assert (table["paths"] < 1e-12).all() == exact
    assert (table["sum"] < 1e-12).all()
    assert (table["gradient"] < 1e-12).all()
    assert (table["elsewhere"] > 0.01).all()


def test_an_activation_behind_the_addition_breaks_the_sum():
    with runtime.numerics():
        table = unrolling.trial(unrolling.Unrolled("original", blocks=5, width=8), (0, 1))
    assert (table["sum"] > 0.01).all()
    assert (table["gradient"] < 1e-12).all()


def test_measures_take_the_right_branches_and_their_controls():
    branches = ("linear", "relu", "original")
    table = pd.DataFrame({"branch": branches, "sum": [1, 2, 3], "paths": [4, 5, 6], "gradient": [7, 8, 9]})
    table["elsewhere"] = [10, 11, 12]
    found = [
        (evidence.values[0], evidence.control[0])
        for evidence in (
            unrolling.unroll_sum(table),
            unrolling.unroll_linear(table),
            unrolling.unroll_relu(table),
            unrolling.unroll_gradient(table),
        )
    ]
    assert found == [(2, 3), (4, 5), (5, 4), (8, 11)]


@pytest.fixture
def marks() -> pd.DataFrame:
    """A network of 95% whose halves reach 80% alone and 94% together, and networks apart that gain 1 point."""
    rows = []
    for seed in range(5):
        own = {"variant": "residual", "last": 1.0, "seed": seed, "whole": 0.95, "whole_ece": 0.03}
        for group, one, five, ece, correlation in (
            ("halves", 0.6, 0.7, 0.15, 0.4),
            ("halves-anew", 0.8, 0.94, 0.05, 0.6),
            ("copies", 0.95, 0.95, 0.03, 1.0),
            ("apart", 0.95, 0.96, 0.01, 0.5),
        ):
            more = ((50, 0.93),) if group == "halves-anew" else ((3, 0.957),)
            for size, accuracy in ((1, one), (5, five), *more):
                error = ece - 0.01 * (size == 1 and group == "halves-anew")
                row = {"group": group, "size": size, "accuracy": accuracy, "ece": error, "correlation": correlation}
                rows.append(own | row)
        for variant, curve in (("residual", (0.95, 0.94, 0.84)), ("plain", (0.95, 0.3, 0.1))):
            for size, accuracy in enumerate(curve):
                rows.append(own | {"variant": variant, "group": "removed", "size": size, "accuracy": accuracy})
    return pd.DataFrame(rows)


def test_marks_of_an_ensemble(marks):
    np.testing.assert_allclose(members.ens_smooth(marks).values, 10)
    np.testing.assert_allclose(members.ens_smooth(marks).control, 65)
    np.testing.assert_allclose(members.ens_errors(marks).values, 0.4)
    np.testing.assert_allclose(members.ens_together(marks).values, 14 - 0.5)
    np.testing.assert_allclose(members.ens_together(marks).control, 0, atol=1e-12)
    np.testing.assert_allclose(members.ens_average(marks).values, -2)
    np.testing.assert_allclose(members.ens_average(marks).control, -0.3)
    np.testing.assert_allclose(members.ens_calibrated(marks).values, 0.01)
    np.testing.assert_allclose(members.ens_calibrated(marks).control, 0)


def test_a_genuine_ensemble_passes_and_a_damaged_network_does_not(marks):
    """Networks trained apart, taken as members of their average; and halves that are 2 points behind."""
    from resnet_lib.evidence import claims, statements
    from resnet_lib.evidence.rules import Rule

    claim = statements.load(ROOT / "claims.yml").claim("ens-claim.average")
    rule, must = Rule.parse(claim.holds_if), Rule.parse(claim.control.must)
    evidence = members.ens_average(marks)
    assert claims.judge(rule, must, evidence, "test").status == "fails"
    genuine = replace(evidence, values=members.behind(marks, "apart", size=3))
    assert claims.judge(rule, must, genuine, "test").status == "holds"


def test_removing_uses_every_set():
    table = members.Members("residual", 0.3)
    net = members.fit(members.Members("residual", 0.3, blocks=4), (0,)).net(0)
    from resnet_lib import data
    from resnet_lib.analysis import lesion, lesion_scores

    test = data.load("digits", flat=True).test
    found = members.removed(net, test)  # pyright: ignore[reportArgumentType]
    singles = lesion_scores.score(list(lesion.singles(net).values()), test.x, test.y)  # pyright: ignore[reportArgumentType]
    assert len(found) == 3
    assert found[1] == pytest.approx(singles.accuracy.mean().item())
    assert table.apart == 1


def test_chart_has_its_slider():
    table = drawings.by_length(pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal")]))
    spec = drawings.gain(table).to_dict()
    assert [p["name"] for p in spec["params"] if "bind" in p] == ["factor"]


def test_members_of_half_the_blocks_are_the_halves_and_the_average_is_that_of_all():
    setting = members.Members("residual", 0.3, epochs=1, blocks=4, halves=6)
    with runtime.numerics():
        table = shares.shares_trial(setting, (0,)).set_index("kept")
        whole = members.trial(setting, (0,))
    assert table["members"].tolist() == [4, 6, 4]
    halves = whole[(whole["group"] == "halves-anew") & (whole["size"] == 6)].iloc[0]
    assert table["average"][2] == pytest.approx(halves["accuracy"])
    assert table["whole"][2] == pytest.approx(halves["whole"])
    one = whole[(whole["group"] == "halves-anew") & (whole["size"] == 1)].iloc[0]
    assert table["single"][2] == pytest.approx(one["accuracy"], abs=0.1)  # the mean over 20 draws of one


def test_members_are_compared_by_what_they_keep():
    rows = [(seed, kept, 0.9 + kept / 100, 0.95) for seed in (1, 0) for kept in (1, 8)]
    table = pd.DataFrame(rows, columns=["seed", "kept", "average", "whole"])
    np.testing.assert_allclose(shares.ens_most(table).values, [3, 3])
    np.testing.assert_allclose(shares.ens_most(table).control, [-4, -4])


def test_images_weighted_alike_are_told_from_images_weighted_by_their_gradients():
    """Two images whose paths lose a half and a quarter a branch: the larger gradient decides, or both do."""
    counts = np.array(paths.counts(4), dtype=float)
    rows = pd.DataFrame({"seed": 0, "blocks": 4, "length": range(5), "count": counts})
    along = np.array([0.5, 0.25])[:, None] ** np.arange(5)
    rows = rows.assign(path=(np.array([[9.0], [1.0]]) * along).mean(0), path_alike=along.mean(0))
    rows = rows.assign(exact=rows["path"] * counts, exact_alike=rows["path_alike"] * counts)
    by, alike = (images.lengths(rows, alike=each) for each in (False, True))
    assert 0.48 < by["factor"][0] < 0.5
    assert by["factor"][0] > alike["factor"][0] > 0.25
    np.testing.assert_allclose(by["sampled"], by["exact"])
    weights = counts * along.mean(0)
    np.testing.assert_allclose(alike["sampled"], (weights * np.arange(5)).sum() / weights.sum() / 4)


def test_before_training_batch_normalisation_has_the_statistics_of_the_training_images():
    with runtime.numerics():
        table = images.images_trial(Flow("residual", images=10, paths=5, epochs=0), (0,))
    assert table["few"].between(0.5, 1).all()  # five of ten
    assert images.lengths(table.assign(blocks=16), alike=True)["factor"][0] < 0.7  # with none it is about 1


# the page

TWICE = "twice the epochs"


NAME = "15_counting_paths"


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
    assert f"At a third of the rate it is ${third:.2f}$ points" in words
    halves = sweep.stored(members.MEMBERS, ROOT)
    assert halves is not None
    np.testing.assert_allclose(shares.behind(stored.table, 5), members.ens_average(halves.table).values, atol=1e-9)
