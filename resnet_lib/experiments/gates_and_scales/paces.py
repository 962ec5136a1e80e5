r"""Matrices on the shortcut that step less far than the branches, which one learning rate for all does not allow.

A matrix is $M=cV$, and $V$ is what learns. A step of gradient descent on $V$ is $-\eta c\,\nabla_M$, so that $M$ moves
by $-\eta c^2\,\nabla_M$: $c^2$ times as far as at the rate of the branches. That is the *pace*.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import data, nets, training
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.gates_and_scales import networks
from resnet_lib.experiments.gates_and_scales.networks import IDENTITY, MATRIX, START
from resnet_lib.experiments.gates_and_scales.rates import BEST
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import recipes

SLOW = 0.05
"""The pace that is judged; a referee's first look, at the chapter's own seeds, took it."""
SEEDS, MANY_SEEDS = tuple(range(20, 30)), tuple(range(20, 50))
"""None of them has been looked at before."""


@dataclass(frozen=True)
class Paced:
    """A residual MLP of the chapter with matrices on its shortcuts, or with the identity.

    Attributes:
        kind: ``identity``, or with matrices that start orthogonal (``matrix``) or as the identity (``from identity``).
        lr: Highest learning rate of the branches.
        pace: How far a matrix steps, as a part of what it would at that rate.
        epochs: Passes over the training images.
        batch: Examples in a step.
    """

    kind: str
    lr: float
    pace: float = 1.0
    epochs: int = 8
    batch: int = 100


class Slowed(nn.Module):
    """A matrix that is a constant times what learns; at the start it is the matrix that is given.

    Args:
        matrix: (channels, channels).
        pace: The square of the constant.
    """

    def __init__(self, matrix: Float[Tensor, "c c"], pace: float):
        super().__init__()
        self.factor = math.sqrt(pace)
        self.raw = nn.Parameter(matrix.detach() / self.factor)

    def forward(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """The product with the matrix."""
        return nn.functional.linear(x, self.factor * self.raw)


def build(setting: Paced, generator: torch.Generator) -> nets.Stack:
    """The setting's network before training; with matrices the map of `networks.build`."""
    net = networks.build(networks.Network(setting.kind, setting.lr), generator)
    if setting.kind == IDENTITY:
        return net
    blocks = [nets.Block(b.branch, Slowed(b.shortcut.weight, setting.pace), b.merge) for b in net.blocks]  # pyright: ignore
    return nets.Stack(net.stem, blocks, net.head, shape=net.shape)


def trial(setting: Paced, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracies in percent after training, 0 where it diverged; one row per seed."""
    digits = data.load("digits", flat=True)
    fitted = training.fit(lambda generator: build(setting, generator), digits, recipes.of(setting), seeds)
    rows = []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        found = {name: 0.0 if lost else networks.accuracy(fitted.net(seed), getattr(digits, name)) for name in PARTS}
        rows.append({"seed": seed} | found)
    return pd.DataFrame(rows)


PARTS = ("train", "test")
_RATE = BEST[IDENTITY, 0.0]
JUDGED = (Paced(IDENTITY, _RATE), Paced(START, _RATE, SLOW), Paced(START, BEST[START, 0.0]))
BOTH = (*JUDGED, Paced(MATRIX, _RATE, SLOW), Paced(MATRIX, BEST[MATRIX, 0.0]))
PACES = Experiment(
    "gates-paces", trial, Grid(JUDGED, SEEDS), Grid(BOTH, MANY_SEEDS, group=15), data=("digits",), agrees=SAMPLED
)
CHOICES = choices.Choices(PACES, choices.ways(JUDGED), SEEDS)
DIVIDED = choices.divisions(PACES)


def column(table: pd.DataFrame, kind: str, *, slow: bool = False) -> pd.Series:
    """Test accuracy of one network, by seed."""
    rows = table[(table["kind"] == kind) & ((table["pace"] < 1) == slow)]
    return rows.set_index("seed")["test"].sort_index()


def paced(table: pd.DataFrame) -> Evidence:
    """Identity minus slow matrices from the identity, a value a seed; control: minus those at one rate for all."""
    found = [column(table, IDENTITY) - column(table, START, slow=slow) for slow in (True, False)]
    return Evidence(found[0].to_numpy(), found[1].to_numpy(), "percentage points")
