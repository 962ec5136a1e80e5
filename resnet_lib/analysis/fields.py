"""What a unit of a convolutional network sees is measured here: the map of its gradient over the pixels, and its width.

The unit is the central one of a state. Its *energy map* is the squared gradient, summed over channels and divided by
its sum, so that it is a distribution over pixels; the *amplitude map* has the absolute gradient instead, which is what
multiplies through layers that average. `law` is the energy map that random layers of 3x3 kernels have on average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib.nets import effects
from resnet_lib.nets.blocks import Block
from resnet_lib.nets.networks import Stack

Map = Callable[[Tensor], Tensor]

TAP = 2 / 3
"""Variance along an axis of a flat kernel of three pixels, in pixels squared."""


def gradients(f: Map, x: Tensor, probes: Tensor) -> Float[Tensor, "n k c h w"]:
    """Gradients of the central unit of `f(x)` by the input, one for each example and probe.

    A unit of a state has a pixel and a channel; the gradient is that of `sum_c probe[c] y[c, H // 2, W // 2]`. Probes
    that are rows of the identity are single channels. Independent ones of mean zero and variance 1 have, summed,
    the energy of all channels on average, at the price of a few.

    Args:
        f: A map of batches of images to batches of images, each example on its own: a batch normalisation has to be in
            evaluation mode, or the field of a unit covers other examples.
        x: The images, or states: (n, channels, height, width).
        probes: Weights of the output's channels, a row a probe: (k, channels of the output).

    Returns:
        The gradients, without a graph.

    Raises:
        ValueError: Where `x` or what `f` makes of it is no batch of images, the probes do not go with its channels, a
            module does something else than map each example on its own, or torch keeps no graph (inference mode).

    Example:
        >>> mean = nn.AvgPool2d(3, stride=1, padding=1)
        >>> found = gradients(mean, torch.zeros(1, 1, 5, 5), torch.ones(1, 1))
        >>> found.shape, int((found > 0).sum())
        (torch.Size([1, 1, 1, 5, 5]), 9)
    """
    if x.ndim != 4 or not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}; expected a batch of images (n, channels, height, width)")
    if isinstance(f, nn.Module):
        effects.check(f, "a unit has no field of its own")
    effects.require_graph("a field")
    given = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        y = f(given)
        if y.ndim != 4 or len(y) != len(x):
            raise ValueError(f"f maps shape {tuple(x.shape)} to {tuple(y.shape)}; it has to map images to images")
        if probes.ndim != 2 or probes.shape[1] != y.shape[1]:
            raise ValueError(f"probes has shape {tuple(probes.shape)}; expected (k, {y.shape[1]}), a row a probe")
        unit = y[:, :, y.shape[2] // 2, y.shape[3] // 2]
        weights = probes.to(unit)[:, None, :].expand(-1, len(x), -1)
        (found,) = torch.autograd.grad(unit, given, weights, is_grads_batched=True)
    return found.transpose(0, 1).detach()


def energy(found: Float[Tensor, "n k c h w"]) -> Float[Tensor, "n h w"]:
    """The energy map of each example: squared gradients, summed over probes and channels, with the sum 1; float64.

    Raises:
        ValueError: Where a gradient is zero everywhere, as that of a channel is whose ReLU is off, or not finite.

    Example:
        >>> energy(torch.tensor([1.0, 2.0, 1.0]).view(1, 1, 1, 1, 3)).flatten().tolist() == [1 / 6, 4 / 6, 1 / 6]
        True
    """
    return _normalised(found.double().square())


def amplitude(found: Float[Tensor, "n k c h w"]) -> Float[Tensor, "n h w"]:
    """The amplitude map of each example: absolute gradients, summed over probes and channels, with the sum 1; float64.

    Raises:
        ValueError: As `energy` does.

    Example:
        >>> amplitude(torch.tensor([1.0, -2.0, 1.0]).view(1, 1, 1, 1, 3)).flatten().tolist()
        [0.25, 0.5, 0.25]
    """
    return _normalised(found.double().abs())


def _normalised(found: Tensor) -> Tensor:
    maps = found.sum(dim=(1, 2))
    total = maps.sum(dim=(1, 2), keepdim=True)
    if not (torch.isfinite(total).all() and (total > 0).all()):
        raise ValueError(
            "a gradient is zero everywhere or not finite, so that it has no map; use probes with several channels, of "
            "which some are on, and float64 where gradients overflow"
        )
    return maps / total


def variances(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n 2"]:
    """Variance of each map along both axes, in pixels squared, about its own mean.

    Example:
        >>> variances(torch.full((1, 3, 3), 1 / 9, dtype=torch.float64)).round(decimals=6).tolist()
        [[0.666667, 0.666667]]
    """
    found = []
    for axis in (1, 2):
        along = maps.sum(dim=3 - axis)
        pixels = torch.arange(along.shape[1], dtype=maps.dtype, device=maps.device)
        mean = along @ pixels
        found.append((along * (pixels - mean[:, None]).square()).sum(dim=1))
    return torch.stack(found, dim=1)


def width(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Width of each map: its standard deviation in pixels along an axis, from the mean variance of both.

    A map that is even over `n` pixels has the width `sqrt((n^2 - 1) / 12)`, 9.2 for 32, whatever sees so.

    Example:
        >>> round(float(width(torch.full((1, 32, 32), 1 / 1024, dtype=torch.float64))), 3)
        9.233
    """
    return variances(maps).mean(dim=1).sqrt()


def within(maps: Float[Tensor, "n h w"], radius: int) -> Float[Tensor, " n"]:
    """Share of each map on the square of `2 radius + 1` pixels about the central one, `(h // 2, w // 2)`.

    Raises:
        ValueError: Where the radius is negative.

    Example:
        >>> within(torch.full((1, 5, 5), 0.04), 1).round(decimals=6).tolist()
        [0.36000001430511475]
    """
    if radius < 0:
        raise ValueError(f"radius={radius} must be 0, the central pixel alone, or more")
    rows, columns = (_about(size // 2, radius, size) for size in maps.shape[1:])
    return maps[:, rows, columns].sum(dim=(1, 2))


def _about(centre: int, radius: int, size: int) -> slice:
    return slice(max(centre - radius, 0), min(centre + radius + 1, size))


def extent(net: Stack, blocks: int | None = None, *, stem: bool = True) -> int:
    """Side of the theoretical field, in pixels: the square outside of which nothing can reach a unit.

    It counts the windows of stem and branches: `1 + sum (kernel - 1) step`, where `step` is the stride of all before.

    Args:
        net: A convolutional network.
        blocks: The unit is of the state behind so many blocks; None for all.
        stem: Whether pixels are those of the image, and not of the first state.

    Raises:
        ValueError: Where the network has not so many blocks.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.cifar_resnet(20, width=4, generator=torch.Generator().manual_seed(0))
        >>> extent(net, 3), extent(net), extent(net, 3, stem=False)
        (15, 81, 13)
    """
    count = len(net.blocks) if blocks is None else blocks
    if not 0 <= count <= len(net.blocks):
        raise ValueError(f"blocks={blocks} must lie between 0 and {len(net.blocks)}, the blocks of this network")
    side, step = 1, 1
    for kernel, stride in _windows(([net.stem] if stem else []) + list(net.blocks)[:count]):
        side += (kernel - 1) * step
        step *= stride
    return side


def _windows(parts: Iterable[nn.Module]) -> Iterable[tuple[int, int]]:
    """Kernel and stride of each layer that has a window, in the order of the data; the branch for a block."""
    for part in parts:
        for layer in (part.branch if isinstance(part, Block) else part).modules():
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
                kernel, stride = (
                    size if isinstance(size, int) else size[0] for size in (layer.kernel_size, layer.stride)
                )
                yield kernel, stride


def share(gain: float) -> float:
    """Share of a gradient's energy that comes through the branch of one block: `s^2 / (1 + s^2)`.

    Args:
        gain: `s^2`, the factor by which the branch alone changes the energy of a random gradient; infinite without a
            shortcut.

    Example:
        >>> share(1.0), share(float("inf")), share(0.0)
        (0.5, 1.0, 0.0)
    """
    if gain < 0:
        raise ValueError(f"gain={gain} is a ratio of energies, and must not be negative")
    return 1.0 if gain == float("inf") else gain / (1 + gain)


def law(shares: Sequence[float], size: int, *, layers: int = 2) -> Float[Tensor, "size size"]:
    """The energy map of random blocks on average: of each block the share `p` spreads by its kernels, the rest stays.

    With the flat 3x3 kernel `k` it is the convolution of `(1 - p_l) delta + p_l k^layers` over the blocks. It takes
    branches that are independent of each other and of mean zero, so that energies of the two paths add.

    Args:
        shares: `p_l` of each block; 1 without a shortcut (`share`).
        size: Pixels of a side, odd; the map's centre is its central pixel.
        layers: 3x3 layers of a branch.

    Raises:
        ValueError: Where a share is not between 0 and 1, or the size is even or less than the theoretical field.

    Example:
        >>> two = law([0.5, 0.5], 9)
        >>> round(float(two.sum()), 6), round(float(two[4, 4]), 4), round(float(width(two[None])) ** 2, 6)
        (1.0, 0.3193, 1.333333)
    """
    if any(not 0 <= p <= 1 for p in shares):
        raise ValueError(f"shares={tuple(shares)} must lie between 0 and 1")
    least = 2 * layers * len(shares) + 1
    if size % 2 == 0 or size < least:
        raise ValueError(f"size={size} must be odd and at least {least}, the theoretical field of these blocks")
    turns = 2 * torch.pi * torch.arange(size, dtype=torch.float64) / size
    along = (1 + 2 * torch.cos(turns)) / 3
    branch = (along[:, None] * along) ** layers
    found = torch.ones(size, size, dtype=torch.float64)
    for p in shares:
        found = found * (1 - p + p * branch)
    return torch.fft.fftshift(torch.fft.ifft2(found).real)


def law_width(shares: Sequence[float], *, layers: int = 2) -> float:
    """Width of `law` in closed form: variances add, `sqrt(sum_l p_l layers 2/3)`, in pixels along an axis.

    Example:
        >>> round(law_width([0.5] * 6), 6), round(law_width([1.0] * 6), 3)
        (2.0, 2.828)
    """
    return (TAP * layers * sum(shares)) ** 0.5
