"""What the page tells in numbers is what its figures and the formulas say."""

from pathlib import Path

import pandas as pd
import pytest

from resnet_lib import sweep
from resnet_lib.experiments.keeping_inputs_distinct import collapse, known, searched, trained
from tests.experiments import chapter, verdicts

ROOT = Path(__file__).parents[3]
NAME = "06_keeping_inputs_distinct"


@pytest.fixture(scope="module")
def copies() -> pd.DataFrame:
    table = pd.read_csv(ROOT / "figures/info-copies/data.csv")
    return table[table["part"] == 0].groupby(["variant", "epoch", "state"])["copied"].mean().round(2)  # pyright: ignore[reportReturnType]


def test_what_the_page_tells_of_copies_is_in_its_figure(copies):
    assert (copies["residual", 20, 5], copies["plain", 20, 5]) == (0.90, 0.63)
    assert (copies["residual", 0, 5], copies["plain", 0, 5]) == (0.81, 0.34)


def test_the_worked_numbers_of_the_inverse_are_those_of_its_bound():
    assert 0.5**16 / 0.5 * 3 == 3 * 2**-15 < 1e-4
    assert round(0.9**16 / 0.1 * 3, 1) == 5.6
    assert 0.9**120 / 0.1 * 3 < 1e-4 < 0.9**119 / 0.1 * 3


def test_the_gaps_of_the_page_are_in_its_figure():
    law = pd.read_csv(ROOT / "figures/info-collapse-laws/data.csv").set_index(["kind", "layer"])["law"]
    assert round(law["plain", 100], 4) == 0.0036
    assert round(law["inside", 100], 4) == 0.0129
    assert round(law["pre", 100], 4) == 0.0039
    assert round(law["norm", 100], 3) == 0.357
    assert round(law["scaled", 100], 3) == 0.748
    assert f"{law['one-layer', 100]:.0e}" == "5e-17"


def test_the_size_of_a_branch_sets_the_law_as_the_exercise_says():
    """With `s^2` times the energy, blocks take `(1 + s^2) / s^2` times as many as plain layers for a small gap."""
    share, gap, blocks = 0.25, 1.0, 0
    while gap > collapse.recursion("plain", 1000)[1000]:
        gap, blocks = (gap + share * collapse.closer(gap)) / (1 + share), blocks + 1
    assert blocks == pytest.approx(1000 * (1 + share) / share, rel=0.03)


def test_the_lead_of_the_known_maps_is_that_of_the_page():
    table = chapter.stored(known.DRAWS)
    lead = table["little"] - table["much"]
    assert f"reads a lead of ${lead.mean():.2f}$" in chapter.words(NAME)
    for claim in ("info-copy.linear", "info-copy.start"):
        assert chapter.quick(NAME, claim)["control_effect"] == pytest.approx(lead[:5].mean())


def test_what_a_search_with_shrinking_steps_finds_is_what_the_page_tells():
    words, table = chapter.words(NAME), chapter.stored(searched.SEARCHED)
    near, share = searched.nearly(table), searched.out_of_reach(table)
    assert f"falls to {1e6 * near.values.mean():.1f} millionths in networks of ten blocks" in words
    assert near.control is not None
    assert f"the search finds {near.control.min():.2f} at best" in words
    assert (searched.shares(table, "inside") == 1).all()
    five = chapter.quick(NAME, "info-distinct.beyond")["effect"]
    assert (
        f"in {100 * five:.0f}% of the blocks of five-block networks, and in {100 * share.values.mean():.0f}%" in words
    )
    for id, measure in (("info-distinct.nearly", searched.nearly), ("info-distinct.beyond", searched.out_of_reach)):
        found = {name: verdicts.status(id, measure(each.table)) for name, each in searched.CHOICES.results().items()}
        assert {*found.values()} == {"fails"}, id
        assert len(found) == 3


def test_what_is_told_of_ten_blocks_that_are_trained_longer_is_what_is_stored():
    words, draws = chapter.words(NAME), sweep.stored(known.DRAWS, ROOT)
    assert draws is not None
    stored = trained.LONGER.results()
    twice, four = (stored[f"ten blocks, {word} the epochs"].table for word in ("twice", "four times"))
    images, found = (
        [measure(table).values.mean() for table in (twice, four)] for measure in (trained.images, trained.always)
    )
    assert "images keep {:.2f} and {:.2f}".format(*images) in words
    assert {f"{each:.3f}" for each in found} == {"0.005"}
    planted = trained.planted(four)
    assert f"found in {100 * planted.values.mean():.0f}% of the blocks (interval 80 to 100)" in words
    gains = [trained.probe(table).values.mean() for table in (twice, four)]
    assert "they gain {:.1f} points, and after four times {:.1f} (interval 0.8 to 3.1)".format(*gains) in words
    plain = [
        100 * (trained.of_state(table, "plain", "probe") - trained.of_state(table, "plain", "probe", last=False)).mean()
        for table in (twice, four)
    ]
    assert f"Plain ones lose {-plain[0]:.1f} and gain {plain[1]:.1f}." in words
    beside = list(known.each_beside(stored, draws).values())
    lead = [trained.linear(each.table) for each in beside]
    told = "the lead is {:.2f} after twice the epochs and {:.3f} after four times (interval 0.169 to 0.222)"
    assert told.format(*(each.values.mean() for each in lead)) in words
    left = [trained.clean(table).values.mean() for table in (twice, four)]
    assert "{:.2f} and {:.2f} of the variance".format(*left) in words
    assert verdicts.status("info-distinct.planted", planted) == "undecided"
    assert [verdicts.status("info-copy.linear", each) for each in lead] == ["holds", "undecided"]
    assert verdicts.status("info-add.probe", trained.probe(four)) == "undecided"
    assert verdicts.status("info-copy.clean", trained.clean(four)) == "fails"
