"""What the page tells in numbers is what its own run, its figures and the stored tables say."""

from pathlib import Path

import pandas as pd

from resnet_lib.evidence import claims
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.experiments.plain_networks import degradation, depths, measures
from tests.experiments import chapter
from tests.experiments.verdicts import status

ROOT = Path(__file__).parents[3]

NAME = "02_plain_networks"
TWICE = "twice the epochs"


def under(choices) -> list[pd.DataFrame]:
    """The stored tables at a third and three times each rate and with twice the epochs."""
    found = choices.results(ROOT)
    return [found[name].table for name in (THIRD, THRICE, TWICE)]


def statuses(id: str, measure, tables: list[pd.DataFrame]) -> list[str]:
    """The claim's verdict on each of the tables."""
    return [status(id, measure(table)) for table in tables]


def test_the_errors_that_the_page_tells_are_those_of_its_own_run():
    words = chapter.words(NAME)
    rises = [chapter.quick(NAME, f"plain-degrade.{name}") for name in ("pre", "original")]
    assert "rises by {effect:.2f} points, with an interval from {low:.2f} to {high:.2f}".format(**rises[0]) in words
    assert "rises by {effect:.1f} points, with an interval from {low:.1f} to {high:.1f}".format(**rises[1]) in words
    errors = pd.read_csv(ROOT / "figures/plain-degrade/data.csv").groupby(["measure", "variant", "layers"])["value"]
    means = errors.mean()["train_error"]
    assert f"it gets {means['plain', 50]:.0f}% of the" in words
    assert [round(means["plain", 20]), round(means["plain", 50])] == [17, 79]  # the figure's alt text
    assert 4.4 < means["original", 50] < 4.6
    assert means["pre"].max() < 1
    rescaled = pd.read_csv(ROOT / "figures/plain-rescaled/data.csv")
    sigmoids = rescaled[rescaled["network"].str.contains("sigmoids") & rescaled["rescaled"]]["value"]
    low, high = sigmoids.min(), sigmoids.max()
    assert f"an error of {sigmoids.mean():.0f}% in the mean, with seeds from {low:.1f} to {high:.1f}%" in words
    wins = [chapter.quick(NAME, f"degrade-cause.{name}") for name in ("rescale", "rescale-bare")]
    won = [100 * each["effect"] for each in wins]
    assert "wins {:.0f}% of the gap with batch normalisation and {:.0f}% without".format(*won) in words
    ends = [100 * each[end] for each in wins for end in ("low", "high")]
    assert "from ${:.0f}$ to {:.0f}% and from ${:.0f}$ to {:.0f}%".format(*ends) in words
    assert round(10 ** -chapter.quick(NAME, "degrade-cause.training")["effect"]) == 9  # "at its least to a ninth"
    behind = [chapter.quick(NAME, f"plain-fails.{name}") for name in ("identity", "looks-linear", "test")]
    assert "is {effect:.1f} points behind the residual one".format(**behind[0]) in words
    assert "near the identity (interval {low:.1f} to {high:.1f})".format(**behind[0]) in words
    assert "and {effect:.1f} when it starts as looks-linear (${low:.1f}$ to {high:.1f})".format(**behind[1]) in words
    assert "the looks-linear network is {effect:.1f} points behind".format(**behind[2]) in words


def test_what_the_page_says_of_degradation_under_other_choices_is_in_the_stored_tables():
    words, deep, wide = chapter.words(NAME), under(degradation.DEGRADE_CHOICES), under(degradation.RESCUE_CHOICES)
    third, thrice, twice = (measures.degrade_plain(table).values.mean() for table in deep)
    assert (
        f"by {third:.0f} points at a third of each rate, by {thrice:.0f} at three times, by {twice:.0f} with" in words
    )
    third, thrice, twice = (measures.degrade_original(table).values.mean() for table in deep)
    assert f"rises by {third + 1e-9:.1f} and {thrice:.1f} points at the other rates" in words
    assert f"that is undecided ({twice:.1f}, interval" in words
    third, thrice, twice = (measures.degrade_pre(table).values.mean() for table in deep)
    assert f"at a third ({third:.2f}) and with twice the epochs ({twice:.2f})" in words
    assert f"it is undecided ({thrice:.2f}, interval" in words
    assert statuses("plain-degrade.plain", measures.degrade_plain, deep) == ["holds"] * 3
    assert statuses("plain-degrade.original", measures.degrade_original, deep) == ["fails", "fails", "undecided"]
    assert statuses("plain-degrade.pre", measures.degrade_pre, deep) == ["holds", "undecided", "holds"]
    third, thrice, twice = (measures.degrade_bare(table) for table in wide)
    assert f"on {third.values.mean():.0f} at a third of its rate, on {twice.values.mean():.0f} with twice" in words
    assert f"rises by {thrice.control.mean():.1f} points itself, and in one of five seeds by" in words
    assert f"of five seeds by {thrice.control.max():.1f}" in words
    assert statuses("plain-degrade.bare", measures.degrade_bare, wide) == ["holds", "invalid", "holds"]


def test_what_the_page_says_of_rescaling_under_other_choices_is_in_the_stored_tables():
    words, tables = chapter.words(NAME), under(degradation.CAUSE_CHOICES)
    won = [
        [100 * measure(table).values.mean() for table in tables]
        for measure in (measures.rescale, measures.rescale_bare)
    ]
    assert f"wins ${won[0][0]:.0f}$ and {won[1][0]:.0f}% of the gap, with twice the epochs" in words
    assert f"with twice the epochs {won[0][2]:.0f} and {won[1][2]:.0f}%" in words
    assert f"err on {measures.values(tables[2], 'sigmoid', 8, rescaled=True).mean():.1f}%" in words
    third = measures.sigmoid(tables[0])
    assert f"it wins {third.values.mean():.0f} points, but its control" in words
    assert f"wins {third.control.mean():.1f} in the mean and up to {third.control.max():.1f}" in words
    for id, measure in (("rescale", measures.rescale), ("rescale-bare", measures.rescale_bare)):
        assert statuses(f"degrade-cause.{id}", measure, tables) == ["fails", "invalid", "fails"]
    assert statuses("degrade-cause.sigmoid", measures.sigmoid, tables) == ["invalid", "invalid", "holds"]
    assert statuses("degrade-cause.training", measures.vanish_training, tables) == ["fails"] * 3
    (equal,) = (degradation.CAUSE_CHOICES.results(ROOT)[name].table for name in degradation.EQUAL)
    assert statuses("degrade-cause.rescale", measures.rescale, [equal]) == ["fails"]
    assert statuses("degrade-cause.rescale-bare", measures.rescale_bare, [equal]) == ["holds"]
    plain, bare = (
        [f"{measures.values(equal, variant, 50, rescaled=rescaled).mean():.0f}" for rescaled in (False, True)]
        for variant in ("plain", "bare")
    )
    assert plain[0] == plain[1]
    assert f"err on {plain[0]}% of the training images, with rescaling as without" in words
    assert "they err on {}% without it and on {}% with it".format(*bare) in words
    assert f"with it: {100 * measures.rescale_bare(equal).values.mean():.0f}% of the gap" in words
    ahead = [-measures.fails_normalised(table).values.mean() for table in tables]
    assert "under all choices, by {:.1f}, {:.1f} and {:.1f} points".format(*ahead) in words


def test_what_the_page_says_of_starts_under_other_choices_is_in_the_stored_tables():
    words, tables = chapter.words(NAME), under(degradation.RESCUE_CHOICES)
    found = {
        name: [measure(table).values.mean() for table in tables]
        for name, measure in (
            ("he", measures.fails_he),
            ("identity", measures.fails_identity),
            ("mirror", measures.fails_looks_linear),
            ("test", measures.fails_test),
        )
    }
    assert {f"{found[name][2]:.2f}" for name in ("identity", "mirror")} == {"0.06"}
    assert f"looks-linear is level (${found['mirror'][0]:.2f}$)" in words
    assert f"near the identity is undecided ({found['identity'][0]:.1f}, interval" in words
    assert f"{found['mirror'][1]:.0f} points for looks-linear" in words
    assert f"on new images {found['test'][1]:.0f}, interval" in words
    assert f"and {found['identity'][1]:.1f} near the identity" in words
    assert "by {:.0f}, {:.0f} and {:.0f} points. At a third".format(*found["he"]) in words
    control = [measures.fails_he(table).control.mean() for table in tables]
    assert f"the plain network is {control[0]:.1f} and {control[1]:.0f} points behind itself" in words
    for id, measure, said in (
        ("he", measures.fails_he, ["invalid", "invalid", "holds"]),
        ("identity", measures.fails_identity, ["undecided", "undecided", "fails"]),
        ("looks-linear", measures.fails_looks_linear, ["fails", "undecided", "fails"]),
        ("test", measures.fails_test, ["fails", "undecided", "fails"]),
        ("slope", measures.fails_slope, ["fails"] * 3),
    ):
        assert statuses(f"plain-fails.{id}", measure, tables) == said
    assert max(10 ** measures.fails_slope(table).values.mean() for table in tables) < 4


def test_plain_networks_with_the_usual_weights_learn_at_no_rate_what_the_page_says():
    table = pd.read_csv(ROOT / "results/plain-tuning/full.csv")
    usual = table[table["variant"].isin(["plain", "bare"]) & (table["layers"] >= 50)]
    best = usual.groupby(["variant", "layers", "rescaled", "rate"])["validation_accuracy"].mean().max()
    assert f"reach at most {100 * best:.0f}% on the validation split at any rate" in chapter.words(NAME)


def test_what_the_page_says_of_its_known_controls_is_in_its_own_run() -> None:
    def known(*claims_: str) -> list[float]:
        return [chapter.quick(NAME, id)["control_effect"] for id in claims_]

    words = chapter.words(NAME)
    slopes = known("plain-drift.slope", "plain-drift.jacobian", "plain-drift.backward")
    assert "${:.2f}$ for the state, ${:.2f}$ for a direction and ${:.2f}$ on the way back".format(*slopes) in words
    kept = known("plain-drift.mean", "plain-drift.variance")
    told = "at width 256 to a factor of {:.2f}, and its logarithm's variance is {:.2f} times $2L/n$"
    assert told.format(*kept) in words
    assert "its slope is ${:.2f}$, where".format(*known("plain-drift.frobenius")) in words
    assert "add {:.2f} and {:.2f}, where".format(*known("skip-alone.linear", "skip-alone.centred")) in words


def times(evidence: claims.Evidence) -> float:
    """The factor of a mean of logarithms to the base two."""
    return float(2 ** evidence.values.mean())


def test_what_the_page_says_of_two_hundred_layers_is_in_its_own_table() -> None:
    said, table = chapter.words(NAME), pd.read_csv(ROOT / "figures/plain-depths/data.csv")
    assert f"their loss is {times(depths.fits(table)):.1f} times as large (interval" in said
    assert f"they are {-depths.gains(table).values.mean():.1f} points worse (0.6" in said
    assert f"With scaled branches the loss is {times(depths.fits_scaled(table)):.1f} times as large" in said
    last = depths.last(table)
    alone = last[(last["blocks"] == depths.HUNDRED) & ~last["variant"].isin(["norm", "scaled"])]
    assert alone.groupby("variant")["test"].mean().between(10, 15.5).all()  # the figure's alt text


def test_what_the_page_says_of_depth_under_other_choices_is_in_the_stored_tables() -> None:
    said, found = chapter.words(NAME), depths.CHOICES.results(ROOT)
    third, thrice, twice = tables = [found[name].table for name in (THIRD, THRICE, TWICE)]
    assert f"falls {depths.repaired(thrice).values.mean():.1f} points behind" in said
    shares = [100 * depths.scaled(table).values.mean() for table in (third, thrice)]
    assert f"({shares[0]:.1f}% of the loss of guessing, interval" in said
    assert f"three times ({shares[1]:.0f}%, interval" in said
    longer = [times(depths.fits(table)) for table in tables]
    assert f"{longer[0]:.1f} times as large at a third of each rate and {longer[2]:.1f} times with twice" in said
    assert f"the verdict turns: {longer[1]:.1f} times" in said
    worse = [-depths.gains(table).values.mean() for table in tables]
    assert f"On new images they are {worse[0]:.1f} and {worse[2]:.1f} points worse" in said
    assert f"undecided ({-worse[1]:.1f} better" in said
    scaled = [times(depths.fits_scaled(table)) for table in (third, twice)]
    assert f"undecided at a third ({scaled[0]:.1f} times" in said
    assert f"they fit as well ({scaled[1]:.1f} times" in said
    for id, measure, told in (
        ("skip-alone.trains", depths.alone, ["fails", "invalid", "fails"]),
        ("skip-alone.repaired", depths.repaired, ["holds", "undecided", "holds"]),
        ("skip-alone.needed", depths.needed, ["holds", "invalid", "holds"]),
        ("resnet-1000.norm", depths.norm, ["holds"] * 3),
        ("resnet-1000.scaled", depths.scaled, ["undecided", "undecided", "holds"]),
        ("resnet-1000.bare", depths.bare, ["fails"] * 3),
        ("resnet-1000.fit", depths.fits, ["fails", "holds", "fails"]),
        ("resnet-1000.fit-scaled", depths.fits_scaled, ["undecided", "invalid", "holds"]),
        ("resnet-1000.gains", depths.gains, ["fails", "undecided", "fails"]),
    ):
        assert statuses(id, measure, tables) == told, id


def test_the_networks_that_no_rate_trains_have_the_rates_that_the_page_tells() -> None:
    rates = [depths.BEST[name, depths.HUNDRED] for name in ("bare", "plain-norm", "plain-scaled")]
    assert rates == [1e-15, 0.01, 0.0032]
    assert "They are trained at $10^{-15}$, 0.01 and 0.0032 here" in chapter.words(NAME)
    tried = pd.read_csv(ROOT / "results/depth-tuning/full.csv")
    assert tried["rate"].min() == 1e-19
