"""The chapter's table of variants: what each costs, what it can keep, and how the networks with it fare."""

from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import Markdown

from resnet_lib import blocks, costs, nets, projections, rules, runtime, shortcuts
from resnet_lib.experiments.projection_shortcuts.networks import TITLES, differences

SEED = 2015  # of the resampling


def resnet20(name: str) -> nets.Stack:
    """ResNet-20 for CIFAR-10 with that shortcut; of `plain` its plain twin."""
    post = blocks.UNITS["post"]
    unit = post.plain() if name == "plain" else replace(post, shortcut=name)
    return nets.cifar_resnet(20, unit=unit, generator=runtime.stream(0, "costs"))


def share_of_rank(name: str) -> float:
    """Rank of the shortcut's matrix from 4 to 8 channels on 8 x 8 pixels, stride 2, over its number of rows."""
    layer = None if name == "plain" else projections.build(name, 4, 8, stride=2)
    if layer is None:
        return 0.0
    if isinstance(layer, projections.Principal):
        layer = projections.Orthonormal(4, 8, 2)  # any kernel of full rank
    blocks.initialise(layer, runtime.stream(0, "rank"))
    found = shortcuts.rank(shortcuts.matrix(layer.double(), (4, 8, 8)))
    return found.value / found.rows


def of_variants(table: pd.DataFrame) -> pd.DataFrame:
    """A row a variant: rank, costs in ResNet-20 beyond A, and the paired difference to A with its 95% interval."""
    paired = differences(table)
    counted = {name: costs.count(resnet20(name), (3, 32, 32)) for name in TITLES}
    records = []
    for name, cost in counted.items():
        low = high = 0.0
        if name != "A":
            values = paired[name].to_numpy()
            low, high = map(float, rules.interval(values, "mean", rng=runtime.rng(SEED, "variants", name)))
        records.append(
            {
                "shortcut": name,
                "rank": share_of_rank(name),
                "parameters": cost.parameters - counted["A"].parameters,
                "multiply_adds": cost.multiply_adds - counted["A"].multiply_adds,
                "saved": cost.saved - counted["A"].saved,
                "difference": float(np.mean(paired[name])),
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(records)


def show(table: pd.DataFrame) -> Markdown:
    """`of_variants` as a table that a notebook shows: rounded, so that it is the same on every machine."""
    lines = [
        "| Shortcut | Rank / rows | Parameters | Multiply-adds (M) | Saved numbers (k) | Accuracy − that of A, 95% |",
        "|:--|--:|--:|--:|--:|:--|",
    ]
    for name, rank, parameters, multiply_adds, saved, *paired in of_variants(table).to_numpy().tolist():
        interval = "" if name == "A" else "{:+.1f} ({:+.1f} to {:+.1f})".format(*paired)
        lines.append(
            f"| {TITLES[name]} | {rank:.1f} | {parameters:+,d} | {multiply_adds / 1e6:+.2f} "
            f"| {saved / 1e3:+.0f} | {interval} |"
        )
    return Markdown("\n".join(lines))
