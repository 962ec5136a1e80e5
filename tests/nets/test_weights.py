"""How weights are drawn, against what the networks then compute; activations against numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.nets import Unit, blocks, initialisation, units

PLAIN = Unit(norm="none", residual=False)


def generator(*path):
    return runtime.stream(0, "schemes", *path)


def vectors(*shape):
    return torch.randn(*shape, generator=generator("x"), dtype=torch.float64)


def make(family: str, unit: Unit) -> nets.Stack:
    if family == "mlp":
        return nets.mlp(20, 16, unit=unit, in_features=7, generator=generator("net")).double().eval()
    return nets.cifar_resnet(20, width=4, unit=unit, in_channels=2, generator=generator("net")).double().eval()


INPUT = {"mlp": (7,), "conv": (2, 16, 16)}


def defect(net: nn.Module, shape: tuple[int, ...]) -> float:
    """How far a network without biases is from being linear."""
    a, b = vectors(2, 6, *shape)
    with torch.no_grad():
        return ((net(a - 3 * b) - net(a) + 3 * net(b)).norm() / net(a).norm()).item()


@pytest.mark.parametrize("family", INPUT)
@pytest.mark.parametrize("order", ["post", "pre"])
def test_a_looks_linear_plain_network_is_linear_until_it_has_learned(family, order):
    net = make(family, replace(PLAIN, order=order, scheme="looks-linear"))
    assert defect(net, INPUT[family]) < 1e-12
    assert defect(make(family, replace(PLAIN, order=order)), INPUT[family]) > 0.1
    with torch.no_grad():
        next(net.blocks.parameters()).mul_(1 + 0.1 * vectors(1)[0].item()).add_(0.01)
    assert defect(net, INPUT[family]) > 1e-6


def test_its_layers_keep_every_norm():
    net = make("mlp", replace(PLAIN, scheme="looks-linear"))
    states = torch.stack(net.states(vectors(5, 7)))
    torch.testing.assert_close(states.norm(dim=2), states[:1].norm(dim=2).expand(21, 5), rtol=1e-5, atol=0)
    images = make("conv", replace(PLAIN, scheme="looks-linear")).states(vectors(5, 2, 16, 16))
    for state in images[1:4]:  # of the first stage; the next has a quarter of the pixels
        torch.testing.assert_close(state.flatten(1).norm(dim=1), images[0].flatten(1).norm(dim=1), rtol=1e-5, atol=0)


def test_a_single_layer_that_looks_linear_is_orthogonal():
    layer = initialisation.initialise(blocks.Linear(9, 9).double(), generator(), "looks-linear")
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(9, dtype=torch.float64))


@pytest.mark.parametrize("family", INPUT)
def test_an_identity_network_lets_states_that_are_not_negative_pass(family):
    net = make(family, replace(PLAIN, scheme="identity"))
    states = net.states(vectors(5, *INPUT[family]))
    passed = states[1:] if family == "mlp" else states[1:4]
    for state in passed:
        assert 0 < (state - states[0]).norm() / states[0].norm() < 0.5
    plain = make(family, PLAIN).states(vectors(5, *INPUT[family]))
    assert (plain[3] - plain[0]).norm() > 0.7 * plain[0].norm()


def test_what_identity_adds_is_a_hundredth_of_he_and_other_layers_are_those_of_he():
    found, he = (
        nets.mlp(2, 6, unit=replace(PLAIN, scheme=s), in_features=6, generator=generator()) for s in ("identity", "he")
    )
    for (name, ours), (_, theirs) in zip(found.named_parameters(), he.named_parameters(), strict=True):
        expected = theirs
        if name.startswith("blocks") and name.endswith("weight"):
            expected = torch.eye(6) + theirs / 100
        torch.testing.assert_close(ours, expected)
    kernel = initialisation.initialise(blocks.conv_block(PLAIN, 3, 3), generator(), "identity").get_parameter(
        "branch.weight1.weight"
    )
    assert kernel.shape == (3, 3, 3, 3)
    inner = nets.cifar_resnet(14, width=4, unit=replace(PLAIN, scheme="identity"), generator=generator())
    dirac = torch.zeros(4, 4, 3, 3)
    nn.init.dirac_(dirac)
    assert (inner.get_parameter("blocks.0.branch.weight1.weight") - dirac).abs().max() < 0.02
    widening = inner.get_parameter("blocks.2.branch.weight1.weight").detach()
    assert widening.std().item() == pytest.approx((2 / 36) ** 0.5, rel=0.15)


def test_looks_linear_needs_pairs():
    with pytest.raises(ValueError, match="scheme='looks-linear' pairs the outputs of a layer, which has 5 of them"):
        nets.mlp(2, 5, unit=replace(PLAIN, scheme="looks-linear"), generator=generator())


@pytest.mark.parametrize(("activation", "formula"), [("tanh", np.tanh), ("sigmoid", lambda x: 1 / (1 + np.exp(-x)))])
def test_activations_are_their_formulas_in_stem_blocks_and_head(activation, formula):
    unit = Unit(order="pre", norm="none", activation=activation)
    net = nets.mlp(2, 5, unit=unit, in_features=7, classes=3, generator=generator()).double()
    x = vectors(4, 7)
    stem, a1, a2, b1, b2, head = (
        lambda v, m=m: v @ m.weight.detach().numpy().T + m.bias.detach().numpy()
        for m in net.modules()
        if isinstance(m, nn.Linear)
    )
    state = stem(x.numpy())
    state = state + a2(formula(a1(formula(state))))
    state = state + b2(formula(b1(formula(state))))
    np.testing.assert_allclose(net(x).detach().numpy(), head(formula(state)), rtol=1e-12, atol=1e-12)
    post = nets.mlp(1, 5, unit=Unit(residual=False, activation=activation), in_features=7, generator=generator())
    images = nets.digits_resnet(1, 4, unit=Unit(activation=activation), generator=generator())
    for made in (post, images):
        kinds = {type(m) for m in made.modules() if isinstance(m, nn.ReLU | nn.Tanh | nn.Sigmoid)}
        assert kinds == {type(next(iter(net.head.children())))}


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="activation='rleu' is unknown; known: relu, tanh, sigmoid; closest: 'relu'"):
        Unit(activation="rleu")
    with pytest.raises(
        ValueError, match="scheme='dirac' is unknown; known: he, lecun, orthogonal, identity, looks-linear"
    ):
        Unit(scheme="dirac")


@pytest.mark.parametrize("scheme", units.SCHEMES)
def test_a_recipe_s_scheme_is_that_of_initialise(scheme):
    net = nets.mlp(2, 6, unit=Unit(scheme=scheme), generator=generator())
    other = initialisation.initialise(nets.mlp(2, 6, generator=generator("other")), generator(), scheme)
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
