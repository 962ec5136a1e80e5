"""Constrained weights keep their bound."""

import math

import pytest
import torch
from bounded import INSIDE, ROUNDING, SEEDS, gaussian
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import lipschitz


@pytest.mark.parametrize("kind", [lipschitz.Projected, lipschitz.SpectrallyNormalised])
def test_constrained_weights_keep_their_bound(kind):
    net = nets.mlp(2, 6, unit=INSIDE, generator=runtime.stream(0)).double()
    before = [m.weight.detach().clone() for m in net.modules() if isinstance(m, nn.Linear)]
    lipschitz.constrain(net, 2.0, kind=kind)
    after = [m.weight for m in net.modules() if isinstance(m, nn.Linear)]
    for old, new in zip(before, after, strict=True):
        norm = float(torch.linalg.matrix_norm(old, 2))
        factor = 2 / norm if kind is lipschitz.SpectrallyNormalised else min(1, 2 / norm)
        torch.testing.assert_close(new, old * factor)
    out = net(gaussian(0, 3, 64))
    lipschitz.release(net)
    torch.testing.assert_close(net(gaussian(0, 3, 64)), out)
    assert not any("parametrizations" in name for name, _ in net.named_parameters())


@pytest.mark.parametrize("torus", [None, (6, 6)])
def test_a_diverged_weight_stays_nan_and_raises_nothing(torus):
    weight = torch.full((2, 2) if torus is None else (2, 2, 3, 3), math.nan)
    for kind in (lipschitz.Projected, lipschitz.SpectrallyNormalised):
        assert torch.isnan(kind(1.0, torus)(weight)).all()


def test_the_gradient_of_a_normalised_weight_is_that_of_its_formula():
    weight = gaussian(0, 4, 3).requires_grad_()
    normalise = lipschitz.SpectrallyNormalised(1.5)
    torch.testing.assert_close(normalise(weight), weight * 1.5 / torch.linalg.matrix_norm(weight, 2))
    assert torch.autograd.gradcheck(normalise, (weight,))


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 3), st.sampled_from([1, 3]), st.sampled_from([1, 2]))
def test_a_constrained_convolution_keeps_its_bound_with_zero_padding(seed, channels, size, stride):
    layer = nn.Conv2d(2, channels, size, stride=stride, padding=size // 2).double()
    layer.weight.data = 10 * gaussian(seed, *layer.weight.shape)
    lipschitz.constrain(layer, 1.0, size=(6, 6))
    assert lipschitz.product_bound(layer, (2, 6, 6)).value <= ROUNDING
    smaller = lipschitz.product_bound(layer, (2, 4, 4)).value
    assert smaller <= ROUNDING * 1.05
