"""Blocks have the constants that are said, the search attains what is attained, and a ReLU behind merges exactly."""

import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.analysis import inverses
from resnet_lib.experiments.keeping_inputs_distinct import blocks
from resnet_lib.nets.blocks import linear_block
from resnet_lib.nets.initialisation import initialise


@pytest.mark.parametrize("kind", ["drawn", "attained", "shrinking"])
def test_a_branch_has_the_constant_that_is_said(kind):
    block = blocks.block_of(blocks.Bounded(kind, 0.7), 3)
    assert inverses.contraction(block, (blocks.WIDTH,)) == pytest.approx(0.7)


def test_the_other_blocks_are_their_formulas():
    x = torch.randn(5, blocks.WIDTH, generator=runtime.stream(0, "x"), dtype=torch.float64)
    shrinking = blocks.block_of(blocks.Bounded("shrinking", 0.25), 0)
    torch.testing.assert_close(shrinking(x), 0.75 * x)
    attained = blocks.block_of(blocks.Bounded("attained", 0.25), 0)
    v = attained.branch[0].weight[0].detach()  # pyright: ignore[reportIndexIssue]
    assert v.norm().item() == pytest.approx(1)
    torch.testing.assert_close(attained(x).detach(), x - 0.25 * (x @ v).relu()[:, None] * v)
    with pytest.raises(ValueError, match="kind='other' is unknown"):
        blocks.block_of(blocks.Bounded("other", 0.5), 0)


def test_the_search_attains_the_bound_where_it_is_attained_and_no_pair_is_below():
    for kind in ("drawn", "attained"):
        table = blocks.distances_trial(blocks.Bounded(kind, 0.8), (0, 1))
        assert (table[["sampled", "searched"]] > 0.2 - 1e-9).all().all()
        assert (table["searched"] < table["sampled"]).all()
    assert table["searched"].tolist() == pytest.approx([0.2, 0.2], abs=1e-4)


def test_the_error_of_a_shrinking_branch_is_its_bound():
    table = blocks.inverses_trial(blocks.Bounded("shrinking", 0.5), (0,))
    assert table["times"].tolist() == list(blocks.TIMES)
    assert table["share"].tolist() == pytest.approx([1.0] * len(table))
    assert (table["error"] / table["bound"]).tolist() == pytest.approx([1.0] * len(table))
    halved = table.set_index("times")["error"]
    assert halved[2] == pytest.approx(halved[1] / 2)


def test_a_relu_behind_the_addition_merges_two_inputs_exactly():
    table = blocks.original_trial(blocks.Original(16), (0, 1))
    assert (table["ratio"] < 1e-9).all()
    assert (table["apart"] > 1e-6).all()
    assert (table["before"] > 0.5).all()


def test_a_null_direction_changes_nothing_as_far_as_it_reaches():
    block = initialise(linear_block(blocks.ORIGINAL, 8), runtime.stream(1, "block")).double().eval()
    x = torch.randn(8, generator=runtime.stream(1, "x"), dtype=torch.float64)
    direction = blocks.null_direction(block, x)
    length = blocks.reach_of(block, x, direction)
    assert direction.norm().item() == pytest.approx(1)
    for share in (0.3, 1.0):
        torch.testing.assert_close(block((x + share * length * direction)[None]), block(x[None]))


def test_the_measures_are_those_of_a_table_by_hand():
    rows = [("drawn", 0.5, 0.9, 0.75), ("drawn", 0.9, 0.2, 0.3), ("attained", 0.5, 0.8, 0.5)]
    table = pd.DataFrame(rows, columns=["kind", "constant", "sampled", "searched"])
    found = blocks.contraction(table)
    assert found.values.tolist() == pytest.approx([0.25, 0.1])
    assert found.control.tolist() == pytest.approx([0.0])
    rows = [
        ("drawn", 0.5, 0, 1, 0.2),
        ("drawn", 0.5, 0, 2, 0.4),
        ("drawn", 0.9, 0, 1, 0.3),
        ("shrinking", 0.5, 0, 1, 1.0),
    ]
    table = pd.DataFrame(rows, columns=["kind", "constant", "seed", "times", "share"])
    found = blocks.inverse(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.4, 0.3], [1.0])
    found = blocks.behind(pd.DataFrame({"ratio": [0.0, 0.1], "before": [0.6, 0.7]}))
    assert (found.values.tolist(), found.control.tolist()) == ([0.0, 0.1], [0.6, 0.7])
