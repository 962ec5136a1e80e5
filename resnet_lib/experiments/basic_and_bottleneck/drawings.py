"""The chapter's figures: a selection of a table, and a drawing of it."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnet_lib.evidence import markup
from resnet_lib.evidence.style import COLOURS
from resnet_lib.evidence.summaries import summary, whiskers
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.basic_and_bottleneck import networks, times
from resnet_lib.experiments.basic_and_bottleneck.single import KINDS

SHOWN = shown({"basic": "original", "bottleneck": "bottleneck"})
TITLES = {"basic": "basic block", "bottleneck": "bottleneck block"}
PRICES = {"parameters": (1e6, "parameters, millions"), "multiply_adds": (1e9, "multiply-adds, billions")}
KEPT = PRICES | {"saved": (1e6, "numbers kept, millions")}
NAMES = {
    "18": "ResNet-18, basic",
    "34": "ResNet-34, basic",
    "50": "ResNet-50, bottlenecks",
    "101": "ResNet-101, bottlenecks",
    "152": "ResNet-152, bottlenecks",
    networks.WIDE: "50's widths, basic",
}
_summary = partial(summary, stream="costs")


def weights(kind: str, width: np.ndarray, inner: np.ndarray | None = None) -> np.ndarray:
    """Weights of the convolutions of a block, which are its multiply-adds a pixel, by the formula.

    Example:
        >>> weights("bottleneck", np.array([256])).tolist(), weights("basic", np.array([64])).tolist()
        ([69632.0], [73728.0])
    """
    if kind == "basic":
        return 18.0 * width**2
    inner = width / 4 if inner is None else inner
    return 2.0 * width * inner + 9.0 * inner**2


def returned(kind: str, width: np.ndarray) -> np.ndarray:
    """Numbers that the convolutions of a block return for each pixel, by the formula."""
    return width * (2.0 if kind == "basic" else 1.5)


def of_blocks(table: pd.DataFrame) -> pd.DataFrame:
    """Costs of blocks without biases."""
    rows = table[~table["bias"].astype(bool)]
    return rows[["kind", "width", "multiply_adds", "outputs"]].reset_index(drop=True)


def by_width(table: pd.DataFrame) -> Figure:
    """Multiply-adds and returned numbers a pixel by the outer width, log axes; lines are the formulas."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    sides = np.geomspace(16, 1024, 30)
    columns = (("multiply_adds", weights, "multiply-adds a pixel"), ("outputs", returned, "numbers returned a pixel"))
    for axis, (column, formula, label) in zip(axes, columns, strict=True):
        for kind in KINDS:
            look, rows = SHOWN[kind].look, table[table["kind"] == kind].sort_values("width")
            axis.plot(sides, formula(kind, sides), color=look["color"], linewidth=1)
            axis.plot(rows["width"], rows[column], **(look | {"linestyle": "none", "label": TITLES[kind]}))
        basic, bottleneck = (
            table[(table["kind"] == kind) & (table["width"] == width)][column].iloc[0]
            for kind, width in (("basic", 64), ("bottleneck", 256))
        )
        axis.plot([64, 256], [basic, bottleneck], ":", color=COLOURS["theory"], linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel="channels that the block reads and returns", ylabel=label)
        axis.set_xticks([16, 64, 256, 1024], ["16", "64", "256", "1024"])
        axis.minorticks_off()
    axes[0].legend()
    return figure


def of_networks(table: pd.DataFrame) -> pd.DataFrame:
    """Costs of networks, bottlenecks with the stride in their 3x3 convolution."""
    rows = table[(table["stride"] == "3x3") & table["network"].isin(list(NAMES))]
    return rows[["network", "parameters", "multiply_adds", "saved"]].reset_index(drop=True)


def compared(table: pd.DataFrame) -> Figure:
    """A row a network and a panel a cost, on log axes; the dashed line is ResNet-34."""
    names = [name for name in NAMES if name in set(table["network"])]
    figure, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 0.42 * len(names) + 1.2))
    rows = table.set_index("network")
    for axis, (column, (unit, label)) in zip(axes, KEPT.items(), strict=True):
        for height, name in enumerate(reversed(names)):
            look = SHOWN["bottleneck" if name in ("50", "101", "152") else "basic"].look
            found = rows[column][name] / unit
            if np.isfinite(found):
                axis.plot([found], [height], color=look["color"], marker=look["marker"], linestyle="none")
        axis.axvline(rows[column]["34"] / unit, linestyle="--", linewidth=1, color=COLOURS["reference"])
        axis.set(xscale="log", xlabel=label)
        axis.minorticks_off()
        _plain_ticks(axis, rows[column].dropna() / unit)
    axes[0].set_ylim(-0.5, len(names) - 0.5)
    axes[0].set_yticks(range(len(names)), [NAMES[name] for name in reversed(names)])
    return figure


def _plain_ticks(axis: Axes, values: pd.Series) -> None:
    """A few round numbers about the values, as they are written."""
    round_ = [m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5)]
    low, high = values.min() / 1.3, values.max() * 1.3
    ticks = [tick for tick in round_ if low <= tick <= high]
    axis.set_xlim(low, high)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


def show_networks(table: pd.DataFrame) -> HTML:
    """The costs of the networks as a table that a notebook shows."""
    heads = ["network", *(label for _, label in KEPT.values())]
    found = of_networks(table).set_index("network")
    rows = []
    for name in (name for name in NAMES if name in found.index):
        cells = [found[column][name] / unit for column, (unit, _) in KEPT.items()]
        rows.append([NAMES[name], *("–" if np.isnan(cell) else f"{cell:.1f}" for cell in cells)])
    return markup.table(
        "Costs of the networks for an image of 224 x 224 pixels", pd.DataFrame(rows, columns=pd.Index(heads))
    )


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Error in percent by depth, beside the prices."""
    prices = ["parameters", "multiply_adds", "seconds"]
    return _summary(table.assign(percent=100 * table["error"]), ["depth", *prices], "percent")


def bought(table: pd.DataFrame) -> Figure:
    """Error of the published networks against three prices, on log axes; dotted, it halves with each doubling."""
    figure, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 3.2))
    prices = {
        "parameters": (1e6, "parameters, millions"),
        "multiply_adds": (1e6, "multiply-adds, millions"),
        "seconds": (1e-3, "processor milliseconds an image"),
    }
    for axis, (column, (unit, label)) in zip(axes, prices.items(), strict=True):
        x = table[column] / unit
        whiskers(axis, x, table, **SHOWN["basic"].look)
        halving = np.geomspace(x.iloc[0], x.iloc[-1], 30)
        axis.plot(halving, table["mean"].iloc[0] * x.iloc[0] / halving, ":", color=COLOURS["theory"])
        for at, mean, depth in zip(x, table["mean"], table["depth"], strict=True):
            axis.annotate(f"{depth:.0f}", (at, mean), xytext=(4, 5), textcoords="offset points")
        axis.set(xscale="log", xlabel=label, ylim=(2, 9.6))
        axis.minorticks_off()
        axis.set_xticks(x, [f"{at:.2g}" if at < 10 else f"{at:.0f}" for at in x])
    axes[0].set_ylabel("error on new images, %")
    return figure


def of_times(table: pd.DataFrame) -> pd.DataFrame:
    """Processor milliseconds of a call by role and depth."""
    rows = table[table["role"].isin(["depth", "wide"])]
    return _summary(rows.assign(ms=1e3 * rows["seconds"]), ["role", "place"], "ms")


def called(table: pd.DataFrame) -> Figure:
    """Milliseconds against layers, log axes; the line is in proportion to the layers from the shallowest on."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    deep, wide = (table[table["role"] == role] for role in ("depth", "wide"))
    whiskers(axis, deep["place"], deep, **(SHOWN["basic"].look | {"label": "16 channels"}))
    look = {"color": COLOURS["control"], "marker": "X", "linestyle": "none"}
    whiskers(axis, wide["place"], wide, **look, label=f"{times.WIDE[1]} channels")
    ends = np.array([times.DEPTHS[0], times.DEPTHS[-1]])
    axis.plot(ends, deep["mean"].iloc[0] * ends / ends[0], ":", color=COLOURS["theory"], label="in proportion")
    axis.axhline(deep["mean"].iloc[-1], linestyle="--", linewidth=1, color=COLOURS["reference"])
    axis.set(xscale="log", yscale="log", xlabel="layers", ylabel="processor milliseconds an image")
    axis.minorticks_off()
    axis.set_xticks(times.DEPTHS, [str(depth) for depth in times.DEPTHS])
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if table["mean"].min() / 2 < tick < 1.5 * table["mean"].max()]
    axis.set_yticks(ticks, [str(tick) for tick in ticks])
    axis.legend()
    return figure
