"""The chapter's interactive figure: the data's ellipse under an axis that turns."""

import altair as alt
import pandas as pd

from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import ink

CASES = {"short": "along the short axis", "long": "along the long axis"}
WIDTH = 330


def turning_axis(table: pd.DataFrame) -> alt.VConcatChart:
    """Points with the projection axis, and below determinant, gradient ratio and accuracy at the slider's angle."""
    angle = slider("angle", "angle of the axis (degrees)", 30, (0, 180), step=1)
    scale = slider("scale", "length of the projection's row", 1, (0.5, 2), step=0.1)
    case = menu("apart", "classes differ", "short", CASES)
    named = table.assign(case=table["apart_along"])
    points = named[named["part"] == "point"][["case", "x", "y", "label"]]
    curves = named[named["part"] == "axis"][["case", "degrees", "det", "accuracy"]]
    classes = alt.Scale(domain=["first class", "second class"], range=[ink("post"), ink("plain")])
    x = alt.X("x:Q", title="first coordinate", scale=alt.Scale(domain=(-6, 6)))
    y = alt.Y("y:Q", title="second coordinate", scale=alt.Scale(domain=(-3, 3)))
    cloud = (
        alt.Chart(points)
        .transform_filter("datum.case == apart")
        .transform_calculate(name="datum.label == 1 ? 'second class' : 'first class'")
    )
    dots = cloud.mark_point(filled=True, size=26, opacity=0.75).encode(
        x,
        y,
        color=alt.Color("name:N", scale=classes, legend=alt.Legend(title=None, orient="top")),
        shape=alt.Shape("name:N", scale=alt.Scale(domain=classes.domain, range=["circle", "triangle-up"]), legend=None),
    )
    turn = "(PI * angle / 180)"
    ends = alt.Chart(alt.sequence(-6, 6.1, 12, as_="t")).transform_calculate(
        x=f"datum.t * cos{turn}", y=f"datum.t * sin{turn}"
    )
    line = ends.mark_line(color=ink("theory"), clip=True).encode(x, y)
    row = (
        alt.Chart(alt.sequence(0, 1.1, 1, as_="t"))
        .transform_calculate(x=f"datum.t * scale * cos{turn}", y=f"datum.t * scale * sin{turn}")
        .mark_line(color=ink("pre"), strokeWidth=5)
        .encode(x, y)
    )
    # Where the points land on the axis.
    along = f"(datum.x * cos{turn} + datum.y * sin{turn})"
    shadows = cloud.transform_calculate(px=f"{along} * cos{turn}", py=f"{along} * sin{turn}").mark_tick(
        thickness=2, size=9, opacity=0.6, clip=True
    )
    shadows = shadows.encode(
        alt.X("px:Q", title="first coordinate", scale=alt.Scale(domain=(-6, 6))),
        alt.Y("py:Q", title="second coordinate", scale=alt.Scale(domain=(-3, 3))),
        color=alt.Color("name:N", scale=classes),
    )
    here = (
        alt.Chart(curves)
        .transform_filter("datum.case == apart")
        .transform_filter("datum.degrees == angle")
        .transform_calculate(
            told="'determinant ' + format(scale * scale * datum.det, '.2f') + ', gradient × ' + format(scale, '.1f') + "
            "'\\naccuracy ' + format(datum.accuracy, '.1f') + '%'"
        )
        .mark_text(align="left", lineBreak="\n")
        .encode(text="told:N", x=alt.value(0), y=alt.value(8))
        .properties(width=WIDTH, height=32, view=alt.ViewBackground(stroke="transparent"))
    )
    picture = alt.layer(dots, line, shadows, row).properties(name="plane", width=WIDTH, height=WIDTH / 2)
    lines = (
        alt.Chart(curves)
        .transform_filter("datum.case == apart")
        .transform_joinaggregate(largest="max(det)")
        .transform_calculate(determinant="datum.det * scale * scale / datum.largest", correct="datum.accuracy / 100")
        .transform_fold(["determinant", "correct"], as_=["what", "share"])
        .transform_calculate(what="datum.what == 'correct' ? 'accuracy' : 'determinant / largest of unit rows'")
    )
    names = ["determinant / largest of unit rows", "accuracy"]
    degrees = alt.X("degrees:Q", title="angle of the axis (degrees)", axis=alt.Axis(values=[0, 45, 90, 135, 180]))
    drawn = lines.mark_line(clip=True).encode(
        degrees,
        alt.Y("share:Q", title="share", scale=alt.Scale(domain=(0, 1.6))),
        color=alt.Color(
            "what:N",
            scale=alt.Scale(domain=names, range=[ink("theory"), ink("pre")]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        strokeDash=alt.StrokeDash("what:N", scale=alt.Scale(domain=names, range=[[5, 3], [1, 0]]), legend=None),
    )
    marker = (
        alt.Chart(curves)
        .transform_filter("datum.case == apart")
        .transform_filter("datum.degrees == angle")
        .mark_rule(color=ink("reference"))
        .encode(degrees)
    )
    below = alt.layer(marker, drawn).properties(width=WIDTH, height=150)
    return worded(
        alt.vconcat(here, picture, below).add_params(angle, scale, case).resolve_scale(color="independent"),
        """
        turn the axis

        Turn the axis that the points are projected onto, and set the length of the projection's row (thick). Small
        strokes: where the points land. Below: determinant and accuracy at every angle. Where classes differ along the
        short axis, the largest determinant goes with the worst classifier.

        Points of two classes in an ellipse with an axis through it, and below two curves over the axis' angle. A longer
        row raises the determinant and the gradient; the accuracy stays what it is.
        """,
    )
