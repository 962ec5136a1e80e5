r"""What a stack of gates leaves of a gradient before any training, where branches are zero.

With gate weights of zero each block is $y=(1-T)\,x$, and the gradient is multiplied by $1-T$ once for every block.
Drawn gate weights add a term, $-x\,T'(x)^{\mathsf T}W$: a gate that reads the state is changed by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from resnet_lib import nets, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Unit, gates
from resnet_lib.sweep import Experiment

BIASES = (2.0, 0.0, -2.0, -4.0, -6.0)
LAYERS = 50
SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(20))


@dataclass(frozen=True)
class Carry:
    """A highway network of zero branches in float64.

    Attributes:
        bias: Of every gate.
        weights: Factor of the gates' weights, which are Gaussian of variance one over the width.
        blocks: Each with one gate.
        width: Entries of the state.
    """

    bias: float
    weights: float = 0.0
    blocks: int = LAYERS
    width: int = 16


def share(bias: float) -> float:
    """What one gate of zero weights leaves of the shortcut, `1 - T`.

    Example:
        >>> round(share(-2.0), 3)
        0.881
    """
    return 1 / (1 + float(np.exp(bias)))


def pulled(setting: Carry, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A random gradient at the last state, and what it becomes at the first."""
    draw = runtime.stream(seed, "carry")
    net = nets.mlp(setting.blocks, setting.width, unit=Unit(order="inside", norm="none", alpha=0.0), generator=draw)
    net = gates.gated(net.double(), "highway", setting.bias, weights=setting.weights, generator=draw).double()
    x, given = torch.randn(2, 1, setting.width, generator=draw, dtype=torch.float64)
    x.requires_grad_()
    state = x
    for block in net.blocks:
        state = block(state)
    (found,) = torch.autograd.grad((given * state).sum(), x)
    return given, found


def trial(setting: Carry, seeds: Sequence[int]) -> pd.DataFrame:
    """Relative distance of the gradient at the first state from `(1 - T)^L` times the one at the last; a row a seed."""
    rows = []
    for seed in seeds:
        given, found = pulled(setting, seed)
        expected = share(setting.bias) ** setting.blocks * given
        distance = float((found - expected).norm() / expected.norm())
        rows.append({"seed": seed, "distance": distance, "factor": float(found.norm() / given.norm())})
    return pd.DataFrame(rows)


_SETTINGS = [Carry(bias, weights) for bias in BIASES for weights in (0.0, 1.0)]
CARRY = Experiment.repeated("gates-carry", trial, _SETTINGS, SEEDS, MANY_SEEDS)


def carry(table: pd.DataFrame) -> Evidence:
    """Distance from (1 - T)^L, a value a bias and draw; control: gate weights that are drawn."""
    values, control = (table[table["weights"] == weights]["distance"].to_numpy() for weights in (0.0, 1.0))
    return Evidence(values, control)
