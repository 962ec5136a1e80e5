"""The networks for ImageNet of he2016deep: what they cost, and what they would with basic blocks of equal width."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from resnet_lib import nets, runtime
from resnet_lib.analysis import costs
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.basic_and_bottleneck.single import returned
from resnet_lib.nets import Stack, Unit, blocks, initialisation
from resnet_lib.nets.networks import IMAGENET
from resnet_lib.sweep import Experiment, Grid

PIXELS = 224
"""Of a side of an image."""
STRIDES = ("3x3", "1x1")
"""Where the first bottleneck of a stage has its stride: in its 3x3 convolution, as in torchvision and in this package,
or in its first 1x1 convolution, as he2016deep has it."""
WIDE = "wide"
"""The network of ResNet-50's stages whose blocks are basic ones of the same outer widths."""
SMALL = 2
"""Examples on which a block of the wide network is counted, and pixels of a side of its output."""


@dataclass(frozen=True)
class Network:
    """A network for images of `PIXELS` x `PIXELS`.

    Attributes:
        name: Its depth, one of `nets.networks.IMAGENET`; or `wide`; or a depth with `by blocks` behind it, of which
            only multiply-adds are counted, as the sum over its blocks.
        stride: One of `STRIDES`; it matters for bottlenecks alone.
    """

    name: str
    stride: str = "3x3"


def network(setting: Network) -> Stack:
    """The network of a depth, in training mode."""
    net = nets.imagenet_resnet(int(setting.name), generator=runtime.stream(0, "costs", setting.name))
    if setting.stride == "1x1":
        for block in net.blocks:
            first, second = block.branch.weight1, block.branch.weight2  # pyright: ignore[reportAttributeAccessIssue]
            first.stride, second.stride = second.stride, first.stride  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    return net


def trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Parameters, multiply-adds, numbers kept for the backward pass and returned by convolutions; one row a seed.

    Of a network that is counted by blocks the last two are NaN.
    """
    if setting.name.isdecimal():
        net = network(setting)
        shape = (3, PIXELS, PIXELS)
        cost = costs.count(net, shape, batch=1)
        found = [cost.parameters, cost.multiply_adds, cost.saved, returned(net, shape)]
    else:
        found = [*by_blocks(*plan(setting.name)), np.nan, np.nan]
    names = ("parameters", "multiply_adds", "saved", "outputs")
    row = dict(zip(names, map(float, found), strict=True))
    return pd.DataFrame([{"seed": seed, **row} for seed in seeds]).assign(network=setting.name, stride=setting.stride)


def plan(name: str) -> tuple[tuple[int, ...], list[int]]:
    """Blocks and channels of each stage of a network of basic blocks that is counted block by block.

    Example:
        >>> plan("wide")
        ((3, 4, 6, 3), [256, 512, 1024, 2048])
    """
    counts, _ = IMAGENET[50 if name == WIDE else int(name.split()[0])]
    return counts, [(256 if name == WIDE else 64) * 2**stage for stage in range(len(counts))]


def by_blocks(counts: Sequence[int], widths: Sequence[int]) -> tuple[int, int]:
    """Parameters and multiply-adds of a network of basic blocks, from one block of each shape on few pixels.

    The stem of 64 channels and the head of 1,000 classes are those of `nets.imagenet_resnet`. It would take a minute
    to draw the weights of the wide network, and to call it.
    """
    parameters, multiply_adds, c_in = _ends(widths[-1])
    side = PIXELS // 4
    for stage, (count, width) in enumerate(zip(counts, widths, strict=True)):
        stride = 2 if stage else 1
        side //= stride
        for number, channels, step in ((1, c_in, stride), (count - 1, width, 1)):
            block = blocks.conv_block(Unit(shortcut="B"), channels, width, stride=step)
            cost = costs.count(block, (channels, SMALL * step, SMALL * step), batch=SMALL)
            parameters += number * cost.parameters
            multiply_adds += number * cost.multiply_adds * side**2 // SMALL**2
        c_in = width
    return parameters, multiply_adds


def _ends(width: int) -> tuple[int, int, int]:
    """Parameters and multiply-adds of the stem and of a head that reads so many channels; channels of the stem."""
    net = nets.conv_net(
        (1,), (1,), stem_width=64, kernel=7, classes=1000, in_channels=3, generator=runtime.stream(0, "ends")
    )
    stem = costs.count(net.stem, (3, PIXELS, PIXELS), batch=1)
    head = costs.count(initialisation.initialise(blocks.Linear(width, 1000), runtime.stream(0, "head")), (width,))
    return stem.parameters + head.parameters, stem.multiply_adds + head.multiply_adds, 64


_SETTINGS = [Network("18"), Network("34"), Network("50"), Network("50", "1x1"), Network(WIDE), Network("34 by blocks")]
NETWORKS = Experiment(
    "cost-networks", trial, Grid(_SETTINGS, (0,)), Grid([*_SETTINGS, Network("101"), Network("152")], (0,))
)


def cost(table: pd.DataFrame, name: str, column: str = "multiply_adds", stride: str = "3x3") -> float:
    """One number of one network."""
    rows = table[(table["network"] == name) & (table["stride"] == stride)]
    return float(rows[column].iloc[0])


def cheaper(table: pd.DataFrame) -> Evidence:
    """Multiply-adds of ResNet-50 over ResNet-34, one value a place of the stride; control: ResNet-18 over ResNet-34."""
    basic = cost(table, "34")
    found = [cost(table, "50", stride=stride) / basic for stride in STRIDES]
    return Evidence(np.array(found), np.array([cost(table, "18") / basic]))


def widths(table: pd.DataFrame) -> Evidence:
    """Multiply-adds of ResNet-50 over those of the wide network; control: ResNet-34 by blocks over it as a whole."""
    found = [cost(table, "50", stride=stride) / cost(table, WIDE) for stride in STRIDES]
    return Evidence(np.array(found), np.array([cost(table, "34 by blocks") / cost(table, "34")]))


def memory(table: pd.DataFrame) -> Evidence:
    """Numbers kept, and returned by convolutions, ResNet-50 over ResNet-34; control: ResNet-18 over ResNet-34."""
    found, control = (
        [cost(table, name, column) / cost(table, "34", column) for column in ("saved", "outputs")]
        for name in ("50", "18")
    )
    return Evidence(np.array(found), np.array(control))
