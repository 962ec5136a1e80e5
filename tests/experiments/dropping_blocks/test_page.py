"""The numbers that the chapter on dropping blocks tells are those of the stored tables, and of its own run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib.evidence import intervals
from resnet_lib.evidence.choices import DIVISIONS
from resnet_lib.experiments.dropping_blocks import common, few, lesions, measures, networks, size_measures, sizes
from resnet_lib.experiments.published_networks import lesions as published
from tests.experiments import chapter
from tests.experiments.chapter import stored

ROOT = Path(__file__).parents[3]
NAME = "16_dropping_blocks"
NEW: measures.Measure = "removed-anew"
OLD: measures.Measure = "removed"


def told(values: np.ndarray, digits: int = 1, end: int | None = None) -> str:
    """A mean and the ends of its interval, as the page writes them."""
    low, high = intervals.interval(np.asarray(values), "mean", rng=np.random.default_rng(0))
    return f"{low:.{digits if end is None else end}f} to {high:.{digits if end is None else end}f}"


def mean(values: object, digits: int = 1) -> str:
    return f"{np.mean(np.asarray(values)):.{digits}f}"


@pytest.fixture(scope="module")
def words() -> str:
    return chapter.words(NAME)


@pytest.fixture(scope="module")
def digits() -> pd.DataFrame:
    return stored(lesions.DIGITS)


def test_published_networks(words: str):
    table = stored(published.LESIONS)
    old, new = ([mean(published.lost(table, depth, which)) for depth in (20, 32, 44)] for which in ("trained", "anew"))
    assert "lose {}, {}, {} and 1.2 points without the median block".format(*old) in words
    assert "and {}, {}, {} and 0.9 where batch".format(*new) in words
    assert mean(published.lost(table, 56)) == "1.2"
    assert 0.9 <= published.lost(table, 56, "anew").mean() < 1


def test_single_blocks(words: str, digits: pd.DataFrame):
    quick = [f"{chapter.quick(NAME, f'drop-graceful.{claim}')['effect']:.1f}" for claim in ("worst", "worst-anew")]
    full = [mean(measures.single(digits, "residual", "max", which)) for which in ("removed", NEW)]
    assert (
        "costs {} points with them and {} without, in the twenty seeds of FULL {} and {}.".format(*quick, *full)
        in words
    )
    for which, value in zip(("removed", NEW), full, strict=True):
        first = measures.losses(digits, "residual", which).query("removed == 1 and block == 0")["loss"]
        assert mean(first) == value
    assert f"also the worst of them ({mean(measures.single(digits, 'scaled', 'max'))} points)" in words
    bare = measures.single(digits, "bare")[:10]
    assert (round(bare.mean()), round(np.delete(bare, 2).mean())) == (13, 14)
    assert "loses thirteen points at the median, fourteen without that seed" in words
    accuracy = measures.rows(digits, "bare", "removed").query("removed == 0").set_index("seed")["value"]
    assert round(accuracy[2], 2) == 0.33


def test_other_choices_of_single_blocks(words: str):
    found = {name: result.table for name, result in lesions.DIGITS_CHOICES.results(ROOT).items()}
    third, thrice, twice = (
        found[name] for name in ("a third of each rate", "three times each rate", "twice the epochs")
    )
    assert max(measures.single(table, "residual").mean() for table in found.values()) < 0.5
    assert f"{max(measures.single(table, 'scaled').mean() for table in found.values()):.1f}" == "1.7"
    assert f"The bare sum loses {mean(measures.single(third, 'bare'), 0)} points" in words
    assert f"and {mean(measures.single(twice, 'bare'), 0)} with twice the epochs" in words
    worst = [measures.single(table, "residual", "max") for table in (third, thrice, twice)]
    assert f"costs {mean(worst[0], 0)} points at a third" in words
    assert f"({mean(worst[1])}, interval {told(worst[1])})" in words
    assert f"({mean(worst[2])}, interval {told(worst[2])})" in words
    anew = [measures.single(table, "residual", "max", NEW) for table in (thrice, twice, third)]
    assert f"three times the rate ({mean(anew[0])}) and with twice the epochs ({mean(anew[1])})" in words
    assert f"({mean(anew[2])}, interval {told(anew[2])})" in words
    diverged = measures.rows(thrice, "plain-identity", "removed").query("removed == 0")["value"]
    assert (diverged == 0).sum() == 1


def test_many_blocks(words: str, digits: pd.DataFrame):
    pair = f"{mean(measures.half(digits))} and {mean(measures.half(digits, NEW))}"
    assert f"in the twenty seeds of FULL {pair}." in words
    split = []
    for which in ("removed", NEW):
        lost = measures.losses(digits, "residual", which).query("removed == 5")
        split += [mean(lost.loc[lost["mask"] % 2 == first, "loss"].groupby(lost["seed"]).mean()) for first in (1, 0)]
    assert "{} points against {} with the old statistics, {} against {} with".format(*split) in words
    halves = {name: measures.half(digits, variant=name).mean() for name in ("scaled", "bare", "plain-identity")}
    assert (f"{halves['scaled']:.2f}", round(halves["bare"]), round(halves["plain-identity"], 1)) == ("5.45", 57, 0.9)
    nine = measures.rows(digits, "plain-identity", "removed").query("removed == 9")["value"].mean()
    assert f"keeps {100 * nine:.0f}% with nine of its ten" in words
    depth = stored(lesions.DEPTH)
    many = measures.half(depth)
    assert len(many) == 100
    assert "same network in a hundred seeds for FULL" in words
    assert f"{many.mean():.1f} points, interval {told(many)}" in words
    anew = measures.half(lesions.DEPTH_DIVIDED.results(ROOT)[DIVISIONS].table)
    assert f"it fails too ({mean(anew)}, interval {told(anew)})" in words
    record = next(
        record
        for cell in chapter.cells(NAME)
        for output in cell.get("outputs", ())
        if (record := output["metadata"].get("resnet_lib", {}).get("record", {})).get("id") == "drop-graceful.half-gone"
    )
    assert record["full"]["same_again"] > 0.99
    assert "As many other seeds would say so in more than 99 of 100 cases" in words
    others = {name: measures.half(result.table) for name, result in lesions.DEPTH_CHOICES.results(ROOT).items()}
    assert f"at a third of it the loss is {mean(others['a third of each rate'], 0)} points" in words
    assert f"at three times it is {mean(others['three times each rate'])} and" in words
    twice = others["twice the epochs"]
    assert f"({twice.mean():.1f}, interval {told(twice)})" in words


def test_other_rates(words: str):
    table = stored(lesions.AT_RATES)
    of = dict(iter(table.groupby("lr")))
    assert f"costs 4.2 points ({mean(measures.single(of[0.11], 'residual', 'max', NEW))} in the forty seeds" in words
    assert f"it costs {mean(measures.single(of[0.96], 'residual', 'max'))} with the old ones" in words
    slow, best = of[0.032], of[0.32]
    accuracy = [
        measures.rows(part, "residual", "removed").query("removed == 0")["value"].mean() for part in (best, slow)
    ]
    assert f"which costs {100 * (accuracy[0] - accuracy[1]):.1f} points of accuracy" in words
    worst = [measures.single(slow, "residual", "max", which) for which in ("removed", NEW)]
    halves = [measures.half(slow, which) for which in ("removed", NEW)]
    assert f"costs {mean(worst[0], 0)} points with old statistics and {mean(worst[1])} with new" in words
    assert f"half of the blocks {mean(halves[0], 0)} and {mean(halves[1])} (interval {told(halves[1])})" in words


def test_exchanges(words: str, digits: pd.DataFrame):
    def exchanged(table: pd.DataFrame, which: str) -> np.ndarray:
        rows = measures.losses(table, "residual", which).query("removed == 1")
        return rows.groupby("seed")["loss"].mean().to_numpy()

    found = {name: result.table for name, result in lesions.DIGITS_CHOICES.results(ROOT).items()}
    new = [
        exchanged(found[name], "exchanged-anew")
        for name in ("a third of each rate", "three times each rate", "twice the epochs")
    ]
    assert (
        f"With new statistics one exchange costs {mean(exchanged(digits, 'exchanged-anew'))} points, {mean(new[0])} at"
        f" a third of the rate (interval {told(new[0])}), {mean(new[1])} at three times and {mean(new[2])} with"
        in words
    )
    old = exchanged(found["a third of each rate"], "exchanged")
    assert f"({mean(old)}, interval {told(old)})" in words
    mine = size_measures.network(stored(sizes.SIZES), "residual")
    whole = mine[(mine["measure"] == "removed") & (mine["removed"] == 0)].set_index("seed")["value"]
    pairs = mine[mine["other"] >= 0]
    loss = 100 * (pairs["seed"].map(whole) - pairs["value"])
    of = loss.groupby([pairs["block"] == 0, pairs["measure"]]).mean()
    first = f"an exchange costs {of[True, 'exchanged']:.1f} points, and removing both {of[True, 'removed']:.1f}."
    assert first in words
    assert f"costs {of[False, 'exchanged']:.2f} points and removing both {of[False, 'removed']:.1f}:" in words


def test_sizes(words: str):
    table = stored(sizes.SIZES)
    assert f"is {mean(size_measures.graceful_size(table).values)} in the ten seeds of FULL" in words
    by = {lr: size_measures.blocks(table, "residual", lr) for lr in (0.11, 0.32, 0.96)}
    assert f"largest, with {by[0.32]['size'].groupby('block').mean().max():.2f}." in words
    assert by[0.32]["size"].groupby("block").mean().idxmax() == 0
    median = [f"{part['size'].median():.2f}" for part in by.values()]
    assert "has the size {}, {} and {}:".format(*median) in words
    lost = [mean(part["loss"].groupby("seed").median()) for part in by.values()]
    assert "these cost less, {}, {} and {} points".format(*lost) in words

    def middle(part: pd.DataFrame) -> float:
        return part.loc[part["size"].between(0.25, 0.4), "loss"].mean()

    others = {name: size_measures.blocks(table, name) for name in ("scaled", "plain-identity", "bare")}
    assert [f"{middle(part):.1f}" for part in (others["scaled"], others["plain-identity"])] == ["0.4", "0.4"]
    assert "{:.1f}, {:.1f} or {:.1f} in the residual one".format(*map(middle, by.values())) in words
    assert round(middle(others["bare"])) == 12
    scaled = others["scaled"]["size"].groupby("block").mean()
    assert f"equally large, {scaled.min():.2f} to {scaled.max():.2f}," in words
    one = size_measures.network(table, sizes.ONE)
    whole = one[(one["measure"] == "removed") & (one["removed"] == 0)]["value"].mean()
    assert f"learns as well ({100 * whole:.0f}%)" in words.replace("learn as well", "learns as well")
    assert f"the size {size_measures.blocks(table, sizes.ONE)['size'].median():.1f}," in words
    assert f"it loses {size_measures.graceful_drawn(table).values.mean():.0f} points" in words
    empty = table[table["blocks"] == 0].groupby("lr")["value"].mean()
    assert "reach {:.1f}, {:.1f} and {:.1f}% at the rates 0.11, 0.32 and 0.96".format(*(100 * empty)) in words


def test_what_is_beside_the_term(words: str, digits: pd.DataFrame):
    table = stored(sizes.SIZES)
    by = {
        name: size_measures.blocks(table, name).groupby("block").mean()
        for name in ("residual", "scaled", "bare", "plain-bare")
    }
    assert f"the first block takes {by['bare']['ratio'][0]:.1f} times its term" in words
    assert f"{by['plain-bare']['ratio'][0]:.1f} at the first block" in words
    assert by["plain-bare"]["ratio"][6:].between(0.8, 1.2).all()
    assert by["plain-bare"]["cosine"][:9].abs().max() < 0.05
    rest = by["residual"]["rest"]
    assert (
        f"it is {rest[0]:.1f} times as long as the term for the first block and {rest[1]:.1f} for the second" in words
    )
    assert [f"{value:.1f}" for value in by["scaled"]["rest"][:2]] == ["1.0", "1.0"]
    assert [f"{by[name]['cosine'][0]:.1f}" for name in ("residual", "scaled")] == ["0.7", "0.7"]
    factor = {
        name: [
            measures._by_block(result.table, name, "ratio").max(axis=1)
            for result in lesions.DIGITS_CHOICES.results(ROOT).values()
        ]
        for name in ("residual", "scaled")
    }
    means = {name: [part.mean() for part in parts] for name, parts in factor.items()}
    assert f"{min(means['residual']):.1f} to {max(means['residual']):.1f} on average with" in words
    assert f"{max(part.max() for part in factor['residual']):.1f} in the largest seed" in words
    assert f"{min(means['scaled']):.1f} to {max(means['scaled']):.1f} with scaled" in words
    single = 10 ** measures._by_block(digits, "residual", "naive").to_numpy().max()
    assert f"for single images it is up to {single:.1f}." in words


def test_how_loose_the_bound_is(words: str, digits: pd.DataFrame):
    def slack(table: pd.DataFrame, name: str) -> float:
        return measures._by_block(table, name, "slack").iloc[:, :-1].median(axis=1).mean()

    found = {name: result.table for name, result in lesions.DIGITS_CHOICES.results(ROOT).items()}
    assert {f"{slack(table, 'scaled'):.1f}" for table in (digits, *found.values())} == {"2.6"}
    thrice, third = (slack(found[name], "residual") for name in ("three times each rate", "a third of each rate"))
    said = f"it is {slack(digits, 'residual'):.1f}, from {thrice:.1f} at three times the rate to {third:.1f} at a third"
    assert said in words
    assert f"{10**thrice:.0f} to {round(10**third, -2):,.0f} times too large" in words


def test_stochastic_depth(words: str):
    table = stored(lesions.DEPTH)
    gain = measures.depth_robust(table).values
    assert f"{mean(gain)} in the hundred of FULL ({told(gain)})" in words
    assert f"the gain is {mean(measures.depth_robust_anew(table).values)} points in FULL" in words
    old, new = ([mean(measures.half(table, which, last=last)) for last in (1.0, 0.5)] for which in (OLD, NEW))
    assert "Half of the blocks cost {} points without and {} with it".format(*old) in words
    assert "with new statistics {} and {},".format(*new) in words
    for share in (measures.depth_share(table).values, measures.depth_share_anew(table).values):
        assert f"{share.mean():.0f}% less ({told(share, 0)})" in words
    found = []
    for last, decay in ((1.0, "linear"), (0.5, "linear"), (0.5, "uniform")):
        rows = table[(table["last"] == last) & (table["decay"] == decay) & (table["measure"] == "removed")]
        whole = rows[rows["removed"] == 0].set_index("seed")["value"]
        rows = rows[rows["removed"] == 5]
        loss = 100 * (rows["seed"].map(whole) - rows["value"])
        found.append([loss.mean(), *loss.groupby(rows["mask"] % 2).mean()])
    of = np.array(found).round(1)
    assert f"the loss is {of[2, 0]} instead of {of[1, 0]}:" in words
    assert (
        f"cost {of[0, 2]} points without stochastic depth, {of[1, 2]} with the linear rule and {of[2, 2]} with" in words
    )
    assert f"the others {of[0, 1]}, {of[1, 1]} and {of[2, 1]}." in words


def test_stochastic_depth_on_other_images(words: str):
    gain = measures.depth_accuracy(stored(lesions.DEPTH)).values
    low, high = told(gain, 2).split(" to ")
    assert f"exclude it: ${gain.mean():.2f}$ points, with an interval from ${low}$ to {high}" in words
    (divided,) = lesions.DEPTH_DIVIDED.results(ROOT).values()
    robust, whole = measures.depth_robust(divided.table).values, measures.depth_accuracy(divided.table).values
    assert f"without half of the blocks is {mean(robust)} points (interval {told(robust)})" in words
    low, high = told(whole, 2).split(" to ")
    assert f"({whole.mean():.2f} points more, interval ${low}$ to {high})" in words


def test_stochastic_depth_at_one_rate(words: str):
    found = {name: result.table for name, result in common.results(ROOT).items()}
    slow, fast = found["0.32 for both"], found["0.57 for both"]
    gains = [measures.depth_robust(table).values for table in (slow, fast)]
    assert f"At 0.32 for both the gain is {mean(gains[0])} points (interval {told(gains[0])})" in words
    assert f"at 0.57 it is {mean(gains[1])} ({told(gains[1])})" in words
    kept = [
        100 * measures.rows(table, "residual", "removed").query("removed == 5")["value"].mean()
        for table in (slow, fast)
    ]
    assert f"keeps {kept[0]:.1f}% without half of its blocks at 0.32 and {kept[1]:.1f}% at 0.57" in words
    assert f"{kept[1] - kept[0]:.1f} are the rate's and {mean(gains[1])} are left" in words
    shares = [
        mean(of(table).values, 0) for of in (measures.depth_share, measures.depth_share_anew) for table in (slow, fast)
    ]
    assert "{}% and {}% at one rate, {}% and {}% with new".format(*shares) in words


def test_stochastic_depth_under_other_choices(words: str):
    found = {name: result.table for name, result in lesions.DEPTH_CHOICES.results(ROOT).items()}
    third, thrice, twice = (
        found[name] for name in ("a third of each rate", "three times each rate", "twice the epochs")
    )
    share = mean(measures.depth_share(third).values, 0)
    assert f"the gain is {mean(measures.depth_robust(third).values)} points, {share}% of what is lost" in words
    doubled = measures.depth_robust(twice).values
    assert f"({mean(doubled)}, interval {told(doubled)})" in words
    new = [mean(measures.depth_share_anew(table).values, 0) for table in (third, twice)]
    assert "the share is {}% at a third of each rate and {}% with twice the epochs".format(*new) in words
    left = [mean(measures.half(thrice, NEW, last=last)) for last in (1.0, 0.5)]
    assert "{} points are lost without it and {} with it".format(*left) in words


def test_stochastic_depth_with_few_images(words: str):
    table = stored(few.FEW)
    assert len(networks.dataset(networks.Network("residual", 10, 0.1)).train) == few.ALL
    own, slow, fast = (few.gain(table, *rates).to_numpy() for rates in ((0.57, 0.32), (0.32, 0.32), (0.57, 0.57)))
    assert f"the gain is {mean(own)} points (interval {told(own)})" in words
    assert f"at 0.32 for both {mean(slow)} ({told(slow)}), at 0.57 for both {mean(fast)} ({told(fast)})" in words


def test_rates_and_sizes_under_other_choices(words: str):
    worst = {name: measures.graceful_rate(x.table).values for name, x in lesions.RATES_CHOICES.results(ROOT).items()}
    third, twice = (mean(worst[name]) for name in ("a third of each rate", "twice the epochs"))
    assert (
        f"with twice the epochs, at the same rate, it costs {twice}, and at a ninth of the best rate {third}" in words
    )
    sized = {name: size_measures.graceful_size(x.table).values for name, x in sizes.CHOICES.results(ROOT).items()}
    told_ = (mean(sized[name]) for name in ("a third of each rate", "three times each rate", "twice the epochs"))
    assert "At a third of the rate it is {}, at three times {}, with twice the epochs {}, which".format(*told_) in words
    drawn = {name: size_measures.graceful_drawn(x.table).values for name, x in sizes.CHOICES.results(ROOT).items()}
    third, thrice, twice = (
        drawn[each] for each in ("a third of each rate", "three times each rate", "twice the epochs")
    )
    assert f"loses as much, {third.mean():.0f} points, and with twice the epochs {twice.mean():.0f}" in words
    assert f"they lose {mean(thrice)} points on average (interval 0 to 23)" in words
    lost = size_measures.network(sizes.CHOICES.results(ROOT)["three times each rate"].table, sizes.ONE)
    whole = lost[(lost["measure"] == "removed") & (lost["removed"] == 0)].sort_values("value")["value"]
    assert [f"{value:.0%}" for value in whole] == ["0%", "0%", "0%", "10%", "43%"]
