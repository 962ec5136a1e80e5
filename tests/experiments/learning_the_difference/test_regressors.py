"""Blocks with a hidden layer, against each other and against Adam written out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib.experiments.learning_the_difference import regressors, single

SHORT = regressors.Regressor("residual", "turn", 40.0, 0.02, steps=12, hidden=6, width=4, examples=20)


def test_the_residual_block_on_t_is_the_plain_one_on_the_difference():
    residual, plain = regressors.fit(SHORT, (0, 1)), regressors.fit(replace(SHORT, kind="shifted"), (0, 1))
    for name, value in residual[0].params.items():
        assert torch.allclose(value, plain[0].params[name], atol=1e-12)
    assert torch.allclose(plain[2] + plain[1], residual[2])
    other = regressors.fit(replace(SHORT, kind="plain"), (0, 1))[0].params
    assert not torch.allclose(other["branch.weight2.weight"], plain[0].params["branch.weight2.weight"], atol=1e-4)


def test_one_step_of_adam_is_the_rate_against_the_sign_of_the_gradient():
    found = regressors.fit(replace(SHORT, steps=1), (3,))[0]
    for name, value in found.params.items():
        change = (value - found.kept[0][name]).abs()
        assert torch.allclose(change[change > 0], torch.tensor(0.02, dtype=torch.float64), rtol=1e-3)


def test_measures_of_a_trial_are_those_of_the_fitted_block():
    setting = replace(SHORT, tolerance=0.0)
    table = regressors.trial(setting, (0, 1))
    fitted, x, t = regressors.fit(setting, (0, 1))
    for i in range(2):
        fresh, wanted = x[i, setting.examples :], t[i, setting.examples :]
        assert len(fresh) == regressors.FRESH
        with torch.no_grad():
            y = fitted.block(i)(fresh).numpy()
        fresh, wanted = fresh.numpy(), wanted.numpy()
        row = table.iloc[i]
        added, missing = y - fresh, wanted - fresh
        assert row["error"] == pytest.approx(((y - wanted) ** 2).mean())
        assert row["explained"] == pytest.approx(1 - ((y - wanted) ** 2).mean() / missing.var(0).mean())
        cosines = (added * missing).sum(1) / np.linalg.norm(added, axis=1) / np.linalg.norm(missing, axis=1)
        assert row["cosine"] == pytest.approx(cosines.mean())
        assert row["size"] == pytest.approx((np.linalg.norm(added, axis=1) / np.linalg.norm(fresh, axis=1)).mean())
    assert table["taken"].tolist() == [12, 12]
    assert not table["reached"].any()
    assert (table["cosine_start"] < table["cosine"]).all()


def test_another_draw_has_other_weights_and_the_same_pairs():
    first, again = regressors.fit(SHORT, (0,)), regressors.fit(replace(SHORT, again=True), (0,))
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0].kept[0]["branch.weight1.weight"], again[0].kept[0]["branch.weight1.weight"])


def test_a_relu_behind_the_sum_bounds_what_is_explained():
    """Half of a symmetric target cannot be returned, which leaves half of its variance: 3/4 of t - x at most."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(100_000, 2, generator=draw, dtype=torch.float64)
    t = single.swirl(x)
    missing = (t - x).square().mean()
    bound = 1 - t.clamp_max(0).square().mean() / missing
    assert bound < 0.75


def test_other_choices():
    found = regressors.ways((SHORT,))
    assert len(found) == 6
    assert [each.steps for each in found["a third of each rate"]] == [36]
    assert found["a tenth of the tolerance"][0].tolerance == pytest.approx(0.001)
    assert found["last weights that start at 0"][0].gain == 0


def test_scores():
    table = pd.DataFrame({"taken": [0.0, 3.0, 12.0], "reached": [True, True, False], "explained": [0.5, -1, np.nan]})
    np.testing.assert_allclose(regressors.score(table, SHORT), [1, 1 - np.log(4) / np.log(13), 0])
    np.testing.assert_allclose(regressors.score(table, replace(SHORT, tolerance=0.0)), [0.5, 0, 0])
