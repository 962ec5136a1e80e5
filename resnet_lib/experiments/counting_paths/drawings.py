"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib import runtime
from resnet_lib.evidence import intervals
from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.counting_paths import gradients, members

SHOWN = shown({name: name for name in ("residual", "scaled", "orthogonal", "original", "plain")})
FLOWS = ("residual", "scaled", "orthogonal")
GROUPS = {
    ("apart", 1.0): ("networks trained apart", "theory"),
    ("halves", 1.0): ("halves of one network", "pre"),
    ("halves-anew", 1.0): ("halves, statistics anew", "zero-gamma"),
    ("halves-anew", 0.5): ("the same, stochastic depth", "scaled"),
    ("copies", 1.0): ("identical copies", "reference"),
}
MARKS = {
    "loss": "largest loss from\none more removed",
    "correlation": "correlation\nof errors",
    "gain": "gain of averaging 5\nover one of them",
    "behind": "average of 5\nminus the whole",
    "calibration": "calibration error,\naverage of 5 - one",
}


def by_length(table: pd.DataFrame) -> pd.DataFrame:
    """What each length carries: number of paths, gradient along one, and its share, sampled and exact."""
    rows = table[table["gain"] == 1]
    shares = {name: gradients.weights(rows, column)["share"] for name, column in (("share", "path"), ("sum", "exact"))}
    columns = ["kind", "blocks", "seed", "length", "count", "path", "share", "sum"]
    return rows.assign(**shares)[columns].reset_index(drop=True)


def flows(table: pd.DataFrame) -> Figure:
    """Three panels over the length: paths, gradient along one path, share of the gradient."""
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(6.5, 7.2))
    depth = int(table["blocks"].max())
    counts = table.groupby("length")["count"].first() / 2**depth
    axes[0].bar(counts.index, counts, color=COLOURS["theory"], alpha=0.8)
    for kind in FLOWS:
        mine, look = table[table["kind"] == kind], SHOWN[kind].look | {"markersize": 4}
        axes[1].plot(mine.groupby("length")["path"].mean(), **look)
        axes[2].plot(mine.groupby("length")["share"].mean(), **look)
        if kind != "orthogonal":
            axes[2].plot(mine.groupby("length")["sum"].mean(), linestyle=":", color=look["color"])
    axes[0].set(ylabel="share of the paths")
    axes[1].set(ylabel="gradient along one path", yscale="log")
    axes[2].set(ylabel="share of the gradient", xlabel=f"branches that a path enters, of {depth}")
    axes[2].set_xticks(range(0, depth + 1, 2))
    axes[1].legend(loc="best")
    for axis in axes:
        axis.axvline(depth / 3, linestyle="--", linewidth=1, color=COLOURS["control"])
    return figure


def gain(table: pd.DataFrame) -> Chart:
    """The law with one number: a path loses the same factor in every branch; a slider chooses it."""
    depth = int(table["blocks"].max())
    rows = table[(table["kind"] == "residual") & (table["seed"] == table["seed"].min())][["length", "count"]]
    measured = table[table["kind"] == "residual"].groupby("length")["share"].mean().reset_index()
    factor = slider("factor", "factor g of each branch", 0.29, (0.05, 2), step=0.01)
    x = alt.X("length:Q", title="branches that a path enters", scale=alt.Scale(domain=(-0.5, depth + 0.5), nice=False))
    y = alt.Y("share:Q", title="share of the gradient", scale=alt.Scale(domain=(0, 0.5)))
    law = (
        alt.Chart(rows)
        .transform_calculate(weight="datum.count * pow(factor, datum.length)")
        .transform_joinaggregate(total="sum(weight)")
        .transform_calculate(share="datum.weight / datum.total")
    )
    bars = law.mark_bar(color=ink("theory"), opacity=0.6, width=12).encode(x, y)
    mean = (
        law.transform_calculate(part="datum.share * datum.length")
        .transform_aggregate(mean="sum(part)")
        .transform_calculate(told="'mean length ' + format(datum.mean, '.1f')")
    )
    rule = mean.mark_rule(color=ink("theory"), strokeDash=[5, 3]).encode(x="mean:Q")
    text = mean.mark_text(align="right", fontSize=13).encode(text="told:N", x=alt.value("width"), y=alt.value(12))
    points = alt.Chart(measured).mark_point(filled=True, size=50, color=ink("pre")).encode(x, y)
    return worded(
        alt.layer(bars, rule, points, text).add_params(factor).properties(width=320, height=260),
        """
        one factor for all branches

        A path loses the same factor g in every branch that it enters. Bars: the share of the gradient that each length
        then carries; dashed, their mean length. Dots: sampled paths of the trained network, whose branches pass on
        0.29. At g = 1 the bars count the paths: eight is typical.

        Bars of the share of the gradient by the number of branches that a path enters, from 0 to 16. With the factor
        the bars move from short paths to long ones; the dots are highest at three and four.
        """,
    )


def averages(table: pd.DataFrame) -> pd.DataFrame:
    """Points of accuracy over the whole by the number of averaged members, one row per group, size and seed."""
    found = []
    for (name, last), _ in GROUPS.items():
        for size in members.SIZES:
            rows = members.group(table, name, size=size, last=last).reset_index()
            found.append(rows.assign(gain=members.behind(table, name, size=size, last=last)))
    return pd.concat(found)[["group", "last", "size", "seed", "accuracy", "gain"]].reset_index(drop=True)


def gains(table: pd.DataFrame) -> Figure:
    """Gain against the number of averaged members, one line per group, one dot per seed."""
    figure, axis = plt.subplots(figsize=(6.5, 4.2))
    for (group, last), (title, key) in GROUPS.items():
        mine = table[(table["group"] == group) & (table["last"] == last)]
        mean = mine.groupby("size")["gain"].mean()
        axis.plot(mean.index, mean, color=COLOURS[key], marker=MARKERS[key], label=title)
        axis.plot(mine["size"], mine["gain"], ".", color=COLOURS[key], alpha=0.5)
    axis.axhline(0, linewidth=1, color=COLOURS["reference"])
    axis.set(xlabel="members averaged", ylabel="points of accuracy over the whole", xticks=members.SIZES)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_yticks([-30, -10, -3, -1, 0, 1])
    axis.set_yticklabels(["-30", "-10", "-3", "-1", "0", "1"])
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def shares(table: pd.DataFrame) -> Figure:
    """How far the average of members, and one member, are from the network, by the number of blocks that they keep."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    for column, title, key in (("average", "average of all", "pre"), ("single", "one of them", "reference")):
        gap = 100 * (table[column] - table["whole"])
        mean = gap.groupby(table["kept"]).mean()
        axis.plot(mean.index, mean, color=COLOURS[key], marker=MARKERS[key], label=title)
        axis.plot(table["kept"], gap, ".", color=COLOURS[key], alpha=0.5)
    axis.axhline(-0.5, linestyle="--", linewidth=1, color=COLOURS["control"])
    axis.set(xlabel="blocks that a member keeps, of 10", ylabel="points of accuracy over the network")
    axis.set_xticks(sorted(table["kept"].unique()))
    axis.set_yscale("symlog", linthresh=1)
    axis.set_yticks([-30, -10, -3, -1, 0, 1], ["-30", "-10", "-3", "-1", "0", "1"])
    axis.legend()
    return figure


def shares_by_seed(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of members and of their average, one row per seed and number of blocks that they keep."""
    return table[["seed", "kept", "members", "single", "average", "whole"]].reset_index(drop=True)


def signatures(table: pd.DataFrame) -> pd.DataFrame:
    """The marks of an ensemble for each group, mean over seeds with its 95% interval, one row per (mark, group)."""
    found = []
    for (name, last), (title, _) in GROUPS.items():
        rows = members.group(table, name, last=last)
        found.append((title, "correlation", rows["correlation"]))
        found.append((title, "gain", members.gain(table, name, last=last)))
        if name != "apart":  # of whose five the average is the whole
            found.append((title, "behind", members.behind(table, name, last=last)))
        found.append((title, "calibration", 100 * members.calibrated(table, name, last=last)))
    smooth = members.ens_smooth(table)
    found += [("residual network", "loss", smooth.values), ("plain network", "loss", smooth.control)]
    records = []
    for title, mark, values in found:
        values = np.asarray(values, dtype=float)
        values = np.where(np.abs(values) < 1e-9, 0.0, values)  # rounding of the copies' averages
        low, high = intervals.interval(values, "mean", rng=runtime.rng(0, "signatures", title, mark))
        records.append({"mark": mark, "group": title, "mean": values.mean(), "low": float(low), "high": float(high)})
    return pd.DataFrame(records)


def marks(table: pd.DataFrame) -> Figure:
    """One panel per mark: mean and interval for each group."""
    figure, axes = plt.subplots(3, 2, figsize=(8, 6.7))
    axes.flat[-1].remove()
    looks = {title: {"color": COLOURS[key], "marker": MARKERS[key]} for title, key in GROUPS.values()}
    looks |= {f"{variant} network": SHOWN[variant].look for variant in ("residual", "plain")}
    for axis, (mark, title) in zip(axes.flat[:-1], MARKS.items(), strict=True):
        rows = table[table["mark"] == mark].reset_index(drop=True)
        for place, row in rows.iterrows():
            look = looks[row["group"]]
            axis.plot([row["low"], row["high"]], [place, place], color=look["color"], linewidth=2)
            axis.plot(row["mean"], place, color=look["color"], marker=look["marker"])
        axis.set(title=title, yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
        axis.set_yticklabels(rows["group"])
    return figure
