"""Scores of the tuning are explained shares of the variance of fresh points, 0 where the loss is not reached."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resnet_lib.experiments.smoothness_and_variation import rates, regressors

SHORT = regressors.Regressor("around", 0.01, target="rising", blocks=1, width=8, level=0.9, steps=80)


def test_a_score_is_the_explained_share_of_fresh_points():
    trained, found = regressors.fit(SHORT, (100, 101)), rates._scored(SHORT, (100, 101))
    assert found.diverged == (False, False)
    drawn = regressors.sample(SHORT, 101)
    with torch.no_grad():
        net = regressors.whole(SHORT, regressors.network(SHORT, trained.end, 1))
        guess = net(drawn.fresh)[:, 0].numpy()
    fresh = drawn.answers[:, 0].numpy()
    wanted = 1 - ((guess - fresh) ** 2).sum() / ((fresh - fresh.mean()) ** 2).sum()
    assert found.history["validation_accuracy"].iloc[1] == pytest.approx(wanted)


def test_a_loss_that_is_not_reached_scores_nothing():
    found = rates._scored(replace(SHORT, steps=1), (100, 101))
    assert found.history["validation_accuracy"].tolist() == [0, 0]
    assert found.diverged == (True, True)


def test_a_search_tries_rates_and_reports_each_seed():
    table = rates.tuning_trial(replace(SHORT, steps=5), (100, 101))
    assert table["rate"].nunique() == rates.RATES_TRIED
    assert len(table) == 2 * rates.RATES_TRIED
    assert not table["validation_accuracy"].to_numpy().any()


def test_networks_are_tuned_with_half_of_the_steps_that_they_have():
    assert {each.steps for each in rates.SETTINGS} == {regressors.Regressor("plain", 0.1).steps // 2}
    keys = [(each.kind, each.target, each.gain) for each in rates.SETTINGS]
    assert keys == list(rates.BEST)
    assert rates.regressor("shifted", "rising").lr == rates.regressor("around", "rising").lr
    assert [rates.regressor("plain", target).blocks for target in ("sine", "random")] == [3, 1]
    assert np.isclose(rates.regressor("plain", "sine", 2.0, lr=0.5).lr, 0.5)


def test_networks_of_twelve_blocks_are_tuned_as_the_others():
    found = rates.DEEP_TUNING.full.settings
    assert [(each.kind, each.blocks, each.steps) for each in found] == [("plain", 12, 200), ("residual", 12, 200)]
    assert [each.kind for each in found] == list(rates.DEEP_BEST)
