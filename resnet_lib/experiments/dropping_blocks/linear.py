"""Where the picture of paths is exact: networks of linear branches, and the same with ReLU as the control."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion, lesion_scores, paths
from resnet_lib.nets import Unit, stochastic_depth
from resnet_lib.sweep import Experiment, Grid

DRAWS, MANY_DRAWS = tuple(range(10)), tuple(range(200))
ORDERS = {"linear": "WW+", "relu": "WAW+"}


@dataclass(frozen=True)
class Linear:
    """A residual network at its initialisation, branches scaled by ``1/sqrt(blocks)``.

    Attributes:
        branch: A key of ``ORDERS``, ``linear`` or ``relu``.
        blocks: Number of blocks.
        width: Units of a state.
        last: Chance of the last block to survive, under the rule of stochastic depth.
    """

    branch: str
    blocks: int = 8
    width: int = 16
    last: float = 0.5


def trial(setting: Linear, seeds: Sequence[int]) -> pd.DataFrame:
    """Two identities of linear networks, as relative distances between their sides; one row per draw.

    `deletion`: the network without a block, and the sum over the paths that do not enter it; the largest over blocks.
    `rule`: the rule of stochastic depth for testing, and the mean over all its 2**L depths, weighted by their chances.
    """
    records = []
    unit = Unit(order=ORDERS[setting.branch], norm="none", alpha=setting.blocks**-0.5)
    for seed in seeds:
        generator = runtime.stream(seed, "linear")
        net = nets.mlp(setting.blocks, setting.width, unit=unit, generator=generator).double().eval()
        x = torch.randn(20, 64, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            expansion = paths.expand(net.blocks, net.stem(x))
        without = lesion_scores.outputs(list(lesion.singles(net).values()), x, head=False).values
        sums = torch.stack([expansion.terms[~entered].sum(0) for entered in expansion.entered.T])
        chances = torch.tensor(stochastic_depth.survival(setting.blocks, setting.last), dtype=torch.float64)
        weights = torch.where(expansion.entered, chances, 1 - chances).prod(1)
        depths = [lesion.scale(net, dict(enumerate(entered.double().tolist()))) for entered in expansion.entered]
        mean = torch.einsum("d,dnw->nw", weights, lesion_scores.outputs(depths, x, head=False).values)
        rule = stochastic_depth.wrap(net, chances.tolist(), generator=generator).eval()
        ruled = lesion_scores.outputs([rule], x, head=False).values[0]
        records.append(
            {
                "seed": seed,
                "deletion": ((without - sums).norm(dim=(1, 2)) / without.norm(dim=(1, 2))).max().item(),
                "rule": ((ruled - mean).norm() / mean.norm()).item(),
            }
        )
    return pd.DataFrame(records)


LINEAR = Experiment(
    name="dropping-linear",
    trial=trial,
    quick=Grid(settings=(Linear("linear"), Linear("relu")), seeds=DRAWS, group=5),
    full=Grid(settings=(Linear("linear", width=64), Linear("relu", width=64)), seeds=MANY_DRAWS, group=20),
)
