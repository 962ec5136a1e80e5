"""The control with power: its measure on a table by hand, and what its networks descend."""

from dataclasses import replace

import numpy as np
import pandas as pd

from resnet_lib.experiments.smoothness_and_variation import penalised, regressors

SHORT = penalised.Penalised("residual", 0.01, blocks=2, width=12, level=0.9)


def test_the_penalty_is_compared_seed_by_seed_where_both_reach_the_loss():
    rows = [
        (penalty, again, seed, size * (1 + seed), not (penalty and seed == 1))
        for seed in range(3)
        for penalty, again, size in ((0.0, False, 4.0), (0.0, True, 6.0), (0.03, False, 2.0))
    ]
    table = pd.DataFrame(rows, columns=["penalty", "again", "seed", "variation", "reached"]).assign(kind="plain")
    found = penalised.seen(table)
    np.testing.assert_allclose(found.values, [np.log(0.5)] * 2)
    np.testing.assert_allclose(found.control, [np.log(1.5)] * 3)


def test_without_a_penalty_it_is_the_network_of_the_other_experiments():
    usual = regressors.Regressor("residual", 0.01, blocks=2, width=12, level=0.9)
    pd.testing.assert_frame_equal(penalised.trial(SHORT, (0, 1)), regressors.trial(usual, (0, 1)))


def test_a_penalty_lowers_the_variation_at_the_same_loss():
    free, held = (penalised.trial(replace(SHORT, penalty=penalty), (0, 1, 2)) for penalty in (0.0, 0.03))
    assert held["reached"].all()
    np.testing.assert_allclose(held["loss"], 1, rtol=1e-4)
    assert np.log(held["variation"] / free["variation"]).mean() < -0.1


def test_the_networks_are_those_of_the_page():
    free, again, held = penalised.PENALISED.full.settings
    assert (free.penalty, again.penalty, held.penalty) == (0, 0, 0.03)
    assert {(each.kind, each.blocks, each.gain, each.steps) for each in (free, again, held)} == {
        ("residual", 3, 1.0, 400)
    }
    assert (free.again, again.again, held.again) == (False, True, False)
    assert penalised.BETWEEN == 64
    assert all(way[2].penalty > 0 == way[0].penalty for way in penalised.CHOICES.ways.values())
