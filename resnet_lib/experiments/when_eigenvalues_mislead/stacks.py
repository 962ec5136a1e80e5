"""Stacks of matrices whose norms, or whose eigenvalues, are the same: what the one and the other say of the product."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Experiment

DRAWS = tuple(range(20))
MANY_DRAWS = tuple(range(200))
STABLE = 1.0  # log10 of the factor of 10 within which claims.yml calls a product stable

# Drawn anew for each seed; the others are the same for all.
RANDOM = ("aligned", "alternating", "gaussian", "rotation", "symmetric", "skew", "orthogonal")


@dataclass(frozen=True)
class Stack:
    """`blocks` matrices of a `kind`, whose `size` is `gamma`, an entry, or a standard deviation.

    Of norm `1 + size`: `aligned` stretch the same direction, the others change at random; in `alternating` every second
    one is the inverse of the one before; `rotation` is `1 + size` times a random rotation. `gaussian` is `I + size G`.

    With every eigenvalue 1: `shears` in turn above and below the diagonal, `jordan` one block repeated. `radius` has
    the spectral radius 0.447 in every layer. Normal: `symmetric`, `skew` (`I` plus a skew matrix) and `orthogonal`,
    drawn anew in each layer; `repeated` is one symmetric matrix, `symmetric-radius` two of spectral radius 0.447 in
    turn.
    """

    kind: str
    size: float
    blocks: int
    dimension: int = 2


def factors(setting: Stack, seeds: Sequence[int]) -> Iterator[Float[Tensor, "seed d d"]]:
    """The matrices, a batch of all seeds for each layer."""
    d, size, kind = setting.dimension, setting.size, setting.kind
    streams = [runtime.stream(seed, "stack", kind, d) for seed in seeds]

    def draw(*shape: int) -> Tensor:
        return torch.stack([torch.randn(shape, generator=g, dtype=torch.float64) for g in streams])

    def constant(rows: list[list[float]] | Tensor) -> Tensor:
        return torch.as_tensor(rows, dtype=torch.float64).expand(len(seeds), d, d)

    eye = torch.eye(d, dtype=torch.float64)
    above = torch.diag(torch.ones(d - 1, dtype=torch.float64), 1)
    basis = torch.linalg.qr(draw(d, d)).Q
    stretch = torch.full((d,), 1 + size, dtype=torch.float64)
    stretch[d // 2 :] = 1 / (1 + size)
    for layer in range(setting.blocks):
        g = draw(d, d) / d**0.5 if kind in RANDOM else eye.expand(len(seeds), d, d)
        even = layer % 2 == 0
        symmetric = (g + g.mT) / 2**0.5
        if kind == "aligned":
            other = (1 + size) ** torch.tanh(g[:, 0])  # between 1 / (1 + size) and 1 + size
            other[:, 0] = 1 + size
            yield basis * other[:, None, :] @ basis.mT
        elif kind == "alternating":
            yield basis * (stretch if even else 1 / stretch) @ basis.mT
        elif kind in ("rotation", "orthogonal"):
            yield (1 + size) * torch.linalg.qr(g).Q
        elif kind == "gaussian":
            yield eye + size * g
        elif kind == "shears":
            yield constant(eye + size * (above if even else above.mT))
        elif kind == "jordan":
            yield constant(eye + size * above)
        elif kind == "repeated":
            yield constant(eye + size * (above + above.mT))
        elif kind == "radius":
            yield constant([[0, 4], [0.05, 0]] if even else [[0, 0.05], [4, 0]])
        elif kind == "symmetric-radius":
            yield constant([[0, 0.2**0.5], [0.2**0.5, 0]] if even else [[0.2**0.5, 0], [0, -(0.2**0.5)]])
        elif kind == "symmetric":
            yield eye + size * symmetric
        elif kind == "skew":
            yield eye + size * (g - g.mT) / 2**0.5
        else:
            raise ValueError(f"kind={kind!r} is unknown")


def stack_trial(setting: Stack, seeds: Sequence[int]) -> pd.DataFrame:
    """The product after each block beside what norms and eigenvalues say of it, as log10; one row per (seed, depth).

    `norm` and `rms` are the largest and the root-mean-square gain of the product, `norms` and `radii` the products of
    the blocks' norms and spectral radii. The product is rescaled on the way, so nothing overflows.
    """
    n = len(seeds)
    product = torch.eye(setting.dimension, dtype=torch.float64).expand(n, -1, -1)
    size, norms, radii = (torch.zeros(n, dtype=torch.float64) for _ in range(3))
    pieces = []
    for depth, factor in enumerate(factors(setting, seeds), start=1):
        product = factor @ product
        scale = product.abs().amax((1, 2))
        product, size = product / scale[:, None, None], size + scale.log10()
        norms = norms + linalg.spectral_norms(factor).log10()
        radii = radii + linalg.spectral_radius(factor).log10()
        values = {
            "norm": size + linalg.spectral_norms(product).log10(),
            "rms": size + (torch.linalg.matrix_norm(product) / setting.dimension**0.5).log10(),
            "norms": norms,
            "radii": radii,
        }
        pieces.append(pd.DataFrame({"seed": list(seeds), "depth": depth} | {k: v.numpy() for k, v in values.items()}))
    return pd.concat(pieces, ignore_index=True)


GAMMAS = (0.2, 0.5, 1.0)
SHEARS = (0.1, 0.2, 0.5)
JORDAN = (4, 8, 16)
SETTINGS = (
    *(Stack(kind, gamma, 100, 16) for kind in ("aligned", "alternating") for gamma in GAMMAS),
    *(Stack("gaussian", s, 50, 64) for s in (0.1, 0.3)),
    *(Stack("rotation", s, 50, 64) for s in (0.1, 0.3)),
    *(Stack("shears", e, 200) for e in SHEARS),
    *(Stack("jordan", 0.5, 100, d) for d in JORDAN),
    *(Stack("repeated", 0.5, 100, d) for d in JORDAN),
    Stack("radius", 4.0, 10),
    Stack("symmetric-radius", 0.0, 10),
    *(Stack(kind, 0.3, 100, 8) for kind in ("symmetric", "skew")),
    Stack("orthogonal", 0.0, 100, 8),
)
STACKS = Experiment.repeated("misleading-stacks", stack_trial, SETTINGS, DRAWS, MANY_DRAWS, group=50)


def ends(table: pd.DataFrame, *kinds: str) -> pd.DataFrame:
    """The last row of each stack of these kinds; of those that are not drawn only the first seed's."""
    rows = table[table["kind"].isin(kinds) & (table["depth"] == table["blocks"])]
    return rows[(rows["seed"] == rows["seed"].min()) | rows["kind"].isin(RANDOM)]


def explode_aligned(table: pd.DataFrame) -> Evidence:
    """`|log norm / (L log(1 + gamma)) - 1|`, one value per draw and gamma; control: alternating."""

    def off(kind: str) -> np.ndarray:
        rows = ends(table, kind)
        return (rows["norm"] / (rows["blocks"] * np.log10(1 + rows["size"])) - 1).abs().to_numpy()

    return Evidence(values=off("aligned"), control=off("alternating"))


def explode_forced(table: pd.DataFrame) -> Evidence:
    """log10 of the product of alternating blocks, one value per draw and gamma; control: aligned ones."""
    return Evidence(ends(table, "alternating")["norm"].to_numpy(), ends(table, "aligned")["norm"].to_numpy(), "decades")


def explode_random(table: pd.DataFrame) -> Evidence:
    """Root-mean-square log gain over the sum of log norms, one value per draw and size; control: rotations."""

    def share(kind: str) -> np.ndarray:
        rows = ends(table, kind)
        return (rows["rms"] / rows["norms"]).to_numpy()

    return Evidence(values=share("gaussian"), control=share("rotation"))


def _beyond(rows: pd.DataFrame) -> np.ndarray:
    """log10 of the product's norm over the product of spectral radii."""
    return (rows["norm"] - rows["radii"]).to_numpy()


def shear_shears(table: pd.DataFrame) -> Evidence:
    """Decades beyond the eigenvalues after 200 shears, one value per size; control: symmetric blocks."""
    return Evidence(_beyond(ends(table, "shears")), _beyond(ends(table, "symmetric")), "decades")


def shear_jordan(table: pd.DataFrame) -> Evidence:
    """Decades beyond the eigenvalues after 100 equal Jordan blocks, one value per dimension; control: symmetric."""
    return Evidence(_beyond(ends(table, "jordan")), _beyond(ends(table, "repeated")), "decades")


def shear_radius(table: pd.DataFrame) -> Evidence:
    """log10 of the product of 10 layers of spectral radius 0.447; control: symmetric ones."""
    return Evidence(
        ends(table, "radius")["norm"].to_numpy(), ends(table, "symmetric-radius")["norm"].to_numpy(), "decades"
    )


def shear_normal(table: pd.DataFrame) -> Evidence:
    """Decades beyond the eigenvalues of normal blocks, one value per draw and kind; control: triangular blocks."""
    normal = ends(table, "symmetric", "skew", "orthogonal")
    return Evidence(_beyond(normal), _beyond(ends(table, "shears")), "decades")


@dataclass(frozen=True)
class Turning:
    """Blocks of norm `1 + gamma` and determinant 1 whose stretched direction turns by an angle from block to block."""

    gamma: float
    angles: tuple[float, ...]
    depth: int


def turning_trial(setting: Turning, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 of the product's norm after each block, and the closed form of its rate; one row per (angle, depth).

    With `a = 1 + gamma` and `R` the turn by the angle, the product of `L` blocks is `R^L (R^T diag(a, 1/a))^L`. The
    matrix in brackets has determinant 1 and trace `2 cos(angle) cosh(log a)`, so its eigenvalues are off the unit
    circle where that exceeds 2, and `acosh(cos(angle) cosh(log a))` is the rate.
    """
    angles = torch.tensor(setting.angles, dtype=torch.float64).deg2rad()
    cos, sin = angles.cos(), angles.sin()
    a = 1 + setting.gamma
    back = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    step = back * torch.tensor([a, 1 / a], dtype=torch.float64)
    half_trace = cos * math.cosh(math.log(a))
    rate = torch.acosh(half_trace.clamp(min=1)) / math.log(10)
    product, size = step, torch.zeros(len(angles), dtype=torch.float64)
    pieces = []
    for depth in range(1, setting.depth + 1):
        norm = size + linalg.singular_values(product)[:, 0].log10()
        piece = {"seed": seeds[0], "angle": setting.angles, "at": depth, "norm": norm.numpy(), "rate": rate.numpy()}
        pieces.append(pd.DataFrame(piece))
        product = step @ product
        scale = product.abs().amax((1, 2))
        product, size = product / scale[:, None, None], size + scale.log10()
    return pd.concat(pieces, ignore_index=True)


ANGLES = tuple(float(angle) for angle in sorted({*range(0, 31, 1), *range(30, 91, 5)}))
_TURNING = tuple(Turning(gamma, ANGLES, 400) for gamma in (0.1, 0.2, 0.5))
TURNING = Experiment.repeated("misleading-turning", turning_trial, _TURNING, quick=(0,), full=(0,))


def explode_turning(table: pd.DataFrame) -> Evidence:
    """log10 of the norm after 400 blocks that turn by 15 to 75 degrees, one value per angle; control: 0 and 5."""
    rows = table[(table["gamma"] == 0.2) & (table["at"] == 400)].set_index("angle")["norm"]
    return Evidence(rows[[15.0, 30.0, 45.0, 60.0, 75.0]].to_numpy(), rows[[0.0, 5.0]].to_numpy(), "decades")
