r"""Signals through the grid of networks at their initialisation: mean square and variance of the states, gradients.

With two-layer branches $F(x)=W_2\,\mathrm{relu}(W_1\,\mathrm{relu}(x))$ of He's weights, and $x$ as often negative as
positive, $F(x)$ has the mean square of $x$ and is uncorrelated with it: $E\lVert x_L\rVert^2=(1+L^{-2p})^L\,E\lVert
x_0\rVert^2$ for branches of size $L^{-p}$.

With batch normalisation a branch adds 1 to the mean square and $c=1-1/\pi$ to the variance over images, whatever it is
added to. Branches multiplied by $1/\sqrt c$ add $1/c=1.467$ and 1: they are the control.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.plain_networks import stacks
from resnet_lib.sweep import Columns, Experiment, Grid

DRAWS, MANY_DRAWS = tuple(range(5)), tuple(range(20))
POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
CENTRED = 1 - 1 / np.pi  # growth of the variance over images per block with batch normalisation


@dataclass(frozen=True)
class Signal:
    """A network of the grid on Gaussian images.

    Attributes:
        variant: One of `stacks.VARIANTS`.
        power: The exponent of the scale, where there is one.
        blocks: How many blocks.
        width: Units of every layer.
        images: How many images.
        enlarged: Whether branches are multiplied by the root of `1 / CENTRED`; such networks are drawn for themselves.
    """

    variant: str
    power: float = 0.5
    blocks: int = 50
    width: int = 128
    images: int = 64
    enlarged: bool = False


def trial(setting: Signal, seeds: Sequence[int]) -> pd.DataFrame:
    r"""States and gradients along depth, in float64; one row per (draw, block, measure), block 0 for the first state.

    `square`: mean square of a state over units and images. `centred`: the variance of a unit over the images, mean over
    units. `gradient`: $\log_{10}$ of the norm of the gradient at the state over that at the last one, which is random.
    """
    return pd.concat([_draw(setting, seed) for seed in seeds], ignore_index=True)


def _draw(setting: Signal, seed: int) -> pd.DataFrame:
    generator = runtime.stream(seed, "signals", *(["enlarged"] if setting.enlarged else []))
    net = stacks.mlp(setting.variant, setting.blocks, setting.width, power=setting.power, generator=generator).double()
    stacks.shrink(net, CENTRED**-0.5 if setting.enlarged else 1.0)
    shape = (setting.images, setting.width)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    states = [x]
    for block in net.blocks:
        states.append(block(states[-1]))
    out = torch.randn(shape, generator=generator, dtype=torch.float64)
    gradients = [*torch.autograd.grad(states[-1], states[:-1], out), out]
    sizes = torch.stack([gradient.norm() for gradient in gradients]).log10()
    stacked = torch.stack(states).detach()
    found = {
        "square": stacked.square().mean((1, 2)),
        "centred": stacked.var(1, correction=0).mean(1),
        "gradient": sizes - sizes[-1],
    }
    return pd.concat(
        [
            pd.DataFrame({"seed": seed, "block": range(len(states)), "measure": name, "value": values.numpy()})
            for name, values in found.items()
        ]
    )


def _grid(width: int, images: int) -> tuple[Signal, ...]:
    others = (Signal("scaled", power) for power in POWERS if power not in (0.0, 0.5))
    grid = (*(Signal(variant) for variant in stacks.VARIANTS), *others, Signal("norm", enlarged=True))
    return tuple(replace(setting, width=width, images=images) for setting in grid)


SIGNALS = Experiment(
    name="skip-signals",
    agrees=Columns("exact", {"decades": "sampled"}),  # down to where single precision has no digits left
    trial=trial,
    quick=Grid(settings=_grid(width=128, images=64), seeds=DRAWS),
    full=Grid(settings=_grid(width=256, images=256), seeds=MANY_DRAWS, group=5),
)


def along(
    table: pd.DataFrame, variant: str, measure: str, power: float = 0.5, *, enlarged: bool = False
) -> pd.DataFrame:
    """A draw a row, one block per column."""
    chosen = (table["variant"] == variant) & (table["measure"] == measure) & (table["power"] == power)
    return table[chosen & (table["enlarged"] == enlarged)].pivot(index="seed", columns="block", values="value")


def back(table: pd.DataFrame, variant: str) -> np.ndarray:
    """Decades that the gradient grows by on its way back; one value per draw."""
    return along(table, variant, "gradient")[0].to_numpy()


def growth(table: pd.DataFrame, variant: str) -> np.ndarray:
    """Decades that the mean square grows by; one value per draw."""
    found = along(table, variant, "square")
    return np.log10((found.iloc[:, -1] / found[0]).to_numpy())


def increment(table: pd.DataFrame, measure: str, *, enlarged: bool = False) -> np.ndarray:
    """Growth of a mean square or variance a block with shortcut and batch normalisation; one value per draw."""
    found = along(table, "norm", measure, enlarged=enlarged)
    return ((found.iloc[:, -1] - found[0]) / (found.shape[1] - 1)).to_numpy()


def vanishing(table: pd.DataFrame) -> Evidence:
    """Decades of the gradient with the shortcut alone, one value per draw; control: scale without a shortcut."""
    return Evidence(values=back(table, "bare"), control=back(table, "plain-scaled"), unit="decades")


def exploding(table: pd.DataFrame) -> Evidence:
    """Decades of the gradient with the shortcut alone, one value per draw; control: scaled branches."""
    return Evidence(values=back(table, "bare"), control=back(table, "scaled"), unit="decades")


def doubling(table: pd.DataFrame) -> Evidence:
    """Decades of the mean square with the shortcut alone, one value per draw; control: scaled branches."""
    return Evidence(values=growth(table, "bare"), control=growth(table, "scaled"), unit="decades")


def scaled(table: pd.DataFrame) -> Evidence:
    """Decades of the gradient with scaled branches, one value per draw; control: the shortcut alone."""
    return Evidence(values=back(table, "scaled"), control=back(table, "bare"), unit="decades")


def norm(table: pd.DataFrame) -> Evidence:
    """Decades of the gradient with batch normalisation, one value per draw; control: without a shortcut."""
    return Evidence(values=back(table, "norm"), control=back(table, "plain-norm"), unit="decades")


def linear(table: pd.DataFrame) -> Evidence:
    """Growth of the mean square a block with batch normalisation, one value per draw; control: enlarged branches."""
    return Evidence(values=increment(table, "square"), control=increment(table, "square", enlarged=True))


def centred(table: pd.DataFrame) -> Evidence:
    """Growth of the variance over images per block, one value per draw; control: enlarged branches."""
    return Evidence(values=increment(table, "centred"), control=increment(table, "centred", enlarged=True))
