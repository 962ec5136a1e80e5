"""One block: what its convolutions cost, basic or bottleneck, by its width.

Costs are counted on a block that is built and called, not by a formula, so that the formulas of the page are tested.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from resnet_lib.analysis import costs
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Unit, blocks
from resnet_lib.sweep import Experiment

KINDS = ("basic", "bottleneck")
WIDTHS = (64, 256, 512, 1024)
"""Outer widths, channels that a block reads and returns."""
SIDE = 2
"""Pixels of a side of the image that is counted; a cost of convolutions is one a pixel."""
PRINTED = {("bottleneck", 256): 69_632, ("basic", 256): 1_179_648, ("basic", 64): 73_728}
"""Weights of the convolutions of the two blocks of he2016deep, Fig. 5, and of a basic one of the bottleneck's width."""


@dataclass(frozen=True)
class Block:
    """A block of original units that keeps its shape.

    Attributes:
        kind: `basic`, two 3x3 convolutions, or `bottleneck`, 1x1, 3x3 and 1x1 with a quarter of the width inside.
        width: Channels that it reads and returns.
        bias: Whether its convolutions have biases, in place of normalisations.
    """

    kind: str
    width: int
    bias: bool = False


def made(setting: Block) -> blocks.Block:
    """The block of a setting; its weights are not drawn, for no cost depends on them."""
    unit = Unit(bottleneck=setting.kind == "bottleneck", norm="none" if setting.bias else "batch")
    return blocks.conv_block(unit, setting.width, setting.width)


def trial(setting: Block, seeds: Sequence[int]) -> pd.DataFrame:
    """What the block costs for each pixel of its image, and its parameters; one row a seed, all of them equal.

    `weights` are those of convolutions, biases included; `parameters` those of normalisations, too. `outputs` are
    numbers that convolutions return.
    """
    block = made(setting)
    shape = (setting.width, SIDE, SIDE)
    cost = costs.count(block, shape)
    row = {
        "weights": sum(p.numel() for layer in convolutions(block) for p in layer.parameters()),
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds / SIDE**2,
        "outputs": returned(block, shape) / SIDE**2,
    }
    return pd.DataFrame([{"seed": seed, **row} for seed in seeds]).assign(kind=setting.kind, width=setting.width)


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """Its convolutions, in the order of its layers."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def returned(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Numbers that the convolutions of a module return for one example of a shape.

    Example:
        >>> returned(made(Block("bottleneck", 8)), (8, 1, 1))
        12
    """
    found: list[int] = []
    hooks = [
        layer.register_forward_hook(lambda *call: found.append(call[-1].numel())) for layer in convolutions(module)
    ]
    training = module.training
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return sum(found)


_SETTINGS = [Block(kind, width) for kind in KINDS for width in (16, 128, *WIDTHS)]
_SETTINGS += [Block(kind, width, bias=True) for kind, width in PRINTED]
BLOCKS = Experiment.repeated("cost-blocks", trial, _SETTINGS, quick=(0,), full=(0,))


def _cost(table: pd.DataFrame, kind: str, width: int, column: str, *, bias: bool = False) -> float:
    rows = table[(table["kind"] == kind) & (table["width"] == width) & (table["bias"] == bias)]
    return float(rows[column].iloc[0])


def _over(table: pd.DataFrame, columns: Sequence[str], part: int) -> np.ndarray:
    """Costs of bottlenecks over those of basic blocks of one `part`th of their width."""
    return np.array(
        [
            _cost(table, "bottleneck", width, column) / _cost(table, "basic", width // part, column)
            for width in WIDTHS
            for column in columns
        ]
    )


def cut(table: pd.DataFrame) -> Evidence:
    """Costs of a bottleneck over those of a basic block of its outer width; control: of a quarter of it."""
    columns = ("parameters", "multiply_adds")
    return Evidence(_over(table, columns, 1), _over(table, columns, 4))


def counted(table: pd.DataFrame) -> Evidence:
    """Distance of weights, and of multiply-adds a pixel, from the printed numbers; control: weights with biases."""
    off = [
        abs(_cost(table, *block, column) - number)
        for block, number in PRINTED.items()
        for column in ("weights", "multiply_adds")
    ]
    biased = [abs(_cost(table, *block, "weights", bias=True) - number) for block, number in PRINTED.items()]
    return Evidence(np.array(off), np.array(biased))


def outputs(table: pd.DataFrame) -> Evidence:
    """Numbers that a bottleneck's convolutions return over a basic block's of a quarter of its width; control: same."""
    return Evidence(_over(table, ("outputs",), 4), _over(table, ("outputs",), 1))
