"""What the chapter's figure of sizes shows: a selection from the trial's table, and a drawing of it."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.style import COLOURS
from resnet_lib.experiments.dropping_blocks import size_measures
from resnet_lib.experiments.dropping_blocks.drawings import SHOWN

NETWORKS = ("residual", "scaled", "plain-identity", "bare")


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Size of each block and points lost without it, one row per network, seed and block."""
    found = [size_measures.blocks(table, name).reset_index().assign(variant=name) for name in NETWORKS]
    return pd.concat(found)[["variant", "seed", "block", "size", "loss"]].reset_index(drop=True)


def sizes(table: pd.DataFrame) -> Figure:
    """Points lost against the size of the block, one point per block and seed."""
    figure, axis = plt.subplots(figsize=(6.5, 3.8))
    for variant in NETWORKS:
        mine, look = table[table["variant"] == variant], SHOWN[variant].look
        open_marker = {"markerfacecolor": "none"} if look["linestyle"] == ":" else {}
        look |= {"linestyle": "none", "markersize": 4, "alpha": 0.7, **open_marker}
        axis.plot(mine["size"], mine["loss"], **look)
    axis.axhline(3, linestyle="--", linewidth=1, color=COLOURS["theory"])
    axis.set(xlabel=r"size of the block, $|F(x)|/|x|$", ylabel="points of accuracy lost", xscale="log")
    axis.set_xticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    axis.minorticks_off()
    axis.set_yscale("symlog", linthresh=1)
    axis.set_yticks([0, 1, 3, 10, 30, 100], ["0", "1", "3", "10", "30", "100"])
    axis.legend(loc="upper left")
    return figure
