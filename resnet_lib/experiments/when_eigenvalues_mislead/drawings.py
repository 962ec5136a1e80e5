"""The chapter's figures: a selection of a trial's table, a drawing of it, and for one a chart with inputs."""

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from resnet_lib.evidence.interactive import menu, slider, worded
from resnet_lib.evidence.style import COLOURS, MARKERS, ink
from resnet_lib.evidence.variants import shown
from resnet_lib.experiments.when_eigenvalues_mislead import networks, stacks


def turning_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The growth curves to 100 blocks, every fifth, and the end at 400."""
    rows = table[((table["at"] <= 100) & ((table["at"] % 5 == 0) | (table["at"] == 1))) | (table["at"] == 400)]
    return rows[["gamma", "angle", "at", "norm", "rate"]].round(6)


def turning(table: pd.DataFrame) -> Figure:
    """Norm of the product by depth for some angles, and its rate by the angle beside the closed form."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    chosen = table[(table["gamma"] == 0.2) & (table["at"] <= 100)]
    for angle, key in ((0.0, "pre"), (8.0, "scaled"), (10.0, "post"), (15.0, "plain"), (90.0, "zero-gamma")):
        rows = chosen[chosen["angle"] == angle]
        look = {"color": COLOURS[key], "marker": MARKERS[key], "markevery": 4}
        left.plot(rows["at"], rows["norm"], label=f"{angle:g} degrees", **look)
    left.set(xlabel="blocks", ylabel=r"$\log_{10}$ norm of the product")
    left.legend()
    for gamma, key in ((0.1, "pre"), (0.2, "scaled"), (0.5, "post")):
        rows = table[(table["gamma"] == gamma) & (table["at"] == 400) & (table["angle"] <= 40)]
        right.plot(rows["angle"], rows["rate"], "--", color=COLOURS["theory"], linewidth=1)
        points = {"color": COLOURS[key], "marker": MARKERS[key], "linestyle": "none", "markersize": 4}
        right.plot(rows["angle"], rows["norm"] / 400, label=rf"norm {1 + gamma:g}", **points)
    right.set(xlabel="turn from block to block, degrees", ylabel="decades a block")
    right.legend()
    return figure


def turning_chart(table: pd.DataFrame) -> alt.VConcatChart:
    """Two inputs: the blocks' norm and the angle; the growth curve with the closed form, and its place on the rate.

    The slider has whole degrees as far as the table has each of them.
    """
    norms = {f"{1 + gamma:g}": gamma for gamma in sorted(table["gamma"].unique())}
    rows = table.assign(each=table["gamma"].map({gamma: name for name, gamma in norms.items()}))
    angle = slider("turn", "turn from block to block (degrees)", 5, (0, 30), step=1)
    each = menu("each", "norm of every block", "1.2", list(norms))
    nearest = "datum.each == each && datum.angle == turn"
    curve = alt.Chart(rows).transform_filter(nearest).transform_filter("datum.at <= 100")
    x, y = alt.X("at:Q", title="blocks"), alt.Y("norm:Q", title="log10 of the norm", scale=alt.Scale(domain=(-0.5, 18)))
    growth = alt.layer(
        curve.mark_line(color=ink("pre"), point=alt.OverlayMarkDef(color=ink("pre"))).encode(x, y),
        curve.mark_line(color=ink("theory"), strokeDash=[5, 3], strokeWidth=2.5)
        .transform_calculate(law="datum.rate * datum.at")
        .encode(x, alt.Y("law:Q", title="log10 of the norm")),
    ).properties(width=320, height=200)
    rates = alt.Chart(rows).transform_filter("datum.each == each && datum.at == 400")
    at, rate = (
        alt.X("angle:Q", title="turn from block to block (degrees)"),
        alt.Y("rate:Q", title="decades a block", scale=alt.Scale(domain=(0, 0.18), nice=False)),
    )
    place = alt.layer(
        rates.mark_line(color=ink("reference")).encode(at, rate),
        rates.transform_filter(nearest).mark_point(color=ink("pre"), filled=True, size=80).encode(at, rate),
    ).properties(width=320, height=140)
    return worded(
        alt.vconcat(growth, place).add_params(each, angle),
        """
        blocks that turn by an angle of your choice

        Choose the norm of every block, and how far the stretched direction turns from one to the next. Above: the norm
        of the product by depth; dashed, the closed form. Below: its rate by the turn, and where your choice lies. From
        a certain turn on nothing grows.

        Two panels. Above, the logarithm of the norm of the product against the number of blocks; below, decades a block
        against the turn, which falls to zero at a threshold that rises with the norm.
        """,
    )


def growth_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Growth with depth of the stacks whose eigenvalues are all 1, and of normal ones; the first draw."""
    rows = table[table["kind"].isin(["shears", "jordan", "symmetric", "repeated"])]
    rows = rows[(rows["seed"] == rows["seed"].min()) & (rows["depth"] <= 100)]
    return rows[["kind", "size", "dimension", "depth", "norm", "radii"]].round(6)


def growth(table: pd.DataFrame) -> Figure:
    """Decades by which the product exceeds what the eigenvalues say."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    lines = [
        *(
            ("shears", "size", e, f"shears of size {e:g}", key)
            for e, key in zip(stacks.SHEARS, ("pre", "scaled", "post"), strict=True)
        ),
        *(
            ("jordan", "dimension", d, f"one Jordan block, $d={d}$", key)
            for d, key in ((4, "plain"), (16, "bottleneck"))
        ),
        ("symmetric", "dimension", 8, "symmetric, all different", "control"),
    ]
    for kind, column, value, label, key in lines:
        rows = table[(table["kind"] == kind) & (table[column] == value)]
        look = {"color": COLOURS[key], "marker": MARKERS[key], "markevery": 12, "markersize": 5}
        axis.plot(rows["depth"], rows["norm"] - rows["radii"], label=label, **look)
    axis.set(xlabel="blocks", ylabel="decades beyond the eigenvalues", ylim=(-8, 14))
    axis.legend(fontsize="small", ncols=2, loc="upper left")
    return figure


TITLES = {"symmetric": "symmetric", "jordan": "Jordan block", "trained": "trained block"}


def pseudospectra(table: pd.DataFrame) -> Figure:
    """Contours of the smallest singular value of z - J, one panel per matrix, with its eigenvalues."""
    figure, axes = plt.subplots(1, len(networks.PORTRAITS), sharex=True, sharey=True, figsize=(8, 2.8))
    mesh = None
    for axis, name in zip(axes, networks.PORTRAITS, strict=True):
        rows = table[table["name"] == name]
        grid = rows[rows["part"] == 0].pivot(index="imag", columns="real", values="log10_smallest")
        levels = np.arange(-6, 0.6, 0.5)
        look = {"levels": levels, "cmap": "cividis_r", "extend": "both"}
        mesh = axis.contourf(grid.columns, grid.index, grid.clip(-6, 0.5), **look)
        axis.contour(grid.columns, grid.index, grid, levels=[-1], colors="black", linewidths=1)
        values = rows[rows["part"] == 1]
        axis.plot(values["real"], values["imag"], ".", color="white", markersize=5)
        axis.set(title=TITLES[name], xlabel="real part", aspect="equal")
    axes[0].set(ylabel="imaginary part", xlim=(-1, 3), ylim=(-1.6, 1.6))
    figure.colorbar(mesh, ax=axes, label=r"$\log_{10}$ smallest change", pad=0.02)  # pyright: ignore[reportArgumentType]
    return figure


def trained_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Means over images: of each block, with the sums of logs and the product of its network beside it."""
    rows = table.assign(norms=np.log10(table["norm"]), radii=np.log10(table["radius"]))
    keys = ["kind", "alpha", "seed", "epoch", "block"]
    names = ["norm", "radius", "departure", "branch_departure", "norms", "radii", "product"]
    return rows.groupby(keys)[names].mean().reset_index()


SHOWN = shown({1.0: "residual-bare", 10**-0.5: "scaled"})
"""The MLPs by the size of their branches, as figures show them."""


def trained(table: pd.DataFrame) -> Figure:
    """Norm against spectral radius of each block after training; and what both, multiplied, say of the product."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    after = table[table["epoch"] > 0]
    for (alpha, found), offset in zip(SHOWN.items(), (-0.12, 0.12), strict=True):
        rows = after[np.isclose(after["alpha"], alpha)]
        look = found.look | {"linestyle": "none", "markersize": 4, "alpha": 0.8}
        left.plot(rows["radius"], rows["norm"], **look)
        sums = rows.groupby("seed")[["norms", "radii"]].sum().join(rows.groupby("seed")["product"].first())
        for place, column in enumerate(("norms", "product", "radii")):
            right.plot(np.full(len(sums), place + offset), sums[column], **look)
    top = float(after["norm"].max()) * 1.05
    left.plot([1, top], [1, top], "--", color=COLOURS["theory"], linewidth=1, label="normal")
    left.set(xlabel="spectral radius of a block", ylabel="norm of a block")
    left.legend()
    right.set(xticks=[0, 1, 2], xticklabels=["norms,\nmultiplied", "norm of the\nproduct", "radii,\nmultiplied"])
    right.set(ylabel=r"$\log_{10}$, ten blocks", xlim=(-0.5, 2.5))
    return figure
