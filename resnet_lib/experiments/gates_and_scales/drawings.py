"""The chapter's figures: accuracy and carry by the bias of gates, accuracy by shortcut, and a chart with a slider."""

from functools import partial

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import slider, worded
from resnet_lib.evidence.style import COLOURS, ink
from resnet_lib.evidence.summaries import summary, whiskers
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.gates_and_scales.networks import (
    BEST_BIAS,
    DROPOUT,
    GATE,
    HALF,
    HIGHWAY,
    IDENTITY,
    MATRIX,
    PLAIN,
    START,
)

SHOWN = shown({IDENTITY: "scaled", HIGHWAY: "highway", GATE: "gated", PLAIN: "plain-kept"})
NAMES = {
    (IDENTITY, 0.0): "identity",
    (START, 0.0): "matrix, from the identity",
    (MATRIX, 0.0): "matrix, drawn",
    (GATE, BEST_BIAS): "gate on it, bias -4",
    (GATE, 0.0): "gate on it, bias 0",
    (HIGHWAY, BEST_BIAS): "highway, bias -4",
    (HALF, 0.0): "half of it",
    (DROPOUT, 0.0): "dropout of half",
}
"""What stands on the shortcut, from the top of the figure down."""
BLOCKS = 25
_summary = partial(summary, stream="gates")


def by_bias(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy and mean carry of highways by bias, and the accuracy of the identity and of the plain network."""
    highway = table[table["kind"] == HIGHWAY]
    parts = [_summary(highway, ["kind", "bias"], name).assign(what=name) for name in ("test", "carry", "carry_start")]
    rest = table[table["kind"].isin([IDENTITY, PLAIN])]
    return pd.concat([*parts, _summary(rest, ["kind", "bias"], "test").assign(what="test")], ignore_index=True)


def biases(table: pd.DataFrame) -> Figure:
    """Accuracy by bias, with the identity's and the plain network's, beside the carry before and after training."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    look = SHOWN[HIGHWAY].look
    rows = table[(table["kind"] == HIGHWAY) & (table["what"] == "test")].sort_values("bias")
    whiskers(left, rows["bias"], rows, **look)
    for kind, bias, side in ((IDENTITY, 2, "right"), (PLAIN, -4, "left")):  # where no line passes
        level = table[table["kind"] == kind]["mean"].iloc[0]
        left.axhline(level, linewidth=1, linestyle="--", color=SHOWN[kind].look["color"])
        left.annotate(kind, (bias, level), xytext=(0, 4), textcoords="offset points", ha=side)
    left.set(ylabel="test accuracy, %", ylim=(0, 105))
    for name, label, line in (("carry_start", "before training", "--"), ("carry", "after training", "-")):
        rows = table[(table["kind"] == HIGHWAY) & (table["what"] == name)].sort_values("bias")
        whiskers(right, rows["bias"], rows, **(look | {"linestyle": line, "label": label}))
    right.set(ylabel="mean carry of a block, $1-T$", ylim=(0, 1.05))
    right.legend(loc="lower left")
    for axis in (left, right):
        axis.set(xlabel="bias of the gates at first", xticks=(-4, -2, 0, 2))
    return figure


def by_shortcut(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy by what stands on the shortcut, means over seeds."""
    named = table.assign(name=[NAMES.get(key, "") for key in zip(table["kind"], table["bias"], strict=True)])
    return _summary(named[named["name"] != ""], ["name"], "test")


def ranked(table: pd.DataFrame) -> Figure:
    """A row for each shortcut, with its accuracy; dashed, the identity's."""
    rows = table.set_index("name")
    names = [name for name in NAMES.values() if name in rows.index]
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for height, name in enumerate(reversed(names)):
        mean, low, high = rows.loc[name, ["mean", "low", "high"]]
        look = {"color": SHOWN[IDENTITY].look["color"] if name == "identity" else COLOURS["post"], "marker": "o"}
        axis.errorbar([mean], [height], xerr=[[max(mean - low, 0)], [max(high - mean, 0)]], elinewidth=1, **look)  # pyright: ignore
    axis.axvline(rows["mean"]["identity"], linestyle="--", linewidth=1, color=COLOURS["reference"])
    axis.set(xlabel="test accuracy, %", xlim=(0, 105), ylim=(-0.5, len(names) - 0.5))
    axis.set_yticks(range(len(names)), list(reversed(names)))
    return figure


def gates(table: pd.DataFrame) -> Chart:
    """What is left behind one gate and behind 25, by the bias, beside the measured accuracies."""
    bias = slider("bias", "bias of the gates at first", -4, (-6, 2), step=0.5)
    blocks = slider("blocks", "number of blocks, one after another", BLOCKS, (5, 100), step=5)
    share = "1 / (1 + exp({bias}))"
    names = ["one gate", "all gates"]
    legend = alt.Legend(title=None, orient="top", labelLimit=300)
    colour = alt.Color("what:N", scale=alt.Scale(domain=names, range=[ink("post"), ink("theory")]), legend=legend)
    dash = alt.StrokeDash("what:N", scale=alt.Scale(domain=names, range=[[6, 3], [1, 0]]), legend=legend)
    x = alt.X("at:Q", title="bias of the gates at first", scale=alt.Scale(domain=(-6.3, 2.3), nice=False))
    y = alt.Y("left:Q", title="share of a gradient that is left", scale=alt.Scale(domain=(0, 1)))
    curves = (
        alt.Chart(alt.sequence(-6, 2.05, 0.1, as_="at"))
        .transform_calculate(one=share.format(bias="datum.at"), all=f"pow({share.format(bias='datum.at')}, blocks)")
        .transform_fold(["one", "all"], as_=["which", "left"])
        .transform_calculate(what=f"datum.which == 'one' ? '{names[0]}' : '{names[1]}'")
    )
    here = alt.Chart(alt.sequence(0, 1, 1, as_="one")).transform_calculate(at="bias")
    left = alt.layer(
        here.mark_rule(color=ink("reference")).encode(x),
        curves.mark_line(clip=True).encode(x, y, colour, strokeDash=dash),
    ).properties(width=280, height=240)
    rows = table[(table["kind"] == HIGHWAY) & (table["what"] == "test")]
    points = pd.DataFrame({"at": rows["bias"], "accuracy": np.round(rows["mean"], 2)})
    up = alt.Y("accuracy:Q", title="test accuracy of 25 blocks, %", scale=alt.Scale(domain=(0, 100)))
    measured = alt.Chart(points).encode(x, up)
    right = alt.layer(
        here.mark_rule(color=ink("reference")).encode(x),
        measured.mark_line(color=ink("post")),
        measured.mark_point(color=ink("post"), filled=True, size=60, opacity=1),
    ).properties(width=280, height=240)
    one = share.format(bias="bias")
    told = alt.param(
        name="told",
        expr=f"'One gate leaves ' + format({one}, '.3f') + ' of the shortcut, ' + blocks + ' of them leave '"
        f" + format(pow({one}, blocks), '.2~g') + ' of a gradient.'",
    )
    return worded(
        alt.concat(left, right, columns=2).add_params(bias, blocks, told),
        """
        what gates leave of a gradient

        Move the bias. One gate of zero weights multiplies the shortcut by the dashed curve, all of them by its power,
        the solid one. With more blocks the solid curve moves to the left. The other panel has the accuracies that were
        measured with 25 blocks.

        Two panels over the bias. In one, two falling curves: the share behind one gate falls from nearly 1 at bias -6
        to 0.12 at 2, the share behind all of them falls earlier and to nothing. In the other, points of the measured
        test accuracy.
        """,
    )
