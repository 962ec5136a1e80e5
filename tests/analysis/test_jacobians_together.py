"""Jacobians, bounds and searches on every network that the package makes: they agree, or say why they cannot."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import flow, jacobian, lesion, lipschitz, shortcuts
from resnet_lib.nets import Unit, blocks, dynamics, initialisation, units
from resnet_lib.nets import stochastic_depth as depth

INSIDE = Unit(order="inside", norm="none")
REFUSED = "Lipschitz constant is not known here"


def stream(name: str) -> torch.Generator:
    return runtime.stream(0, name)


def vectors(unit: Unit = INSIDE) -> nets.Stack:
    return nets.mlp(3, 4, unit=unit, in_features=3, classes=2, generator=stream("net"))


def images(unit: Unit, **changes) -> nets.Stack:
    widths = (4, 4) if unit.bottleneck else (2, 4)
    return nets.conv_net((1, 1), widths, unit=unit, in_channels=1, classes=2, generator=stream("net"), **changes)


def with_directions() -> nets.Stack:
    net = images(Unit(shortcut="pca"))
    return shortcuts.pca_(net, torch.randn(20, 1, 6, 6, generator=stream("x")))


def repeated() -> nets.Stack:
    block = initialisation.initialise(dynamics.antisymmetric_block(3, 0.3), stream("block"))
    return nets.Stack(nn.Identity(), [dynamics.Repeat(block, 3)], nn.Identity(), shape=(3,))


def hamiltonian() -> nets.Stack:
    block = initialisation.initialise(dynamics.hamiltonian_block(4, 0.3), stream("block"))
    return nets.Stack(
        initialisation.initialise(blocks.Linear(3, 4), stream("stem")), [block], nn.Identity(), shape=(3,)
    )


def solved() -> nets.Stack:
    field = nn.Sequential(initialisation.initialise(blocks.Linear(3, 3), stream("field")), nn.Tanh())
    return nets.Stack(nn.Identity(), [flow.NeuralODE(field, tol=1e-9)], nn.Identity(), shape=(3,))


NETWORKS: dict[str, Callable[[], nets.Stack]] = {
    **{f"mlp {name}": lambda unit=unit: vectors(unit) for name, unit in units.UNITS.items()},
    **{f"images {name}": lambda unit=unit: images(unit) for name, unit in units.UNITS.items()},
    **{
        f"shortcut {kind}": lambda kind=kind: images(Unit(shortcut=kind))
        for kind in ("A", "B", "C", "none", "columns", "2x2", "pool")
    },
    "large stem": lambda: images(Unit(), kernel=7),
    "pca": with_directions,
    "digits": lambda: nets.digits_resnet(1, 2, classes=2, generator=stream("net")),
    "repeat": repeated,
    "hamiltonian": hamiltonian,
    "refined by Euler": lambda: flow.refine(vectors(), 2),
    "refined by rk4": lambda: flow.refine(vectors(), 2, method="rk4"),
    "refined implicitly": lambda: flow.refine(vectors(), 1, method="implicit-midpoint"),
    "interpolated": lambda: flow.interpolate(vectors(), 2),
    "neural ODE": solved,
    "scaled branch": lambda: lesion.scale(vectors(), {1: 0.5}),
    "scaled branch of a post unit": lambda: lesion.scale(images(Unit()), {0: -0.5}),
    "without a block": lambda: lesion.delete(vectors(), 1),
    "spliced": lambda: lesion.splice(vectors(), 0, [vectors().blocks[1]]),
    "stochastic depth": lambda: depth.wrap(vectors(), (1.0, 0.5, 0.25), generator=stream("drop")),
    "constrained": lambda: lipschitz.constrain(vectors(), 0.5),
    "constrained images": lambda: lipschitz.constrain(images(Unit(order="pre")), 0.5, size=(6, 6)),
}
SOLVERS = ("refined", "interpolated", "neural")
"""Networks whose blocks are flows, of which no constant is known."""


def looped(f: nn.Module, x: Tensor) -> Tensor:
    """The oracle, row by row and example by example, by torch's older interface."""
    rows = [torch.autograd.functional.jacobian(f, example[None]) for example in x]
    return torch.stack([row.reshape(-1, x[0].numel()) for row in rows if isinstance(row, Tensor)])


@pytest.mark.parametrize("name", NETWORKS)
def test_jacobians_and_bounds_of_every_network(name):
    net = NETWORKS[name]().double().eval()
    for part in net.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_var is not None
            part.running_var += 0.5
    shape = tuple(6 if size is None else size for size in net.shape)
    x = torch.randn(2, *shape, generator=stream("x"), dtype=torch.float64)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    expected = looped(net, x)
    torch.testing.assert_close(jacobian.dense(net, x), expected, rtol=1e-6, atol=1e-8)
    op = jacobian.operator(net, x[1])
    torch.testing.assert_close(op.to_dense(), expected[1], rtol=1e-6, atol=1e-8)
    assert op.rmatvec is not None
    torch.testing.assert_close(
        torch.stack([op.rmatvec(e) for e in torch.eye(op.shape[0]).double()]), expected[1], rtol=1e-6, atol=1e-8
    )
    for block, at, found in zip(net.blocks, net.states(x), jacobian.along(net, x), strict=False):
        torch.testing.assert_close(found, looped(block, at.detach()), rtol=1e-6, atol=1e-8)
        if found.shape[1] == found.shape[2]:
            assert jacobian.eigenvalues(block, at.detach()).shape == found.shape[:2]
    search = lipschitz.search(net, x, rounds=1, steps=2, generator=stream("search"))
    norms = linalg.spectral_norms(expected)
    assert search.value >= norms.max().item() * 0.5
    try:
        bound = lipschitz.product_bound(net, shape).value
    except ValueError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert max(search.value, search.pair, norms.max().item()) <= bound * (1 + 1e-9)
    assert bool(refusal) == name.startswith(SOLVERS) or name in (
        "stochastic depth",
        *[n for n in NETWORKS if "scaled branch" in n],
    )
    assert not refusal or re.search(REFUSED, refusal)
    for key, value in net.state_dict().items():
        assert torch.equal(value, state[key])
