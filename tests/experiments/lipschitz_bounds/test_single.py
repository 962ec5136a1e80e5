"""One block: how far it stretches, and its condition numbers, against closed forms."""

import numpy as np
import pytest
import torch

from resnet_lib.experiments.lipschitz_bounds import single
from tests.experiments.lipschitz_bounds.made_tables import measured


def test_blocks_stretch_as_their_formulas_say():
    sizes = (0.0, 1.0, -0.5, 0.5, -1.0, 0.1, -0.1, 0.9, -0.9, 10.0, -10.0)
    settings = [single.Branch("scalar", size, pairs=50) for size in sizes]
    settings += [single.Branch(kind, pairs=200) for kind in ("mlp", "conv", "linear")]
    table = measured(single.block_trial, settings, (0, 1), "kind", "size")
    scalars = table[table["kind"] == "scalar"]
    np.testing.assert_allclose(scalars["largest"], (1 + scalars["size"]).abs(), rtol=1e-6)
    np.testing.assert_allclose(scalars["bound"], 1 + scalars["size"].abs())
    assert single.block_bound(table).values.max() < 1e-10 < 0.01 < single.block_bound(table).control.min()
    assert single.block_tight(table).values.min() > 0.999 > single.block_tight(table).control.max()
    assert single.block_zero(table).values.max() < 1e-10 < 0.01 < single.block_zero(table).control.min()
    np.testing.assert_allclose(np.sort(single.block_floor(table).values), [0.1, 0.5, 0.9], rtol=1e-6)
    searched = table[table["kind"].isin(["mlp", "conv"])]
    assert (searched["largest"] > 1.2 * searched["sampled"]).all()  # pairs that ascend see what drawn ones do not
    assert len(single.block_bound(table).control) == 4  # half the bound, and one plus the largest weight


def test_the_pairs_of_a_linear_branch_reach_its_norm():
    setting = single.Branch("linear", pairs=20)
    (row,) = single.block_trial(setting, (3,)).itertuples()
    branch, _ = single.branch_of(setting, 3)
    weight = next(branch.parameters()).detach()
    assert row.largest == pytest.approx(float(torch.linalg.matrix_norm(torch.eye(16).double() + weight, 2)))
    assert row.bound == pytest.approx(1 + float(torch.linalg.matrix_norm(weight, 2)))
    assert row.wrong == pytest.approx(1 + float(weight.abs().max()))


def test_the_scaled_block_is_non_expansive_up_to_its_limit_and_not_beyond():
    settings = [single.ScaledBlock(kind, ratio) for kind in ("mlp", "scalar") for ratio in (0.9, 1.0, 1.5, 2.0, 3.0)]
    table = measured(single.scaled_trial, settings, (0, 1), "kind", "ratio")
    inside = single.scaled_nonexpansive(table)
    assert inside.values.max() < 1e-10
    np.testing.assert_allclose(inside.control, 0.15)  # (1 - 0.3) + 1.5 * 0.3 - 1
    assert single.scaled_needed(table).values.max() < 0 < single.scaled_needed_thrice(table).values.min()
    for needed, excess in ((single.scaled_needed_twice, 0.3), (single.scaled_needed_thrice, 0.6)):
        np.testing.assert_allclose(needed(table).control, excess)


def test_condition_numbers_are_those_of_closed_forms():
    alphas = (0.0, 0.01, 0.5, 1.0)
    kinds = ("gaussian", "symmetric", "positive", "skew", "rotation", "repair")
    settings = [single.Condition(kind, alphas) for kind in kinds]
    table = measured(single.condition_trial, settings, (0, 1, 2), "kind")
    np.testing.assert_allclose(table[(table["alpha"] == 0) & (table["kind"] != "repair")]["kappa"], 1)
    np.testing.assert_allclose(table[table["kind"] == "rotation"]["kappa"], 1)
    repair = table[table["kind"] == "repair"].set_index(["seed", "alpha"])["kappa"]
    np.testing.assert_allclose(repair.xs(0.0, level="alpha"), 100)
    np.testing.assert_allclose(repair.xs(1.0, level="alpha"), 1)
    assert (single.condition_interior(table).values == 0).all()
    assert (single.condition_interior(table).control == 1).all()
    assert single.condition_small(table).values.max() < 1.1 < 5 < single.condition_small(table).control.min()
    assert single.condition_skew(table).values.max() < 2 < single.condition_gaussian(table).values.min()
    assert single.condition_gaussian(table).control.max() < 1.000001
