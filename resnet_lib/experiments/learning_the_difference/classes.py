r"""What blocks with and without a shortcut can be, and what they are at first: identities between their weights.

A ReLU passes its input's positive part. So $x=\mathrm{relu}(x)-\mathrm{relu}(-x)$, and $2d$ hidden units make or undo a
shortcut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.learning_the_difference import single
from resnet_lib.experiments.learning_the_difference.single import PLAIN, RESIDUAL
from resnet_lib.sweep import Columns, Experiment

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))


@dataclass(frozen=True)
class Classes:
    """Blocks with one hidden layer, drawn as by He, and inputs of mean square 1.

    Attributes:
        width: Coordinates of the input.
        hidden: Units of the hidden layer.
        examples: Inputs.
    """

    width: int = 16
    hidden: int = 64
    examples: int = 256


def trial(setting: Classes, seeds: Sequence[int]) -> pd.DataFrame:
    r"""Relative distances between blocks, root mean squares over the inputs; one row per draw.

    `made` is the distance of a plain block from a residual one with $2d$ units more that undo the shortcut, `undone`
    that of a residual block from a plain one with $2d$ units more that make it; `bare` is that of the plain block from
    the residual one of its own weights.

    `mirrored` is the distance from the identity of the plain block $\mathrm{relu}(x)-\mathrm{relu}(-x)$, and `turned`
    the same where both layers have orthogonal matrices of their own. `plain` and `residual` are the distances from the
    identity of blocks of equal weights without biases, `matched` that of the plain one with the units that make a
    shortcut.
    """
    rows = []
    for seed in seeds:
        draw, d = runtime.stream(seed, "classes"), setting.width
        x = torch.randn(setting.examples, d, generator=draw, dtype=torch.float64)
        bias = torch.randn(setting.hidden, generator=draw, dtype=torch.float64)
        first = torch.randn(setting.hidden, d, generator=draw, dtype=torch.float64) * (2 / d) ** 0.5
        second = torch.randn(d, setting.hidden, generator=draw, dtype=torch.float64) * (2 / setting.hidden) ** 0.5
        one, zero = torch.eye(d, dtype=torch.float64), torch.zeros(2 * d, dtype=torch.float64)
        wide, wider = torch.cat([first, one, -one]), torch.cat([bias, zero])

        def block(kind: str, first: Tensor, second: Tensor, bias: Tensor, x: Tensor = x) -> Tensor:
            with torch.no_grad():
                return single.around(single.two_layers(first, second, bias), kind)(x)

        plain, residual = (block(kind, first, second, bias) for kind in (PLAIN, RESIDUAL))
        still = torch.zeros_like(bias)  # as biases start
        starts = [block(kind, first, second, still) for kind in (PLAIN, RESIDUAL)]
        undoing = block(RESIDUAL, wide, torch.cat([second, -one, one], 1), wider)
        making = block(PLAIN, wide, torch.cat([second, one, -one], 1), wider)
        frames = [single.frame(d, draw) for _ in range(2)]
        mirrors = [
            block(PLAIN, torch.cat([a, -a]), torch.cat([b, -b], 1), zero) for a, b in ((one, one), tuple(frames))
        ]
        found = {"made": (plain, undoing), "undone": (residual, making), "bare": (plain, residual)}
        found |= dict(zip(("mirrored", "turned"), ((x, mirror) for mirror in mirrors), strict=True))
        matched = block(PLAIN, wide, torch.cat([second, one, -one], 1), torch.zeros_like(wider))
        found |= {"plain": (x, starts[0]), "residual": (x, starts[1]), "matched": (x, matched)}
        rows.append({"seed": seed} | {name: _distance(*each) for name, each in found.items()})
    return pd.DataFrame(rows)


def _distance(a: Tensor, b: Tensor) -> float:
    return float(((a - b).square().sum() / a.square().sum()).sqrt())


CLASSES = Experiment.repeated(
    "difference-classes",
    trial,
    (Classes(),),
    DRAWS,
    MANY_DRAWS,
    agrees=Columns("exact", {"made": "noise", "undone": "noise", "mirrored": "noise"}),
)


def same_class(table: pd.DataFrame) -> Evidence:
    """Distance of blocks from their twins with 2d units more, two values per draw; control: without these units."""
    values = table[["made", "undone"]].to_numpy().ravel()
    return Evidence(values, table["bare"].to_numpy())


def mirrored(table: pd.DataFrame) -> Evidence:
    """Distance of the mirrored plain block from the identity, one value per draw; control: with two other frames."""
    return Evidence(table["mirrored"].to_numpy(), table["turned"].to_numpy())


def start(table: pd.DataFrame) -> Evidence:
    """Log of the residual block's distance from the identity over the plain one's, a value a draw; control: matched."""
    plain, matched = (np.log((table["residual"] / table[other]).to_numpy(float)) for other in ("plain", "matched"))
    return Evidence(plain, matched)
