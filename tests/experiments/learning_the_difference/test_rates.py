"""Rates of single blocks are chosen by the steps that they take."""

from dataclasses import replace

import numpy as np

from resnet_lib.experiments.learning_the_difference import rates, regressors

SHORT = regressors.Regressor("residual", "turn", 40.0, 0.02, steps=5, hidden=6, width=4, examples=20)


def test_a_search_tries_nine_rates_and_scores_each_seed():
    table = rates.tuning_trial(SHORT, (100, 101))
    assert table["rate"].nunique() == 9
    assert table["seed"].tolist() == [100, 101] * 9
    assert table["validation_accuracy"].between(0, 1).all()


def test_a_score_is_that_of_the_trial():
    setting = replace(SHORT, tolerance=0.0)
    found = rates._scored(setting, (100, 101))
    wanted = regressors.score(regressors.trial(setting, (100, 101)), setting)
    np.testing.assert_allclose(found.history["validation_accuracy"], wanted)
    assert found.diverged == tuple((wanted == 0).tolist())


def test_every_block_of_the_chapter_has_a_rate():
    assert [(each.kind, each.target, each.angle) for each in rates.SETTINGS] == list(rates.BEST)
    assert {each.lr for each in rates.SETTINGS} == {rates.START}
    assert rates.regressor("shifted", "turn", 30).lr == rates.regressor("residual", "turn", 30).lr
    assert {rates.regressor("plain", "turn", angle).lr for angle in rates.ANGLES} == {rates.BEST["plain", "turn", 90]}
    plane = rates.regressor("post", "swirl", 0, 2)
    assert (plane.width, plane.tolerance, plane.steps, plane.kind) == (2, 0.0, 1000, "post")
    assert plane.lr == rates.regressor("residual", "turn", 90, 2).lr == rates.BEST["residual", "swirl", 0]
    assert rates.TITLES["residual", "turn", 30] == "residual, turn by 30°"
