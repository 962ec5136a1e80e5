"""Drawn functions: the band, the waves and the tents against closed forms and by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib.experiments.smoothness_and_variation import functions


def test_polygons_begin_at_zero_and_run_over_the_interval():
    points, values = functions.polygons(0, 7)
    assert points.shape == values.shape == (7, functions.CORNERS + 1)
    assert (points.diff(dim=1) > 0).all()
    assert points[:, 0].tolist() == [0] * 7
    assert points[:, -1].tolist() == [1] * 7
    assert not torch.equal(values[0], functions.polygons(1, 1)[1][0])


def test_a_sum_outside_of_the_band_is_seen():
    alone, added = torch.tensor([3.0, 3.0, 3.0, 0.5]), torch.tensor([4.4, 1.0, 3.0, 0.5])
    np.testing.assert_allclose(functions.outside(alone, added), [0.1, 0.25, -0.25, 0], atol=1e-7)


def test_the_band_trial_on_both_families():
    for family in ("polygon", "network"):
        table = functions.band_trial(functions.Functions(family, 5), (0, 1))
        assert (table["outside"] < 1e-12).all()
        np.testing.assert_allclose(table["above"], 1, rtol=1e-9)
        assert (table["ends"] < 1e-9).all()
        # a wave of slopes up to 0.9 has the variation 4 k 0.9 / (2 pi k), and 1 with the identity
        own = 1.8 / np.pi
        assert table["inner"].min() == pytest.approx(min(1 - 1 / (1 + own), 1 / (1 - own) - 1), abs=0.02)


def test_measures_of_the_band():
    table = pd.DataFrame({"outside": [1e-16, -0.1], "above": [1.0, 1.1], "ends": [0.0, 1e-15], "inner": [0.4, 0.5]})
    assert functions.band(table).values.tolist() == [1e-16, -0.1]
    assert functions.band(table).control.tolist() == [1.0, 1.1]
    assert functions.ends(table).values.tolist() == [0.0, 1e-15]
    assert functions.ends(table).control.tolist() == [0.4, 0.5]


def test_waves_keep_their_variation_and_their_turns():
    table = functions.rough_trial(functions.Rough(most=200.0, count=10), (0, 1))
    assert ((table["ratio"] > 0.9) & (table["ratio"] < 1.1)).all()
    np.testing.assert_allclose(table["halved"], table["ratio"] / 2)
    np.testing.assert_allclose(table["turns"], 1, atol=0.05)
    assert table["flat"].tolist() == [0, 0]


def test_measures_of_waves():
    table = pd.DataFrame({"ratio": [1.0, 0.99], "halved": [0.5, 0.4], "turns": [1.0, 0.9], "flat": [0.0, 0.1]})
    assert functions.anchor(table).values.tolist() == [1.0, 0.99]
    assert functions.anchor(table).control.tolist() == [0.5, 0.4]
    assert functions.turning(table).values.tolist() == [1.0, 0.9]
    assert functions.turning(table).control.tolist() == [0.0, 0.1]


@pytest.mark.parametrize("peak", [0.3, 0.5, 0.7])
def test_a_tent_block_is_the_tent_and_its_share_of_it(peak: float):
    x = torch.tensor([[0.0], [peak / 2], [peak], [(1 + peak) / 2], [1.0]], dtype=torch.float64)
    tent = torch.tensor([[0.0], [0.5], [1.0], [0.5], [0.0]], dtype=torch.float64)
    for strength in (0.2, 1.0):
        found = functions.tent_block(peak, strength)(x)
        torch.testing.assert_close(found, (1 - strength) * x + strength * tent)
    branch = functions.tent_block(peak, functions.steepest(peak)).branch
    slopes = (branch(x).diff(dim=0) / x.diff(dim=0)).abs()
    assert float(slopes.detach().max()) == pytest.approx(1, rel=1e-9)


def test_the_variation_of_tents_doubles_and_small_branches_stay_monotone():
    tents = functions.tents_trial(functions.Tents(5), (0, 1))
    np.testing.assert_allclose(tents["variation"], 32, rtol=1e-9)
    np.testing.assert_allclose(tents["net"], 0, atol=1e-9)
    assert (tents["branch"] < 2.5).all()
    small = functions.tents_trial(functions.Tents(5, functions.SMALL), (0, 1))
    np.testing.assert_allclose(small["variation"], small["net"], rtol=1e-12)


def test_measures_of_stacks():
    rows = [(1.0, 2, 4.0, 0.0), (1.0, 3, 8.0, 0.0), (functions.SMALL, 2, 0.5, 0.5), (functions.SMALL, 1, 0.25, 0.125)]
    table = pd.DataFrame(rows, columns=["strength", "depth", "variation", "net"])
    assert functions.depth(table).values.tolist() == [1, 1]
    assert functions.depth(table).control.tolist() == [-0.5, -2]
    assert functions.small(table).values.tolist() == [0, 0.5]
    assert functions.small(table).control.tolist() == [1, 1]


def test_pairs_of_each_family_are_in_the_band():
    for family in functions.FAMILIES:
        table = functions.pairs_trial(functions.Pairs(family, 6), (0,))
        alone, added = (torch.tensor(table[name].tolist(), dtype=torch.float64) for name in ("alone", "added"))
        assert (functions.outside(alone, added) < 1e-12).all()
        if family == "increasing":
            np.testing.assert_allclose(added, alone + 1, rtol=1e-9)
