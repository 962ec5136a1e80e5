"""Spectra of convolutions against dense SVDs of matrices that are written entry by entry."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from resnet_lib import linalg, runtime
from resnet_lib.linalg import Convolution


def kernel(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "kernel"), dtype=dtype)


def by_hand(c: Convolution) -> np.ndarray:
    """`y[o, p] = sum x[i, stride p + t - before]`, each term an entry."""
    weight = c.weight.numpy()
    o_all, i_all, kh, kw = weight.shape
    (h, w), (h2, w2), (top, _, left, _) = c.size, c.out_size, c.edges
    matrix = np.zeros((o_all * h2 * w2, i_all * c.groups * h * w), weight.dtype)
    for o, i, p, q, a, b in itertools.product(*map(range, (o_all, i_all, h2, w2, kh, kw))):
        y, x = c.stride * p + a - top, c.stride * q + b - left
        if c.padding == "circular":
            y, x = y % h, x % w
        elif not (0 <= y < h and 0 <= x < w):
            continue
        channel = i + o // (o_all // c.groups) * i_all
        matrix[(o * h2 + p) * w2 + q, (channel * h + y) * w + x] += weight[o, i, a, b]
    return matrix


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


@settings(max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.integers(1, 4),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.integers(1, 3),
    st.sampled_from(["circular", "zeros"]),
)
def test_any_kernel_on_any_image(seed, c_in, c_out, kernel_size, image, stride, padding):
    convolution = Convolution(kernel(seed, c_out, c_in, *kernel_size), image, padding, stride)
    dense = by_hand(convolution)
    np.testing.assert_allclose(convolution.dense(), dense)
    expected = np.linalg.svd(dense, compute_uv=False)
    found = linalg.conv_singular_values(convolution.weight, image, padding=padding, stride=stride)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * max(expected[0], 1e-300))
    op = convolution.operator()
    x, y = kernel(seed + 1, dense.shape[1]), kernel(seed + 2, dense.shape[0])
    np.testing.assert_allclose(op.matvec(x), dense @ x.numpy(), atol=1e-12)
    assert op.rmatvec is not None
    np.testing.assert_allclose(op.rmatvec(y), dense.T @ y.numpy(), atol=1e-12)
    norm = linalg.conv_norm(convolution, tol=1e-6, generator=runtime.stream(seed))
    assert norm.converged
    assert norm.value == pytest.approx(expected[0], rel=1e-6)
    assert linalg.conv_bound(convolution) >= expected[0] * (1 - 1e-12)
    assert norm.upper >= norm.value * (1 - 1e-12)


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


def test_a_layer_is_its_module():
    layers = (
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
        nn.Conv2d(4, 2, 3, padding=0),
        nn.Conv2d(4, 4, 5, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 3, 1, stride=2),
    )
    for i, layer in enumerate(layers):
        layer = layer.double()
        x = kernel(i, 2, 4, 6, 6)
        convolution = Convolution.of(layer, (6, 6))
        assert layer.bias is not None
        torch.testing.assert_close(convolution.apply(x), layer(x) - layer.bias[:, None, None])
        values = np.linalg.svd(by_hand(convolution), compute_uv=False)
        assert linalg.conv_norm(convolution, tol=1e-6, generator=runtime.stream(0)).value == pytest.approx(values[0])


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": torch.zeros(3, 3)}, r"weight has shape \(3, 3\); expected \(out, in / groups, height, width\)"),
        ({"weight": torch.zeros(1, 1, 3, 3, dtype=torch.int64)}, r"weight has dtype torch.int64; .* use \.float\(\)"),
        ({"weight": torch.full((1, 1, 3, 3), math.nan)}, "weight holds NaN or infinite values"),
        ({"padding": "reflect"}, r"padding='reflect' is unknown; use 'circular' or 'zeros'"),
        ({"stride": 0}, r"stride=0 must be at least 1"),
        ({"groups": 2}, r"groups=2 must divide the 3 output channels"),
        ({"margins": (0, 0, 0, 0), "size": (2, 2)}, r"gives no output on size=\(2, 2\); use larger images"),
    ],
)
def test_what_is_no_convolution_is_refused(unchecked, change, message):
    good = {"weight": torch.ones(3, 2, 3, 3), "size": (4, 4)}
    with pytest.raises(ValueError, match=message):
        Convolution(**(good | change))


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
    with pytest.raises(ValueError, match="dilates or has two strides"):
        Convolution.of(nn.Conv2d(1, 1, 3, dilation=2), (8, 8))
    with pytest.raises(ValueError, match="padding_mode='reflect' is neither of"):
        Convolution.of(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), (8, 8))
