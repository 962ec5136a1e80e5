"""The chapter's interactive figures: a bar of heat with its ratio, and a packet with its method and step."""

import altair as alt
import pandas as pd

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import ink
from resnet_lib.experiments.solvers_as_networks import explorer
from resnet_lib.experiments.solvers_as_networks.drawings import METHODS


def bar(table: pd.DataFrame) -> Chart:
    """A bar of heat under sliders for the ratio and the number of layers, computed from its modes."""
    ratio = slider("ratio", "ratio r of the heat step", 0.25, (0.05, 0.6), step=0.01)
    layers = slider("layers", "number of layers", 20, (0, 200), step=1)
    rows = table[table["kind"] == "mode"][["ratio", "x", "u"]].rename(columns={"ratio": "angle", "u": "part"})
    factor = "pow(1 - 4 * ratio * pow(sin(datum.angle / 2), 2), layers)"
    x = alt.X("x:Q", title="point of the bar", scale=alt.Scale(domain=(0, rows["x"].max()), nice=False))
    first, last = (
        alt.Y(f"{name}:Q", title="temperature", scale=alt.Scale(domain=(-1, 2))) for name in ("first", "last")
    )
    sums = alt.Chart(rows).transform_calculate(now=f"datum.part * {factor}")
    fastest = f"pow(4 * ratio * {_sine(rows['angle'].max())} - 1, layers)"
    told = alt.param(
        name="told",
        expr="(ratio <= 0.5 ? 'At most 1/2: every mode shrinks. ' : 'Beyond 1/2: the fastest mode grows. ') + "
        f"'The layers have multiplied it by ' + format(abs({fastest}), '.3g') + '.'",
    )
    # Two names: Vega-Lite makes one aggregate of both, and one column of two that are named alike.
    start = sums.transform_aggregate(first="sum(part)", groupby=["x"])
    end = sums.transform_aggregate(last="sum(now)", groupby=["x"])
    return worded(
        alt.layer(
            start.mark_line(color=ink("reference"), strokeDash=[5, 3]).encode(x, first),
            end.mark_line(color=ink("post"), clip=True, point=alt.OverlayMarkDef(color=ink("post"), size=18)).encode(
                x, last
            ),
        )
        .properties(width=420, height=280)
        .add_params(ratio, layers, told),
        """
        a bar of heat and the ratio of its step

        Set the ratio r and the number of layers. Dashed: the bar at the start, hot in its first third. Up to r = 1/2
        the heat spreads; a little beyond, a zigzag grows out of nothing and leaves the chart.

        Temperature along a bar of 32 points, at the start a step from one to zero. Up to a ratio of one half it
        flattens with the layers; beyond, it alternates from point to point ever more.
        """,
    )


def _sine(angle: float) -> str:
    """The squared sine of half the angle of the fastest mode, as a number of Vega."""
    return f"pow(sin({angle} / 2), 2)"


def packet(table: pd.DataFrame) -> Chart:
    """A packet before a hill under inputs for the method, the step and the time; beside it the exact one."""
    method = menu("method", "one-step method", "euler", {name: label for name, (label, _) in METHODS.items()})
    step = menu("step", "step h (time)", 0.03, {length: f"{length:g}" for length in explorer.LENGTHS})
    time = menu("time", "time that has passed", 6.0, {each: f"{each:g}" for each in explorer.TIMES})
    rows = table[table["kind"] == "density"]
    columns = ["method", "step", "time", "x", "density"]
    lines = rows[rows["method"] != "exact"][columns]
    exact = rows[rows["method"] == "exact"][["time", "x", "density"]]
    sizes = rows[rows["x"] == 0][["method", "step", "time", "norm"]]
    sizes = sizes.assign(norm=[float(f"{norm:.2g}") if norm > 10 else round(norm, 3) for norm in sizes["norm"]])
    x = alt.X("x:Q", title="place", scale=alt.Scale(domain=(0, 32), nice=False))
    y = alt.Y("density:Q", title="density", scale=alt.Scale(domain=(0, explorer.EDGE), nice=False))
    chosen = "datum.method == method && abs(datum.step - step) < 1e-6 && abs(datum.time - time) < 1e-6"
    colour = alt.Color(
        "method:N",
        legend=None,
        scale=alt.Scale(domain=list(METHODS), range=[ink(key) for _, key in METHODS.values()]),
    )
    hill = pd.DataFrame({"x": [16.0]})
    readout = (
        alt.Chart(sizes)
        .transform_filter(chosen)
        .transform_calculate(
            words="'norm ' + (datum.norm > 10 ? format(datum.norm, '.1e') : format(datum.norm, '.3f'))"
        )
        .mark_text(align="right", fontSize=13)
        .encode(text="words:N", x=alt.value("width"), y=alt.value(10))
    )
    return worded(
        alt.layer(
            alt.Chart(hill).mark_rule(color=ink("reference")).encode(x),
            alt.Chart(exact)
            .transform_filter("abs(datum.time - time) < 1e-6")
            .mark_line(color=ink("theory"), strokeDash=[5, 3])
            .encode(x, y),
            alt.Chart(lines).transform_filter(chosen).mark_line(clip=True).encode(x, y, colour),
            readout,
        )
        .properties(width=420, height=280)
        .add_params(method, step, time),
        """
        a wave packet, a method and a step

        Choose a method, its step and the time. Dashed: the exact density; vertical: the middle of the hill. The norm
        is 1 at the start. Euler's wave grows at every step, implicit Euler's fades, and the leapfrog's blows up beyond
        a step of 0.108. A density is cut off at 0.6.

        The density of a wave along a line with a hill in the middle. The packet runs into the hill, which sends part
        of it back. Under Cayley's and the split step the curve follows the exact one; under Euler's it soon fills the
        chart.
        """,
    )
