"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.style import COLOURS, MARKERS
from resnet_lib.experiments.solvers_as_networks import learning

METHODS = {
    "euler": ("Euler", "post"),
    "implicit-euler": ("implicit Euler", "plain"),
    "implicit-midpoint": ("Cayley", "zero-gamma"),
    "leapfrog": ("staggered leapfrog", "bottleneck"),
    "split": ("split step", "pre"),
}
"""What a method is called, and the colour of its name in `style.COLOURS`; those of chapter 19 are the same."""


def bar(table: pd.DataFrame) -> Figure:
    """The bar after some layers for two ratios, and the growth of the fastest mode by the ratio."""
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.9))
    profiles = table[table["kind"] == "profile"]
    for axis, (ratio, rows) in zip(axes, profiles.groupby("ratio"), strict=False):
        for (layers, mine), key in zip(rows.groupby("layers"), ("reference", "pre", "post", "plain"), strict=True):
            axis.plot(mine["x"], mine["u"], color=COLOURS[key], label=f"{layers}")
        axis.set(title=f"$r={ratio:g}$", xlabel="point of the bar", ylim=(-0.6, 1.6))
    axes[0].set_ylabel("temperature")
    axes[0].legend(title="layers")
    grown = table[table["kind"] == "growth"].sort_values("ratio")
    places = np.linspace(grown["ratio"].min(), grown["ratio"].max(), 400)
    angle = table.loc[table["kind"] == "mode", "ratio"].max()
    law = np.abs(1 - 4 * places * np.sin(angle / 2) ** 2) ** float(grown["layers"].iloc[0])
    axes[2].semilogy(places, law, "--", color=COLOURS["theory"], label="formula")
    axes[2].semilogy(grown["ratio"], grown["u"], MARKERS["pre"], color=COLOURS["pre"], markersize=4, label="measured")
    axes[2].axvline(0.5, color=COLOURS["reference"], linewidth=0.8)
    axes[2].set(title="fastest mode", xlabel="ratio $r$", ylabel="growth over 200 layers")
    axes[2].legend()
    return figure


def by_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Median one-step errors by number of pairs for two cases, of the maps and of the one that changes nothing."""
    cases = [learning._case(table, case) for case in (learning.WHITE, learning.SMOOTH)]
    rows = pd.concat(cases)
    still = rows.assign(map="nothing", error=rows["still"])
    rows = pd.concat([rows[rows["map"].isin(["plain", "residual", "taps"])], still])
    by = ["ratio", "spectrum", "map", "pairs"]
    return rows.groupby(by)["error"].median().reset_index().assign(error=lambda t: t["error"].map(_four))


def _four(value: float) -> float:
    """Four digits: more would not agree between machines."""
    return float(f"{value:.4g}")


MAPS = {
    "plain": ("dense", "plain", "-"),
    "residual": ("dense, with a shortcut", "pre", "-"),
    "taps": ("three taps", "zero-gamma", "-"),
    "nothing": ("nothing changes", "reference", ":"),
}


def pairs(table: pd.DataFrame) -> Figure:
    """Error of one step against the number of pairs; one panel per case, one line per map."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.4))
    for axis, ((ratio, spectrum), rows) in zip(axes, list(table.groupby(["ratio", "spectrum"]))[::-1], strict=True):
        for name, (label, key, line) in MAPS.items():
            mine = rows[rows["map"] == name].sort_values("pairs")
            look = {
                "color": COLOURS[key],
                "linestyle": line,
                "label": label,
                "linewidth": 4 if name == "plain" else 1.6,
            }
            axis.loglog(mine["pairs"], mine["error"], marker="" if name == "nothing" else MARKERS[key], **look)
        axis.axhline(0.01, color=COLOURS["theory"], linewidth=0.8, linestyle="--")
        axis.axvline(64, color=COLOURS["reference"], linewidth=0.8)
        axis.set(title=f"{spectrum} bars, $r={ratio:g}$", xlabel="pairs")
    axes[0].set(ylabel="error of one step", ylim=(1e-9, 3))
    axes[0].legend(loc="lower left")
    return figure


def norms(table: pd.DataFrame) -> Figure:
    """The norm of a packet along the steps of five methods, near 1 and on a logarithmic axis."""
    figure, (near, far) = plt.subplots(1, 2, figsize=(8, 3.4))
    rows = table[table["kind"] == "norm"]
    for name, (label, key) in METHODS.items():
        mine = rows[rows["method"] == name].sort_values("time")
        dashes = {"leapfrog": "--", "split": ":"}.get(name, "-")
        for axis in (near, far):
            axis.plot(mine["time"], mine["norm"], color=COLOURS[key], linestyle=dashes, label=label)
    near.set(title="near 1", xlabel="step", ylabel="norm of the wave", ylim=(0.6, 1.4))
    far.set(title="all of it", xlabel="step", yscale="log", ylim=(1e-3, 1e52))
    far.legend(loc="upper left")
    return figure


LEARNED = {
    "plain": ("learned, plain", "plain"),
    "residual": ("learned, residual", "pre"),
    "unitary": ("learned, unitary", "bottleneck"),
    "cayley": ("Cayley, equal cost", "zero-gamma"),
    "exponential": ("exponential", "theory"),
}
TESTS = {
    ("free", "like"): "free, like\nthe training ones",
    ("free", "back"): "free, running\nthe other way",
    ("free", "fast"): "free,\nfaster",
    ("well", "like"): "in a well, like\nthe training ones",
}


def by_test(table: pd.DataFrame) -> pd.DataFrame:
    """Errors after 20 long steps without noise, the exponential's in one digit."""
    rows = table[(table["noise"] == 0) & (table["time"] == 10) & table["map"].isin(list(LEARNED))]
    kept = [test in TESTS for test in zip(rows["potential"], rows["test"], strict=True)]
    rows = rows[kept][["potential", "test", "map", "seed", "error"]]
    return rows.assign(error=[_four(error) if error > 1e-10 else 1e-13 for error in rows["error"]])


def learned(table: pd.DataFrame) -> Figure:
    """Errors of learned and known propagators on four kinds of packets: a point a draw, a mark at the median."""
    figure, axis = plt.subplots(figsize=(8, 3.6))
    for shift, (name, (label, key)) in enumerate(LEARNED.items()):
        rows = table[table["map"] == name]
        tests = zip(rows["potential"], rows["test"], strict=True)
        place = np.array([list(TESTS).index(test) for test in tests]) + 0.14 * (shift - 2)
        axis.semilogy(place, rows["error"], ".", color=COLOURS[key], alpha=0.4)
        medians = rows["error"].groupby(place).median()
        axis.semilogy(medians.index, medians, MARKERS[key], color=COLOURS[key], markersize=8, label=label)
    axis.set(
        ylabel="error after 20 steps", xticks=range(len(TESTS)), xticklabels=list(TESTS.values()), ylim=(1e-14, 10)
    )
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
