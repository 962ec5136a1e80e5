"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import itertools

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnet_lib.analysis import paths
from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, worded
from resnet_lib.evidence.style import COLOURS, MARKERS
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.dropping_blocks import measures

SHOWN = shown(
    {
        "residual": "residual",
        "plain": "plain",
        "scaled": "scaled",
        "bare": "residual-bare",
        "plain-bare": "plain-bare",
        "plain-identity": "plain-identity",
        "plain-one": "plain-bare",
        "original": "original",
        "plain-original": "plain",
    }
)
"""The networks of `networks.VARIANTS`, and `sizes.ONE`, as figures show them."""

PANELS = {
    "with batch normalisation": ("residual", "plain"),
    "without normalisation": ("scaled", "bare", "plain-bare", "plain-identity"),
}
DEPTHS = {
    "1.0 linear": "theory",
    "0.5 linear": "scaled",
    "0.2 linear": "post",
    "0.5 uniform": "control",
}
DIGITS = ("residual", "plain", "scaled", "bare", "plain-bare", "plain-identity")
BLOCKS = 10
STATISTICS = {"removed": "as trained", "removed-anew": "anew"}


def _renewed(look: dict) -> dict:
    """The same network with statistics that are estimated anew."""
    return look | {"linestyle": ":", "markerfacecolor": "none", "label": "the same, statistics anew"}


def without_one(table: pd.DataFrame) -> pd.DataFrame:
    """Points lost without each block, one row per network, block, seed and kind of statistics."""
    found = [
        measures.losses(table, variant, measure).query("removed == 1") for measure in STATISTICS for variant in DIGITS
    ]
    made = pd.concat(found).assign(statistics=lambda rows: rows["measure"].map(STATISTICS))
    return made[["variant", "statistics", "block", "seed", "loss"]].reset_index(drop=True)


def one(table: pd.DataFrame) -> Figure:
    """Loss by the block that is missing: lines are means over seeds, points are seeds."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 4.6))
    for axis, (title, variants) in zip(axes, PANELS.items(), strict=True):
        for variant in variants:
            look = SHOWN[variant].look
            mine, anew = (
                table[(table["variant"] == variant) & (table["statistics"] == statistics)]
                for statistics in STATISTICS.values()
            )
            mean = mine.groupby("block")["loss"].mean()
            axis.plot(mean.index + 1, mean, **look)
            axis.plot(mine["block"] + 1, mine["loss"], ".", color=look["color"], alpha=0.5)
            if len(anew):
                mean = anew.groupby("block")["loss"].mean()
                axis.plot(mean.index + 1, mean, **_renewed(look))
        axis.axhline(3, linestyle="--", linewidth=1, color=COLOURS["theory"])
        axis.set(title=title, xlabel="block removed", xticks=range(1, BLOCKS + 1))
        axis.set_yscale("symlog", linthresh=1)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))
    axes[0].set(ylabel="points of accuracy lost", yticks=[0, 1, 3, 10, 30, 100])
    axes[0].set_yticklabels(["0", "1", "3", "10", "30", "100"])
    return figure


def subsets(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy without every set of blocks, mean over seeds; and the lengths of the paths that are left.

    Rows of `accuracy` have the removed blocks as the bits of `mask`, those with statistics that are estimated anew are
    means over sets; rows of `paths` have a length and its share.
    """
    pieces = []
    for variant in ("residual", "plain"):
        found = measures.rows(table, variant, "removed")
        mean = found.groupby(["removed", "mask"])["value"].mean().reset_index()
        pieces.append(mean.assign(kind="accuracy", variant=variant, length=-1))
        anew = measures.rows(table, variant, "removed-anew").groupby("removed")["value"].mean().reset_index()
        pieces.append(anew.assign(kind="accuracy, statistics anew", variant=variant, mask=-1, length=-1))
    for removed in range(BLOCKS):
        left = BLOCKS - removed
        binomial = pd.DataFrame(
            {"length": range(left + 1), "value": [paths.share(left, k, k) for k in range(left + 1)]}
        )
        pieces.append(binomial.assign(kind="paths", variant="residual", removed=removed, mask=-1))
        only = pd.DataFrame({"length": [left], "value": [1.0]})
        pieces.append(only.assign(kind="paths", variant="plain", removed=removed, mask=-1))
    return pd.concat(pieces, ignore_index=True)[["kind", "variant", "removed", "mask", "length", "value"]]


def many(table: pd.DataFrame) -> Figure:
    """Accuracy by the number of removed blocks, every set a dot; and the lengths of the paths that are left."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    accuracy, lengths = (table[table["kind"] == kind] for kind in ("accuracy", "paths"))
    for variant, shift in (("residual", -0.15), ("plain", 0.15)):
        mine, look = accuracy[accuracy["variant"] == variant], SHOWN[variant].look
        left.plot(mine["removed"] + shift, mine["value"], ".", markersize=3, alpha=0.35, color=look["color"])
        left.plot(mine.groupby("removed")["value"].mean(), **look)
        anew = table[(table["kind"] == "accuracy, statistics anew") & (table["variant"] == variant)]
        left.plot(anew["removed"], anew["value"], **_renewed(look))
    left.set(xlabel="blocks removed", ylabel="test accuracy", ylim=(0, 1.02), xticks=range(BLOCKS))
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.18))
    width = 0.25
    for place, removed in enumerate((0, 3, 6)):
        mine = lengths[(lengths["variant"] == "residual") & (lengths["removed"] == removed)]
        hatch = ("", "//", "..")[place]
        label = f"{removed} removed: {2 ** (BLOCKS - removed):,} paths"
        right.bar(
            mine["length"] + (place - 1) * width, mine["value"], width, hatch=hatch, label=label, color=f"C{2 + place}"
        )
    right.set(xlabel="branches that a path enters", ylabel="share of the paths", xticks=range(BLOCKS + 1))
    right.legend(loc="upper right")
    return figure


def pick(table: pd.DataFrame) -> Chart:
    """A box for each block and a number of blocks to remove: accuracy, and the lengths of the paths that are left."""
    boxes = [
        alt.param(name=f"block{i + 1}", value=i != 0, bind=alt.binding_checkbox(name=f"keep block {i + 1} "))
        for i in range(BLOCKS)
    ]
    told = ["the blocks without a tick", "any one block", *(f"any {n} blocks" for n in range(2, BLOCKS))]
    count = menu("count", "remove", 0, dict(enumerate(told)))
    mask = " + ".join(f"(block{i + 1} ? 0 : {1 << i})" for i in range(BLOCKS))
    ticked = " + ".join(f"(block{i + 1} ? 0 : 1)" for i in range(BLOCKS))
    now = f"datum.removed == (count > 0 ? count : ({ticked}))"
    colours = alt.Color(
        "variant:N",
        scale=alt.Scale(domain=["residual", "plain"], range=[SHOWN[name].ink for name in ("residual", "plain")]),
        legend=alt.Legend(orient="top", title=None, symbolType="square"),
    )
    accuracy = alt.Chart(table[table["kind"] == "accuracy"][["variant", "removed", "mask", "value"]])
    row = alt.Y("variant:N", title=None, sort=["residual", "plain"])
    sets = accuracy.transform_filter(now)
    x = alt.X("value:Q", title="test accuracy", scale=alt.Scale(domain=(0, 1)), axis=alt.Axis(format=".0%"))
    every = sets.mark_tick(opacity=0.4, thickness=1.5, size=22).encode(x, row, colours)
    chosen = sets.transform_filter(f"count > 0 || datum.mask == ({mask})").transform_aggregate(
        value="mean(value)", groupby=["variant"]
    )
    point = chosen.mark_point(filled=True, size=130, opacity=1).encode(x, row, colours)
    text = (
        chosen.transform_calculate(told="format(datum.value, '.1%')")
        .mark_text(dy=-20, align="right")
        .encode(row, x=alt.value("width"), text="told:N")
    )
    lengths = alt.Chart(table[table["kind"] == "paths"][["variant", "removed", "length", "value"]]).transform_filter(
        now
    )
    bars = lengths.mark_bar(opacity=0.85).encode(
        alt.X(
            "length:O",
            title="branches that a path enters",
            scale=alt.Scale(domain=list(range(BLOCKS + 1))),
            axis=alt.Axis(labelAngle=0),
        ),
        alt.Y("value:Q", title="share of the paths", scale=alt.Scale(domain=(0, 1))),
        colours,
        xOffset=alt.XOffset("variant:N", sort=["residual", "plain"]),
    )
    upper = alt.layer(every, point, text).properties(width=320, height=130)
    return worded(
        alt.vconcat(upper, bars.properties(width=320, height=150)).add_params(*boxes, count),
        """
        remove blocks of your choice

        Take ticks away to remove blocks; or let a number of them be removed, whichever they are: then every set of that
        size is a thin line and the dot is their mean, and the ticks do not count. Above: test accuracy, statistics as
        trained. Below: the lengths of the paths that are left.

        Two panels for the residual and the plain network. Above, test accuracy without the removed blocks; below, the
        shares of the path lengths that are left. Without its first block the residual network loses most.
        """,
    )


def reordered(table: pd.DataFrame) -> pd.DataFrame:
    """Points lost after exchanges of blocks, with Kendall's tau, one row per order."""
    found = [measures.losses(table, variant, "exchanged") for variant in ("residual", "scaled", "plain")]
    return pd.concat(found)[["variant", "seed", "removed", "tau", "loss"]].reset_index(drop=True)


def orders(table: pd.DataFrame) -> Figure:
    """Points lost against Kendall's tau, one dot per order; lines are means over bins."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for variant in ("residual", "scaled", "plain"):
        mine, look = table[table["variant"] == variant], SHOWN[variant].look
        axis.plot(mine["tau"], mine["loss"], ".", markersize=3, alpha=0.4, color=look["color"])
        bins = pd.cut(mine["tau"], list(np.linspace(-1, 1, 9)))
        means = mine.groupby(bins, observed=True)[["tau", "loss"]].mean()
        axis.plot(means["tau"], means["loss"], **look)
    axis.set(xlabel="Kendall's rank correlation with the trained order", ylabel="points of accuracy lost")
    axis.invert_xaxis()
    axis.legend(loc="best")
    return figure


def change_by_block(table: pd.DataFrame) -> pd.DataFrame:
    """Change over term, and log10 of bound over change, one row per (network, block, seed, measure)."""
    pairs = [(variant, name) for variant in ("residual", "scaled") for name in ("ratio", "slack")]
    found = [measures.rows(table, variant, name) for variant, name in pairs]
    return pd.concat(found)[["variant", "measure", "block", "seed", "value"]].reset_index(drop=True)


def change(table: pd.DataFrame) -> Figure:
    """Left: change over the term removed. Right: bound over change, in decades."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    for axis, measure in ((left, "ratio"), (right, "slack")):
        for variant in ("residual", "scaled"):
            _by_block(axis, table[(table["variant"] == variant) & (table["measure"] == measure)], variant)
    left.axhspan(0.5, 2, color=COLOURS["reference"], alpha=0.25, linewidth=0)
    left.set(ylabel="change / term removed", yscale="log", yticks=[0.5, 1, 2, 5, 10])
    left.set_yticklabels(["0.5", "1", "2", "5", "10"])
    left.minorticks_off()
    right.set(ylabel=r"$\log_{10}$ bound / change")
    left.legend(loc="best")
    return figure


def _by_block(axis: Axes, rows: pd.DataFrame, variant: str) -> None:
    mean, look = rows.groupby("block")["value"].mean(), SHOWN[variant].look
    axis.plot(mean.index + 1, mean, **look)
    axis.plot(rows["block"] + 1, rows["value"], ".", color=look["color"], alpha=0.5)
    axis.set(xlabel="block removed", xticks=range(1, BLOCKS + 1))


def by_rate(table: pd.DataFrame) -> pd.DataFrame:
    """Points lost at each learning rate, without the block that is missed most and without half of the blocks."""
    found = []
    for (lr, (measure, statistics)), (lesion, removed, over) in itertools.product(
        itertools.product(sorted(table["lr"].unique()), STATISTICS.items()),
        (("worst block", 1, "max"), ("half of the blocks", 5, "mean")),
    ):
        lost = measures.losses(table[table["lr"] == lr], "residual", measure).query(f"removed == {removed}")
        loss = lost.groupby("seed")["loss"].agg(over).reset_index()
        found.append(loss.assign(lr=lr, statistics=statistics, lesion=lesion))
    whole = measures.rows(table, "residual", "removed").query("removed == 0")
    made = pd.concat(found).merge(
        whole[["lr", "seed", "value"]].rename(columns={"value": "accuracy"}), on=["lr", "seed"]
    )
    return made[["lr", "lesion", "statistics", "seed", "loss", "accuracy"]]


def rates(table: pd.DataFrame) -> Figure:
    """Loss by learning rate, one panel per lesion, one line per kind of statistics, one dot per seed."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    look = SHOWN["residual"].look | {"label": "statistics as trained"}
    renewed = _renewed(look) | {"label": "statistics anew"}
    for axis, (lesion, bound) in zip(axes, (("worst block", 3), ("half of the blocks", 10)), strict=True):
        for statistics, line in (("as trained", look), ("anew", renewed)):
            mine = table[(table["lesion"] == lesion) & (table["statistics"] == statistics)]
            axis.plot(mine.groupby("lr")["loss"].mean(), **line)
            axis.plot(mine["lr"], mine["loss"], ".", markersize=3, alpha=0.5, color=look["color"])
        axis.axhline(bound, linestyle="--", linewidth=1, color=COLOURS["theory"])
        axis.set(
            xscale="log", xlabel="learning rate", title=f"without the {lesion}" if bound == 3 else f"without {lesion}"
        )
        axis.set_xticks(sorted(table["lr"].unique()), [f"{lr:g}" for lr in sorted(table["lr"].unique())], minor=False)
        axis.minorticks_off()
    axes[0].set_ylabel("points of accuracy lost")
    axes[1].legend(loc="upper right")
    return figure


def depth_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by the number of removed blocks, mean over the sets, for each way of training; one row per seed."""
    found = table[(table["variant"] == "residual") & (table["blocks"] == BLOCKS) & (table["measure"] == "removed")]
    return found.groupby(["last", "decay", "removed", "seed"])["value"].mean().reset_index()


def depths(table: pd.DataFrame) -> Figure:
    """Accuracy by the number of removed blocks, one line per way of training, one dot per seed."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    for name, colour in DEPTHS.items():
        last, decay = name.split()
        mine = table[(table["last"] == float(last)) & (table["decay"] == decay)]
        if mine.empty:  # not in this preset
            continue
        label = "without" if last == "1.0" else f"$p_L$ = {last}" + (", uniform" if decay == "uniform" else "")
        mean = mine.groupby("removed")["value"].mean()
        axis.plot(mean.index, mean, color=COLOURS[colour], marker=MARKERS[colour], label=label)
        axis.plot(mine["removed"], mine["value"], ".", markersize=3, alpha=0.5, color=COLOURS[colour])
    axis.set(xlabel="blocks removed", ylabel="test accuracy", xticks=sorted(set(table["removed"])))
    axis.legend(loc="lower left")
    return figure
