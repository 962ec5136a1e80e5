"""Gradients against central differences, slopes against dense Jacobians, rates against mean-field theory."""

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.data import Split
from resnet_lib.experiments.plain_networks import drawings, gradients, measures
from resnet_lib.nets import Unit


def small(unit: Unit, blocks: int = 2, width: int = 6) -> nets.Stack:
    return nets.mlp(blocks, width, unit=unit, in_features=5, generator=runtime.stream(0, "small")).double()


IMAGES = Split(torch.randn(8, 5, generator=runtime.stream(1, "small"), dtype=torch.float64), torch.arange(8) % 10)


def test_gradients_are_those_of_central_differences():
    net = small(Unit(residual=False))
    found = gradients.of_weights(net, IMAGES)
    weights = [m.weight for m in net.blocks.modules() if isinstance(m, nn.Linear)]
    assert len(found) == len(weights) == 4
    for gradient, weight in zip(found, weights, strict=True):
        v = torch.randn(weight.shape, generator=runtime.stream(2, "v"), dtype=torch.float64)
        losses = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight.add_(step * v)
                losses.append(nn.functional.cross_entropy(net(IMAGES.x), IMAGES.y))
                weight.sub_(step * v)
        assert (gradient * v).sum().item() == pytest.approx(((losses[0] - losses[1]) / 2e-6).item(), rel=1e-4, abs=1e-8)


def test_ratio_rate_and_agreement_by_hand():
    assert gradients.ratio([1e-4, 3.0, 1e-1]) == pytest.approx(-3)
    assert gradients.rate([8.0, 4.0, 2.0, 1.0]) == pytest.approx(2)
    assert gradients.ratio([0.0, 1.0]) == pytest.approx(-45)
    a, b = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[4.0, 0.0], [0.0, 3.0]])
    assert gradients.agreement([a, a], [a, b]) == pytest.approx([1.0, 24 / 25])
    assert gradients.norms([a, b]) == [5.0, 5.0]


@pytest.mark.parametrize("unit", [Unit(norm="none", residual=False), Unit(order="pre")], ids=["plain", "residual"])
def test_slope_is_that_of_the_dense_jacobian(unit):
    net = small(unit, width=24).eval()
    x = IMAGES.x[:3]
    first = net.stem(x).detach()

    def body(state):
        for block in net.blocks:
            state = block(state)
        return state

    v = torch.randn(first.shape, generator=runtime.stream(3, "v"), dtype=torch.float64)
    expected = []
    for state, direction in zip(first, v, strict=True):
        dense = torch.autograd.functional.jacobian(lambda s: body(s[None])[0], state)
        expected.append(np.log10(np.linalg.norm(dense.numpy() @ direction.numpy()) / direction.norm().item()))
    found = gradients.slope(net, x, runtime.stream(3, "v"))
    assert found == pytest.approx(np.median(expected), abs=1e-9)


def test_gradients_grow_as_mean_field_theory_says_in_wide_networks_and_not_without_normalisation():
    with runtime.numerics():
        found = {
            variant: gradients.trial(gradients.Untrained(variant, layers=42, width=256), (0, 1, 2)).assign(
                variant=variant, width=256
            )
            for variant in ("plain", "bare", "sigmoid")
        }
    rates = {variant: measures.rates(frame, variant, 256).mean() for variant, frame in found.items()}
    assert rates["plain"] == pytest.approx(drawings.MEAN_FIELD, rel=0.02)
    assert rates["bare"] == pytest.approx(1, abs=0.02)
    assert rates["sigmoid"] < 0.27
    assert found["plain"]["layer"].max() == 40
