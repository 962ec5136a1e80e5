"""The chapter's interactive figure: one block, with a slider for the width of its inner layer."""

import altair as alt
import pandas as pd

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import ink

SPAN = (0.1, 200)
"""Percent of the basic block of the same outer width that the axis shows."""
COSTS = ("parameters, multiply-adds", "numbers returned")


def inner(table: pd.DataFrame) -> Chart:
    """Costs of a bottleneck in percent of the basic block's, by its inner width; a dot is one that was counted."""
    width = menu("outer", "channels that the block reads and returns", 256, [64, 256, 1024])
    part = slider("inner", "channels of its 3x3 layer, in 64ths of these", 16, (1, 64), step=1)
    x = alt.X("m:Q", title="channels of the 3x3 layer, in 64ths", scale=alt.Scale(domain=(0, 64)))
    y = alt.Y("percent:Q", title="% of the basic block", scale=alt.Scale(type="log", domain=SPAN))
    legend = alt.Legend(title=None, orient="top", columns=1, labelLimit=300)  # one for both, which Vega-Lite merges
    colour = alt.Color(
        "cost:N",
        scale=alt.Scale(domain=COSTS, range=[ink("bottleneck"), ink("theory")]),
        legend=legend,
    )
    share = "(datum.m / 64)"
    curves = (
        alt.Chart(alt.sequence(1, 65, 1, as_="m"))
        .transform_calculate(
            weights=f"100 * (2 * {share} + 9 * {share} * {share}) / 18", outputs=f"100 * ({share} + 0.5)"
        )
        .transform_fold(["weights", "outputs"], as_=["what", "percent"])
        .transform_calculate(cost=f"datum.what == 'weights' ? '{COSTS[0]}' : '{COSTS[1]}'")
    )
    lines = curves.mark_line(clip=True).encode(
        x,
        y,
        colour,
        strokeDash=alt.StrokeDash("cost:N", scale=alt.Scale(domain=COSTS, range=[[1, 0], [5, 3]]), legend=legend),
    )
    rule = curves.transform_filter("datum.m == inner").mark_rule(color=ink("reference")).encode(x)
    wide = table.pivot(index="width", columns="kind", values="multiply_adds")
    dots = pd.DataFrame({"width": wide.index, "percent": 100 * wide["bottleneck"] / wide["basic"]}).assign(m=16)
    measured = (
        alt.Chart(dots[dots["width"].isin([64, 256, 1024])])
        .transform_filter("datum.width == outer")
        .mark_point(color=ink("control"), size=60, opacity=1)
        .encode(x, y)
    )
    m, c = "(outer * inner / 64)", "outer"
    counted = (
        curves.transform_filter("datum.m == inner && datum.what == 'weights'")
        .transform_calculate(label=f"format(2 * {c} * {m} + 9 * {m} * {m}, ',') + ' weights'")
        .mark_text(
            color=ink("bottleneck"),
            fontSize=13,
            dy=14,
            dx=alt.ExprRef("inner > 32 ? -6 : 6"),
            align=alt.ExprRef("inner > 32 ? 'right' : 'left'"),
        )
        .encode(x, y, text="label:N")
    )
    told = alt.param(
        name="told",
        expr=f"format(2 * {c} * {m} + 9 * {m} * {m}, ',') + ' weights and multiply-adds a pixel, the basic block '"
        f" + format(18 * {c} * {c}, ',') + '; ' + format({c} + 2 * {m}, ',') + ' numbers returned, the basic block '"
        f" + format(2 * {c}, ',') + '.'",
    )
    panel = alt.layer(rule, lines, measured, counted).properties(width=330, height=230)
    return worded(
        panel.add_params(width, part, told),
        """
        the width inside

        Move the channels of the 3x3 layer, in 64ths of those outside; 16 is the quarter that published networks have.
        The circle is the block that was counted. The 3x3 layer costs the square of its width, the 1x1 layers cost in
        proportion to it. The numbers that are returned never fall below half, for the outer layer stays.

        Two rising curves of percent of a basic block over the inner width. Parameters and multiply-adds rise from a
        fifth of a percent to 61, numbers returned from 52 to 150.
        """,
    )
