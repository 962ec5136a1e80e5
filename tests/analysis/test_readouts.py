"""A readout is the ridge regression of scikit-learn, with the penalty of least validation error."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from resnet_lib import runtime
from resnet_lib.analysis import readouts


def data(n: int, stream: str) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 5, generator=runtime.stream(0, stream), dtype=torch.float64) + 3
    noise = torch.randn(n, 2, generator=runtime.stream(1, stream), dtype=torch.float64)
    return x, x @ torch.arange(10.0, dtype=torch.float64).reshape(5, 2) / 5 + 1 + noise


@pytest.mark.parametrize("penalty", [1e-6, 1e-2, 1.0])
def test_a_readout_is_the_ridge_regression_of_scikit_learn(penalty):
    (x, t), (xv, tv) = data(30, "train"), data(20, "valid")
    found = readouts.readout((x, t), (xv, tv), penalties=[penalty])
    largest = np.linalg.svd(x - x.mean(0), compute_uv=False)[0] ** 2
    ridge = Ridge(alpha=penalty * largest).fit(x, t)
    np.testing.assert_allclose(found.weight.T, ridge.coef_, rtol=1e-8)
    np.testing.assert_allclose(found(xv), ridge.predict(xv), rtol=1e-8)
    assert found.validation == pytest.approx(((ridge.predict(xv) - tv.numpy()) ** 2).sum(1).mean())


def test_the_penalty_is_that_of_least_validation_error():
    learn, validate = data(8, "few"), data(200, "many")
    found = readouts.readout(learn, validate)
    errors = [readouts.readout(learn, validate, penalties=[p]).validation for p in readouts.PENALTIES]
    assert found.validation == min(errors)
    assert found.penalty == readouts.PENALTIES[int(np.argmin(errors))]
    assert found.penalty > 1e-10  # eight noisy examples want one


def test_what_is_explained_is_weighted_by_variance():
    _, t = data(50, "explained")
    guess = t + torch.randn(50, 2, generator=runtime.stream(2, "guess"), dtype=torch.float64)
    assert readouts.explained(guess, t) == pytest.approx(r2_score(t, guess, multioutput="variance_weighted"))
    constant = torch.cat([t, torch.ones(50, 1).double()], 1)
    assert readouts.explained(torch.cat([t, torch.ones(50, 1).double()], 1), constant) == 1


def test_a_rotation_is_read_back_whole():
    x, _ = data(50, "rotated")
    turn = torch.linalg.qr(torch.randn(5, 5, generator=runtime.stream(3, "turn"), dtype=torch.float64)).Q
    found = readouts.readout((x[:30] @ turn, x[:30]), (x[30:40] @ turn, x[30:40]))
    assert readouts.explained(found(x[40:] @ turn), x[40:]) > 1 - 1e-12


def test_what_does_not_fit_is_refused():
    x, t = data(5, "wrong")
    with pytest.raises(ValueError, match="must be positive"):
        readouts.readout((x, t), (x, t), penalties=[0.0])
