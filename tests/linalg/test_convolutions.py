"""Convolutions as linear maps, against torch's own and against matrices that are written entry by entry."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import by_hand, kernel
from torch import nn

from resnet_lib import linalg, runtime
from resnet_lib.linalg import Convolution


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


def test_a_layer_that_is_no_map_of_one_stride_is_refused():
    with pytest.raises(ValueError, match="dilates or has two strides"):
        Convolution.of(nn.Conv2d(1, 1, 3, dilation=2), (8, 8))
    with pytest.raises(ValueError, match="padding_mode='reflect' is neither of"):
        Convolution.of(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), (8, 8))
