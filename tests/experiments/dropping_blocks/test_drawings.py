"""The chapter's figures, drawn from tables whose losses are known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.dropping_blocks import drawings
from tests.experiments.artists import drawn, labels, line, title
from tests.experiments.dropping_blocks.made_tables import table


def test_subsets_of_the_figure_are_complete():
    rows = table(lambda variant, block: block)
    drawn = drawings.subsets(rows)
    lengths = drawn[drawn["kind"] == "paths"].groupby(["variant", "removed"])["value"].sum()
    np.testing.assert_allclose(lengths, 1)
    accuracy = drawn[(drawn["kind"] == "accuracy") & (drawn["variant"] == "residual")].set_index("mask")["value"]
    assert accuracy[4] == pytest.approx(0.88)


def test_chart_has_a_box_for_every_block_and_a_choice_of_how_many():
    spec = drawings.pick(drawings.subsets(table(lambda variant, block: block))).to_dict()
    bound = [parameter["name"] for parameter in spec["params"] if "bind" in parameter]
    assert sorted(bound) == sorted([*(f"block{i}" for i in range(1, 11)), "count"])


def test_losses_are_drawn_by_the_block_that_is_missing():
    """A residual network loses as many points as the block's number, a plain one fifty; the others lose one."""
    lost = {"residual": lambda block: block, "plain": lambda block: 50}
    made = table(lambda variant, block: lost.get(variant, lambda block: 1)(block), variants=drawings.DIGITS)
    anew = made[made["variant"] == "residual"].assign(measure="removed-anew")
    anew.loc[anew["removed"] == 1, "value"] = 0.9 - 0.02
    left, right = drawn(drawings.one, drawings.without_one(pd.concat([made, anew]))).axes
    assert [title(axis) for axis in (left, right)] == ["with batch normalisation", "without normalisation"]
    assert [axis.get_xlabel() for axis in (left, right)] == ["block removed"] * 2
    assert left.get_ylabel() == "points of accuracy lost"
    x, y = line(left, "residual, batch norm")
    assert x.tolist() == list(range(1, 11))
    np.testing.assert_allclose(y, range(10), atol=1e-9)
    np.testing.assert_allclose(line(left, "the same, statistics anew")[1], 2)
    np.testing.assert_allclose(line(left, "plain, batch norm")[1], 50)
    assert labels(right) == [drawings.SHOWN[name].title for name in ("scaled", "bare", "plain-bare", "plain-identity")]
