"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import math
from collections.abc import Sequence
from functools import partial

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from resnet_lib.analysis import fields
from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, ink
from resnet_lib.evidence.summaries import summary, whiskers
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.what_a_unit_sees import probes, published, untrained

SHOWN = shown({"plain": "plain-bare", "residual": "residual-bare", "batch": "residual", "scaled": "scaled"})
PUBLISHED = shown({"published": "original"})["published"].look
STAGES = {1: ("o", "first stage"), 2: ("s", "second stage"), 3: ("D", "last state")}
EVEN = ((32**2 - 1) / 12) ** 0.5
"""Width of a map that is even over an image of CIFAR-10."""
FAINT = 1e-5
"""Least share of the energy that a map shows."""
LENGTHS = (6, 12, 24, 48)
"""Blocks that the interactive figure offers."""
SEEN = 16
"""Columns on each side of the centre that it shows."""
_summary = partial(summary, stream="fields")


def mean_maps(table: pd.DataFrame) -> pd.DataFrame:
    """Mean energy over draws at each pixel about the centre, by family."""
    return table.groupby(["family", "row", "column"], sort=True)["energy"].mean().reset_index()


def maps(table: pd.DataFrame) -> Figure:
    """Mean energy maps side by side at one scale; a circle has the width that the law gives as its radius."""
    figure, axes = plt.subplots(1, len(SHOWN), sharex=True, sharey=True, figsize=(8, 2.6))
    meshes = []
    for axis, (family, found) in zip(axes, SHOWN.items(), strict=True):
        rows = table[table["family"] == family]
        grid = rows.pivot(index="row", columns="column", values="energy")
        look = {"shading": "nearest", "cmap": "cividis", "norm": LogNorm(FAINT, 1), "rasterized": True}
        meshes.append(axis.pcolormesh(grid.columns, grid.index, grid.clip(lower=FAINT), **look))
        radius = fields.law_width(untrained.shares(family, untrained.COMPARED))
        # The map has the same colours on light and dark pages, so its circle has, too.
        axis.add_patch(Circle((0, 0), radius, fill=False, linestyle="--", color="white"))
        axis.set(
            title=found.title.replace(", ", ",\n"),
            aspect="equal",
            xlabel="pixels",
            xticks=(-10, 0, 10),
            yticks=(-10, 0, 10),
        )
    figure.colorbar(meshes[0], ax=axes, label="share of the energy", pad=0.02)
    return figure


def walks(lengths: Sequence[int] = LENGTHS) -> pd.DataFrame:
    """Of each number of branches taken, by how many columns its walk of flat steps leads aside, and in how many ways.

    Returns:
        One row per `blocks`, number `taken` of their branches and `column`: `choices`, in how many ways these can be
        chosen, and `chance` that a walk of two steps a branch ends in this column.
    """
    columns, records = np.arange(-SEEN, SEEN + 1), []
    walk, ends = np.ones(1), {0: np.ones(1)}
    for taken in range(1, max(lengths) + 1):
        for _ in range(2):
            walk = np.convolve(walk, np.full(3, 1 / 3))
        ends[taken] = walk
    for blocks in lengths:
        for taken in range(blocks + 1):
            reach = 2 * taken
            chance = [float(ends[taken][reach + c]) if abs(c) <= reach else 0.0 for c in columns]
            one = {"blocks": blocks, "taken": taken, "column": columns, "choices": math.comb(blocks, taken)}
            records.append(pd.DataFrame(one | {"chance": chance}))
    made = pd.concat(records, ignore_index=True)
    return made[made["chance"] > 0]


def profile(table: pd.DataFrame) -> Chart:
    """The energy by columns under sliders for depth and size of the branches; dots are what was measured."""
    size = slider("size", "size s of the branches (factor)", 1, (0, 3), step=0.1)
    length = menu("length", "blocks", untrained.COMPARED, list(LENGTHS))
    x = alt.X("column:Q", title="columns from the unit's own", scale=alt.Scale(domain=(-SEEN, SEEN)))
    y = alt.Y("share:Q", title="share of the energy", scale=alt.Scale(domain=(0, 1)))
    here = alt.Chart(walks()).transform_filter("datum.blocks == length")
    part = "size * size / (1 + size * size)"
    weight = f"datum.choices * pow({part}, datum.taken) * pow(1 - {part}, length - datum.taken)"
    summed = here.transform_calculate(one=f"{weight} * datum.chance").transform_aggregate(
        share="sum(one)", groupby=["column"]
    )
    bars = summed.mark_bar(size=7, color=ink("pre"), opacity=0.7).encode(x, y)
    plain = (
        here.transform_filter("datum.taken == length")
        .transform_calculate(share="datum.chance")
        .mark_line(color=ink("plain"), strokeDash=[5, 3])
        .encode(x, y)
    )
    measured = table[table["family"] == "residual"].groupby("column", as_index=False)["energy"].sum()
    dots = (
        alt.Chart(measured.assign(share=measured["energy"])[["column", "share"]])
        .transform_filter(f"length == {untrained.COMPARED} && abs(size - 1) < 0.01")
        .mark_point(color=ink("control"), size=40, opacity=1)
        .encode(x, y)
    )
    told = (
        summed.transform_filter("datum.column == 0")
        .transform_calculate(
            told=f"'width ' + format(sqrt(length * 4 / 3 * {part}), '.2f') + ' pixels; plain '"
            " + format(sqrt(length * 4 / 3), '.2f') + '\\n' + format(datum.share, '.0%') + ' in its own column'"
        )
        .mark_text(lineBreak="\n", align="left", fontSize=13)
        .encode(x=alt.value(8), y=alt.value(14), text="told:N")
    )
    return worded(
        alt.layer(bars, plain, dots, told).add_params(size, length).properties(width=374, height=280),
        """
        one field, by columns

        Move the size s of the branches: bars are the residual network's field by the law, the dashed line that of its
        plain twin. At s = 0 the unit sees one pixel. With s = 1/√L, 0.4 at 6 blocks and 0.1 at 48, the field hardly
        changes with depth. At 12 blocks and s = 1 circles show what the random networks of the page measured.

        Share of the energy against the column of pixels. Larger branches make a broad hill of the single bar, up to
        the dashed hill of the plain network; more blocks broaden both.
        """,
    )


def depths(table: pd.DataFrame) -> pd.DataFrame:
    """Width of the fields of random networks, by family and blocks."""
    rows = table[table["family"].isin(list(SHOWN))]
    return _summary(rows.assign(width=np.sqrt(rows["variance"])), ["family", "blocks"], "width")


def growth(table: pd.DataFrame) -> Figure:
    """Width against depth, both on log axes; lines are the laws."""
    figure, axis = plt.subplots(figsize=(6.5, 3.8))
    for family, found in SHOWN.items():
        rows, look = table[table["family"] == family], found.look
        most = 2 * int(rows["blocks"].max())
        lengths = sorted({round(length) for length in np.geomspace(2, most, 40)})
        law = [fields.law_width(untrained.shares(family, length)) for length in lengths]
        axis.plot(lengths, law, color=look["color"], linestyle=look["linestyle"], linewidth=1)
        whiskers(axis, rows["blocks"], rows, **(look | {"linestyle": "none"}))
    axis.set(xscale="log", yscale="log", xlabel="blocks", ylabel="width of the field, pixels")
    axis.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    axis.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axis.minorticks_off()
    axis.legend()
    return figure


def seen(table: pd.DataFrame) -> pd.DataFrame:
    """Widths of fields by depth, stage and weights (`measure` is `width`), and shares within radii of the deepest."""
    found = []
    for weights in published.WEIGHTS:
        for stage in STAGES:
            wide = published.widths(table, stage, weights)
            rows = wide.melt(ignore_index=False, var_name="depth", value_name="width").reset_index()
            found.append(_summary(rows, ["depth"], "width").assign(stage=stage, weights=weights, measure="width"))
            rows = published.chosen(table, stage, weights)
            rows = rows[rows["depth"] == published.DEPTHS[-1]].groupby("seed").mean(numeric_only=True).reset_index()
            for radius in published.RADII:
                one = _summary(rows.assign(radius=radius), ["radius"], f"within{radius}")
                found.append(one.assign(depth=published.DEPTHS[-1], stage=stage, weights=weights, measure="share"))
    return pd.concat(found, ignore_index=True)


def networks(table: pd.DataFrame) -> Figure:
    """Left: width against depth at three places, trained (filled) and redrawn (open). Right: share within a radius."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    for weights, filled in zip(published.WEIGHTS, (True, False), strict=True):
        face = PUBLISHED["color"] if filled else "none"
        for stage, (marker, title) in STAGES.items():
            look = {"color": PUBLISHED["color"], "marker": marker, "markerfacecolor": face}
            look |= {"linestyle": "-" if filled else ":", "label": f"{title}, {weights}"}
            mine = table[(table["weights"] == weights) & (table["stage"] == stage)]
            rows = mine[mine["measure"] == "width"]
            whiskers(left, rows["depth"], rows, **look)
            rows = mine[mine["measure"] == "share"]
            whiskers(right, 2 * rows["radius"] + 1, rows, **look)
    left.axhline(EVEN, linestyle="--", linewidth=1, color=COLOURS["theory"])
    left.set(xlabel="layers", xticks=published.DEPTHS, ylabel="width of the field, pixels", ylim=(0, 10))
    sides = [2 * radius + 1 for radius in published.RADII]
    right.plot(sides, [side**2 / 32**2 for side in sides], "--", linewidth=1, color=COLOURS["theory"])
    right.set(xlabel="side of the central square, pixels", xticks=sides, ylabel="share of the energy", ylim=(0, 1.02))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def readings(table: pd.DataFrame) -> pd.DataFrame:
    """Percent of the images that are read rightly by a linear map, by stage and depth."""
    rows = table[table["part"] == probes.LEARNERS[0]]
    return _summary(rows.assign(percent=100 * rows["accuracy"]), ["stage", "depth"], "percent")


def accuracies(table: pd.DataFrame) -> Figure:
    """Accuracy of the linear map by the place that it reads, a line for each network."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for depth, marker, line in zip(sorted(table["depth"].unique()), "^s", (":", "-"), strict=True):
        rows = table[table["depth"] == depth]
        look = {"color": PUBLISHED["color"], "marker": marker, "linestyle": line, "label": f"ResNet-{depth:.0f}"}
        whiskers(axis, rows["stage"], rows, **look)
    axis.set_xticks(list(STAGES), ["end of first stage", "end of second stage", "last state"])
    axis.set(xlim=(0.8, 3.2), ylabel="read by a linear map, %", ylim=(30, 100))
    axis.legend(loc="lower right")
    return figure
