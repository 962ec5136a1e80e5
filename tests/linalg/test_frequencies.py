"""Singular values and norms of convolutions against dense SVDs of matrices that are written entry by entry."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernels import by_hand, kernel

from resnet_lib import linalg, runtime
from resnet_lib.linalg import Convolution


@pytest.mark.parametrize("padding", ["circular", "zeros"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("image", [(6, 8), (7, 5), (2, 4)])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(2, 3, 1), (3, 2, 1), (4, 2, 2)])
def test_all_singular_values_are_those_of_the_true_operator(padding, stride, size, image, c_in, c_out, groups):
    weight = kernel(0, c_out, c_in // groups, size, size)
    convolution = Convolution(weight, image, padding, stride, groups)
    expected = np.linalg.svd(by_hand(convolution), compute_uv=False)
    found = linalg.conv_singular_values(weight, image, padding=padding, stride=stride, groups=groups)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * expected[0])
    single = linalg.conv_singular_values(weight.float(), image, padding=padding, stride=stride, groups=groups)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-5 * expected[0])


@pytest.mark.parametrize("image", [(9, 1), (7, 2), (1, 9), (2, 7)])
@pytest.mark.parametrize("kernel_size", [(1, 5), (5, 1), (3, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("margins", [None, (4, 1, 0, 3)])
def test_the_bound_of_tall_and_of_wide_images(image, kernel_size, stride, margins):
    """The torus has a height and a width of its own: with one in place of the other the bound was no bound."""
    for seed in range(3):
        weight = kernel(seed, 2, 2, *kernel_size)
        try:
            convolution = Convolution(weight, image, "zeros", stride, margins=margins)
        except ValueError:
            return  # these margins give no output
        norm = np.linalg.svd(by_hand(convolution), compute_uv=False)[0]
        assert linalg.conv_bound(convolution) >= norm * (1 - 1e-12)


def test_a_bound_is_of_float64_whatever_the_kernel_is():
    convolution = Convolution(kernel(1, 4, 4, 3, 3, dtype=torch.float32), (6, 6))
    double = replace(convolution, weight=convolution.weight.double())
    assert linalg.conv_bound(convolution) == linalg.conv_bound(double)


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_grams_eigenvalues_are_off_by_what_is_said(seed, channels):
    weight = kernel(seed, channels, channels, 3, 3)
    exact = linalg.conv_singular_values(weight, (6, 6))
    quick = linalg.conv_singular_values(weight, (6, 6), method="gram")
    limit = torch.minimum(1e-14 * exact[0] ** 2 / exact, torch.full_like(exact, 1e-7) * exact[0])
    assert ((quick - exact).abs() <= limit).all()


def test_a_shift_is_an_isometry_and_a_blur_has_norm_one():
    shift = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    shift[0, 0, 0, 2] = 1
    torch.testing.assert_close(linalg.conv_singular_values(shift, (5, 4)), torch.ones(20, dtype=torch.float64))
    blur = torch.full((1, 1, 3, 3), 1 / 9, dtype=torch.float64)
    assert linalg.conv_singular_values(blur, (8, 8))[0] == pytest.approx(1)
    # Zero padding loses light at the edge: the 1-D blur (1, 1, 1) / 3 has the norm (1 + 2 cos(pi / (n + 1))) / 3.
    zeros = linalg.conv_singular_values(blur, (8, 8), padding="zeros")[0].item()
    assert zeros == pytest.approx(((1 + 2 * math.cos(math.pi / 9)) / 3) ** 2, rel=1e-12)


def test_the_norm_of_a_large_layer_lies_between_its_certificates():
    convolution = Convolution(kernel(0, 16, 16, 3, 3), (16, 16), "zeros")
    found = linalg.conv_norm(convolution, tol=1e-4, generator=runtime.stream(0))
    assert found.converged
    assert found.products > 0
    assert found.value <= found.upper <= 1.05 * found.value
    exact = linalg.spectral_norms(torch.from_numpy(by_hand(replace(convolution, size=(16, 16)))[:, :])).item()
    assert found.value == pytest.approx(exact, rel=1e-6)


def test_an_iteration_that_gives_up_says_so():
    convolution = Convolution(kernel(0, 16, 16, 3, 3), (16, 16), "zeros")
    found = linalg.conv_norm(convolution, tol=1e-13, generator=runtime.stream(0), restarts=1)
    assert not found.converged
    assert found.residual > 1e-13
    assert found.value <= found.upper


def test_a_zero_kernel_has_no_gain():
    weight = torch.zeros(3, 2, 3, 3)
    for padding in ("circular", "zeros"):
        assert not linalg.conv_singular_values(weight, (4, 4), padding=padding).any()
        found = linalg.conv_norm(Convolution(weight, (40, 40), padding), generator=runtime.stream(0))
        assert (found.value, found.upper, found.converged) == (0, 0, True)


def test_what_cannot_be_computed_is_refused_with_the_way_out(unchecked):
    weight = torch.ones(64, 64, 3, 3)
    with pytest.raises(ValueError, match=r"65536 x 65536, more than DENSE=\d+ entries; use conv_norm"):
        linalg.conv_singular_values(weight, (32, 32), padding="zeros")
    with pytest.raises(ValueError, match=r"method='gram' needs circular padding .* use method='svd'"):
        linalg.conv_singular_values(weight, (8, 8), padding="zeros", method="gram")
    with pytest.raises(ValueError, match=r"method='qr' is unknown; use 'svd' or 'gram'"):
        linalg.conv_singular_values(weight, (8, 8), method="qr")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"are so wide that an output comes twice; use margins=None"):
        linalg.conv_bound(Convolution(weight, (7, 7), "circular", margins=(2, 2, 2, 2)))
