"""Seconds of a call with one image, by depth. They are measured once and stored: no page and no test measures time.

Seconds are those of a machine, which the stamp of the stored result names. On one thread they are counted by the
processor's clock of this thread, which stands still while the machine does something else; on an idle machine it runs
as the clock on the wall does. Networks are called in turns, a draw has the median of its calls, and the same network is
called under several names.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import statistics
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Stack
from resnet_lib.sweep import SAMPLED, Experiment, Grid

DEPTHS = (20, 32, 44, 56, 110)
WIDTH = 16
WIDE = (20, 40)
"""Layers, and channels of the first stage, of the wide network with the multiply-adds of ResNet-110."""
REPEATED = 56
"""Layers of the one network that stands in the place of all of `DEPTHS`, as a control."""
AGAIN = 110


@dataclass(frozen=True)
class Times:
    """How calls are timed.

    Attributes:
        calls: Of each network, in turns.
        batch: Images of a call.
    """

    calls: int = 15
    batch: int = 1


def network(depth: int, width: int, seed: int) -> Stack:
    """A ResNet for CIFAR-10 in evaluation mode, its weights drawn, its batch statistics those of noise."""
    draw = runtime.stream(seed, "costs", "network", depth, width)
    net = nets.cifar_resnet(depth, width=width, generator=draw).eval().requires_grad_(False)
    return statistics.reestimated(net, torch.randn(8, 3, 32, 32, generator=draw))


def trial(setting: Times, seeds: Sequence[int]) -> pd.DataFrame:
    """Median processor seconds of a call of each network, on one thread; a row a (draw, network).

    `role` is `depth`, `wide`, or `again` for a network that is called once more under another name: the one of
    `REPEATED` layers in the place of each of `DEPTHS`, and that of `AGAIN` layers.
    """
    records = []
    for seed in seeds:
        made = {depth: network(depth, WIDTH, seed) for depth in DEPTHS}
        called = {("depth", depth, depth): net for depth, net in made.items()}
        called |= {("again", depth, REPEATED): made[REPEATED] for depth in DEPTHS}
        called |= {("again", AGAIN, AGAIN): made[AGAIN], ("wide", *WIDE): network(*WIDE, seed)}
        x = torch.randn(setting.batch, 3, 32, 32, generator=runtime.stream(seed, "costs", "image"))
        names = {" ".join(map(str, key)): key for key in called}
        found = spent({name: called[key] for name, key in names.items()}, x, calls=setting.calls)
        for name, (role, place, which) in names.items():
            seconds = float(np.median(found[name]))
            records.append({"seed": seed, "role": role, "place": place, "network": which, "seconds": seconds})
    return pd.DataFrame(records)


def spent(modules: Mapping[str, nn.Module], x: Tensor, *, calls: int) -> dict[str, list[float]]:
    """Processor seconds of this thread for each call of each module, in turns, after one turn that does not count."""
    found: dict[str, list[float]] = {name: [] for name in modules}
    with torch.no_grad():
        for turn in range(calls + 1):
            for name, module in modules.items():
                start = time.thread_time()
                module(x)
                if turn:
                    found[name].append(time.thread_time() - start)
    return found


TIMES = Experiment(
    "cost-times",
    trial,
    Grid([Times(calls=2)], (0,)),
    Grid([Times()], range(20), group=1),
    agrees=SAMPLED,
)


def _seconds(table: pd.DataFrame, role: str, network: int | None = None) -> pd.DataFrame:
    """Seconds of networks in a role, a row a draw and a column a place."""
    rows = table[table["role"] == role]
    rows = rows if network is None else rows[rows["network"] == network]
    return rows.pivot(index="seed", columns="place", values="seconds")


def slopes(wide: pd.DataFrame) -> np.ndarray:
    """Slope of the log of each row on the log of the columns' names, by least squares.

    Example:
        >>> slopes(pd.DataFrame({10: [1.0, 3.0], 20: [2.0, 3.0], 40: [4.0, 3.0]})).round(6).tolist()
        [1.0, 0.0]
    """
    logs = np.log(np.asarray(wide.columns, dtype=float))
    centred = logs - logs.mean()
    return np.log(wide.to_numpy(dtype=float)) @ centred / (centred @ centred)


def latency(table: pd.DataFrame) -> Evidence:
    """Slope of log seconds on log layers, one value a draw; control: one network in the place of all."""
    return Evidence(slopes(_seconds(table, "depth")), slopes(_seconds(table, "again", REPEATED)))


def wide(table: pd.DataFrame) -> Evidence:
    """Seconds of ResNet-110 over those of the wide network, one value a draw; control: over its own, called again."""
    deep = _seconds(table, "depth")[AGAIN].to_numpy()
    other, again = _seconds(table, "wide")[WIDE[0]], _seconds(table, "again", AGAIN)[AGAIN]
    return Evidence(deep / other.to_numpy(), deep / again.to_numpy())
