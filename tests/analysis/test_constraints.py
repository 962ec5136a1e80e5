"""Constrained weights keep their bound."""

import math

import pytest
import torch
from bounded import INSIDE, ROUNDING, SEEDS, gaussian, reached
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from resnet_lib import nets, runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.nets import dynamics, initialisation, projections


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


PADDINGS = ("zeros", "circular", "reflect", "replicate")


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("kind", [lipschitz.Projected, lipschitz.SpectrallyNormalised])
@settings(max_examples=50)
@given(
    SEEDS, st.integers(1, 3), st.integers(1, 3), st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(1, 3),
    st.sampled_from(["same", "valid"]) | st.integers(0, 3), st.sampled_from(PADDINGS), st.integers(1, 2),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
)  # fmt: skip
def test_a_constraint_on_a_convolution_holds_for_what_it_takes(
    kind, seed, c_in, c_out, kernel, stride, padding, mode, dilation, size
):
    stride = 1 if padding == "same" else stride
    layer = nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, padding_mode=mode).double()
    layer.weight.data = 5 * gaussian(seed, *layer.weight.shape)
    weight = layer.weight.detach().clone()
    refused = False
    try:
        lipschitz.constrain(layer, 0.7, kind=kind, size=size)
    except ValueError:
        refused = True
    if refused:
        assert torch.equal(layer.weight, weight)
        assert not parametrize.is_parametrized(layer)
        return
    assert mode in ("zeros", "circular")
    try:
        layer(torch.zeros(1, c_in, *size).double())
    except RuntimeError:
        return  # torch does not wrap an image more than once
    found = reached(layer, (c_in, *size), seed)
    assert found <= 0.7 * ROUNDING
    if kind is lipschitz.SpectrallyNormalised and mode == "circular" and padding == "same" and stride == 1:
        assert found == pytest.approx(0.7)


def test_a_constraint_refuses_what_it_does_not_cover_and_changes_nothing():
    conv = nn.Conv2d(1, 1, 3, padding=1)
    circular = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
    halving = nn.Conv2d(1, 1, 3, padding=1, stride=2)
    for part, message in (
        (nn.Conv1d(1, 1, 3), r"'1' \(Conv1d\) has weights"),
        (nn.Conv3d(1, 1, 3), r"'1' \(Conv3d\) has weights"),
        (nn.ConvTranspose2d(1, 1, 3), r"'1' \(ConvTranspose2d\) has weights"),
        (nn.Bilinear(2, 2, 2), r"'1' \(Bilinear\) has weights"),
        (nn.MultiheadAttention(4, 1), r"'1' \(MultiheadAttention\) has weights"),
        (nn.LSTM(2, 2), r"'1' \(LSTM\) has weights"),
        (nn.Embedding(3, 2), r"'1' \(Embedding\) has weights"),
        (dynamics.Antisymmetric(3), r"'1' \(Antisymmetric\) has weights"),
        (projections.Orthonormal(4, 2, 1, kernel=1), r"'1' \(Orthonormal\) has weights"),
        (parametrizations.weight_norm(nn.Linear(3, 3)), r"'1' is constrained or parametrised already; .*release"),
        (prune.l1_unstructured(nn.Linear(3, 3), "weight", 0.5), "forward hooks"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), r"'1' cannot be constrained: padding_mode='reflect'"),
        (nn.Conv2d(1, 1, 3, dilation=2), r"'1' cannot be constrained: .* dilates"),
        (nn.Conv2d(1, 1, 3, padding=3, padding_mode="circular"), "an output comes twice; use padding='same'"),
        (nn.Sequential(circular, halving), r"'1\.0' pads in circles, and '1\.1' changes the size of the image"),
    ):
        net = nn.Sequential(nn.Linear(2, 2), part, conv)
        before = {name: value.clone() for name, value in net.state_dict().items()}
        with pytest.raises(ValueError, match=message):
            lipschitz.constrain(net, 1.0, size=(4, 4))
        assert before.keys() == net.state_dict().keys()
        for name, value in net.state_dict().items():
            assert torch.equal(value.nan_to_num(7.0), before[name].nan_to_num(7.0))
        lipschitz.constrain(net, 1.0, size=(4, 4), where=lambda name: not name.startswith("1"))
        assert parametrize.is_parametrized(net[0])
        lipschitz.release(net)
    for bound in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"must be positive and finite"):
            lipschitz.constrain(nn.Linear(2, 2), bound)


def test_release_leaves_the_parametrisations_of_others():
    net = nn.Sequential(nn.Linear(2, 2), parametrizations.orthogonal(nn.Linear(2, 2)))
    lipschitz.constrain(net, 0.5, where=lambda name: name == "0")
    lipschitz.release(net)
    assert not parametrize.is_parametrized(net[0])
    assert parametrize.is_parametrized(net[1])


@pytest.mark.parametrize("kind", [lipschitz.Projected, lipschitz.SpectrallyNormalised])
@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e30])
@pytest.mark.parametrize("torus", [None, (5, 4), (2, 2)])
def test_a_constraint_holds_at_every_size_of_the_weight(kind, scale, torus):
    weight = gaussian(0, *((4, 3) if torus is None else (4, 3, 3, 3))).float()
    made = kind(0.5, torus)(weight * scale).double()
    expected = kind(0.5, torus)(weight.double() * 1e3)  # the direction is that of a weight of ordinary size
    if kind is lipschitz.SpectrallyNormalised or scale >= 1:
        torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-6)
    else:
        torch.testing.assert_close(made, (weight * scale).double())


def test_a_constrained_network_can_be_drawn_anew():
    net = lipschitz.constrain(nets.mlp(1, 4, generator=runtime.stream(0)), 0.5)
    before = [layer.weight.detach().clone() for layer in net.modules() if isinstance(layer, nn.Linear)]
    initialisation.initialise(net, runtime.stream(1))
    after = [layer.weight.detach() for layer in net.modules() if isinstance(layer, nn.Linear)]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(torch.linalg.matrix_norm(weight, 2) <= 0.5 * (1 + 1e-6) for weight in after)
