"""Figures of drift, of signals through the grid of networks, and of their training: a table's part, and its drawing."""

from typing import Any

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.plain_networks import depths, drift, signals, stacks

SHOWN = shown(
    {
        "norm": "residual",
        "scaled": "scaled",
        "bare": "residual-bare",
        "plain-norm": "plain",
        "plain-scaled": "plain-scaled",
        "plain-bare": "plain-bare",
    }
)
"""The networks of `stacks.VARIANTS` as figures show them."""

WIDTHS = {32: "plain", 64: "post", 256: "pre", 1024: "scaled"}
SIGNALS = {
    "state": (r"state $\|h\|^2$", "pre"),
    "direction": (r"one direction $\|Ju\|^2$", "post"),
    "backward": (r"backward $\|J^\top v\|^2$", "scaled"),
}


def growth_by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and quantiles of the growth over draws, one row per (how drawn, signal, width, layer).

    Args:
        table: Of `plain-drift`.
    """
    chosen = table[table["kind"] == "relu"]
    grouped = chosen.groupby(["drawn", "signal", "width", "layer"])["growth"]
    found = grouped.agg(["mean", "std"]).join(
        grouped.quantile(np.array([0.05, 0.95])).unstack().set_axis(["low", "high"], axis=1)
    )
    return found.round(4).reset_index()


def collapse(table: pd.DataFrame) -> Figure:
    """Typical growth against depth, against depth over width, and of three signals through real layers."""
    figure, (left, middle, right) = plt.subplots(1, 3, sharey=True, figsize=(8, 3.2))
    law = table[table["drawn"] == "law"]
    for width, key in WIDTHS.items():
        mine, look = (
            law[law["width"] == width],
            {"color": COLOURS[key], "marker": MARKERS[key], "label": f"$n={width}$"},
        )
        left.plot(mine["layer"], mine["mean"], **look)
        if width in (min(WIDTHS), max(WIDTHS)):
            left.fill_between(mine["layer"], mine["low"], mine["high"], color=COLOURS[key], alpha=0.15, linewidth=0)
        middle.plot(mine["layer"] / width, mine["mean"], **look)
    real = table[table["drawn"] == "matrices"]
    for signal, (title, key) in SIGNALS.items():
        for width in drift.REAL:
            mine = real[(real["signal"] == signal) & (real["width"] == width)]
            right.plot(
                mine["layer"] / width,
                mine["mean"],
                MARKERS[key],
                color=COLOURS[key],
                label=title if width == drift.REAL[0] else None,
            )
    for axis, most in ((middle, 3.2), (right, 3.2)):
        x = np.array([0, most])
        axis.plot(x, drift.RATE * x, "--", color=COLOURS["theory"], label=r"$-\frac{5}{2}L/n$")
        axis.set(xlabel="depth over width $L/n$", xlim=(-0.1, most))
        axis.legend(fontsize="small", loc="lower left")
    left.set(xlabel="depth $L$", ylabel=r"$\ln$ growth of the squared norm", ylim=(-12, 4))
    left.legend(fontsize="small", loc="upper right", ncols=2)
    return figure


def drift_chart(table: pd.DataFrame) -> Chart:
    """A slider for the width: its growth by depth with the law's band, and among all widths by depth over width."""
    law = table[table["drawn"] == "law"]
    widths = sorted(int(width) for width in law["width"].unique())
    n = "n"  # Vega has a signal `width` of its own
    width = menu(n, "width n of the layers (units)", 64, widths)
    scale = alt.Scale(domain=(-28, 4), nice=False)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title="ln growth of the squared norm", scale=scale)

    x = alt.X("layer:Q", title="depth L", scale=alt.Scale(domain=(0, 200)))
    depth = alt.Chart(alt.sequence(0, 201, 5, as_="layer")).transform_calculate(
        middle=f"-2.5 * datum.layer / ({n})",
        low=f"-2.5 * datum.layer / ({n}) - 1.645 * sqrt(5 * datum.layer / ({n}))",
        high=f"-2.5 * datum.layer / ({n}) + 1.645 * sqrt(5 * datum.layer / ({n}))",
    )
    band = depth.mark_area(opacity=0.2, color=ink("pre")).encode(x, y("low"), alt.Y2("high:Q"))
    line = depth.mark_line(color=ink("theory"), strokeDash=[5, 3]).encode(x, y("middle"))
    measured = alt.Chart(law[["width", "layer", "mean", "low", "high"]]).transform_filter(f"datum.width == {n}")
    points = measured.mark_point(filled=True, color=ink("pre"), opacity=1).encode(x, y("mean"))
    bars = measured.mark_rule(color=ink("pre")).encode(x, y("low"), alt.Y2("high:Q"))
    told = alt.param(
        name="told",
        expr=f"'Width ' + {n} + ': after 100 layers the squared norm is typically ' + "
        f"format(exp(-250 / {n}), '.2~g') + ' of what it was.'",
    )
    ratio = alt.X("ratio:Q", title="depth over width L/n", scale=alt.Scale(domain=(0, 6.5)))
    titles = {
        ("law", "state"): ("drawn from the law", "theory", "circle"),
        ("matrices", "state"): ("real layers: state", "pre", "square"),
        ("matrices", "direction"): ("real layers: one direction", "post", "square"),
        ("matrices", "backward"): ("real layers: backward", "scaled", "square"),
    }
    names, keys, shapes = zip(*titles.values(), strict=True)
    series = [titles[kind][0] for kind in zip(table["drawn"], table["signal"], strict=True)]
    drawn = alt.Chart(
        table.assign(ratio=table["layer"] / table["width"], series=series)[["series", "width", "ratio", "mean"]]
    )
    theory = (
        alt.Chart(alt.sequence(0, 6.6, 0.5, as_="ratio"))
        .transform_calculate(mean="-2.5 * datum.ratio")
        .mark_line(color=ink("theory"), strokeDash=[5, 3])
        .encode(ratio, y("mean"))
    )
    every = drawn.mark_point(size=20, opacity=0.6, color=ink("reference")).encode(ratio, y("mean"))
    legend = alt.Legend(orient="bottom", title=None)
    chosen = (
        drawn.transform_filter(f"datum.width == {n}")
        .mark_point(filled=True, opacity=1)
        .encode(
            ratio,
            y("mean"),
            alt.Color("series:N", scale=alt.Scale(domain=names, range=[ink(key) for key in keys]), legend=legend),
            alt.Shape("series:N", scale=alt.Scale(domain=names, range=shapes), legend=legend),
        )
    )
    panels = alt.layer(band, line, bars, points), alt.layer(every, theory, chosen)
    return worded(
        alt.concat(*(panel.properties(width=240, height=240) for panel in panels), columns=2).add_params(width, told),
        """
        the drift at a width of your choice

        Choose the width. First panel: mean growth by depth, with 5 to 95% of the draws (bars) and of the law (shaded);
        dashed, −5L/(2n). Second panel: the same width among all others (grey), by depth over width. Real layers were
        drawn at the widths 32, 64 and 128.

        Two panels of the logarithm of the growth of the squared norm, by depth and by depth over width. With the width
        the first line becomes flatter; in the second panel all widths lie on one line.
        """,
    )


def signals_by_block(table: pd.DataFrame) -> pd.DataFrame:
    """Geometric mean over draws of the mean square, and mean gradient in decades; one row per (network, block)."""
    found = table[table["measure"].isin(["square", "gradient"]) & ~table["enlarged"]].copy()
    square = found["measure"] == "square"
    found["decades"] = found["value"].where(~square, np.log10(found["value"].where(square, 1.0)))
    keys = ["variant", "power", "blocks", "measure", "block"]
    return found.groupby(keys)["decades"].mean().round(4).reset_index()


def backwards(blocks: int) -> np.ndarray:
    """Decades of the gradient at each block over that at the last, with batch normalisation: the law of wide layers."""
    c, block = signals.CENTRED, np.arange(blocks)
    factor = np.log10(1 + 1 / (c * (1 + c * block))) / 2
    return np.append(factor[::-1].cumsum()[::-1], 0)


def laws(table: pd.DataFrame) -> Figure:
    """Mean square along depth and gradient on its way back, six networks, with the laws of wide layers."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
    blocks = int(table["blocks"].max())
    block = np.arange(blocks + 1)
    for variant in stacks.VARIANTS:
        mine = table[(table["variant"] == variant) & (table["power"] == 0.5)]
        for axis, measure in ((left, "square"), (right, "gradient")):
            rows = mine[mine["measure"] == measure]
            axis.plot(rows["block"], rows["decades"], **SHOWN[variant].look, markevery=10)
    theory: dict[str, Any] = {
        "color": COLOURS["theory"],
        "linewidth": 0,
        "marker": ".",
        "markersize": 4,
        "markevery": 5,
    }
    for law in (block * np.log10(2), block * np.log10(1 + 1 / blocks), np.log10(1 + block)):
        left.plot(block, law, **theory)
    rest = blocks - block
    for law in (rest * np.log10(2) / 2, rest * np.log10(1 + 1 / blocks) / 2, backwards(blocks)):
        right.plot(block, law, **theory)
    left.plot([], [], **theory, label=r"laws $2^l$, $(1+1/L)^l$, $1+l$")
    left.set(xlabel="block $l$", ylabel=r"$\log_{10}$ mean square", ylim=(-10, 16))
    right.set(xlabel="block $l$", ylabel=r"$\log_{10}$ gradient at $l$ over that at $L$", ylim=(-10, 10))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _plain_text(title: str) -> str:
    """A title where no mathematics is set: an interactive chart's legend."""
    return title.replace(r"$1/\sqrt{L}$", "1/√L")


def scale_chart(table: pd.DataFrame) -> Chart:
    """The six networks, and a slider for the exponent of the branches' scale: the law, and what was measured."""
    blocks = int(table["blocks"].max())
    power = slider("p", "exponent p of the branches' size 1/L^p", 0.25, (0, 1), step=0.05)
    factor = f"log(1 + pow({blocks}, -2 * p)) / LN10"
    rows = table[["variant", "power", "measure", "block", "decades"]].replace(
        {"variant": {variant: _plain_text(look.title) for variant, look in SHOWN.items()}}
    )
    networks = [SHOWN[variant] for variant in stacks.VARIANTS]
    names = [_plain_text(network.title) for network in networks]
    dashes = {"-": [1, 0], "--": [6, 3], ":": [2, 3]}
    legend = alt.Legend(orient="bottom", title=None, symbolType="stroke", symbolSize=500)
    colour = alt.Color(
        "variant:N", legend=legend, scale=alt.Scale(domain=names, range=[network.ink for network in networks])
    )
    dash = alt.StrokeDash(
        "variant:N", legend=legend, scale=alt.Scale(domain=names, range=[dashes[network.line] for network in networks])
    )

    def panel(measure: str, title: str, law: str, domain: tuple[int, int]) -> alt.LayerChart:
        x = alt.X("block:Q", title="block l", scale=alt.Scale(domain=(0, blocks)))
        y = alt.Y("decades:Q", title=title, scale=alt.Scale(domain=domain))
        mine = rows[rows["measure"] == measure]
        lines = (
            alt.Chart(mine[mine["power"] == 0.5])
            .mark_line(clip=True, strokeWidth=1.5)
            .encode(x, y, colour, strokeDash=dash)
        )
        alone = mine[mine["variant"] == _plain_text(SHOWN["bare"].title)].assign(power=0.0)
        scaled = mine[mine["variant"] == names[stacks.VARIANTS.index("scaled")]]
        measured = pd.concat([alone, scaled])
        points = (
            alt.Chart(measured.loc[measured["block"] % 5 == 0, ["power", "block", "decades"]])
            .transform_filter("abs(datum.power - p) < 0.001")
            .mark_point(filled=True, size=40, color=ink("control"), opacity=1)
            .encode(x, y)
        )
        line = (
            alt.Chart(alt.sequence(0, blocks + 1, 1, as_="block"))
            .transform_calculate(decades=law)
            .mark_line(color=ink("control"), strokeDash=[5, 3], strokeWidth=2)
            .encode(x, y)
        )
        return alt.LayerChart(layer=[lines, line, points], width=240, height=240)

    told = alt.param(
        name="told",
        expr=f"'Branches of size 1/L^' + p + ': through {blocks} blocks the mean square grows ' + "
        f"format(pow(10, {blocks} * {factor}), '.3~g') + '-fold, and the gradient on its way back ' + "
        f"format(pow(10, {blocks} * {factor} / 2), '.3~g') + '-fold.'",
    )
    left = panel("square", "log10 mean square", f"datum.block * {factor}", (-5, 16))
    right = panel("gradient", "log10 gradient over the last", f"({blocks} - datum.block) * {factor} / 2", (-5, 10))
    return worded(
        alt.concat(left, right, columns=2).add_params(power, told),
        """
        signals at another size of the branches

        Move the exponent p. The thick dashed line is the law for branches of size 1/L^p without normalisation, the dots
        on it what was measured, at p = 0, 0.25, 0.5 and 1; beside it the six networks. At p = 0 nothing is scaled; from
        p = 0.5 on the signals stay near where they began.

        Two panels by block: the logarithm of the mean square, and of the gradient over the last one's. The law's line
        is steep at p = 0 and nearly flat from p = 0.5 on, forwards and backwards.
        """,
    )


def trained_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Loss of every epoch and accuracy of the last one, one row per (network, seed, epoch)."""
    columns = ["variant", "blocks", "seed", "epoch", "epochs", "loss", "test"]
    return table[columns].assign(layers=2 * table["blocks"]).round(4)


def trainings(table: pd.DataFrame) -> Figure:
    """Training loss by epoch at four depths, the last one by depth, and test accuracy by depth for all six networks."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8, 3.8))
    deep = sorted(table.loc[table["variant"] == "norm", "layers"].unique())
    for layers, line in zip(deep[:4], ("-", "--", "-.", ":"), strict=False):
        mine = table[(table["variant"] == "norm") & (table["layers"] == layers)].groupby("epoch")["loss"].mean()
        left.plot(mine.index, mine, line, color=COLOURS["pre"], label=f"{layers} layers")
    end = depths.last(table)
    for variant in stacks.VARIANTS:
        mine = end[end["variant"] == variant]
        _by_depth(right, mine, variant, "test")
        if variant in stacks.REPAIRS:
            _by_depth(middle, mine, variant, "loss")
    for axis in (left, middle):
        axis.axhline(depths.GUESS, color=COLOURS["reference"], linewidth=1)
        axis.set_yscale("log")
    right.axhline(10, color=COLOURS["reference"], linewidth=1)
    left.set(xlabel="epoch", ylabel="training loss (nats)", title="shortcut, batch norm")
    left.legend(fontsize="small", loc="lower left")
    middle.set(title="after training", ylabel="training loss (nats)")
    right.set(title="after training", ylabel="test accuracy (%)", ylim=(0, 102))
    for axis in (middle, right):
        axis.set(xlabel="layers", xscale="log")
        axis.set_xticks(deep, [str(layer) for layer in deep])
        axis.minorticks_off()
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _by_depth(axis: Axes, rows: pd.DataFrame, variant: str, column: str) -> None:
    mean, look = rows.groupby("layers")[column].mean(), SHOWN[variant].look
    axis.plot(mean.index, mean, **look)
    axis.plot(rows["layers"], rows[column], ".", color=look["color"], alpha=0.5)
