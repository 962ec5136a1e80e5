"""Lipschitz bounds: what is proven is never below what is reached, and both are what closed forms say."""

import math
from dataclasses import replace

import pytest
import torch
from bounded import INSIDE, ROUNDING, SEEDS, UNITS, gaussian, jacobian_norm, with_statistics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import lipschitz
from resnet_lib.analysis.lipschitz import Normal
from resnet_lib.nets import Unit, merges


@settings(max_examples=150)
@given(
    SEEDS, st.sampled_from(UNITS), st.booleans(), st.integers(1, 3), st.integers(1, 4), st.floats(0.1, 1),
    st.sampled_from(["batch", "none"]),
)  # fmt: skip
def test_no_bound_of_an_mlp_is_below_what_is_reached(seed, order, residual, depth, width, alpha, norm):
    unit = Unit(order=order, norm=norm, alpha=alpha, beta=1 - alpha)
    unit = unit if residual else unit.plain()
    net = with_statistics(
        nets.mlp(depth, width, unit=unit, in_features=3, classes=2, generator=runtime.stream(seed)), seed
    )
    upper = lipschitz.product_bound(net, (3,)).value
    proven = lipschitz.semidefinite(lipschitz.normal_form(net, 3))
    x, y = 3 * gaussian(seed, 40, 3), 3 * gaussian(seed + 1, 40, 3)
    reached = max(
        lipschitz.stretch(net, x, y).max().item(),
        lipschitz.stretch(net, x, x + 1e-4 * y).max().item(),
        jacobian_norm(net, x[0]),
    )
    assert reached <= proven.value * ROUNDING + 1e-9
    assert proven.value <= upper * ROUNDING * (1 + 2e-3)


@pytest.mark.usefixtures("unchecked")  # a call of a small network takes a fifth of the time of its checks
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SEEDS, st.sampled_from(UNITS), st.booleans(), st.integers(1, 5), st.integers(1, 5), st.floats(0.1, 3))
def test_two_thousand_random_networks(seed, order, residual, depth, width, size):
    unit = Unit(order=order, norm="none")
    unit = unit if residual else unit.plain()
    x, y = 3 * gaussian(seed, 40, 3), 3 * gaussian(seed + 1, 40, 3)
    for draw in range(20):
        net = nets.mlp(depth, width, unit=unit, in_features=3, classes=2, generator=runtime.stream(seed, draw)).double()
        for i, parameter in enumerate(net.parameters()):
            parameter.data = size * torch.randn(parameter.shape, generator=runtime.stream(seed, draw, i)).double()
        with torch.no_grad():
            reached = torch.maximum(lipschitz.stretch(net, x, y), lipschitz.stretch(net, x, x + 1e-4 * y)).max().item()
        assert reached <= lipschitz.product_bound(net, (3,)).value * ROUNDING


@settings(max_examples=60)
@given(SEEDS, st.sampled_from(UNITS), st.booleans(), st.integers(1, 2), st.sampled_from(["batch", "none"]))
def test_no_bound_of_a_convolutional_network_is_below_what_is_reached(seed, order, residual, depth, norm):
    unit = Unit(order=order, norm=norm)
    net = nets.conv_net(
        (depth, 1), (2, 4), unit=unit if residual else unit.plain(), in_channels=1, generator=runtime.stream(seed)
    )
    net = with_statistics(net, seed)
    upper = lipschitz.product_bound(net, (1, 6, 6)).value
    x, y = gaussian(seed, 20, 1, 6, 6), gaussian(seed + 1, 20, 1, 6, 6)
    found = lipschitz.search(net, x[:4], rounds=1, steps=3, generator=runtime.stream(seed))
    reached = max(lipschitz.stretch(net, x, y).max().item(), jacobian_norm(net, x[0]), found.value, found.pair)
    assert reached <= upper * ROUNDING


@pytest.mark.parametrize("kind", ["residual", "scaled", "plain", "constrained"])
def test_on_trained_networks_too(kind):
    unit = INSIDE.plain() if kind == "plain" else replace(INSIDE, alpha=0.5) if kind == "scaled" else INSIDE

    def make(generator: torch.Generator) -> nn.Module:
        net = nets.mlp(4, 8, unit=unit, generator=generator)
        return lipschitz.constrain(net, 0.5, where=lambda n: n.startswith("blocks")) if kind == "constrained" else net

    digits = data.load("digits", flat=True)
    recipe = training.Recipe(epochs=5, batch=100, lr=0.01)
    for seed in (0, 1):
        net = lipschitz.release(training.fit(make, digits, recipe, (0, 1)).net(seed)).double()
        upper = lipschitz.product_bound(net, (64,)).value
        proven = lipschitz.semidefinite(lipschitz.normal_form(net, 64))
        found = lipschitz.search(net, digits.train.x[:20].double(), generator=runtime.stream(seed))
        assert proven.converged
        assert max(found.value, found.pair) <= proven.value * ROUNDING
        assert proven.value <= upper
        assert found.value > found.start
        if kind == "constrained":
            layers = [m for name, m in net.named_modules() if name.startswith("blocks") and isinstance(m, nn.Linear)]
            norms = [float(torch.linalg.matrix_norm(m.weight.detach().double(), 2)) for m in layers]
            assert len(norms) == 8
            assert max(norms) <= 0.5 * (1 + 1e-6)


def test_what_has_no_constant_is_named_with_the_way_out(unchecked):
    with pytest.raises(ValueError, match=r"'branch.1' \(LayerNorm\): its gain grows .* use batch normalisation"):
        lipschitz.product_bound(
            nets.Block(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), nn.Identity(), merges.Add()), (4,)
        )
    with pytest.raises(ValueError, match=r"'0' \(MultiheadAttention\): dot-product attention is not Lipschitz"):
        lipschitz.product_bound(nn.Sequential(nn.MultiheadAttention(4, 1)), (3, 4))
    with pytest.raises(ValueError, match=r"'module' \(Softmax\): its Lipschitz constant is not known here; known are"):
        lipschitz.product_bound(nn.Softmax(dim=1), (3,))
    with pytest.raises(ValueError, match=r"'stem\.norm1' \(BatchNorm1d\) is in training mode, .*\.eval\(\)"):
        lipschitz.product_bound(nets.mlp(1, 4, generator=runtime.stream(0)).train(), (64,))
    with pytest.raises(ValueError, match=r"expects 3 numbers; shape gives it \(4,\)"):
        lipschitz.product_bound(nn.Linear(3, 2), (4,))
    with pytest.raises(ValueError, match=r"is no linear layer, activation with slopes .*; use product_bound"):
        lipschitz.normal_form(nn.Conv2d(1, 1, 3), 4)
    with pytest.raises(ValueError, match=r"'module' \(GELU\(.*use product_bound"):
        lipschitz.normal_form(nn.GELU(), 4)
    with pytest.raises(ValueError, match=r"a is not strictly lower triangular"):
        Normal(torch.eye(1).double(), torch.ones(1, 1).double(), torch.ones(1, 1).double(), torch.ones(1, 1).double())
    with pytest.raises(ValueError, match=r"which do not go together"):
        Normal(torch.zeros(1, 1), torch.ones(2, 1), torch.ones(1, 1), torch.ones(1, 1))
    with pytest.raises(ValueError, match=r"network has dtype torch.float32; .* use \.double\(\)"):
        lipschitz.semidefinite(Normal(torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1), torch.ones(1, 1)))
    with pytest.raises(ValueError, match=r"f has NaN or infinite derivatives at 2 of 2 points"):
        lipschitz.search(lambda x: x * math.nan, torch.ones(2, 3), generator=runtime.stream(0))
    with pytest.raises(ValueError, match=r"in training mode, where an example has no sensitivity .*; use \.eval\(\)"):
        lipschitz.search(nn.BatchNorm1d(3), torch.ones(2, 3), generator=runtime.stream(0))
    with pytest.raises(ValueError, match=r"starts has shape \(3,\); expected a batch"):
        lipschitz.search(nn.Linear(3, 3), torch.ones(3), generator=runtime.stream(0))
    zero = nn.Linear(2, 2)
    zero.weight.data.zero_()
    with pytest.raises(
        ValueError, match=r"has a weight of zero, which no factor gives the norm 1.0; use kind=Projected"
    ):
        lipschitz.constrain(zero, 1.0, kind=lipschitz.SpectrallyNormalised)
    with pytest.raises(ValueError, match=r"give size=\(height, width\), one group"):
        lipschitz.constrain(nn.Conv2d(1, 1, 3), 1.0)
    with pytest.raises(ValueError, match=r"has no linear layer or convolution"):
        lipschitz.constrain(nn.ReLU(), 1.0)
    with pytest.raises(ValueError, match=r"bound=0\.0 must be positive"):
        lipschitz.Projected(0.0)


WHOLE = torch.arange(6).view(2, 3)


ON_WHOLE_NUMBERS = {
    "x": lambda x: lipschitz.stretch(torch.sin, WHOLE, x),
    "y": lambda x: lipschitz.stretch(torch.sin, x, WHOLE),
    "x of gains": lambda x: lipschitz.gains(torch.sin, WHOLE, start=x),
    "starts": lambda x: lipschitz.search(torch.sin, WHOLE, generator=runtime.stream(0)),
}


@pytest.mark.parametrize("name", ON_WHOLE_NUMBERS)
@pytest.mark.usefixtures("unchecked")
def test_whole_numbers_are_refused_by_their_argument(name: str):
    with pytest.raises(ValueError, match=rf"^{name.split()[0]} has dtype torch.int64; .*use \.float\(\)"):
        ON_WHOLE_NUMBERS[name](torch.ones(2, 3))
