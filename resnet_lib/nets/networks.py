"""This module stacks blocks: to residual MLPs, the CIFAR and ImageNet networks of He et al., and small ones for digits.

Every network is a `Stack` (stem, blocks, head), and its recipe a `units.Unit`: the plain twin of a network is the same
call with `unit.plain()`. What the first block of a pre-activation network would not do for itself, its stem leaves out,
and its head does at the end.

Example:
    >>> draw = torch.Generator().manual_seed(0)
    >>> mlp(3, 16, generator=draw).eval()(torch.zeros(5, 64)).shape
    torch.Size([5, 10])
    >>> digits = digits_resnet(2, generator=draw).eval()
    >>> [tuple(state.shape) for state in digits.states(torch.zeros(1, 1, 8, 8))]
    [(1, 8, 8, 8), (1, 8, 8, 8), (1, 8, 8, 8)]
    >>> [len(make(n, width=4, generator=draw).blocks) for make, n in ((cifar_resnet, 20), (imagenet_resnet, 18))]
    [9, 8]
    >>> conv_net((1, 1), (4, 8), generator=draw).blocks[1].branch.weight1.stride
    (2, 2)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib.nets import blocks, initialisation, projections, units
from resnet_lib.nets.units import Unit
from resnet_lib.whole import whole

CIFAR_BASIC = (20, 32, 44, 56, 110, 1202)
"""Published depths with two 3x3 layers per block (he2016deep, sec. 4.2): 6n + 2."""

CIFAR_BOTTLENECK = (164, 1001)
"""Published depths with bottlenecks (he2016identity, sec. 4): 9n + 2, pre-activation."""

IMAGENET = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
"""Blocks in each of four stages, and whether they are bottlenecks (he2016deep, Table 1)."""


class Stack(nn.Module):
    """`head(block_L(... block_1(stem(x))))`.

    Args:
        stem: Maps the input to the first state.
        blocks: Map state to state.
        head: Maps the last state to one logit per class.
        shape: Shape of one input example; None where any size will do.
    """

    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], head: nn.Module, *, shape: tuple[int | None, ...]):
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.head = head
        self.shape = shape

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The logits of a batch of examples.

        Raises:
            ValueError: Where an example has another shape than the network expects.
        """
        self._check(x)
        state = self.stem(x)
        for block in self.blocks:
            state = block(state)
        return self.head(state)

    def states(self, x: Float[Tensor, "batch ..."]) -> list[Tensor]:
        """The state that each block reads, and the last one, which the head reads.

        Each block is given a copy, so that one that works in place leaves what the one before it returned.

        Raises:
            ValueError: Where an example has another shape than the network expects.
        """
        self._check(x)
        states = [self.stem(x.clone())]
        for block in self.blocks:
            states.append(block(states[-1].clone()))
        return states

    def _check(self, x: Tensor) -> None:
        given = tuple(x.shape[1:])
        if len(given) == len(self.shape) and all(b in (None, a) for a, b in zip(given, self.shape, strict=True)):
            return
        names = ("any" if size is None else str(size) for size in self.shape)
        hint = ""
        if None not in self.shape and math.prod(given) == math.prod(size or 0 for size in self.shape):
            hint = f"; use x.reshape(-1, {', '.join(map(str, self.shape))})"
        raise ValueError(f"x has shape {tuple(x.shape)}; this network expects (batch, {', '.join(names)}){hint}")


def mlp(
    depth: int,
    width: int,
    *,
    unit: str | Unit = "post",
    in_features: int = 64,
    classes: int = 10,
    generator: torch.Generator,
) -> Stack:
    """A stack of `depth` blocks on vectors of `width` entries; a linear layer before and after.

    Args:
        depth: Number of blocks.
        width: Entries of every state.
        unit: The recipe of the blocks.
        in_features: Entries of the input; 64 for the digits.
        classes: Number of logits.
        generator: Names the stream of the weights (`initialisation.initialise`).

    Raises:
        ValueError: Where `depth` or `width` is not positive, or the recipe is not known.
    """
    _positive(depth=depth, width=width, in_features=in_features, classes=classes)
    unit = units.unit(unit)
    first = blocks.Linear(in_features, width, bias=unit.norm == "none")
    stem = blocks.series(_stem(unit), in_features, [first], nn.BatchNorm1d, unit.activation)
    body = [blocks.linear_block(unit, width) for _ in range(depth)]
    head = blocks.series(unit.entry + "W", width, [blocks.Linear(width, classes)], nn.BatchNorm1d, unit.activation)
    return initialisation.initialise(Stack(stem, body, head, shape=(in_features,)), generator, unit.scheme)


def cifar_resnet(
    depth: int,
    *,
    unit: str | Unit | None = None,
    width: int = 16,
    classes: int = 10,
    in_channels: int = 3,
    generator: torch.Generator,
) -> Stack:
    """The networks for CIFAR of he2016deep, sec. 4.2, and he2016identity: three stages, the image halved between them.

    The stages have `width`, `2 width` and `4 width` channels, four times that with bottlenecks. A shortcut that changes
    shape pads with zeros (A), or projects in networks of bottlenecks (B), unless the recipe says otherwise. The
    projection of a pre-activation block reads `x` itself, where the authors' code shares the first normalisation and
    activation between both paths; the number of parameters is the same.

    Args:
        depth: Number of weight layers on the longest path without projections: 6n + 2, or 9n + 2 with bottlenecks.
            Published: 20, 32, 44, 56, 110, 1202, and 164, 1001 with bottlenecks.
        unit: The recipe of the blocks. None: `pre` for 164 and 1001, `post` for all others. Its bottleneck, where it is
            None, is that of the published network.
        width: Channels of the first stage.
        classes: Number of logits.
        in_channels: Channels of the image.
        generator: Names the stream of the weights (`initialisation.initialise`).

    Raises:
        ValueError: Where no such network has this depth, or the recipe is not known.
    """
    _positive(width=width, classes=classes, in_channels=in_channels)
    published = depth in CIFAR_BOTTLENECK
    unit = units.unit(("pre" if published else "post") if unit is None else unit)
    bottleneck = published if unit.bottleneck is None else unit.bottleneck
    period, known = (9, CIFAR_BOTTLENECK) if bottleneck else (6, CIFAR_BASIC)
    if depth < period + 2 or (depth - 2) % period:
        below = max((depth - 2) // period, 1) * period + 2
        raise ValueError(
            f"depth={depth} does not exist with bottleneck={bottleneck}: it has to be {period}n + 2; closest: "
            f"{min(below, below + period, key=lambda d: abs(d - depth))}; published: {', '.join(map(str, known))}"
        )
    unit = _resolved(unit, bottleneck=bottleneck, shortcut="B" if bottleneck else "A")
    return conv_net(
        ((depth - 2) // period,) * 3,
        [width * 2**stage * (4 if bottleneck else 1) for stage in range(3)],
        unit=unit,
        stem_width=width,
        classes=classes,
        in_channels=in_channels,
        generator=generator,
    )


def digits_resnet(
    depth: int, width: int = 8, *, unit: str | Unit = "pre", classes: int = 10, generator: torch.Generator
) -> Stack:
    """A convolutional network for the digits: one stage of `depth` blocks, all square.

    Every state has `width` channels of 8 x 8 pixels, so that a block's Jacobian is of size 64 `width`.

    Args:
        depth: Number of blocks.
        width: Channels of every state.
        unit: The recipe of the blocks.
        classes: Number of logits.
        generator: Names the stream of the weights (`initialisation.initialise`).

    Raises:
        ValueError: Where `depth` or `width` is not positive, or the recipe is not known.
    """
    return conv_net((depth,), (width,), unit=unit, classes=classes, in_channels=1, size=(8, 8), generator=generator)


def imagenet_resnet(
    depth: int,
    *,
    unit: str | Unit = "post",
    width: int = 64,
    classes: int = 1000,
    in_channels: int = 3,
    generator: torch.Generator,
) -> Stack:
    """The networks for ImageNet of he2016deep, Table 1: four stages behind a 7x7 convolution and max-pooling.

    As in torchvision, a bottleneck's stride is that of its 3x3 layer. A shortcut that changes shape projects (B).

    Args:
        depth: 18, 34, 50, 101 or 152.
        unit: The recipe of the blocks; its bottleneck, where it is None, is that of the published network.
        width: Channels of the first stage (four times that with bottlenecks).
        classes: Number of logits.
        in_channels: Channels of the image.
        generator: Names the stream of the weights (`initialisation.initialise`).

    Raises:
        ValueError: Where `depth` is none of these, or the recipe is not known.
    """
    if depth not in IMAGENET:
        raise ValueError(
            f"depth={depth} does not exist; known: {', '.join(map(str, IMAGENET))}; closest: "
            f"{min(IMAGENET, key=lambda d: abs(d - depth))}"
        )
    counts, bottleneck = IMAGENET[depth]
    unit = _resolved(units.unit(unit), bottleneck=bottleneck, shortcut="B")
    return conv_net(
        counts,
        [width * 2**stage * (4 if unit.bottleneck else 1) for stage in range(4)],
        unit=unit,
        stem_width=width,
        kernel=7,
        classes=classes,
        in_channels=in_channels,
        generator=generator,
    )


def conv_net(
    counts: Sequence[int],
    widths: Sequence[int],
    *,
    unit: str | Unit = "post",
    stem_width: int | None = None,
    kernel: int = 3,
    classes: int = 10,
    in_channels: int = 3,
    size: tuple[int | None, int | None] = (None, None),
    generator: torch.Generator,
) -> Stack:
    """A convolutional network of stages; every stage but the first begins with a block that halves the image.

    The head averages each channel over the image. It is what all convolutional networks here are made with.

    Args:
        counts: Blocks in each stage.
        widths: Channels of each stage.
        unit: The recipe of the blocks.
        stem_width: Channels of the stem. None: those of the first stage.
        kernel: Size of the stem's convolution. Above 3 it has stride 2 and max-pooling behind it, as for ImageNet.
        classes: Number of logits.
        in_channels: Channels of the image.
        size: Height and width of the image that the network insists on; None for any.
        generator: Names the stream of the weights (`initialisation.initialise`).

    Raises:
        ValueError: Where a count or a width is not positive, their numbers differ, or the recipe is not known.
    """
    if len(counts) != len(widths) or not counts:
        raise ValueError(f"counts={tuple(counts)} and widths={tuple(widths)} must name the same stages, at least one")
    for count, channels in zip(counts, widths, strict=True):
        _positive(depth=count, width=channels, classes=classes, in_channels=in_channels)
    unit = units.unit(unit)
    channels = stem_width or widths[0]
    first = projections.Conv2d(
        in_channels, channels, kernel, stride=2 if kernel > 3 else 1, padding=kernel // 2, bias=unit.norm == "none"
    )
    stem = blocks.series(_stem(unit), in_channels, [first], nn.BatchNorm2d, unit.activation)
    if kernel > 3:
        stem.append(nn.MaxPool2d(3, stride=2, padding=1))
    body: list[nn.Module] = []
    for stage, (count, out) in enumerate(zip(counts, widths, strict=True)):
        for position in range(count):
            body.append(blocks.conv_block(unit, channels, out, stride=2 if stage and not position else 1))
            channels = out
    head = blocks.series(unit.entry, channels, (), nn.BatchNorm2d, unit.activation)
    head.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), blocks.Linear(channels, classes)])
    return initialisation.initialise(Stack(stem, body, head, shape=(in_channels, *size)), generator, unit.scheme)


def _stem(unit: Unit) -> str:
    """The stem's layers: a weight layer, and what the blocks do not do first themselves."""
    whole = "NA" if unit.norm == "batch" else "A"
    return "W" + whole.removesuffix(unit.entry)


def _resolved(unit: Unit, *, bottleneck: bool, shortcut: str) -> Unit:
    """The recipe with the published values where it leaves them open."""
    return dataclasses.replace(
        unit,
        bottleneck=bottleneck if unit.bottleneck is None else unit.bottleneck,
        shortcut=shortcut if unit.shortcut is None else unit.shortcut,
    )


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if whole(name, size) < 1:
            raise ValueError(f"{name}={size} must be at least 1")
