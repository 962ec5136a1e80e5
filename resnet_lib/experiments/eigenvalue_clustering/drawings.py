"""The chapter's figures: a selection of a trial's table, and a drawing of it."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.eigenvalue_clustering import networks, products

SHOWN = {
    "mlp": shown({"residual": "residual-bare", "scaled": "scaled", "plain": "plain-bare"}),
    "conv": shown({"residual": "residual", "zero-gamma": "zero-gamma", "plain": "plain"}),
}
"""The networks of `networks.VARIANTS` as figures show them, in their order."""

SPREAD_CAP = 6.0  # decades; beyond, the map shows one colour


def one_draw(table: pd.DataFrame) -> pd.DataFrame:
    """The eigenvalues of the first draw, for the narrow branches that are not zero."""
    rows = table[(table["seed"] == 0) & (table["dimension"] < 512) & (table["scale"] > 0)]
    return rows[["ensemble", "scale", "real", "imag"]]


def discs(table: pd.DataFrame) -> Figure:
    """Eigenvalues of one block in the complex plane, one panel per branch, with the predicted radius."""
    panels = list(table.groupby(["ensemble", "scale"], sort=True))
    figure, axes = plt.subplots(1, len(panels), sharex=True, sharey=True, figsize=(8, 2.6))
    for axis, (_, rows) in zip(axes, panels, strict=True):
        he, scale = rows["ensemble"].iloc[0] == "he", float(rows["scale"].iloc[0])
        _plane(axis, near=0.25)
        axis.scatter(rows["real"], rows["imag"], s=7, linewidths=0, color=COLOURS["post" if he else "pre"])
        radius = scale * 2**0.5 if he else scale
        axis.add_patch(Circle((1, 0), radius, fill=False, linestyle="--", color=COLOURS["theory"]))
        axis.set_title(r"He, $W_2DW_1$" if he else f"Gaussian, $s={scale:g}$")
        axis.set_xlabel("real part")
    axes[0].set(ylabel="imaginary part", xlim=(-1.2, 2.6), ylim=(-1.7, 1.7))
    return figure


def scaled_disc(table: pd.DataFrame) -> Chart:
    """The disc of one branch under a slider for its size: the spectrum moves along rays out of 1."""
    kinds = {"gaussian": "Gaussian, one layer", "he": "He, two layers"}
    rows = table[(table["scale"] == 1) | (table["ensemble"] == "he")]
    rows = rows.assign(branch=rows["ensemble"], real=rows["real"] - 1)[["branch", "real", "imag"]]
    size = slider("size", "size s of the branch (factor)", 0.5, (0, 1.2), step=0.05)
    branch = menu("branch", "kind of branch", "gaussian", kinds)
    x = alt.X("x:Q", title="real part", scale=alt.Scale(domain=(-1.2, 3.2)))
    y = alt.Y("y:Q", title="imaginary part", scale=alt.Scale(domain=(-1.8, 2.2)))  # with room for the sentence
    points = (
        alt.Chart(rows)
        .transform_filter("datum.branch == branch")
        .transform_calculate(x="1 + size * datum.real", y="size * datum.imag")
    )
    turns = alt.Chart(alt.sequence(0, 6.4, 0.1, as_="turn"))

    def circle(centre: str, radius: str, **look: object) -> alt.Chart:
        place = {"x": f"{centre} + ({radius}) * cos(datum.turn)", "y": f"({radius}) * sin(datum.turn)"}
        return turns.transform_calculate(**place).mark_line(**look).encode(x, y, order="turn:Q")  # pyright: ignore[reportArgumentType]

    share = (
        points.transform_calculate(near="hypot(datum.x - 1, datum.y) <= 0.25 ? 1 : 0")
        .transform_aggregate(share="mean(near)")
        .transform_calculate(told="format(datum.share, '.0%') + ' within 0.25 of 1'")
        .mark_text(align="right", fontSize=13)
        .encode(text="told:N", x=alt.value("width"), y=alt.value(10))
    )
    return worded(
        alt.layer(
            circle("0", "1", color=ink("reference"), strokeWidth=1),
            circle("1", "0.25", color=ink("reference"), strokeWidth=3, opacity=0.5),
            circle("1", "size * (branch == 'gaussian' ? 1 : sqrt(2))", color=ink("theory"), strokeDash=[5, 3]),
            points.mark_circle(size=22, opacity=0.8, color=ink("pre"), clip=True).encode(x, y),
            share,
        )
        .add_params(size, branch)
        .properties(name="plane", width=374, height=340),
        """
        a branch of another size

        Move the size s: the eigenvalues of I + sJ move along rays out of 1, and fill the dashed disc of the predicted
        radius. Thin: the unit circle; thick: within 0.25 of 1, which is counted above.

        Eigenvalues in the complex plane, around the point 1. With the size of the branch their disc grows from a point
        to beyond the origin, and the share of them near 1 falls.
        """,
    )


def _plane(axis: Axes, *, near: float) -> None:
    """The complex plane: the unit circle, and the disc about 1 that counts as near the identity."""
    axis.set_aspect("equal")
    axis.add_patch(Circle((0, 0), 1, fill=False, color=COLOURS["reference"], linewidth=0.8))
    axis.add_patch(Circle((1, 0), near, color=COLOURS["reference"], alpha=0.3, linewidth=0))


def spread_by_size_and_depth(table: pd.DataFrame) -> pd.DataFrame:
    """Median over draws of ``log10 max(sigma_max, 1/sigma_min)`` for each kind of product, size and depth."""
    rows = table[table["branch"] != "contracting"]
    rows = rows.assign(spread=products.spread(rows))
    return rows.groupby(["branch", "skip", "s", "depth"])["spread"].median().reset_index()


def phases(table: pd.DataFrame) -> Figure:
    """Maps of the spread over branch size and depth; the line is a factor of 10."""
    kinds = (
        ("independent", 1.0, "residual, independent"),
        ("tied", 1.0, "residual, shared"),
        ("independent", 0.0, "plain"),
    )
    figure, axes = plt.subplots(1, 3, sharex=True, sharey=True, figsize=(8, 2.8))
    meshes = []
    for axis, (branch, skip, title) in zip(axes, kinds, strict=True):
        rows = table[(table["branch"] == branch) & (table["skip"] == skip)]
        grid = rows.pivot(index="s", columns="depth", values="spread").clip(upper=SPREAD_CAP)
        depth, size = grid.columns.to_numpy(), grid.index.to_numpy()
        look = {"shading": "gouraud", "cmap": "cividis_r", "vmin": 0, "vmax": SPREAD_CAP, "rasterized": True}
        meshes.append(axis.pcolormesh(depth, size, grid, **look))
        axis.set(xscale="log", yscale="log", title=title, xlabel="depth $L$")
        if skip:
            # The map has the same colours on light and dark pages, so its lines have, too.
            axis.contour(depth, size, grid, levels=[products.STABLE], colors="black", linewidths=1.6)
            power, constant = (0.5, 1.0) if branch == "independent" else (1.0, 1.3)
            axis.plot(depth, constant * depth**-power, "--", color="black")
    axes[0].set(ylabel="branch size $s$", ylim=(1e-3, 1))
    figure.colorbar(meshes[0], ax=axes, label="decades from an isometry", pad=0.02)
    return figure


def thousand_layers(table: pd.DataFrame) -> pd.DataFrame:
    """log10 gains through 1,000 layers of size 0.1, with shared eigenvectors and without."""
    return table[(table["depth"] == 1000) & (table["scale"] == 0.1)][["law", "seed", "log10_residual"]]


def gains(table: pd.DataFrame) -> Figure:
    """Histograms of the log gain, and the normal law that shared eigenvectors give."""
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    edges = np.linspace(-7, 6, 66)
    for law, name, colour in (
        ("independent", "shared eigenvectors", "pre"),
        ("gaussian", "no shared eigenvectors", "post"),
    ):
        values = table.loc[table["law"] == law, "log10_residual"]
        axis.hist(values, list(edges), density=True, alpha=0.75, label=name, color=COLOURS[colour])
    mean, deviation = -5 * np.log10(np.e), 10**0.5 * np.log10(np.e)
    density = np.exp(-(((edges - mean) / deviation) ** 2) / 2) / (deviation * (2 * np.pi) ** 0.5)
    axis.plot(edges, density, "--", color=COLOURS["theory"], label="normal law of the text")
    axis.set(xlabel=r"$\log_{10}$ gain after 1,000 blocks", ylabel="density")
    axis.legend()
    return figure


def spectra(table: pd.DataFrame) -> pd.DataFrame:
    """What the figure of trained spectra shows of the eigenvalues' table."""
    return table[["variant", "epoch", "block", "real", "imag"]]


def trained_spectra(table: pd.DataFrame) -> Figure:
    """Complex planes: one row per moment of training, one column per variant, one marker per block."""
    there, epochs = set(table["variant"]), sorted(table["epoch"].unique())
    variants = {variant: found for variant, found in SHOWN["mlp"].items() if variant in there}
    figure, axes = plt.subplots(len(epochs), len(variants), sharex=True, sharey=True, figsize=(8, 5), squeeze=False)
    for axis_row, epoch in zip(axes, epochs, strict=True):
        for axis, (variant, found) in zip(axis_row, variants.items(), strict=True):
            _plane(axis, near=0.5)
            rows = table[(table["variant"] == variant) & (table["epoch"] == epoch)]
            for marker, (_, block) in zip("o^s", rows.groupby("block"), strict=True):
                axis.scatter(
                    block["real"],
                    block["imag"],
                    s=9,
                    marker=marker,
                    linewidths=0,
                    alpha=0.8,
                    color=found.look["color"],
                )
            if epoch == epochs[0]:
                axis.set_title(found.title)
        axis_row[0].set_ylabel("before training" if epoch == 0 else f"after {epoch} epochs")
    axes[0, 0].set(xlim=(-1.3, 2.7), ylim=(-1.4, 1.4))
    return figure


def trained_mlp(table: pd.DataFrame) -> Figure:
    """The MLPs of 10 blocks through training: fractions of eigenvalues near 1 and exactly 1, and norm of the branch."""
    rows = table[(table["blocks"] == 10) & (table["lr"] > 0)]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8, 3))
    _through_training(left, rows, "mlp", "fraction")
    left.axhline(networks.NEAR_IDENTITY, linestyle="--", color=COLOURS["theory"], linewidth=1)
    left.set(ylabel="fraction within 0.5 of 1", ylim=(-0.02, 1.04))
    _through_training(middle, rows, "mlp", "exact")
    middle.axhline(0.5, linestyle="--", color=COLOURS["theory"], linewidth=1)
    middle.set(ylabel="fraction exactly 1", ylim=(-0.02, 1.04))
    _through_training(right, rows[rows["variant"] != "plain"], "mlp", "branch_norm")
    right.axhline(0.5, linestyle="--", color=COLOURS["theory"], linewidth=1)
    right.set(ylabel="spectral norm of the branch", ylim=(0, None))
    left.legend(loc="center right")
    return figure


def trained_conv(table: pd.DataFrame) -> Figure:
    """The convolutional networks through training: fraction of eigenvalues near 1, one panel per depth."""
    depths = sorted(table["blocks"].unique())
    figure, axes = plt.subplots(
        1, len(depths), sharey=True, figsize=(min(8.0, 1.5 + 4 * len(depths)), 3.4), squeeze=False
    )
    for axis, blocks in zip(axes[0], depths, strict=True):
        _through_training(axis, table[table["blocks"] == blocks], "conv", "fraction")
        axis.axhline(networks.NEAR_IDENTITY, linestyle="--", color=COLOURS["theory"], linewidth=1)
        axis.set_title(f"{blocks} blocks")
    axes[0, 0].set(ylabel="fraction within 0.5 of 1", ylim=(-0.02, 1.04))
    axes[0, 0].legend(loc="center right")
    return figure


def _through_training(axis: Axes, rows: pd.DataFrame, kind: str, column: str) -> None:
    """One line per variant through the means over seeds, and one point per seed."""
    for variant, found in SHOWN[kind].items():
        mine, look = rows[rows["variant"] == variant], found.look
        if mine.empty:
            continue
        means = mine.groupby("epoch")[column].mean()
        axis.plot(means.index, means, **look)
        axis.plot(mine["epoch"], mine[column], ".", color=look["color"], alpha=0.6)
    axis.set(xlabel="epoch", xticks=sorted(rows["epoch"].unique()))
