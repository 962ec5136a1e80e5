"""Optimisers on the Stiefel manifold against the closed forms, numpy and brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lib import runtime
from resnet_lib.linalg import stiefel


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=runtime.stream(seed, "test"), dtype=torch.float64)


def spd(d: int, seed: int = 0) -> torch.Tensor:
    a = draw(d, d, seed=seed)
    return a @ a.mT + 0.1 * torch.eye(d, dtype=torch.float64)


@settings(max_examples=15)
@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 2**32))
def test_the_least_defect_is_found_without_knowing_it(m, n, seed):
    found = stiefel.minimise_defect(draw(m, n, seed=seed))
    assert found.value == pytest.approx(stiefel.least_defect(m, min(m, n)), abs=1e-6)
    assert found.value == pytest.approx(
        np.linalg.norm(found.point.numpy() @ found.point.numpy().T - np.eye(m)), abs=1e-12
    )
    if m >= n:  # the best are those with orthonormal columns
        torch.testing.assert_close(found.point.mT @ found.point, torch.eye(n, dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kernel", "rank"), [(1, 32), (2, 64)])
def test_the_least_defect_of_a_strided_convolution_follows_from_the_rank_of_its_matrix(kernel, rank):
    eye = torch.eye(2 * 8 * 8, dtype=torch.float64).view(-1, 2, 8, 8)

    def matrix(weight: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(eye, weight, stride=2).flatten(1).mT

    # Where the least value is not zero, its rounding hides from the line search what is left of the gradient.
    found = stiefel.minimise_defect(draw(4, 2, kernel, kernel), matrix, tol=1e-8)
    assert matrix(found.point).shape == (64, 128)
    assert torch.linalg.matrix_rank(matrix(found.point)) == rank
    assert found.value == pytest.approx((64 - rank) ** 0.5, abs=1e-6)
    assert found.converged


def test_no_random_matrix_has_a_smaller_defect():
    least = stiefel.least_defect(6, 3)
    scales = torch.linspace(0.2, 1.5, 20, dtype=torch.float64)[:, None, None]
    assert (stiefel.defect(scales * draw(500, 1, 6, 3)) > least).all()


def test_an_optimiser_that_is_stopped_says_so():
    found = stiefel.minimise_defect(draw(8, 8), steps=1)
    assert not found.converged
    assert not stiefel.maximise_determinant(draw(3, 8), spd(8), steps=1).converged


@settings(max_examples=15)
@given(st.integers(1, 8), st.data())
def test_the_largest_determinant_is_the_product_of_the_largest_eigenvalues(d, data):
    k, seed = data.draw(st.integers(1, d)), data.draw(st.integers(0, 2**32))
    sigma = spd(d, seed)
    found = stiefel.maximise_determinant(draw(k, d, seed=seed + 1), sigma, tol=1e-7, steps=20000)
    product = np.sort(np.linalg.eigvalsh(sigma))[-k:].prod()
    assert np.exp(found.value) == pytest.approx(product, rel=1e-6)
    assert float(stiefel.largest_log_determinant(sigma, k)) == pytest.approx(np.log(product), abs=1e-9)
    torch.testing.assert_close(found.point @ found.point.mT, torch.eye(k, dtype=torch.float64), atol=1e-12, rtol=0)


def test_no_random_orthonormal_rows_beat_it_and_without_the_constraint_anything_does():
    sigma = spd(6)
    best = float(stiefel.largest_log_determinant(sigma, 2))
    rows = torch.linalg.qr(draw(2000, 6, 2)).Q.mT
    assert (stiefel.log_determinant(rows, sigma) < best).all()
    free = stiefel.maximise_determinant(rows[0], sigma, constrained=False, steps=50)
    assert free.value > best + 1
    # Even the directions of least variance, once they are scaled.
    worst = torch.linalg.eigh(sigma).eigenvectors.mT[:2]
    assert float(stiefel.log_determinant(worst, sigma)) < best < float(stiefel.log_determinant(100 * worst, sigma))


@given(st.integers(1, 4), st.floats(0.1, 10))
def test_scaling_multiplies_the_determinant_by_its_power(k, scale):
    sigma, w = spd(5), draw(k, 5)
    gain = stiefel.log_determinant(scale * w, sigma) - stiefel.log_determinant(w, sigma)
    assert float(gain) == pytest.approx(2 * k * np.log(scale), abs=1e-9)


def test_with_more_rows_than_columns_the_determinant_is_zero():
    assert stiefel.log_determinant(draw(4, 3), spd(3)) == -torch.inf
    with pytest.raises(ValueError, match=r"4 rows of 3 entries: det.* is 0 for every such W; use at most 3"):
        stiefel.maximise_determinant(draw(4, 3), spd(3))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: stiefel.least_defect(-1, 2), "rows=-1 and rank=2 must not be negative"),
        (lambda: stiefel.minimise_defect(torch.zeros(2, 2, dtype=torch.float64)), "start is zero, .* Gaussian"),
        (lambda: stiefel.largest_log_determinant(spd(3), 4), "k=4 orthonormal rows of 3 entries do not exist"),
        (lambda: stiefel.log_determinant(draw(2, 3), spd(4)), r"shape \(2, 3\) and covariance \(4, 4\); expected"),
    ],
)
def test_errors_name_the_way_out(call, text, unchecked):
    with pytest.raises(ValueError, match=text):
        call()


def test_what_a_callable_of_the_user_holds_gets_no_gradient():
    scale = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    found = stiefel.minimise_defect(draw(4, 6), lambda weight: scale[:, None] * weight)
    assert found.converged
    assert found.value < 1e-8
    assert scale.grad is None
