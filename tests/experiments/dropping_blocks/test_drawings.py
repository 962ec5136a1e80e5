"""The chapter's figures, drawn from tables whose losses are known."""

import numpy as np
import pytest

from resnet_lib.experiments.dropping_blocks import drawings
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
