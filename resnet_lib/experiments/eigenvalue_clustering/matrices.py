"""Random matrices, where all that is said of ``I + J`` can be computed: shift, disc, products, shared eigenvectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Experiment, Grid

DRAWS = tuple(range(20))
MANY_DRAWS = tuple(range(200))


def gaussian(seeds: Sequence[int], *path: str | int, shape: tuple[int, ...]) -> Float[Tensor, "seed *shape"]:
    """One standard normal tensor a seed, float64, each from its own named stream."""
    return torch.stack(
        [torch.randn(shape, generator=runtime.stream(seed, *path), dtype=torch.float64) for seed in seeds]
    )


def branches(seeds: Sequence[int], *path: str | int, dimension: int) -> Float[Tensor, "seed d d"]:
    """Gaussian branches of unit size: entries of deviation ``1/sqrt(d)``, spectral radius near 1, norm near 2."""
    return gaussian(seeds, *path, shape=(dimension, dimension)) / dimension**0.5


def matching_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Largest distance between two spectra of equal length after the one-to-one matching of least total distance."""
    distance = np.abs(np.asarray(a)[:, None] - np.asarray(b)[None, :])
    return float(distance[linear_sum_assignment(distance)].max())


@dataclass(frozen=True)
class Shift:
    """Blocks ``I + J`` with Gaussian ``J``, entries of standard deviation ``scale/sqrt(dimension)``."""

    dimension: int
    scale: float


def shift_trial(setting: Shift, seeds: Sequence[int]) -> pd.DataFrame:
    """Every identity and bound about ``I + J``, and beside each a similar sentence that is false; one row per draw."""
    d = setting.dimension
    eye = torch.eye(d, dtype=torch.float64)
    j = setting.scale * branches(seeds, "shift", dimension=d)
    norm = linalg.spectral_norms(j)
    values, vectors = torch.linalg.eig(j)
    shifted = linalg.eigenvalues(eye + j)
    sigma, sigma_shifted = linalg.singular_values(j), linalg.singular_values(eye + j)

    block = (eye + j).to(values.dtype)
    kept = (gaussian(seeds, "shift", "mask", shape=(d,)) > 0).to(values.dtype)
    masked = kept[:, :, None] * block
    rayleigh = (vectors.conj() * (masked @ vectors)).sum(-2, keepdim=True)

    weight = setting.scale * branches(seeds, "shift", "weight", dimension=d)
    inputs = gaussian(seeds, "shift", "input", shape=(d, 1))
    slopes = (weight @ inputs > 0).double()  # of a ReLU at that input
    weight_norm = linalg.spectral_norms(weight)

    def outside(radius: Tensor) -> Tensor:
        return torch.maximum(sigma_shifted.amax(-1) - (1 + radius), (1 - radius) - sigma_shifted.amin(-1))

    farthest = (shifted - 1).abs().amax(-1)
    mismatch = [matching_distance(a, 1 + b) for a, b in zip(shifted, values, strict=True)]
    columns = {
        "values": torch.tensor(mismatch, dtype=torch.float64) / norm,
        "values_control": (sigma_shifted - (1 + sigma)).abs().amax(-1) / norm,
        "vectors": (block @ vectors - vectors * (1 + values[:, None, :])).norm(dim=-2).amax(-1) / norm,
        "vectors_control": (masked @ vectors - vectors * rayleigh).norm(dim=-2).amax(-1) / norm,
        "bound": farthest / norm - 1,
        "bound_control": farthest / j.abs().amax((-2, -1)) - 1,
        "singular": outside(norm),
        "singular_control": outside(values.abs().amax(-1)),
        "weights": linalg.spectral_radius(slopes * weight) / weight_norm - 1,
        "weights_control": linalg.spectral_radius(3 * weight) / weight_norm - 1,
    }
    return pd.DataFrame({"seed": list(seeds)} | {name: column.numpy() for name, column in columns.items()})


SHIFT = Experiment(
    name="eigenvalues-shift",
    trial=shift_trial,
    quick=Grid(settings=tuple(Shift(dimension=128, scale=s) for s in (0.1, 0.5, 1.0)), seeds=DRAWS),
    full=Grid(settings=tuple(Shift(dimension=256, scale=s) for s in (0.1, 0.5, 1.0)), seeds=MANY_DRAWS, group=20),
)


def _shift_measure(name: str):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(values=table[name].to_numpy(), control=table[f"{name}_control"].to_numpy())

    measure.__doc__ = f"Evidence for the claim about `{name}`: one value per draw and scale."
    return measure


shift_values, shift_vectors, cluster_bound, cluster_singular, cluster_weights = map(
    _shift_measure, ("values", "vectors", "bound", "singular", "weights")
)


@dataclass(frozen=True)
class Disc:
    """One block ``I + scale * J``; ``ensemble`` names the law of ``J``.

    ``gaussian`` and ``symmetric`` have entries of standard deviation ``1/sqrt(d)``; ``he`` is ``W2 D W1`` with
    weights of variance ``2/d`` and the slopes ``D`` of a ReLU at a Gaussian input.
    """

    dimension: int
    scale: float
    ensemble: str = "gaussian"


def disc_trial(setting: Disc, seeds: Sequence[int]) -> pd.DataFrame:
    """All eigenvalues of the blocks; one row per eigenvalue."""
    d = setting.dimension
    j = branches(seeds, "disc", d, dimension=d)
    if setting.ensemble == "symmetric":
        values = 1 + setting.scale * torch.linalg.eigvalsh((j + j.mT) / 2**0.5).to(torch.complex128)
    else:
        if setting.ensemble == "he":
            first = 2**0.5 * branches(seeds, "disc", d, "first", dimension=d)
            slopes = (first @ gaussian(seeds, "disc", d, "input", shape=(d, 1)) > 0).double()
            j = 2**0.5 * j @ (slopes * first)
        values = linalg.eigenvalues(torch.eye(d, dtype=j.dtype) + setting.scale * j)
    flat = values.flatten().numpy()
    return pd.DataFrame({"seed": np.repeat(seeds, d), "real": flat.real, "imag": flat.imag})  # pyright: ignore[reportAttributeAccessIssue]


DISC = Experiment(
    name="eigenvalues-disc",
    trial=disc_trial,
    quick=Grid(
        settings=(
            *(Disc(dimension=128, scale=s) for s in (0.1, 0.5, 1.0)),
            *(Disc(dimension=128, scale=s, ensemble="he") for s in (0.0, 1.0)),
            *(Disc(dimension=512, scale=0.5, ensemble=e) for e in ("gaussian", "symmetric")),
        ),
        seeds=tuple(range(40)),  # at d = 512 the disc still looks 3% too large, and 5% are asked for
        group=10,
    ),
    full=Grid(
        settings=(
            *(Disc(dimension=256, scale=s) for s in (0.1, 0.5, 1.0)),
            *(Disc(dimension=256, scale=s, ensemble="he") for s in (0.0, 1.0)),
            *(Disc(dimension=512, scale=0.5, ensemble=e) for e in ("gaussian", "symmetric")),
        ),
        seeds=tuple(range(100)),
        group=10,
    ),
)


def _distance_from_one(table: pd.DataFrame) -> pd.Series:
    return ((table["real"] - 1) ** 2 + table["imag"] ** 2) ** 0.5


def fraction_within(table: pd.DataFrame, radius: float, by: list[str]) -> pd.Series:
    """Fraction of the eigenvalues within ``radius`` of 1, for each group of the columns ``by``."""
    inside = _distance_from_one(table) <= radius
    return inside.groupby([table[name] for name in by]).mean()


def cluster_radius(table: pd.DataFrame) -> Evidence:
    """``max|lambda - 1| / s`` at d = 512, one value per draw; control: the symmetric ensemble, which reaches 2."""
    wide = table[table["dimension"] == 512]
    ratio = _distance_from_one(wide) / wide["scale"]
    largest = ratio.groupby([wide["ensemble"], wide["seed"]]).max()
    return Evidence(values=largest["gaussian"].to_numpy(), control=largest["symmetric"].to_numpy())


def cluster_small(table: pd.DataFrame) -> Evidence:
    """Fraction of eigenvalues within 0.25 of 1 at s = 0.1, one value per draw; control: s = 1."""
    rows = table[(table["ensemble"] == "gaussian") & (table["dimension"] < 512)]
    fraction = fraction_within(rows, 0.25, ["scale", "seed"])
    return Evidence(values=fraction[0.1].to_numpy(), control=fraction[1.0].to_numpy())


def cluster_he(table: pd.DataFrame) -> Evidence:
    """Fraction of eigenvalues within 0.25 of 1 for a He branch, one value per draw; control: the branch times zero."""
    fraction = fraction_within(table[table["ensemble"] == "he"], 0.25, ["scale", "seed"])
    return Evidence(values=fraction[1.0].to_numpy(), control=fraction[0.0].to_numpy())
