"""Is the output the sum over paths? Random networks with linear branches and with ReLU, in float64."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import paths
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Stack, Unit
from resnet_lib.sweep import Experiment, Grid

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))
ORDERS = {"linear": "WW+", "relu": "WAW+", "original": "WAW+A"}


@dataclass(frozen=True)
class Unrolled:
    """A residual network at its initialisation, branches scaled by ``1/sqrt(blocks)``.

    Attributes:
        branch: A key of ``ORDERS``: linear, with ReLU, or the original unit.
        blocks: Number of blocks; there are ``2 ** blocks`` paths.
        width: Units of a state.
    """

    branch: str
    blocks: int = 10
    width: int = 32


def trial(setting: Unrolled, seeds: Sequence[int]) -> pd.DataFrame:
    """Relative distances between both sides of three identities; one row per draw.

    `sum`: the last state, and the first plus all branches on the states they read. `paths`: the last state, and the sum
    over all 2**L paths. `gradient`: the gradient at the first state, and the sum over the paths' gradients; and
    `elsewhere` the same sum with the paths linearised at another input.
    """
    records = []
    unit = Unit(order=ORDERS[setting.branch], norm="none", alpha=setting.blocks**-0.5)
    for seed in seeds:
        generator = runtime.stream(seed, "unrolled")
        net = nets.mlp(setting.blocks, setting.width, unit=unit, generator=generator).double().eval()
        x, other = torch.randn(2, 8, 64, generator=generator, dtype=torch.float64)
        y = torch.randint(10, (8,), generator=generator)
        with torch.no_grad():
            states = net.states(x)
            branches = [
                setting.blocks**-0.5 * block.branch(state)  # pyright: ignore[reportCallIssue]
                for block, state in zip(net.blocks, states, strict=False)
            ]
            expansion = paths.expand(net.blocks, states[0])
        exact = gradient(net, states[0], y)
        flows = [paths.gradients_by_length(paths.linearise(net, at, y)).sum(0) for at in (x, other)]
        records.append(
            {
                "seed": seed,
                "sum": distance(states[0] + torch.stack(branches).sum(0), states[-1]),
                "paths": expansion.residual,
                "gradient": distance(flows[0], exact),
                "elsewhere": distance(flows[1], exact),
            }
        )
    return pd.DataFrame(records)


def gradient(net: Stack, state: Tensor, y: Tensor) -> Tensor:
    """The gradient of the loss at the first state, by automatic differentiation of the blocks as they are."""
    first = state.clone().requires_grad_()
    out = first
    for block in net.blocks:
        out = block(out)
    return torch.autograd.grad(nn.functional.cross_entropy(net.head(out), y, reduction="sum"), first)[0]


def distance(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the norm of what is expected."""
    return ((found - expected).norm() / expected.norm()).item()


UNROLLED = Experiment(
    name="paths-unrolled",
    trial=trial,
    quick=Grid(settings=tuple(Unrolled(branch) for branch in ORDERS), seeds=DRAWS, group=10),
    full=Grid(settings=tuple(Unrolled(branch, width=128) for branch in ORDERS), seeds=MANY_DRAWS, group=20),
)


def _measure(column: str, branch: str, control: str, control_column: str | None = None):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(
            values=table.loc[table["branch"] == branch, column].to_numpy(),
            control=table.loc[table["branch"] == control, control_column or column].to_numpy(),
        )

    other = control_column or control
    measure.__doc__ = f"Mismatch `{column}`, {branch} branches, one value per draw; control: {other}."
    return measure


unroll_sum = _measure("sum", "relu", "original")
unroll_linear = _measure("paths", "linear", "relu")
unroll_relu = _measure("paths", "relu", "linear")
unroll_gradient = _measure("gradient", "relu", "relu", "elsewhere")
