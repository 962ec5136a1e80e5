r"""Residual MLPs of 50 layers on digits, with every kind of shortcut, each trained at a learning rate of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.data import Dataset, Split
from resnet_lib.nets import Unit, burdens, gates, merges
from resnet_lib.nets.blocks import Absent
from resnet_lib.training import recipes

IDENTITY, PLAIN, HALF, DROPOUT = "identity", "plain", "half", "dropout"
HIGHWAY, GATE = "highway", "gate"
MATRIX, START = "matrix", "from identity"
BIASES = (2.0, 0.0, -2.0, -4.0)
BEST_BIAS = -4.0
"""Of gates, for both kinds; that of pilots on other seeds."""
SUM, SHARE = 0.2, 0.5**0.5
"""Factor of branches: behind a sum one over the root of 25, elsewhere what gives them the mean square of the state."""


@dataclass(frozen=True)
class Network:
    r"""A residual MLP whose branches are $W_2\,\mathrm{relu}(W_1x+b_1)+b_2$.

    Attributes:
        kind: What stands on the shortcut.
        lr: Highest learning rate.
        bias: Of gates at first.
        scale: Factor of the branches.
        weights: Factor of the gates' weights at first, Gaussian of variance one over the width; 0 starts them at 0.
        drawn: How the matrices of `matrix` start, one of `burdens.STARTS`.
        mean: Whether dropout keeps the mean.
        norm: `none`, or `batch` for a normalisation behind both layers of a branch.
        blocks: Of two layers each.
        width: Entries of the state.
        epochs: Passes over the training images.
        batch: Examples in a step.
        weight_decay: Of all parameters.
    """

    kind: str
    lr: float
    bias: float = 0.0
    scale: float = SUM
    weights: float = 0.0
    drawn: str = "orthogonal"
    mean: bool = False
    norm: str = "none"
    blocks: int = 25
    width: int = 32
    epochs: int = 8
    batch: int = 100
    weight_decay: float = 0.0


def build(setting: Network, generator: torch.Generator) -> nets.Stack:
    """The setting's network before training. All of one seed have equal branches."""
    kind = setting.kind
    unit = Unit(order="inside", norm=setting.norm, alpha=setting.scale, beta=0.5 if kind == HALF else 0.0)
    net = nets.mlp(setting.blocks, setting.width, unit=unit, generator=generator)
    if kind == PLAIN:
        merge = merges.Times(merges.BranchOnly(), setting.scale)
        blocks = [nets.Block(block.branch, Absent(), merge) for block in net.blocks]  # pyright: ignore
        return nets.Stack(net.stem, blocks, net.head, shape=net.shape)
    if kind in (HIGHWAY, GATE):
        merged = "highway" if kind == HIGHWAY else "shortcut"
        return gates.gated(net, merged, setting.bias, weights=setting.weights, generator=generator)
    if kind in (MATRIX, START):
        return burdens.matrices(net, "identity" if kind == START else setting.drawn, generator=generator)
    if kind == DROPOUT:
        return burdens.dropped(net, 0.5, mean=setting.mean, generator=generator)
    return net


def fit(setting: Network, seeds: Sequence[int], dataset: Dataset) -> training.Fit:
    """The setting's networks of some seeds, trained together."""

    def make(generator: torch.Generator) -> nn.Module:
        return build(setting, generator)

    return training.fit(make, dataset, recipes.of(setting), seeds, keep=(0,))


@torch.no_grad()
def accuracy(net: nn.Module, part: Split) -> float:
    """Percentage of right labels."""
    return 100 * float((net(part.x).argmax(1) == part.y).double().mean())


def trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracies in percent after training, 0 where it diverged, and what gates leave of shortcuts; one row per seed.

    `carry` is the mean of 1 - T over blocks, images and entries, `carry_start` before training and `carry_moved` before
    training with 2 added to all biases. `twin` is the largest distance of the logits from those of the same network
    built otherwise: of a plain one from a highway with T = 1, of the identity from a held matrix that is the identity.
    NaN where there is no such thing, or training diverged.
    """
    digits = data.load("digits", flat=True)
    fitted = fit(setting, seeds, digits)
    rows = []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        start, net = fitted.net(seed, 0), fitted.net(seed)
        assert isinstance(start, nets.Stack)
        assert isinstance(net, nets.Stack)
        row = {"seed": seed, "test": 0.0, "train": 0.0, "carry": np.nan, "twin": np.nan}
        row |= {"carry_start": np.nan, "carry_moved": np.nan}
        if setting.kind in (HIGHWAY, GATE):
            row["carry_start"] = float(np.mean(gates.carries(start, digits.test.x)))
            row["carry_moved"] = float(np.mean(gates.carries(moved(start, 2.0), digits.test.x)))
        if not lost:
            row |= {name: accuracy(net, part) for name, part in (("test", digits.test), ("train", digits.train))}
            row["twin"] = twin(setting, net, digits.test.x)
            if setting.kind in (HIGHWAY, GATE):
                row["carry"] = float(np.mean(gates.carries(net, digits.test.x)))
        rows.append(row)
    return pd.DataFrame(rows)


@torch.no_grad()
def moved(net: nets.Stack, by: float) -> nets.Stack:
    """A copy of a network of gates with a number added to every bias."""
    draw = runtime.stream(0, "moved")  # what is drawn from it is replaced
    kind = "highway" if isinstance(net.blocks[0].merge, gates.Highway) else "shortcut"
    bare = [nets.Block(block.branch, block.shortcut, merges.Add()) for block in net.blocks]  # pyright: ignore
    found = gates.gated(nets.Stack(net.stem, bare, net.head, shape=net.shape), kind, 0.0, generator=draw)
    for new, old in zip(found.blocks, net.blocks, strict=True):
        new.merge.gate.layer.load_state_dict(old.merge.gate.layer.state_dict())  # pyright: ignore
        new.merge.gate.layer.bias.add_(by)  # pyright: ignore
        new.merge.branch = old.merge.branch  # pyright: ignore
    return found.eval()


@torch.no_grad()
def twin(setting: Network, net: nets.Stack, x: Tensor) -> float:
    """Largest distance of the logits from those of the same network built otherwise; NaN where there is none."""
    if setting.kind == PLAIN:
        bare = [nets.Block(b.branch, nn.Identity(), merges.Scaled(1.0, setting.scale)) for b in net.blocks]  # pyright: ignore
        other = gates.fixed(nets.Stack(net.stem, bare, net.head, shape=net.shape), "highway", 1.0)
    elif setting.kind == IDENTITY:
        other = burdens.matrices(net, "identity", learned=False, generator=runtime.stream(0, "twin"))
    else:
        return float("nan")
    return float((net(x) - other.eval()(x)).abs().max())


def variants(best: dict[tuple[str, float], float]) -> tuple[Network, ...]:
    """The chapter's networks, by their kind and bias, at these rates."""
    scales = {HIGHWAY: SHARE, PLAIN: SHARE}
    return tuple(Network(kind, lr, bias, scales.get(kind, SUM)) for (kind, bias), lr in best.items())
