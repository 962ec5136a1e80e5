"""The chapter's figures: a selection of a trial's table, a drawing of it, and for two a chart with inputs."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib import runtime
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.keeping_inputs_distinct import collapse, trained

POINTS = 60
"""Points of the cloud."""


def cloud(table: pd.DataFrame) -> pd.DataFrame:
    """A cloud in space, about two centres that differ in y alone; two coordinates, and the class of each point.

    It is drawn by name and takes nothing from the table, whose draws are of projections in the same space.
    """
    rng = runtime.rng(0, "cloud")
    group = np.repeat([0, 1], POINTS // 2)
    x, y = rng.normal(size=POINTS) * 0.8, rng.normal(size=POINTS) * 0.25 + np.where(group, 0.8, -0.8)
    return pd.DataFrame({"x": x.round(4), "y": y.round(4), "group": group})


PANELS = (("$P$ alone", 0.0, 1.0), ("$I+P$", 1.0, 1.0), ("$I-P$", 1.0, -1.0))
"""Title, factor of the identity, and factor of the projection onto the x axis."""


def clouds(table: pd.DataFrame) -> Figure:
    """The cloud behind the projection onto the x axis, behind the sum with the identity, and behind the difference."""
    figure, axes = plt.subplots(1, len(PANELS), sharex=True, sharey=True, figsize=(8, 2.8))
    for axis, (title, skip, size) in zip(axes, PANELS, strict=True):
        for group, key in ((0, "pre"), (1, "post")):
            rows = table[table["group"] == group]
            look = {"color": COLOURS[key], "marker": MARKERS[key], "linestyle": "none", "markersize": 4, "alpha": 0.8}
            axis.plot((skip + size) * rows["x"], skip * rows["y"], **look)
        axis.set(title=title, xlabel="x", xlim=(-4, 4), ylim=(-1.8, 1.8))
    axes[0].set(ylabel="y")
    return figure


def clouds_chart(table: pd.DataFrame) -> alt.LayerChart:
    """One input: the factor c of the projection in I + cP."""
    size = slider("c", "factor c of the projection", 1, (-2, 2), step=0.1)
    scales = alt.Scale(domain=(-6, 6)), alt.Scale(domain=(-3, 3))
    rows = table.assign(side=table["group"].map({0: "below", 1: "above"}))
    points = (
        alt.Chart(rows)
        .transform_calculate(moved="(1 + c) * datum.x")
        .mark_point(filled=True, size=40, opacity=0.8)
        .encode(
            alt.X("moved:Q", title="x", scale=scales[0]),
            alt.Y("y:Q", title="y", scale=scales[1]),
            color=alt.Color(
                "side:N", title="in y", scale=alt.Scale(domain=["above", "below"], range=[ink("post"), ink("pre")])
            ),
            shape=alt.Shape("side:N", title="in y"),
        )
    )
    least = (
        alt.Chart(pd.DataFrame({"row": [0]}))
        .transform_calculate(
            told="'least singular value ' + format(min(1, abs(1 + c)), '.1f') + "
            "(abs(1 + c) < 0.05 ? ': x is lost' : ': nothing is lost')"
        )
        .mark_text(align="right", fontSize=13)
        .encode(text="told:N", x=alt.value("width"), y=alt.value(10))
    )
    return worded(  # pyright: ignore[reportReturnType]
        alt.layer(points, least).add_params(size).properties(width=374, height=220),
        """
        a singular layer of your choice beside the identity

        Move the factor c of the projection P onto the x axis: the points are those of (I + cP). At c = -1, and there
        alone, all of them fall onto the y axis, and the x coordinate is lost. Beyond, they are there again, mirrored.

        A cloud of points in the plane that is stretched along x by 1 + c. It shrinks to a line as c nears -1 and opens
        again beyond it.
        """,
    )


LINES = {
    "plain": ("plain", "plain"),
    "pre": ("residual, pre-activation", "post"),
    "inside": (r"residual, $x+W_2\,$relu$(W_1x)$", "pre"),
    "norm": ("the same with layer norm", "bottleneck"),
    "scaled": (r"the same over $\sqrt{100}$", "scaled"),
    "linear-residual": ("linear blocks", "reference"),
}
"""How the figure calls and colours a kind of network; the one that falls to 1e-17 is told in the text."""


def gap_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over draws and law of the gap by depth, of the networks of 100 layers."""
    rows = table[(table["depth"] == collapse.DEPTH) & (table["layer"] > 0)]
    return rows.groupby(["kind", "layer"])[["apart", "law"]].mean().reset_index()


def gaps(table: pd.DataFrame) -> Figure:
    """1 minus the cosine of two inputs by depth, drawn networks as points and their recursions as lines."""
    figure, axis = plt.subplots(figsize=(7, 4))
    for kind, (label, key) in LINES.items():
        rows = table[table["kind"] == kind]
        axis.plot(rows["layer"], rows["law"], color=COLOURS[key], linewidth=1.2)
        look = {"color": COLOURS[key], "marker": MARKERS[key], "linestyle": "none", "markersize": 5}
        axis.plot(rows["layer"], rows["apart"], label=label, **look)
    axis.set(xscale="log", yscale="log", xlabel="layers or blocks", ylabel=r"gap between the inputs, $1-\cos$")
    axis.legend(fontsize="small", loc="lower left")
    return figure


def gaps_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Two inputs: the network and its depth; the two inputs as arrows at the angle that the recursion leaves."""
    names = {
        kind: label.replace("$", "").replace(r"\,", " ").replace(r"\sqrt{100}", "10")
        for kind, (label, _) in LINES.items()
    }
    names["inside"] = "residual, x + W2 relu(W1 x)"
    rows = table[table["kind"].isin(names)].assign(network=table["kind"].map(names))
    start = pd.DataFrame({"network": list(names.values()), "layer": 0, "apart": 1.0, "law": 1.0})
    rows = pd.concat([start, rows[["network", "layer", "apart", "law"]]], ignore_index=True).round(6)
    depths = [int(depth) for depth in sorted(rows["layer"].unique())]
    network = menu("network", "kind of network", names["plain"], list(names.values()))
    depth = menu("depth", "depth (layers or blocks)", 10, depths)
    chosen = alt.Chart(rows).transform_filter("datum.network == network && datum.layer == depth")
    angled = chosen.transform_calculate(angle="acos(1 - min(1, datum.law))", zero="0")
    x, y = (alt.Scale(domain=(0, 1.25), nice=False), alt.Scale(domain=(0, 1.1), nice=False))

    def arrow(across: str, up: str, key: str) -> alt.Chart:
        return (
            angled.transform_calculate(across=across, up=up)
            .mark_rule(color=ink(key), strokeWidth=4)
            .encode(
                alt.X("zero:Q", title="along the first input", scale=x),
                alt.Y("zero:Q", title="across it", scale=y),
                x2="across:Q",
                y2="up:Q",
            )
        )

    told = angled.transform_calculate(
        told="'angle ' + format(datum.angle * 180 / PI, '.1f') + ' degrees; gap ' + format(datum.law, '.2r')"
    ).mark_text(align="right", fontSize=13)
    return worded(  # pyright: ignore[reportReturnType]
        alt.layer(
            arrow("1", "0", "reference"),
            arrow("cos(datum.angle)", "sin(datum.angle)", "post"),
            told.encode(text="told:N", x=alt.value("width"), y=alt.value(10)),
        )
        .add_params(network, depth)
        .properties(name="plane", width=374, height=329),
        """
        two inputs on their way through a network

        Choose a network and a depth: the arrows are the directions of two inputs that start at a right angle, by the
        recursion of infinite width. In plain layers they close up; unscaled blocks take one to two times as many.

        Two arrows from one point. Their angle falls from 90 degrees with the depth, to 5 degrees after 100 plain
        layers, and to 75 degrees after 100 scaled blocks.
        """,
    )


def error_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Median error and bound over draws by iterations."""
    return table.groupby(["kind", "constant", "times"])[["error", "bound"]].median().reset_index()


def errors(table: pd.DataFrame) -> Figure:
    """Error of the inverse by iterations and its bound: of blocks that attain it, and of random ones."""
    figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(8, 3.1))
    for axis, (kind, title) in zip(axes, (("shrinking", "$F(x)=-cx$"), ("drawn", "random branch")), strict=True):
        for constant, key in ((0.5, "scaled"), (0.9, "pre")):
            rows = table[(table["kind"] == kind) & (table["constant"] == constant)]
            axis.plot(rows["times"], rows["bound"], "--", color=COLOURS[key], linewidth=1)
            look = {"color": COLOURS[key], "marker": MARKERS[key], "linestyle": "none"}
            axis.plot(rows["times"], rows["error"], label=f"$c={constant:g}$", **look)
        axis.set(title=title, xlabel="iterations", yscale="log")
    axes[0].set(ylabel="distance to the true input")
    axes[1].legend()
    return figure


SHOWN = shown({"residual": "residual-bare", "plain": "plain-bare"})
"""The trained networks, as figures show them."""


def copy_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The share read back out of each state, before training and after; and the pictures of the first seed."""
    names = ["variant", "seed", "epoch", "part", "state", "copied", "image", "pixel", "value", "read"]
    return table.loc[(table["part"] == 0) | (table["seed"] == table["seed"].min()), names].round(4)


def copies(table: pd.DataFrame) -> Figure:
    """Some digits and what is read of them out of the last state; beside it the share that is read back by block."""
    figure = plt.figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))  # pyright: ignore[reportGeneralTypeIssues]
    grid = left.subplots(3, trained.PICTURES)
    drawn = table[table["part"] == 1]
    for row, (title, variant, column) in enumerate(
        (("digit", "residual", "value"), ("residual", "residual", "read"), ("plain", "plain", "read"))
    ):
        for image, axis in enumerate(grid[row]):
            pixels = drawn[(drawn["variant"] == variant) & (drawn["image"] == image)].sort_values("pixel")
            axis.imshow(pixels[column].to_numpy().reshape(8, 8), cmap="cividis", vmin=-1, vmax=2)
            axis.set(xticks=[], yticks=[])
        grid[row][0].set_ylabel(title)
    axis = right.subplots()
    rows = table[table["part"] == 0]
    for variant, found in SHOWN.items():
        for when, name in (("first", "at the start"), ("last", "trained")):
            of = rows[rows["variant"] == variant]
            of = of[of["epoch"] == (0 if when == "first" else of["epoch"].max())]
            means = of.groupby("state")["copied"].mean()
            look = found.look | {"linestyle": "--" if when == "first" else "-", "label": f"{variant}, {name}"}
            axis.plot(means.index, means, markerfacecolor="none" if when == "first" else None, **look)
    axis.set(xlabel="blocks passed", ylabel="share read back", ylim=(0, 1.05))
    axis.legend(fontsize="small", loc="lower left")
    return figure
