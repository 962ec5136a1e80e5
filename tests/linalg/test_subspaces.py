"""What a projection keeps, against scikit-learn, least squares and data whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier

from resnet_lib import data, runtime
from resnet_lib.linalg import subspaces


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=runtime.stream(seed, "test"), dtype=torch.float64)


DIGITS = data.load("digits", flat=True)


def test_principal_directions_are_those_of_scikit_learn():
    rows = subspaces.principal(subspaces.covariance(DIGITS.train.x), 5)
    peer = PCA(5).fit(DIGITS.train.x.double().numpy()).components_
    np.testing.assert_allclose(np.abs((rows.numpy() * peer).sum(1)), 1, atol=1e-9)
    assert (rows.gather(1, rows.abs().argmax(1, keepdim=True)) > 0).all()


@given(st.integers(1, 6), st.integers(0, 2**32))
def test_reconstruction_is_what_least_squares_explains(k, seed):
    x = draw(40, 6, seed=seed) * torch.arange(1.0, 7.0)
    w = draw(k, 6, seed=seed + 1)
    centred = (x - x.mean(0)).numpy()
    y = centred @ w.numpy().T
    fitted = y @ np.linalg.lstsq(y, centred, rcond=None)[0]
    expected = (fitted**2).sum() / (centred**2).sum()
    assert subspaces.reconstruction(w, subspaces.covariance(x)) == pytest.approx(expected, abs=1e-8)


def test_principal_directions_reconstruct_best_and_a_mixture_of_rows_changes_nothing():
    sigma = subspaces.covariance(DIGITS.train.x)
    best = subspaces.reconstruction(subspaces.principal(sigma, 10), sigma)
    values = torch.linalg.eigvalsh(sigma)
    assert best == pytest.approx(float(values[-10:].sum() / values.sum()), abs=1e-9)
    for seed in range(5):
        w = draw(10, 64, seed=seed)
        share = subspaces.reconstruction(w, sigma)
        assert share < best
        assert subspaces.reconstruction(draw(10, 10, seed=seed + 9) @ w, sigma) == pytest.approx(share, abs=1e-8)
    # Widening, all directions kept: nothing is lost, though every determinant is zero.
    assert subspaces.reconstruction(draw(80, 64), sigma) == pytest.approx(1, abs=1e-8)


def test_probe_is_the_ridge_classifier_of_scikit_learn():
    train, test = DIGITS.train, DIGITS.test
    found = subspaces.probe((train.x, train.y), (test.x, test.y))
    variance = float(train.x.double().var(0, correction=0).mean())
    peer = RidgeClassifier(alpha=subspaces.RIDGE * variance * len(train)).fit(train.x.double().numpy(), train.y.numpy())
    assert found == pytest.approx(peer.score(test.x.double().numpy(), test.y.numpy()), abs=2 / len(test))
    assert found > 0.9


def test_probe_is_at_chance_on_noise():
    x, y = draw(2000, 8), torch.arange(2000) % 4
    assert subspaces.probe((x[:1000], y[:1000]), (x[1000:], y[1000:])) == pytest.approx(0.25, abs=0.06)


def test_discriminant_directions_are_those_of_scikit_learn():
    x, y = DIGITS.train.x + 0.1 * draw(1000, 64).float(), DIGITS.train.y  # noise, so that no pixel is constant
    found = subspaces.discriminant(x, y, 3)
    peer = LinearDiscriminantAnalysis(solver="eigen").fit(x.double().numpy(), y.numpy()).scalings_[:, :3]  # pyright: ignore[reportAttributeAccessIssue]
    a, b = np.linalg.qr(found.numpy().T)[0], np.linalg.qr(peer)[0]
    assert np.linalg.svd(a.T @ b)[1].min() > 0.99  # the same span, but for our ridge


def test_discriminant_finds_the_label_where_variance_does_not():
    y = torch.arange(1000) % 2
    x = draw(1000, 4) * torch.tensor([5.0, 3.0, 2.0, 0.2])
    x[:, 3] += y.double() - 0.5
    assert subspaces.discriminant(x, y, 1).abs()[0, 3] > 0.99
    assert subspaces.principal(subspaces.covariance(x), 1).abs()[0, 0] > 0.99


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: subspaces.covariance(draw(1, 3)), "x has 1 examples; a covariance needs at least two"),
        (lambda: subspaces.principal(torch.eye(3), 4), "k=4 must lie between 1 and 3"),
        (lambda: subspaces.reconstruction(draw(2, 3), torch.eye(4)), r"shape \(2, 3\) and covariance \(4, 4\)"),
        (lambda: subspaces.reconstruction(draw(2, 3), torch.zeros(3, 3)), "no variance to recover"),
        (
            lambda: subspaces.probe((draw(4, 2), torch.arange(4)), (draw(4, 2), torch.arange(4)), ridge=0.0),
            "ridge=0.0",
        ),
        (
            lambda: subspaces.probe((draw(2, 2) * torch.nan, torch.arange(2)), (draw(2, 2), torch.arange(2))),
            "train holds features that are NaN",
        ),
        (lambda: subspaces.discriminant(draw(6, 2), torch.arange(6) % 2, 2), "k=2 must lie between 1 and 1"),
    ],
)
def test_errors_name_the_way_out(call, text, unchecked):
    with pytest.raises(ValueError, match=text):
        call()


def test_all_directions_may_be_asked_for_and_no_more():
    covariance = subspaces.covariance(draw(30, 4) * torch.arange(1.0, 5.0))
    rows = subspaces.principal(covariance, 4)
    torch.testing.assert_close(rows @ rows.mT, torch.eye(4, dtype=torch.float64))
    variances = (rows @ covariance @ rows.mT).diagonal()
    assert (variances.diff() < 0).all()
    for k in (0, 5):
        with pytest.raises(ValueError, match=rf"k={k} must lie between 1 and 4"):
            subspaces.principal(covariance, k)


@pytest.mark.usefixtures("unchecked")
def test_labels_of_any_integers_are_taken_and_features_of_both_must_be_finite():
    x, y = draw(40, 3), torch.arange(40) % 3
    expected = subspaces.probe((x, y), (x, y))
    for dtype in (torch.uint8, torch.int32):
        assert subspaces.probe((x, y.to(dtype)), (x, y.to(dtype))) == expected
    for name in ("train", "test"):
        pair = {"train": (x, y), "test": (x, y), name: (x / 0, y)}
        with pytest.raises(ValueError, match=f"{name} holds features that are NaN or infinite"):
            subspaces.probe(pair["train"], pair["test"])
