"""The chapter's figures: a selection of a trial's table, a drawing of it, and a chart with a slider for the angle."""

import math

import altair as alt
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import slider, worded
from resnet_lib.evidence.style import COLOURS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.learning_the_difference.published import DEPTHS

SHOWN = shown({"plain": "plain-bare", "residual": "residual-bare"})
TITLES = {"plain": "plain, learns $t$", "residual": "residual, learns $t-x$"}
MARKERS: dict[int, str] = dict(zip(DEPTHS, "^vDs", strict=True))
LOOK = shown({"original": "original"})["original"].look
DIGITS = shown({"residual": "residual"})["residual"].look
EQUAL = 60


def linear(table: pd.DataFrame) -> pd.DataFrame:
    """Means over draws of the steps of linear blocks that turn, one row per angle and kind."""
    rows = table[table["scale"] == 1].groupby("angle")[["plain", "residual"]].mean().reset_index()
    return rows.melt("angle", var_name="kind", value_name="steps")


def turning(table: pd.DataFrame) -> pd.DataFrame:
    """Steps of each block with a hidden layer, one row per seed, angle and kind."""
    rows = table[table["kind"].isin(list(TITLES)) & ~table["again"].astype(bool)]
    return rows[["kind", "angle", "seed", "taken"]].rename(columns={"taken": "steps"})


def _look(kind: str) -> dict:
    return SHOWN[kind].look | {"linestyle": "-", "label": TITLES[kind]}


def _angles(axis: Axes) -> None:
    axis.axvline(EQUAL, linestyle="--", linewidth=1, color=COLOURS["theory"])
    axis.set(xlabel="angle of the turn, degrees", ylabel="steps until learned", xticks=range(0, 181, 30))


def crossing(table: pd.DataFrame) -> Figure:
    """Steps of linear blocks by angle, with 60 degrees."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    for kind in TITLES:
        rows = table[table["kind"] == kind]
        axis.plot(rows["angle"], rows["steps"], **_look(kind))
    _angles(axis)
    axis.set(ylim=(0, None))
    axis.legend()
    return figure


def kinds(table: pd.DataFrame) -> Figure:
    """Steps of blocks with a hidden layer by angle: every seed, and geometric means."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    for kind in TITLES:
        rows = table[table["kind"] == kind]
        look = _look(kind)
        axis.plot(rows["angle"], rows["steps"], ".", color=look["color"], markersize=4, alpha=0.5)
        logs = rows.assign(log=rows["steps"].clip(lower=1).map(math.log)).groupby("angle")["log"].mean()
        means = logs.map(math.exp)
        axis.plot(means.index, means, **look)
    _angles(axis)
    axis.set_yscale("log")
    ticks = [10, 20, 50, 100, 200, 400]
    axis.set_yticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.legend()
    return figure


def arrows(_: pd.DataFrame) -> Chart:
    """One angle: what both kinds have to learn, as arrows, and how many steps that takes where variances are equal."""
    angle = slider("angle", "angle of the turn (degrees)", 30, (0, 180), step=1)
    names = ["plain: from 0 to t", "residual: from x to t"]
    steps = "max(0, log({distance} / 0.1) / -log(0.9))"
    residual = steps.format(distance="max(2 * sin({angle} * PI / 360), 1e-9)")
    told = alt.param(
        name="told",
        expr="'A turn by ' + angle + ' degrees: t is 1 away from 0 and ' + format(2 * sin(angle * PI / 360), '.2f') + "
        "' away from x. The plain block takes ' + format("
        + steps.format(distance="1")
        + ", '.0f') + ' steps, the residual one ' + format("
        + residual.format(angle="angle")
        + ", '.0f') + '.'",
    )
    colours = alt.Scale(domain=names, range=[ink("plain"), ink("pre")])
    legend = alt.Legend(title=None, orient="bottom")  # one for both, which Vega-Lite merges
    colour = alt.Color("what:N", scale=colours, legend=legend)
    dash = alt.StrokeDash("what:N", scale=alt.Scale(domain=names, range=[[6, 3], [1, 0]]), legend=legend)
    x = alt.X("x:Q", title="first coordinate", scale=alt.Scale(domain=(-1.2, 1.2), nice=False))
    y = alt.Y("y:Q", title="second coordinate", scale=alt.Scale(domain=(-1.2, 1.2), nice=False))
    ends = {"cosine": "cos(angle * PI / 180)", "sine": "sin(angle * PI / 180)"}
    lines = alt.Chart(pd.DataFrame({"what": names, "x": [0.0, 1.0], "y": [0.0, 0.0]})).transform_calculate(**ends)
    dots = alt.Chart(pd.DataFrame({"name": ["0", "x", "t"], "at": [0, 1, 2]})).transform_calculate(
        x="datum.at == 2 ? cos(angle * PI / 180) : datum.at", y="datum.at == 2 ? sin(angle * PI / 180) : 0"
    )
    plane = alt.layer(
        lines.mark_rule(strokeWidth=3).encode(x, y, x2="cosine:Q", y2="sine:Q", color=colour, strokeDash=dash),
        dots.mark_point(filled=True, size=60, color=ink("reference"), opacity=1).encode(x, y),
        dots.mark_text(dy=-12, color=ink("reference")).encode(x, y, text="name:N"),
    ).properties(width=280, height=280, name="plane")
    across = alt.X("degrees:Q", title="angle of the turn, degrees", scale=alt.Scale(domain=(0, 180)))
    up = alt.Y("steps:Q", title="steps until learned", scale=alt.Scale(domain=(0, 30)))
    formulas = {
        names[0]: steps.format(distance="1"),
        names[1]: residual.format(angle="datum.degrees"),
    }

    def both(chart: alt.Chart) -> alt.Chart:
        return chart.transform_calculate(**formulas).transform_fold([*names], as_=["what", "steps"])

    curves = both(alt.Chart(alt.sequence(0, 181, 1, as_="degrees")))
    here = both(alt.Chart(alt.sequence(0, 1, 1, as_="one")).transform_calculate(degrees="angle"))
    course = alt.layer(
        curves.mark_line(clip=True).encode(across, up, color=colour, strokeDash=dash),
        here.mark_point(filled=True, size=110, opacity=1, clip=True).encode(across, up, color=colour),
    ).properties(width=280, height=280)
    return worded(
        alt.concat(plane, course, columns=2).add_params(angle, told),
        """
        what is to be learned, by angle

        Move the angle. A plain block has to come from 0 to t, a residual one from x to t: three points, of which x and
        t lie on a circle about 0. At 60 degrees the triangle has equal sides, and both take the same steps. The curves
        are for linear blocks that start at zero, inputs of equal variances, and steps that take a tenth of the error.

        Two panels. One has the points 0, x and t with an arrow from 0 to t and one from x to t. The other has the steps
        against the angle: a level line at 22 for the plain block, and a rising curve for the residual one that crosses
        it at 60 degrees.
        """,
    )


def sizes(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes of branches of trained networks on digits: means over seeds, one row per number of blocks and block."""
    rows = table[(table["lr"] > 0) & (table["epoch"] == table["epochs"])]
    columns = rows.assign(aligned=rows["own"] - rows["other"])
    return columns.groupby(["blocks", "block"])[["size", "aligned"]].mean().reset_index()


def published(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes and cosines of published networks: means over groups of images, one row per network and block."""
    columns = table.assign(
        aligned=table["own"] - table["other"], behind=table["behind"] - table["other_behind"], layers=table["depth"]
    )
    return columns.groupby(["layers", "block"])[["size", "aligned", "behind"]].mean().reset_index()


def branches(table: pd.DataFrame) -> Figure:
    """Sizes and cosines of the branches of networks on digits, by the place of the block in its network."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    lines = dict(zip(sorted(table["blocks"].unique()), (":", "--", "-"), strict=False))
    for blocks, line in lines.items():
        rows = table[table["blocks"] == blocks]
        look = DIGITS | {"linestyle": line, "label": f"{blocks} blocks", "markersize": 4}
        place = (rows["block"] + 0.5) / blocks
        left.plot(place, rows["size"], **look)
        right.plot(place, rows["aligned"], **look)
    _finish(left, right)
    return figure


def networks(table: pd.DataFrame) -> Figure:
    """Sizes and cosines of the branches of published networks, by the place of the block in its network."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    for layers, line in zip(DEPTHS, (":", "-.", "--", "-"), strict=True):
        rows = table[table["layers"] == layers]
        look = LOOK | {"linestyle": line, "marker": MARKERS[layers], "markersize": 4, "label": f"ResNet-{layers}"}
        place = (rows["block"] + 0.5) / ((layers - 2) / 2)
        left.plot(place, rows["size"], **look)
        right.plot(place, rows["aligned"], **look)
    _finish(left, right)
    return figure


def _finish(left: Axes, right: Axes) -> None:
    for axis in (left, right):
        axis.axhline(0.1, linestyle="--", linewidth=1, color=COLOURS["theory"])
        axis.set(xlim=(0, 1), xlabel="place in the network")
    left.set(ylabel=r"size of branch, $\|F\|/\|x\|$", ylim=(0, None))
    right.axhline(0, linewidth=0.8, color=COLOURS["reference"])
    right.set(ylabel="cosine with the margin's gradient")
    left.legend()
