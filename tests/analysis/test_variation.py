"""Total variation against closed forms, a fine grid and invariances; what is not piecewise linear is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import variation
from resnet_lib.nets import initialisation
from resnet_lib.nets.units import UNITS, Unit


def network(seed: int, unit: str | Unit = "pre", depth: int = 2) -> nets.Stack:
    """A small network of one input whose biases are drawn, too, so that it bends all over the interval."""
    unit = Unit(order="pre", norm="none") if unit == "pre" else unit
    generator = runtime.stream(seed, "net")
    net = nets.mlp(depth, 8, unit=unit, in_features=1, classes=1, generator=generator).double()
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith("bias"):
                value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64))
    return net


def on_grid(f: nn.Module, start: float, end: float, n: int) -> float:
    x = np.linspace(start, end, n)
    with torch.no_grad():
        y = f(torch.from_numpy(x)[:, None])[:, 0].numpy()
    return float(np.abs(np.diff(y)).sum())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([Unit(order="pre", norm="none"), Unit(order="inside", norm="none")]))
def test_the_variation_of_a_network_is_the_limit_of_grids_from_below(seed: int, unit: Unit):
    for f in (network(seed, unit), network(seed, unit.plain())):
        exact = variation.trace(f, -1.0, 2.0)
        coarse, fine = (on_grid(f, -1.0, 2.0, n) for n in (301, 30_001))
        assert coarse <= exact.variation * (1 + 1e-12)
        assert fine <= exact.variation * (1 + 1e-12)
        assert fine == pytest.approx(exact.variation, rel=2e-3)
        assert exact.residual < variation.TOLERANCE


def test_the_corners_of_one_hidden_layer_are_where_its_units_switch():
    net = nn.Sequential(nn.Linear(1, 6), nn.ReLU(), nn.Linear(6, 1)).double()
    initialisation.initialise(net, runtime.stream(0, "one"))
    first = net[0]
    assert isinstance(first, nn.Linear)
    wanted = torch.tensor([0.1, 0.25, 0.4, 0.7, 1.3, -0.2], dtype=torch.float64)
    with torch.no_grad():
        first.bias.copy_(-first.weight[:, 0] * wanted)
    found = variation.trace(net)
    np.testing.assert_allclose(found.points, [0, 0.1, 0.25, 0.4, 0.7, 1], atol=1e-14)


def test_a_sawtooth_of_tents_is_counted_to_the_last_tooth():
    tent = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    for parameter, value in zip(tent.parameters(), ([[1.0], [1.0]], [0.0, -0.5], [[2.0, -4.0]], [0.0]), strict=True):
        parameter.data.copy_(torch.tensor(value))
    found = variation.trace(nn.Sequential(*(tent for _ in range(10))))  # one module, called ten times
    assert (found.variation, found.turns, len(found.points)) == (2.0**10, 2**10 - 1, 2**10 + 1)


def test_variation_does_not_see_a_shift_and_adds_up_over_intervals():
    net = network(3)
    whole, parts = variation.trace(net, 0, 2), [variation.trace(net, *ends) for ends in ((0, 0.7), (0.7, 2))]
    assert whole.variation == pytest.approx(sum(part.variation for part in parts), rel=1e-12)
    before = whole.variation
    with torch.no_grad():
        net.get_parameter("head.weight1.bias").add_(5.0)
    assert variation.trace(net, 0, 2).variation == pytest.approx(before, rel=1e-12)


def test_turning_points_are_counted_over_flat_stretches():
    values = torch.tensor([[1.0, 1, 2, 2, 1, 1, 0, 3], [0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7]])
    assert variation.turns(values).tolist() == [2, 0, 0]
    assert variation.total(values).tolist() == [6, 0, 7]


def together(found: list[nets.Stack]):
    """Stacked networks of two blocks as `variation.traces` takes them, each computed by itself."""

    def f(x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        outputs, read = [], []
        for net, points in zip(found, x, strict=True):
            with variation._read_by_relus(net) as mine:
                outputs.append(net(points[:, None])[:, 0])
            read.append(mine)
        return torch.stack(outputs), [torch.stack(each) for each in zip(*read, strict=True)]

    return f


def test_stacked_networks_have_the_corners_that_each_has_by_itself():
    found = [network(seed) for seed in range(4)]
    points, values, residual = variation.traces(together(found), 4)
    assert (residual <= variation.TOLERANCE).all()
    alone = [variation.trace(net) for net in found]
    assert len({len(each.points) for each in alone}) > 1
    for nth, each in enumerate(alone):
        torch.testing.assert_close(points[nth].unique(), each.points)
        assert float(variation.total(values[nth])) == pytest.approx(each.variation)
        assert int(variation.turns(values[nth])) == each.turns


def test_a_stacked_function_that_bends_elsewhere_is_told():
    with pytest.raises(ValueError, match=r"a network is .* off the chord.*something else than the ReLUs"):
        variation.traces(lambda x: (x**2, [x[..., None] - 0.5]), 2)


def test_a_trace_leaves_the_network_as_it_was():
    net = network(1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    variation.trace(net)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(part._forward_pre_hooks for part in net.modules())


def test_what_cannot_be_traced_is_told():
    bent = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    initialisation.initialise(bent, runtime.stream(0, "bent"))
    with pytest.raises(ValueError, match=r"off the chord .* use variation.total"):
        variation.trace(bent)
    with pytest.raises(TypeError, match=r"corners are found in float64: use f\.double"):
        variation.trace(network(0).float())
    with pytest.raises(ValueError, match=r"start=1 must be below end=0"):
        variation.trace(network(0), 1, 0)
    with pytest.raises(ValueError, match=r"f gives outputs of shape \(2,\)"):
        variation.trace(nn.Linear(1, 2).double())
    assert UNITS["pre"].norm == "batch"
