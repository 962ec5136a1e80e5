"""The chapter's figures: a selection of a trial's table, a drawing of it, and a chart with sliders."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.experiments.smoothness_and_variation.functions import SMALL

FAMILIES = {
    "increasing": ("increasing", "zero-gamma"),
    "falling": ("falling", "post"),
    "waves": ("waves", "plain"),
    "walks": ("random walks", "scaled"),
    "networks": ("ReLU networks", "pre"),
    "tents": ("tents minus $x$", "theory"),
}
MOST = 5.0
SIZES = {0.25: "a quarter of He's", 1.0: "He's", 2.0: "twice He's"}
TRENDS = {"random": "no trend", "rising": "rising", "falling": "falling"}


def band(table: pd.DataFrame) -> Figure:
    """Variation of x + F against that of F, a point a function, with the band."""
    figure, axis = plt.subplots(figsize=(6.5, 4.2))
    alone = np.array([0, 1, MOST])
    axis.fill_between(alone, abs(alone - 1), alone + 1, color=COLOURS["reference"], alpha=0.15, linewidth=0)
    axis.plot(alone, alone, "--", color=COLOURS["reference"], linewidth=0.8, label="equal")
    for family, (title, key) in FAMILIES.items():
        mine = table[(table["family"] == family) & (table["alone"] <= MOST)]
        axis.plot(mine["alone"], mine["added"], MARKERS[key], color=COLOURS[key], markersize=4, label=title)
    axis.set(xlabel="total variation of $F$", ylabel="total variation of $x+F$", xlim=(0, MOST), ylim=(0, MOST + 1))
    axis.legend(fontsize="small")
    return figure


def wave(table: pd.DataFrame) -> Chart:
    """One wave with and without the identity, and its place in the band."""
    size = slider("a", "amplitude of the wave", 0.1, (0, 0.5), step=0.005)
    often = slider("k", "frequency of the wave (periods)", 2, (1, 12), step=1)
    told = alt.param(
        name="told",
        expr="2 * PI * a * k <= 1 ? 'slopes of at most 1: x + F only rises' : 'x + F falls in every period'",
    )
    curve = (
        alt.Chart(alt.sequence(0, 1.0001, 1 / 480, as_="x"))
        .transform_calculate(F="a * sin(2 * PI * k * datum.x)", sum="datum.x + a * sin(2 * PI * k * datum.x)")
        .transform_fold(["F", "sum"], as_=["part", "y"])
        .transform_calculate(part="datum.part == 'sum' ? 'x + F' : 'F'")
        .mark_line(clip=True, strokeWidth=2)
        .encode(
            alt.X("x:Q", title="x"),
            alt.Y("y:Q", title="value", scale=alt.Scale(domain=(-0.6, 1.6), nice=False)),
            alt.Color(
                "part:N", title=None, scale=alt.Scale(domain=["F", "x + F"], range=[ink("plain"), ink("pre")])
            ).legend(orient="bottom"),
            order="x:Q",
        )
        .properties(width=280, height=280)
    )
    edges = pd.DataFrame({"alone": [0, 1, 24], "low": [1, 0, 23], "high": [1, 2, 25]})
    x = alt.X("alone:Q", title="total variation of F", scale=alt.Scale(domain=(0, 24), nice=False))
    y = alt.Y("low:Q", title="total variation of x + F", scale=alt.Scale(domain=(0, 25), nice=False))
    inside = alt.Chart(edges).mark_area(opacity=0.25, color=ink("reference")).encode(x, y, y2="high:Q")
    # With s = 2 pi a k a period falls from the angle t = acos(-1 / s) on, by (2 sqrt(s^2 - 1) - 2 pi + 2 t) / (2 pi k).
    point = (
        alt.Chart(pd.DataFrame({"one": [1]}))
        .transform_calculate(alone="4 * a * k", s="max(1, 2 * PI * a * k)")
        .transform_calculate(low="1 + (2 * sqrt(datum.s * datum.s - 1) - 2 * PI + 2 * acos(-1 / datum.s)) / PI")
        .mark_point(size=90, filled=True, opacity=1, color=ink("pre"), clip=True)
        .encode(x, y, tooltip=[alt.Tooltip("alone:Q", title="F"), alt.Tooltip("low:Q", title="x + F")])
    )
    plane = alt.layer(inside, point).properties(width=280, height=280)
    return worded(
        alt.concat(curve, plane, columns=2).add_params(size, often, told),
        """
        a wave and the identity

        Move amplitude and frequency. Below a slope of 1 the sum only rises, and its variation is 1, however often the
        wave turns. Above, the point runs up along the middle of the band: as the wave grows, the identity changes less
        and less of it.

        Two panels. One has the wave and its sum with x; the other a point in a band two units high, which stays at
        height 1 for flat waves and then follows the diagonal.
        """,
    )


def stacks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over draws of the variation of a stack and of its branch, one row per depth and strength."""
    return table.groupby(["strength", "depth"])[["variation", "branch"]].mean().reset_index()


def depths(table: pd.DataFrame) -> Figure:
    """Variation of a stack of blocks against their number, for tents and for branches of slopes below 1."""
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    names = {1.0: ("blocks that are tents", "plain"), SMALL: ("branches of slopes up to 0.9", "scaled")}
    for strength, (title, key) in names.items():
        mine = table[table["strength"] == strength]
        axis.plot(mine["depth"], mine["variation"], color=COLOURS[key], marker=MARKERS[key], label=title)
    tents = table[table["strength"] == 1]
    axis.plot(tents["depth"], tents["branch"], ":", color=COLOURS["reference"], label="one tent's branch")
    bound = 4.0 ** tents["depth"]  # (1 + K)^L with the constant K = 3 of a branch whose tent has its peak in the middle
    axis.plot(tents["depth"], bound, "-.", color=COLOURS["reference"], label="Lipschitz bound $4^L$")
    axis.set_yscale("log", base=2)
    axis.set(xlabel="number of blocks", ylabel="total variation")
    axis.legend()
    return figure


def _ratios(table: pd.DataFrame, by: str, kind: str, column: str) -> pd.DataFrame:
    """Ratio of a column over that of the plain network, one row per value of `by` and seed at which both reach."""
    rows = table[~table["again"].astype(bool) & table["kind"].isin(("plain", kind))]
    rows = rows[rows.groupby([by, "seed"])["reached"].transform("all")]
    wide = rows.pivot(index=[by, "seed"], columns="kind", values=column)
    return (wide[kind] / wide["plain"]).rename("ratio").reset_index()


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """Variation of the residual over that of the plain network, one row per size of the branches and seed."""
    return _ratios(table, "gain", "residual", "variation")


def blocks(table: pd.DataFrame) -> pd.DataFrame:
    """Variation of the branch with over that without the shortcut, one row per target and seed."""
    return _ratios(table, "target", "around", "branch")


def _strips(table: pd.DataFrame, by: str, names: dict, key: str) -> Figure:
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    axis.axhline(1, color=COLOURS["reference"], linewidth=0.8)
    for place, what in enumerate(names):
        ratio = table[table[by] == what].sort_values("seed")["ratio"].to_numpy()
        beside = place + np.linspace(-0.25, 0.25, len(ratio))
        axis.plot(beside, ratio, ".", color=COLOURS[key], alpha=0.6)
        mean = np.exp(np.log(ratio).mean())
        axis.plot([place - 0.3, place + 0.3], [mean, mean], color=COLOURS[key], linewidth=2.5)
    axis.set_yscale("log", base=2)
    axis.set_yticks([1 / 8, 0.25, 0.5, 1, 2, 4], ["1/8", "1/4", "1/2", "1", "2", "4"])
    axis.set_xticks(range(len(names)), list(names.values()))
    return figure


def matched(table: pd.DataFrame) -> Figure:
    """Residual over plain variation at the same training loss, a point a seed, with their geometric means."""
    figure = _strips(table, "gain", SIZES, "pre")
    figure.axes[0].set(xlabel="size of the branches at first", ylabel="residual / plain variation")
    return figure


def branches(table: pd.DataFrame) -> Figure:
    """Variation of a branch with over that without a shortcut, a point a seed, with their geometric means."""
    figure = _strips(table, "target", TRENDS, "scaled")
    figure.axes[0].set(xlabel="trend of the target", ylabel="branch / plain variation")
    return figure
