"""Products of many blocks: the growth law, its boundary, and the special case of shared eigenvectors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from resnet_lib import linalg, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.eigenvalue_clustering.matrices import (
    DRAWS,
    MANY_DRAWS,
    branches,
    gaussian,
    matching_distance,
)
from resnet_lib.sweep import Columns, Experiment, Grid

SCALES = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
STABLE = 1.0  # log10 of the factor of 10 below which claims.yml calls a product stable


@dataclass(frozen=True)
class Product:
    """Products of ``skip * I + s * J_l`` for every ``s`` of ``scales``, read off at the ``depths``.

    ``branch``: ``independent`` draws a Gaussian ``J_l`` for each layer, ``tied`` uses one for all layers, and
    ``contracting`` has ``J_l = -I``.
    """

    dimension: int
    depths: tuple[int, ...]
    scales: tuple[float, ...]
    branch: str = "independent"
    skip: float = 1.0


def product_trial(setting: Product, seeds: Sequence[int]) -> pd.DataFrame:
    """Gains of the product map: root mean square, largest and least singular value, as log10; one row per (seed, s, L).

    The product is rescaled on the way, so nothing overflows. Below 1e-16 of the largest, the smallest is rounding.
    """
    d, n_scales = setting.dimension, len(setting.scales)
    scales = torch.tensor(setting.scales, dtype=torch.float64).repeat_interleave(
        d
    )  # of the columns of all products, side by side
    streams = [runtime.stream(seed, "product", d) for seed in seeds]

    def draw() -> torch.Tensor:
        return torch.stack([torch.randn(d, d, generator=s, dtype=torch.float64) for s in streams]) / d**0.5

    eye = torch.eye(d, dtype=torch.float64).expand(len(seeds), d, d)
    j = -eye if setting.branch == "contracting" else draw()
    side_by_side = eye.repeat(1, 1, n_scales)
    log_size = torch.zeros(len(seeds), n_scales, 1, dtype=torch.float64)
    pieces = []
    for layer in range(1, max(setting.depths) + 1):
        if setting.branch == "independent" and layer > 1:
            j = draw()
        side_by_side = setting.skip * side_by_side + scales * (j @ side_by_side)
        if layer % 10 == 0:
            size = side_by_side.unflatten(-1, (n_scales, d)).abs().amax((1, 3))
            side_by_side = side_by_side / size.repeat_interleave(d, -1)[:, None]
            log_size = log_size + size.log10()[..., None]
        if layer in setting.depths:
            sigma = linalg.singular_values(side_by_side.unflatten(-1, (n_scales, d)).movedim(2, 1))
            rms = (sigma.square().sum(-1) / d).sqrt()
            gains = (torch.stack([rms, sigma.amax(-1), sigma.amin(-1)], -1).log10() + log_size).flatten(0, 1)
            piece = pd.DataFrame(gains.numpy(), columns=["log10_rms", "log10_max", "log10_min"])
            piece.insert(0, "seed", np.repeat(seeds, n_scales))
            piece.insert(1, "s", np.tile(setting.scales, len(seeds)))
            piece.insert(2, "depth", layer)
            pieces.append(piece)
    return pd.concat(pieces, ignore_index=True)


def _products(dimension: int, depths: tuple[int, ...]) -> tuple[Product, ...]:
    return (
        Product(dimension, depths, SCALES),
        Product(dimension, depths, SCALES, branch="tied"),
        Product(dimension, depths, SCALES[::3], skip=0.0),
        Product(dimension, (200,), (0.0, 0.05, 0.1, 0.2), branch="contracting"),
    )


PRODUCTS = Experiment(
    name="eigenvalues-products",
    agrees=Columns("exact", {"spread": "rounded"}),
    trial=product_trial,
    quick=Grid(settings=_products(32, (10, 30, 100, 300, 1000)), seeds=DRAWS, group=10),
    full=Grid(settings=_products(128, (10, 30, 100, 300, 1000)), seeds=tuple(range(50)), group=10),
)


def spread(table: pd.DataFrame) -> pd.Series:
    """``log10 max(sigma_max, 1/sigma_min)``: 0 for an isometry, 1 at a factor of 10 either way."""
    return table["log10_max"].combine(-table["log10_min"], max)


def _residual(table: pd.DataFrame, branch: str) -> pd.DataFrame:
    return table[(table["branch"] == branch) & (table["skip"] == 1)]


def _spread_at(table: pd.DataFrame, s: float, depth: int) -> np.ndarray:
    rows = _residual(table, "independent")
    return spread(rows[(rows["s"] == s) & (rows["depth"] == depth)]).to_numpy()


def product_short(table: pd.DataFrame) -> Evidence:
    """Spread at s = 0.05, L = 100, one value per draw; control: s = 0.5."""
    return Evidence(values=_spread_at(table, 0.05, 100), control=_spread_at(table, 0.5, 100))


def product_deep(table: pd.DataFrame) -> Evidence:
    """Spread at s = 0.5, L = 100, one value per draw; control: s = 0.05."""
    return Evidence(values=_spread_at(table, 0.5, 100), control=_spread_at(table, 0.05, 100))


def product_growth(table: pd.DataFrame) -> Evidence:
    """Slope through 0 of log rms gain against ``L/2 log(1 + s^2)``, one value per draw; control: the tied branch."""

    def slopes(rows: pd.DataFrame) -> np.ndarray:
        rows = rows[rows["s"].between(0.1, 0.5) & (rows["depth"] <= 100)]
        predicted = rows["depth"] / 2 * np.log10(1 + rows["s"] ** 2)
        products = pd.DataFrame({"xy": predicted * rows["log10_rms"], "xx": predicted**2}).groupby(rows["seed"]).sum()
        return (products["xy"] / products["xx"]).to_numpy()

    return Evidence(values=slopes(_residual(table, "independent")), control=slopes(_residual(table, "tied")))


def boundary(table: pd.DataFrame) -> pd.DataFrame:
    """The branch size at which the spread reaches a factor of 10, interpolated in log s; columns seed, depth, s."""
    rows = table.assign(spread=spread(table)).sort_values("s")
    records = []
    for (seed, depth), group in rows.groupby(["seed", "depth"]):
        first = int(np.argmax(group["spread"].to_numpy() >= STABLE))
        pair = group.iloc[[max(first - 1, 0), first]]
        records.append((seed, depth, np.exp(np.interp(STABLE, pair["spread"], np.log(pair["s"])))))
    return pd.DataFrame(records, columns=["seed", "depth", "s"])


def product_boundary(table: pd.DataFrame) -> Evidence:
    """Slope of ``log s*`` against ``log L``, one value per draw; control: the tied branch, slope -1."""

    def slopes(branch: str) -> np.ndarray:
        edge = boundary(_residual(table, branch))
        return np.array([np.polyfit(np.log(g["depth"]), np.log(g["s"]), 1)[0] for _, g in edge.groupby("seed")])

    return Evidence(values=slopes("independent"), control=slopes("tied"))


def product_no_decay(table: pd.DataFrame) -> Evidence:
    """log10 of the gain ``(1 - eps)^200`` for eps = 0.05, 0.1, 0.2; control: eps = 0. Nothing is drawn."""
    rows = table[(table["branch"] == "contracting") & (table["seed"] == 0)]
    gains = rows.set_index("s")["log10_max"]
    return Evidence(values=gains[gains.index > 0].to_numpy(), control=gains[gains.index == 0].to_numpy())


@dataclass(frozen=True)
class Formula:
    """Layers ``V diag(lambda_l) V^-1``, ``lambda`` uniform in (-0.9, 0.9), eigenvectors ``V`` shared or new in each."""

    dimension: int
    depth: int


def formula_trial(setting: Formula, seeds: Sequence[int]) -> pd.DataFrame:
    """Mismatch of the product's spectrum and ``prod(1 + lambda_l)``, eigenvectors shared and own; one row per draw."""
    d, depth = setting.dimension, setting.depth
    eye = torch.eye(d, dtype=torch.float64)

    def bases(*path: str | int) -> torch.Tensor:
        # A rotation of a mild perturbation of I: well conditioned, and no two of them nearly commute.
        rotation = torch.linalg.qr(gaussian(seeds, *path, shape=(d, d))).Q
        return rotation @ (eye + 0.3 * branches(seeds, *path, "tilt", dimension=d))

    values = torch.stack(
        [torch.rand(depth, d, generator=runtime.stream(s, "formula"), dtype=torch.float64) for s in seeds]
    )
    values = 1 + 0.9 * (2 * values - 1)
    formula = values.prod(1)
    shared = bases("formula", "shared")
    record = {"seed": list(seeds)}
    for name, basis_of in (("shared", lambda _: shared), ("own", lambda layer: bases("formula", "own", layer))):
        product = eye.expand(len(seeds), d, d)
        for layer in range(depth):
            basis = basis_of(layer)
            product = basis @ (values[:, layer, :, None] * torch.linalg.solve(basis, product))
        spectra = linalg.eigenvalues(product)
        record[name] = [  # pyright: ignore[reportArgumentType]
            matching_distance(a, f) / f.abs().max().item() for a, f in zip(spectra, formula, strict=True)
        ]
    return pd.DataFrame(record)


FORMULA = Experiment(
    name="eigenvalues-formula",
    trial=formula_trial,
    quick=Grid(settings=(Formula(dimension=32, depth=20),), seeds=DRAWS),
    full=Grid(settings=(Formula(dimension=128, depth=20),), seeds=MANY_DRAWS, group=20),
)


def commute_formula(table: pd.DataFrame) -> Evidence:
    """Relative mismatch with shared eigenvectors, one value per draw; control: eigenvectors of their own."""
    return Evidence(values=table["shared"].to_numpy(), control=table["own"].to_numpy())


@dataclass(frozen=True)
class Gains:
    """Log gains of 64 coordinates through ``depth`` layers; ``law`` says how the branch eigenvalues are drawn.

    ``constant``: uniform in (-1, 1), the same in all layers; ``sign``: +-1, the same in all layers; ``independent``:
    normal with standard deviation ``scale``, new in each layer; ``gaussian``: no shared eigenvectors at all, Gaussian
    branches of size ``scale``.
    """

    law: str
    depth: int
    scale: float = 1.0
    coordinates: int = 64


def gains_trial(setting: Gains, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 gain with the skip and without it, and the average over the product's eigenvalues; a row a coordinate.

    The average of the log of the sizes of a product's eigenvalues is the log of its determinant over their number,
    and determinants multiply, whether the factors commute or not.
    """
    n, depth = setting.coordinates, setting.depth
    streams = [runtime.stream(seed, "gains", setting.law) for seed in seeds]
    if setting.law == "gaussian":
        eye = torch.eye(n, dtype=torch.float64)
        product, typical = eye.expand(len(seeds), n, n), torch.zeros(len(seeds), dtype=torch.float64)
        for _ in range(depth):
            j = torch.stack([torch.randn(n, n, generator=s, dtype=torch.float64) for s in streams]) / n**0.5
            product = product + setting.scale * j @ product
            typical += torch.linalg.slogdet(eye + setting.scale * j).logabsdet / n / math.log(10)
        residual, plain = product.norm(dim=-2).log10(), torch.full((len(seeds), n), torch.nan, dtype=torch.float64)
    else:
        layers = depth if setting.law == "independent" else 1
        draw = torch.randn if setting.law == "independent" else torch.rand
        values = torch.stack([draw(layers, n, generator=s, dtype=torch.float64) for s in streams])
        values = values * setting.scale if setting.law == "independent" else 2 * values - 1
        values = values.sign() if setting.law == "sign" else values
        residual = (1 + values).abs().log10().sum(1) * (depth // layers)
        plain = values.abs().log10().sum(1) * (depth // layers)
        typical = residual.mean(-1)
    return pd.DataFrame(
        {
            "seed": np.repeat(seeds, n),
            "log10_residual": residual.flatten().numpy(),
            "log10_plain": plain.flatten().numpy(),
            "log10_typical": typical.repeat_interleave(n).numpy(),
        }
    )


GAINS = Experiment.repeated(
    "eigenvalues-gains",
    gains_trial,
    (
        Gains("constant", depth=100),
        Gains("sign", depth=100),
        Gains("independent", depth=100, scale=0.01),
        Gains("independent", depth=1000, scale=0.1),
        Gains("gaussian", depth=1000, scale=0.1),
    ),
    DRAWS,
    MANY_DRAWS,
    group=20,
)


def commute_plain(table: pd.DataFrame) -> Evidence:
    """Median over the coordinates of ``log10|prod lambda|``, one value per draw; control: lambda = +-1."""
    medians = table.groupby(["law", "seed"])["log10_plain"].median()
    return Evidence(values=medians["constant"].to_numpy(), control=medians["sign"].to_numpy())


def commute_stable(table: pd.DataFrame) -> Evidence:
    """Fraction of coordinates within a factor of 10 after 100 layers, one value per draw; control: lambda of 0.01."""
    rows = table[table["depth"] == 100]
    rows = rows.assign(inside=rows["log10_residual"].abs() < STABLE)
    inside = rows.groupby(["law", "seed"])["inside"].mean()
    return Evidence(values=inside["constant"].to_numpy(), control=inside["independent"].to_numpy())


def commute_typical(table: pd.DataFrame) -> Evidence:
    """Average log gain of the eigenvalues over ``-L s^2 / 2``, one value per draw; control: Gaussian branches, 0."""
    rows = table[(table["depth"] == 1000) & (table["scale"] == 0.1)]
    predicted = -1000 * 0.1**2 / 2 * np.log10(np.e)
    ratio = rows.groupby(["law", "seed"])["log10_typical"].first() / predicted
    return Evidence(values=ratio["independent"].to_numpy(), control=ratio["gaussian"].to_numpy())
