"""A finer search finds what the coarse one finds and more, and a fold beyond all starts is one, and beyond them."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.experiments.keeping_inputs_distinct import folds, searching, trained
from resnet_lib.sweep import Result, Stamp
from tests.experiments.keeping_inputs_distinct.test_folds import network


def test_a_fold_beyond_all_starts_merges_two_inputs_and_is_off_at_every_start():
    weights = folds.contracted(folds.stacked([network()]), 0.5)
    states = torch.randn(2, 30, 64, generator=runtime.stream(0, "states"), dtype=torch.float64)
    x, mean, starts = states[:, 29], states.mean(1), states[:, :24]
    found = searching.beyond_all(weights, x, mean, starts)
    unit, bias = found["branch.weight1.weight"][:, 0], found["branch.weight1.bias"][:, 0]
    read = (unit[:, None] * torch.relu(starts)).sum(2) + bias[:, None]
    assert (read < 0).all()
    assert unit.norm(dim=1).tolist() == pytest.approx([1, 1])
    away = -bias * 2 - (unit[:, None] * torch.relu(starts)).sum(2).amax(1)  # as far beyond the unit's edge as the top
    far = x + (away - (unit * torch.relu(x)).sum(1))[:, None] * unit
    pair = torch.stack([far - 1e-4 * unit, far + 1e-4 * unit], 1)
    apart = folds.applied(found, pair).diff(dim=1).norm(dim=2)
    assert (apart < 1e-6 * pair.diff(dim=1).norm(dim=2)).all()
    plain = folds.applied(weights, pair).diff(dim=1).norm(dim=2)
    assert (plain >= 0.5 * pair.diff(dim=1).norm(dim=2)).all()


def test_the_finer_search_goes_below_the_coarse_one_and_never_below_a_constant():
    net = network()
    states = torch.stack(trained._states(net, data.load("digits", flat=True).test.x[:24])[:-1])
    weights = folds.stacked([net])
    coarse, _ = folds.search(weights, states)
    fine = searching.search(weights, states)
    assert (fine <= coarse).all()
    assert (searching.search(folds.contracted(weights, 0.5), states) >= 0.5).all()


def test_the_trial_has_a_row_a_state_and_no_number_where_training_diverged():
    table = searching.trial(trained.Trained("residual", 2, 0.01, epochs=1), (0, 1))
    assert table[["seed", "state"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [1, 2]]
    blocks = table[table["state"] < 2]
    assert blocks[[*searching.COLUMNS]].notna().all().all()
    assert (blocks["guarded"] >= 0.5).all()
    assert table.loc[table["state"] == 2, [*searching.COLUMNS]].isna().all().all()
    assert set(table["part"]) == {0}
    lost = searching.trial(trained.Trained("residual", 2, 50.0, epochs=1), (0,))
    assert lost[[*searching.COLUMNS]].isna().all().all()


STAMP = Stamp("distinct-searched", "full", "", "", False, "", {}, [], [], "", {}, 0.0, "", 0)


def test_the_measure_and_the_choices_on_a_table_by_hand():
    rows = []
    for blocks in (5, 10):
        for seed in (0, 1):
            for state in range(blocks + 1):
                ratios = {"searched": 0.001 * blocks, "guarded": 0.6, "planted": 0.01, "beyond": 0.2 - state / 20}
                ratios = ratios if state < blocks else dict.fromkeys(ratios, np.nan)
                rows.append({"blocks": blocks, "seed": seed, "state": state, "epoch": 4, "part": 0} | ratios)
    table = pd.DataFrame(rows).assign(variant="residual")
    found = searching.beyond(table)
    assert found.values.tolist() == pytest.approx([(2 + 7) / 15] * 2)
    assert found.control.tolist() == [0, 0]
    assert searching.finer(None) == {}
    under = searching.finer(Result(table, STAMP))
    assert list(under) == ["a search whose steps shrink", "ten blocks, a search whose steps shrink"]
    for blocks, result in zip((5, 10), under.values(), strict=True):
        assert trained.always(result.table).values.tolist() == pytest.approx([0.001 * blocks] * 2)
        assert trained.planted(result.table).values.tolist() == [1, 1]


def test_the_experiment_has_the_residual_networks_of_both_sizes():
    assert [(each.variant, each.blocks) for each in searching.SEARCHED.full.settings] == [
        ("residual", 5),
        ("residual", 10),
    ]
