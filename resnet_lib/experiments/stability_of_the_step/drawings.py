"""The chapter's figures: a selection of a trial's table, a drawing of it, and a chart with sliders."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.experiments.stability_of_the_step import methods, networks

NAMES = {
    "euler": "Euler",
    "heun": "Heun",
    "rk4": "Runge-Kutta 4",
    "implicit-euler": "implicit Euler",
    "implicit-midpoint": "implicit midpoint",
}
KEYS = dict(zip(NAMES, ("post", "pre", "scaled", "plain", "zero-gamma"), strict=True))


def regions(table: pd.DataFrame) -> Figure:
    """Boundaries of the stability regions, and how the state grows with the step after 40 steps."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8))
    for name, title in NAMES.items():
        rows = table[table["method"] == name]
        edge = rows[rows["kind"] == "region"].sort_values("index")
        left.plot(edge["x"], edge["y"], color=COLOURS[KEYS[name]], label=title)
        end = rows[(rows["kind"] == "trajectory") & (rows["index"] == methods.STEPS)].sort_values("h")
        right.semilogy(end["h"], end["y"], color=COLOURS[KEYS[name]], marker=MARKERS[KEYS[name]], markersize=4)
    left.plot(*np.array(methods.EIGENVALUES).T, "x", color=COLOURS["theory"], label=r"eigenvalues, $h=1$")
    left.axvline(0, color=COLOURS["reference"], linewidth=0.8)
    left.set(xlabel="real part", ylabel="imaginary part", xlim=(-4, 2.5), ylim=(-3.5, 3.5), aspect="equal")
    right.axhline(1, color=COLOURS["reference"], linewidth=0.8)
    right.set(xlabel="step $h$", ylabel="size of the state after 40 steps", ylim=(3e-5, 3e6))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def explorer(table: pd.DataFrame) -> Chart:
    """The eigenvalues times the step in the region of a chosen method, and the size of the state below."""
    h = slider("h", "step h (time a layer)", 1.0, (0.25, 4), step=0.25)
    chosen = menu("method", "one-step method", "euler", NAMES)
    edge = table[table["kind"] == "region"][["method", "index", "x", "y"]].dropna()
    path = table[table["kind"] == "trajectory"][["method", "h", "index", "y"]]
    colour = alt.Color(
        "method:N", legend=None, scale=alt.Scale(domain=list(KEYS), range=[ink(key) for key in KEYS.values()])
    )
    x = alt.X("x:Q", title="real part of hλ", scale=alt.Scale(domain=(-4.4, 2.4), nice=False))
    y = alt.Y("y:Q", title="imaginary part of hλ", scale=alt.Scale(domain=(-4.2, 4.2), nice=False))
    points = pd.DataFrame(methods.EIGENVALUES, columns=["re", "im"])
    plane = alt.layer(
        alt.Chart(edge)
        .transform_filter("datum.method == method")
        .mark_line(clip=True, strokeWidth=2)
        .encode(x, y, colour, order="index:Q"),
        alt.Chart(points)
        .transform_calculate(x="h * datum.re", y="h * datum.im")
        .mark_point(clip=True, size=60, opacity=1, shape="cross", angle=45, filled=True, color=ink("theory"))
        .encode(x, y),
    ).properties(name="plane", width=280, height=346)
    trajectory = (
        alt.Chart(path)
        .transform_filter("datum.method == method && abs(datum.h - h) < 0.01")
        .mark_line(point=alt.OverlayMarkDef(size=12))
        .encode(
            alt.X("index:Q", title="layer"),
            alt.Y("y:Q", title="size of the state", scale=alt.Scale(type="log", domain=(1e-4, 1e6))),
            colour,
        )
        .properties(width=280, height=346)
    )
    return worded(
        alt.concat(plane, trajectory, columns=2).add_params(h, chosen),
        """
        one method and one step

        Choose a method and move the step h. Crosses: seven eigenvalues times h, and the edge of the method's stability
        region. The other panel has the size of the state, layer by layer: it grows as soon as one cross leaves an
        explicit method's region. It is cut off at 10⁻⁴ and 10⁶.

        Two panels. In the complex plane crosses move outwards with the step, past the edge of the method's region; in
        the other, the size of the state over forty layers falls while all are inside.
        """,
    )


def growth_by_step(table: pd.DataFrame) -> pd.DataFrame:
    """Means over draws of the growth after 100 steps."""
    return table.groupby("angle")[["euler", "midpoint", "predicted"]].mean().reset_index()


def growth(table: pd.DataFrame) -> Figure:
    """Growth of the oscillator's norm after 100 steps against the step, with the formula."""
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    angles = np.geomspace(table["angle"].min(), table["angle"].max(), 200)
    axis.plot(angles, 50 * np.log10(1 + angles**2), "--", color=COLOURS["theory"], label=r"$(1+h^2\omega^2)^{50}$")
    for name, key, title in (("euler", "post", "Euler"), ("midpoint", "zero-gamma", "implicit midpoint")):
        axis.plot(table["angle"], np.log10(table[name]), MARKERS[key], color=COLOURS[key], label=title)
    axis.set(xscale="log", xlabel=r"$h\omega$", ylabel=r"$\log_{10}$ growth after 100 layers")
    axis.set_yscale("symlog", linthresh=0.1)
    axis.set_ylim(-0.02, 100)
    axis.legend()
    return figure


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy and spectral radius, one row per factor and seed."""
    return table[["factor", "seed", "test_accuracy", "radius"]]


def contraction(table: pd.DataFrame) -> Figure:
    """Test accuracy of 100 tied layers against the factor of the shortcut; one point per seed."""
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    names = sorted(table["factor"].unique())
    place = {factor: i for i, factor in enumerate(names)}
    means = table.groupby("factor")["test_accuracy"].mean()
    axis.plot([place[f] for f in means.index], 100 * means, color=COLOURS["scaled"], marker=MARKERS["scaled"])
    axis.plot(table["factor"].map(place), 100 * table["test_accuracy"], ".", color=COLOURS["scaled"], alpha=0.6)
    axis.axvline(place[1.0], color=COLOURS["reference"], linewidth=0.8)
    axis.set(
        xticks=list(place.values()),
        xticklabels=[f"{factor:g}\n{factor**100:.2g}" for factor in names],
        xlabel="factor a layer, and what 100 layers leave",
        ylabel="test accuracy (%)",
        ylim=(0, 102),
    )
    return figure


def by_rate(table: pd.DataFrame) -> pd.DataFrame:
    """Mean validation accuracy of each factor and learning rate, and the rate times what the layers leave, `left`."""
    means = table.groupby(["factor", "rate"])["validation_accuracy"].mean().reset_index()
    return means.assign(left=means["rate"] * means["factor"] ** networks.DEPTH)


def rates(table: pd.DataFrame) -> Figure:
    """Validation accuracy against the learning rate times what 100 layers leave; one line per factor."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for (factor, mine), name in zip(table.groupby("factor"), COLOURS, strict=False):
        accuracy = 100 * mine["validation_accuracy"]
        best = mine.loc[accuracy.idxmax(), "rate"]
        label = f"{factor:g} a layer: best near {best:.2g}"
        axis.plot(mine["left"], accuracy, color=COLOURS[name], marker=MARKERS[name], markersize=4, label=label)
    axis.set(
        xscale="log",
        xlabel=r"learning rate $\times$ what 100 layers leave, $\eta\rho^{100}$",
        ylabel="validation accuracy (%)",
        ylim=(0, 102),
    )
    ticks = (0.02, 0.05, 0.1, 0.2, 0.5)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.legend(loc="center left", fontsize="small")
    return figure
