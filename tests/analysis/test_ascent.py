"""What a search for a lower bound finds is reached."""

import pytest
import torch
from bounded import ROUNDING, SEEDS, UNITS, gaussian, jacobian_norm, with_statistics
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.nets import Unit


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(UNITS), st.booleans(), st.integers(1, 3))
def test_what_a_search_finds_is_reached(seed, order, residual, depth):
    unit = Unit(order=order, norm="none")
    unit = unit if residual else unit.plain()
    net = with_statistics(nets.mlp(depth, 4, unit=unit, in_features=3, generator=runtime.stream(seed)), seed)
    found = lipschitz.search(net, 2 * gaussian(seed, 6, 3), rounds=2, steps=5, generator=runtime.stream(seed))
    assert found.value == pytest.approx(jacobian_norm(net, found.point), rel=1e-6)
    h = 1e-7
    step = lipschitz.stretch(net, found.point[None], (found.point + h * found.direction)[None]).item()
    # Only where a kink lies within h can the two differ.
    assert step == pytest.approx(found.value, rel=1e-5) or step <= found.value + found.pair
    assert found.value >= found.start * (1 - 1e-9)
    upper = lipschitz.semidefinite(lipschitz.normal_form(net, 3)).value
    assert max(found.value, found.pair) <= upper * ROUNDING


def test_a_search_finds_what_lies_far_from_its_starts():
    # |x| has the slope 1 everywhere; relu(x - 5) * 3 adds to it beyond 5 only.
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    first, last = net[0], net[2]
    first.weight.data, first.bias.data = torch.tensor([[1.0], [1.0]]).double(), torch.tensor([10.0, -5.0]).double()
    last.weight.data = torch.tensor([[1.0, 3.0]]).double()
    found = lipschitz.search(net, torch.ones(16, 1).double(), rounds=3, steps=40, rate=0.5, generator=runtime.stream(0))
    assert found.start == pytest.approx(1)
    assert found.value == pytest.approx(4)
