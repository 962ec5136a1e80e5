"""Gradients, layer by layer: how large they are, whether two batches agree on them, and what is left of a slope."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime
from resnet_lib.data import Split
from resnet_lib.experiments.plain_networks import families
from resnet_lib.sweep import Columns, Experiment, Grid

BATCH = 500  # images of each of the two batches
DRAWS, MANY_DRAWS = tuple(range(5)), tuple(range(20))


def of_weights(net: nets.Stack, images: Split) -> list[Tensor]:
    """Gradient of the loss in every weight layer of the blocks, in training mode; what normalisations remember moves.

    Args:
        net: The network.
        images: One batch.
    """
    weights = [m.weight for m in net.blocks.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    loss = nn.functional.cross_entropy(net.train()(images.x), images.y)
    return list(torch.autograd.grad(loss, weights))


def batches(images: Split) -> list[Split]:
    """Two disjoint batches: the first and the second ``BATCH`` training images."""
    return [Split(images.x[part], images.y[part]) for part in (slice(BATCH), slice(BATCH, 2 * BATCH))]


def norms(gradients: Sequence[Tensor]) -> list[float]:
    """Frobenius norms."""
    return [gradient.norm().item() for gradient in gradients]


def ratio(sizes: Sequence[float]) -> float:
    """log10 of the first gradient's norm over the last one's; one that is zero counts as 1e-45."""
    first, last = (max(size, 1e-45) for size in (sizes[0], sizes[-1]))
    return math.log10(first / last)


def rate(sizes: Sequence[float]) -> float:
    """Growth per layer towards the input, the geometric mean."""
    return 10 ** (ratio(sizes) / (len(sizes) - 1))


def agreement(one: Sequence[Tensor], other: Sequence[Tensor]) -> list[float]:
    """Cosine between two gradients, layer by layer."""
    pairs = zip(one, other, strict=True)
    return [torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item() for a, b in pairs]


def slope(net: nets.Stack, x: Tensor, generator: torch.Generator) -> float:
    r"""Median over images of $\log_{10}\lVert Jv\rVert/\lVert v\rVert$, `J` from the first state to the last.

    Args:
        net: In evaluation mode.
        x: Images.
        generator: Of the Gaussian directions `v`, one for each image.
    """

    first = net.stem(x).detach().requires_grad_()
    v = torch.randn(first.shape, generator=generator, dtype=torch.float64).to(first)
    last = first
    for block in net.blocks:
        last = block(last)
    # u -> J^T u is linear, and its own transpose is v -> J v, for all images at once.
    u = torch.zeros_like(last, requires_grad=True)
    (pulled,) = torch.autograd.grad(last, first, u, create_graph=True)
    (moved,) = torch.autograd.grad(pulled, u, v)
    sizes = moved.flatten(1).norm(dim=1) / v.flatten(1).norm(dim=1)
    return sizes.clamp_min(1e-45).log10().median().item()


@dataclass(frozen=True)
class Untrained:
    """An MLP at its initialisation on digits; ``variant`` is one of `families.unit`."""

    variant: str
    layers: int = 100
    width: int = 64


def trial(setting: Untrained, seeds: Sequence[int]) -> pd.DataFrame:
    """Norm of the gradient and agreement of two batches, one row per weight layer of the blocks and draw."""
    blocks, unit = families.blocks_of(setting.layers), families.unit(setting.variant, setting.layers)
    halves = batches(data.load("digits", flat=True).train)
    tables = []
    for seed in seeds:
        net = nets.mlp(blocks, setting.width, unit=unit, generator=runtime.stream(seed, "init"))
        one, other = (of_weights(net, half) for half in halves)
        values = {"layer": range(1, len(one) + 1), "gradient": norms(one), "agreement": agreement(one, other)}
        tables.append(pd.DataFrame(values).assign(seed=seed))
    return pd.concat(tables, ignore_index=True)


DEEP = ("plain", "mirrored", "original", "pre", "bare", "identity", "looks-linear", "scaled")
NARROW = (*(Untrained(variant) for variant in DEEP), Untrained("sigmoid", layers=8))
WIDE = tuple(Untrained(variant, width=512) for variant in ("plain", "bare"))

GRADIENTS = Experiment(
    name="plain-gradients",
    agrees=Columns("sampled"),  # where little is left of a gradient, rounding decides its size and turns it
    trial=trial,
    quick=Grid(settings=NARROW, seeds=DRAWS),
    full=Grid(settings=(*WIDE, *NARROW), seeds=MANY_DRAWS, group=5),
    data=("digits",),
)
