"""Networks whose layers average: their amplitude maps are distributions that are convolved, and variances add.

Without weights of both signs nothing cancels, so that the field's width is known exactly at every depth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.analysis import fields
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Block
from resnet_lib.nets.blocks import Absent
from resnet_lib.nets.merges import BranchOnly, Scaled
from resnet_lib.sweep import Experiment


@dataclass(frozen=True)
class Averages:
    """A stack of blocks `x + a k * x` on one channel, and its plain twin `k * x`.

    Attributes:
        blocks: How many, each with a kernel of its own.
        gain: `a`, the amplitude of the branch beside that of the shortcut.
    """

    blocks: int
    gain: float


def averages_trial(setting: Averages, seeds: Sequence[int]) -> pd.DataFrame:
    """Width of the residual map over that of the plain one, of amplitudes and of energies; one row per draw."""
    side = 2 * setting.blocks + 3
    x, probe = torch.zeros(1, 1, side, side, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    records = []
    for seed in seeds:
        layers = [average(kernel) for kernel in kernels(seed, setting.blocks)]
        residual = nn.Sequential(*(Block(layer, nn.Identity(), Scaled(1.0, setting.gain)) for layer in layers))
        plain = nn.Sequential(*(Block(layer, Absent(), BranchOnly()) for layer in layers))
        found = [fields.gradients(net, x, probe) for net in (residual, plain)]
        ratios = {}
        for name, measure in (("amplitude", fields.amplitude), ("energy", fields.energy)):
            with_skip, without = (float(fields.width(measure(one))) for one in found)
            ratios[name] = with_skip / without
        records.append({"seed": seed, **ratios})
    predicted = (setting.gain / (1 + setting.gain)) ** 0.5
    return pd.DataFrame(records).assign(blocks=setting.blocks, gain=setting.gain, predicted=predicted)


def kernels(seed: int, count: int) -> Tensor:
    """Kernels of positive entries with the sum 1, each symmetric about its centre; (count, 3, 3), float64."""
    made = torch.rand(count, 3, 3, generator=runtime.stream(seed, "fields", "average"), dtype=torch.float64)
    made = made + made.flip(1, 2)
    return made / made.sum((1, 2), keepdim=True)


def average(kernel: Tensor) -> nn.Conv2d:
    """The layer that takes these means of its neighbours."""
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False, dtype=torch.float64).requires_grad_(False)
    layer.weight.copy_(kernel)
    return layer


AVERAGES = Experiment.repeated(
    "fields-averages",
    averages_trial,
    [Averages(blocks, gain) for blocks in (3, 10, 30) for gain in (0.2, 1.0, 5.0)],
    quick=range(10),
    full=range(100),
)


def focus_law(table: pd.DataFrame) -> Evidence:
    """Relative distance of the ratio of widths from `sqrt(a / (1 + a))`; control: the same of squared gradients.

    The control is taken where squaring matters most, in the few blocks and the small gain.
    """
    off = {name: (table[name] / table["predicted"] - 1).abs() for name in ("amplitude", "energy")}
    few = (table["blocks"] == table["blocks"].min()) & (table["gain"] == table["gain"].min())
    return Evidence(off["amplitude"].to_numpy(), np.asarray(off["energy"][few]))
