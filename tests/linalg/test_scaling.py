"""Sizes at which squares are lost change no digit of a norm, nor of the spectra that are computed with the factors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.linalg import scaling


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "test"), dtype=torch.float64)


def test_a_scale_of_spectra_is_no_digit_of_theirs():
    """Departure, extreme values and certificates do not depend on the size of a matrix, down to where numbers end."""
    a = gaussian(12, 12)
    for dtype, scales in ((torch.float32, (1e-30, 1e-24, 1e-18, 1e18, 1e30)), (torch.float64, (1e-280, 1e-165, 1e155))):
        base = linalg.Operator.dense(a.to(dtype))
        for scale in scales:
            matrix = (a.to(dtype).double() * scale).to(dtype)
            op = linalg.Operator.dense(matrix)
            torch.testing.assert_close(linalg.departure(matrix), linalg.departure(a.to(dtype)), rtol=1e-5, atol=0)
            for verb in (linalg.extreme_singular_values, linalg.extreme_eigenvalues):
                found, expected = (verb(o, 2, tol=1e-5, generator=runtime.stream(0)) for o in (op, base))
                assert found.converged
                torch.testing.assert_close(found.values / scale, expected.values, rtol=1e-4, atol=0)
                assert found.norm / scale == pytest.approx(expected.norm, rel=1e-4)
                assert found.residuals.max() <= 2e-5
            here, there = (linalg.estimate_departure(o, generator=runtime.stream(1)) for o in (op, base))
            assert here.value == pytest.approx(there.value, rel=1e-4)
            assert here.error == pytest.approx(there.error, rel=1e-4)
            support = linalg.range_support(op, 0.3, tol=1e-5, generator=runtime.stream(2))
            exact = linalg.numerical_range(a, torch.tensor([0.3], dtype=torch.float64))[0] * np.exp(-0.3j)
            assert support.value / scale == pytest.approx(exact.real.item(), rel=1e-4)
            assert (linalg.spectral_norms(matrix) / scale).item() == pytest.approx(
                linalg.spectral_norms(a).item(), rel=1e-5
            )
            x, plain = gaussian(2, 12).to(dtype), a.to(dtype)
            gains = lipschitz.gains(lambda v, m=matrix: v @ m.mT, x, start=x, iterations=200)
            assert gains.values.max().item() / scale == pytest.approx(linalg.spectral_norms(a).item(), rel=1e-4)
            assert gains.residuals.max() < 1e-3
            rough = lipschitz.gains(lambda v, m=matrix: v @ m.mT, x, start=x, iterations=0)
            assert rough.residuals.min() > 1e-2
            ratio = lipschitz.stretch(lambda v, m=plain: v @ m.mT, scale * x, 3 * scale * x)
            torch.testing.assert_close(ratio, (x @ plain.mT).norm(dim=1) / x.norm(dim=1), rtol=1e-4, atol=0)
            searched = lipschitz.search(
                lambda v, m=plain: v @ m.mT, scale * x, rounds=1, steps=1, generator=runtime.stream(3)
            )
            assert searched.value == pytest.approx(linalg.spectral_norms(a).item(), rel=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_a_scale_of_convolutions_is_no_digit_of_their_norm(scale):
    weight = gaussian(4, 3, 3, 3).float()
    for padding in ("zeros", "circular"):
        found, base = (
            linalg.conv_norm(linalg.Convolution(w, (7, 6), padding), generator=runtime.stream(0))  # pyright: ignore
            for w in (weight * scale, weight)
        )
        assert found.converged
        assert found.value / scale == pytest.approx(base.value, rel=1e-4)
        assert found.upper / scale == pytest.approx(base.upper, rel=1e-4)


def test_sizes_whose_squares_keep_their_digits_are_left_alone():
    sizes = torch.tensor([0.0, 1e-10, 1.0, 3.0, 1e10, math.inf, math.nan])
    assert scaling.factors(sizes).tolist() == [1.0] * 7
    far = torch.tensor([1e-30, 1e30])
    torch.testing.assert_close(scaling.factors(far) * far, torch.ones(2))


@given(st.floats(-35, 35), st.integers(0, 2**32))
def test_norms_of_rows_are_those_of_double_precision(exponent, seed):
    x = torch.randn(4, 3, 2, generator=runtime.stream(seed, "rows"))
    x[1] = 0
    rows = (x.double() * 10**exponent).float()
    expected = rows.double().flatten(1).norm(dim=1)
    torch.testing.assert_close(scaling.row_norms(rows).double(), expected, rtol=1e-5, atol=0)
    assert scaling.row_norms(rows[:, :0]).tolist() == [0.0] * 4


def test_the_gradient_of_a_norm_is_the_direction_at_every_size():
    for size in (1e-30, 1.0, 1e30):
        x = torch.tensor([[3.0, 4.0]], dtype=torch.float32) * size
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(scaling.row_norms(x).sum(), x)
        torch.testing.assert_close(gradient, torch.tensor([[0.6, 0.8]]))


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_a_power_of_two_brings_what_is_far_to_about_one(size):
    factor = scaling.power_of_two(size, low=1e-3, high=1e3)
    assert math.frexp(factor)[0] == 0.5  # a power of two
    if size == 0 or 1e-3 <= size <= 1e3:
        assert factor == 1
    elif 1e-290 < size < 1e300:
        assert 0.5 <= size * factor < 1


def test_what_has_no_size_is_left_alone():
    assert [scaling.power_of_two(size, low=1, high=2) for size in (0.0, math.inf, math.nan)] == [1.0] * 3
