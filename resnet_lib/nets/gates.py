"""Gates decide, for each channel and example, what of the shortcut and of the branch goes on.

A gate is `T(s) = sigmoid(W s + b)`, one number for each channel of the state. `Highway` (srivastava2015highway) gives
the branch the share `T` and the shortcut the rest; `ShortcutGate` (he2016identity, "shortcut-only gating") takes `T`
from the shortcut alone. Gates are put on a stack whose weights have been drawn, so that the branches of a network and
of its gated twin are equal.

Example:
    >>> from resnet_lib import nets, runtime
    >>> draw = runtime.stream(0, "example")
    >>> net = nets.mlp(2, 8, unit=nets.Unit(order="inside", norm="none"), generator=draw)
    >>> gates = gated(net, "highway", -2.0, weights=0.0, generator=draw)
    >>> [round(carry, 3) for carry in carries(gates, torch.ones(1, 64))]
    [0.881, 0.881]
"""

# ruff: noqa: UP037 -- without its quotes the shape "n *shape" would be a product

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.nets import weights as drawing
from resnet_lib.nets.blocks import Block
from resnet_lib.nets.burdens import _layer, _rebuilt, _states
from resnet_lib.nets.merges import Add, After, Scaled
from resnet_lib.nets.networks import Stack
from resnet_lib.nets.units import unknown


class Gate(nn.Module):
    """`sigmoid(W s + b)`, with a layer that returns as many channels as it reads.

    Args:
        layer: A linear layer, or a convolution of 1x1.
    """

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, s: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """The gate's values, from 0 to 1."""
        return torch.sigmoid(self.layer(s))


class Fixed(nn.Module):
    """A gate of one value, whatever it reads; it learns nothing.

    Args:
        value: From 0 to 1.

    Raises:
        ValueError: Where the value is none of these.
    """

    def __init__(self, value: float):
        super().__init__()
        if not 0 <= value <= 1:
            raise ValueError(f"value={value} must lie between 0 and 1; a gate is a share")
        self.value = value

    def forward(self, s: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """The value, in the shape of what is read."""
        return torch.full_like(s, self.value)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"value={self.value}"


class Gated(nn.Module):
    """A merge with a gate; `Highway` and `ShortcutGate` say what the gate does.

    Args:
        gate: Maps the shortcut's output to values from 0 to 1.
        branch: Factor of the branch.
    """

    def __init__(self, gate: nn.Module, branch: float = 1.0):
        super().__init__()
        self.gate = gate
        self.branch = branch

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"branch={self.branch}"


class Highway(Gated):
    """`T(s) branch b + (1 - T(s)) s` (srivastava2015highway); he2016identity calls it exclusive gating."""

    def forward(self, s: Float[Tensor, "n *shape"], b: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """The merged paths."""
        t = self.gate(s)
        return t * (self.branch * b) + (1 - t) * s


class ShortcutGate(Gated):
    """`branch b + (1 - T(s)) s` (he2016identity, "shortcut-only gating")."""

    def forward(self, s: Float[Tensor, "n *shape"], b: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """The merged paths."""
        return self.branch * b + (1 - self.gate(s)) * s


KINDS: dict[str, type[Gated]] = {"highway": Highway, "shortcut": ShortcutGate}
"""The merges with a gate, by name."""


def gated(stack: Stack, kind: str, bias: float, *, weights: float = 1.0, generator: torch.Generator) -> Stack:
    """The network with gates, around the same modules; what a block makes of its sum stays.

    Args:
        stack: A residual network whose weights have been drawn; it is not changed.
        kind: One of `KINDS`.
        bias: Of every gate at first; far below 0 the shortcut is open.
        weights: Factor of the gates' weights at first, which are Gaussian of variance 1 / fan_in; 0 starts them at 0.
        generator: One number is drawn from it; it names the streams of all gates.

    Raises:
        ValueError: Where the kind is not known, or a number is not finite.
        TypeError: Where a block has no shortcut, or joins its paths by anything but a weighted sum.

    Example:
        >>> from resnet_lib import nets
        >>> draw = torch.Generator().manual_seed(0)
        >>> net = nets.mlp(4, 8, unit="inside", generator=draw)
        >>> gated(net, "shortcut", -4.0, generator=draw).blocks[0].merge.gate.layer.bias[0].item()
        -4.0
    """
    if kind not in KINDS:
        raise unknown("kind", kind, tuple(KINDS))
    for name, value in (("bias", bias), ("weights", weights)):
        if not math.isfinite(value):
            raise ValueError(f"{name}={value} must be finite")
    key = int(torch.randint(2**62, (), generator=generator))
    channels = _states(stack)

    def made(position: int, block: Block) -> Block:
        layer = _layer(stack, channels[position + 1], bias=True)
        with torch.no_grad():
            drawing.draw("lecun", layer.weight, runtime.stream(key, "gate", position))
            layer.weight.mul_(weights)
            layer.bias.fill_(bias)  # pyright: ignore[reportOptionalMemberAccess]
        return Block(block.branch, block.shortcut, _joined(block.merge, KINDS[kind], Gate(layer)))

    return _rebuilt(stack, made)


def fixed(stack: Stack, kind: str, value: float) -> Stack:
    """The network with gates of one value that learn nothing. A highway of value 1 is the plain network.

    Args:
        stack: A residual network; it is not changed.
        kind: One of `KINDS`.
        value: From 0 to 1.

    Raises:
        ValueError: Where the kind is not known, or the value not allowed.
        TypeError: Where a block has no shortcut, or joins its paths by anything but a weighted sum.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(2, 8, unit="inside", generator=torch.Generator().manual_seed(0)).eval()
        >>> x = torch.ones(1, 64)
        >>> torch.equal(fixed(net, "highway", 0.0)(x), net.head(net.stem(x)))
        True
    """
    if kind not in KINDS:
        raise unknown("kind", kind, tuple(KINDS))
    return _rebuilt(
        stack, lambda _, block: Block(block.branch, block.shortcut, _joined(block.merge, KINDS[kind], Fixed(value)))
    )


@torch.no_grad()
def carries(stack: Stack, x: Float[Tensor, "n ..."]) -> list[float]:
    """What each block's gate leaves of the shortcut: the mean of `1 - T(s)` over examples and channels.

    Args:
        stack: A network with gates.
        x: Examples.

    Raises:
        TypeError: Where a block has no gate.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(2, 8, unit="inside", generator=torch.Generator().manual_seed(0)).eval()
        >>> carries(fixed(net, "highway", 0.25), torch.ones(1, 64))
        [0.75, 0.75]
    """
    found = []
    for position, (block, state) in enumerate(zip(stack.blocks, stack.states(x), strict=False)):
        merge = block.merge.merge if isinstance(block.merge, After) else block.merge
        if not isinstance(merge, Gated):
            raise TypeError(f"block {position} joins its paths by a {type(merge).__name__}, which has no gate")
        found.append(float((1 - merge.gate(block.shortcut(state))).mean()))  # pyright: ignore[reportCallIssue]
    return found


def _joined(merge: nn.Module, kind: type[Gated], gate: nn.Module) -> nn.Module:
    """A merge with a gate in place of the sum; the factor of the branch and what comes after stay."""
    if isinstance(merge, After):
        return After(_joined(merge.merge, kind, gate), merge.then)
    if isinstance(merge, Add):
        return kind(gate)
    if isinstance(merge, Scaled) and merge.skip == 1:
        return kind(gate, merge.branch)
    raise TypeError(f"a gate takes the place of s + b or s + branch b, and this block has {merge}")
