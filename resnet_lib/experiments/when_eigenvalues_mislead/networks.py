"""Networks trained on digits: the norms and the eigenvalues of their blocks, and of the product of these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from resnet_lib import data, linalg, nets, training
from resnet_lib.analysis import jacobian
from resnet_lib.evidence.choices import Choices, ways
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Unit
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment, Grid

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
BARE = replace(UNITS["pre"], norm="none")


@dataclass(frozen=True)
class Trained:
    """A residual network trained on digits by SGD with a one-cycle schedule, measured at `images` test images.

    `kind` is `mlp` (width 64, no normalisation) or `conv` (8 channels on 8 x 8 pixels, batch normalisation). The
    branches are multiplied by `alpha`.
    """

    kind: str
    blocks: int
    lr: float
    alpha: float = 1.0
    images: int = 4
    epochs: int = 20
    batch: int = 100


def unit_of(setting: Trained) -> Unit:
    """The recipe of the setting's blocks."""
    return replace(BARE if setting.kind == "mlp" else UNITS["pre"], alpha=setting.alpha)


def fit(setting: Trained, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's network for all seeds together; its initialisation is kept."""
    unit = unit_of(setting)

    def make(generator: torch.Generator) -> nn.Module:
        if setting.kind == "mlp":
            return nets.mlp(setting.blocks, 64, unit=unit, generator=generator)
        return nets.digits_resnet(setting.blocks, 8, unit=unit, generator=generator)

    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    return training.fit(make, data.load("digits", flat=setting.kind == "mlp"), recipe, seeds, keep=(0,))


def around_training(setting: Trained, seeds: Sequence[int]) -> Iterator[tuple[int, int, Tensor]]:
    """Seed, epoch and the Jacobians of all blocks (block, image, d, d) in float64, before training and after it.

    Batch normalisation runs in evaluation mode, with the statistics that the training images have at that moment.
    """
    fitted = fit(setting, seeds)
    digits = data.load("digits", flat=setting.kind == "mlp")
    for epoch, seed in product((0, setting.epochs), seeds):
        net = fitted.net(seed, epoch)
        update_bn([digits.train.x], net)
        yield seed, epoch, torch.stack(jacobian.along(net.eval(), digits.test.x[: setting.images])).double()


def in_line(matrices: Tensor) -> Tensor:
    """The same singular values, with the directions that a block ends in those that the next one starts from."""
    u, sigma, vh = torch.linalg.svd(matrices)
    before = torch.cat([vh[:1], u[:-1].mT])
    return u * sigma[..., None, :] @ before


def chained(matrices: Tensor) -> Tensor:
    """The product of the blocks along the first dimension, the first applied first."""
    total = matrices[0]
    for matrix in matrices[1:]:
        total = matrix @ total
    return total


def trained_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Norm, spectral radius and departure from normality of blocks' Jacobians; one row per (seed, epoch, block, image).

    `symmetric` and `symmetric_radius` are norm and spectral radius of its symmetric part. Of the whole stack, and so
    the same in the rows of all blocks: log10 of the norm of the product (`product`), of the product with the singular
    bases `in_line`, and of the first block's symmetric part repeated, over its spectral radius to that power.
    """
    pieces = []
    for seed, epoch, jacobians in around_training(setting, seeds):
        symmetric = (jacobians + jacobians.mT) / 2
        eye = torch.eye(jacobians.shape[-1], dtype=torch.float64)
        values = {
            "norm": linalg.spectral_norms(jacobians),
            "radius": linalg.spectral_radius(jacobians),
            "symmetric": linalg.spectral_norms(symmetric),
            "symmetric_radius": torch.linalg.eigvalsh(symmetric).abs().amax(-1),
            "departure": linalg.departure(jacobians),
            "branch_departure": linalg.departure(jacobians - eye),
        }
        repeated = chained(symmetric[:1].expand(len(jacobians), *symmetric.shape[1:]))
        of_stack = {
            "product": linalg.spectral_norms(chained(jacobians)).log10(),
            "in_line": linalg.spectral_norms(chained(in_line(jacobians))).log10(),
            "repeated": linalg.spectral_norms(repeated).log10()
            - len(jacobians) * values["symmetric_radius"][0].log10(),
        }
        values |= {name: value.expand_as(values["norm"]) for name, value in of_stack.items()}
        block, image = np.indices(values["norm"].shape)
        piece = {"seed": seed, "epoch": epoch, "block": block.ravel(), "image": image.ravel()}
        pieces.append(pd.DataFrame(piece | {name: value.flatten().numpy() for name, value in values.items()}))
    return pd.concat(pieces, ignore_index=True)


# The learning rates are those that chapter 4 chose for the same networks on the validation split, with other seeds
# (`eigenvalues-tuning`, stored under results/; a test compares).
MLP = Trained("mlp", blocks=10, lr=0.0061)
SCALED = Trained("mlp", blocks=10, lr=0.061, alpha=10**-0.5)
CONV = Trained("conv", blocks=4, lr=0.17, images=1, epochs=6, batch=50)

TRAINED_MLP = Experiment(
    name="misleading-trained-mlp",
    agrees=SAMPLED,
    trial=trained_trial,
    quick=Grid(settings=(MLP, SCALED), seeds=SEEDS),
    full=Grid(settings=(replace(MLP, images=16), replace(SCALED, images=16)), seeds=MANY_SEEDS),
    data=("digits",),
)
# One seed a trial: stacked convolutions are slower on a CPU than one network after the other.
TRAINED_CONV = Experiment(
    name="misleading-trained-conv",
    agrees=SAMPLED,
    trial=trained_trial,
    quick=Grid(settings=(CONV,), seeds=SEEDS, group=1),
    full=Grid(settings=(replace(CONV, images=4),), seeds=MANY_SEEDS, group=1),
    data=("digits",),
)
MLP_CHOICES = Choices(TRAINED_MLP, ways(TRAINED_MLP.quick.settings))
CONV_CHOICES = Choices(TRAINED_CONV, ways(TRAINED_CONV.quick.settings))


def _after(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The unscaled network of this kind after training."""
    rows = table[(table["kind"] == kind) & (table["alpha"] == 1)]
    return rows[rows["epoch"] > 0]


def _trained_measure(kind: str):
    def measure(table: pd.DataFrame) -> Evidence:
        rows = _after(table, kind)
        ratio = (rows["norm"] / rows["radius"]).groupby(rows["seed"]).median()
        control = (rows["symmetric"] / rows["symmetric_radius"]).groupby(rows["seed"]).median()
        return Evidence(values=ratio.to_numpy(), control=control.to_numpy())

    measure.__doc__ = (
        f"Norm over spectral radius, median over blocks and images, {kind}, one value per seed; control: symmetric."
    )
    return measure


shear_trained_mlp, shear_trained_conv = _trained_measure("mlp"), _trained_measure("conv")


def of_products(table: pd.DataFrame) -> pd.DataFrame:
    """log10 of the norm of the product, and of the products of norms and of spectral radii; one row per image."""
    rows = table.assign(norms=np.log10(table["norm"]), radii=np.log10(table["radius"]))
    keys = ["kind", "alpha", "seed", "epoch", "image"]
    sums = rows.groupby(keys)[["norms", "radii"]].sum()
    return sums.join(rows.groupby(keys)[["product", "in_line", "repeated"]].first()).reset_index()


def explode_trained(table: pd.DataFrame) -> Evidence:
    """log10 of the product of norms over the norm of the product, image mean, one value per seed; control: in line."""
    rows = of_products(_after(table, "mlp"))
    rows = rows.assign(slack=rows["norms"] - rows["product"], none=rows["norms"] - rows["in_line"])
    means = rows.groupby("seed")[["slack", "none"]].mean()
    return Evidence(values=means["slack"].to_numpy(), control=means["none"].abs().to_numpy(), unit="decades")


def shear_trained_product(table: pd.DataFrame) -> Evidence:
    """`|log10|` of the norm of the product over the radii, mean of images, one value per seed; control: repeated."""
    rows = of_products(_after(table, "mlp"))
    rows = rows.assign(gap=(rows["product"] - rows["radii"]).abs(), none=rows["repeated"].abs())
    means = rows.groupby("seed")[["gap", "none"]].mean()
    return Evidence(values=means["gap"].to_numpy(), control=means["none"].to_numpy(), unit="decades")


@dataclass(frozen=True)
class Portrait:
    """Pseudospectrum of one matrix on a grid of the complex plane; `name` says of which."""

    name: str
    points: int = 41


PORTRAITS = ("symmetric", "jordan", "trained")


def portrait_trial(setting: Portrait, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 of the smallest singular value of `z - J` at grid points, one row per point; eigenvalues have `part` 1.

    `jordan` is a Jordan block of dimension 8 with 0.5 above the diagonal, `symmetric` has them on both sides of it,
    and `trained` is the middle block of the trained MLP at a test image.
    """
    above = torch.diag(torch.full((7,), 0.5, dtype=torch.float64), 1)
    if setting.name == "trained":
        net = fit(MLP, seeds).net(seeds[0])
        x = data.load("digits", flat=True).test.x[:1]
        matrix = jacobian.along(net, x, blocks=[5])[0][0].double()
    else:
        matrix = torch.eye(8, dtype=torch.float64) + above + (above.mT if setting.name == "symmetric" else 0)
    across = torch.linspace(-1, 3, setting.points, dtype=torch.float64)
    up = torch.linspace(-1.6, 1.6, setting.points * 4 // 5, dtype=torch.float64)
    grid = torch.complex(*torch.meshgrid(across, up, indexing="xy"))
    smallest = linalg.pseudospectrum(matrix, grid).clamp(min=1e-17).log10()
    values = linalg.eigenvalues(matrix)
    z = torch.cat([grid.flatten(), values])
    return pd.DataFrame(
        {
            "seed": seeds[0],
            "part": np.repeat([0, 1], [grid.numel(), len(values)]),
            "real": z.real.numpy(),
            "imag": z.imag.numpy(),
            "log10_smallest": torch.cat([smallest.flatten(), torch.full((len(values),), -17.0)]).numpy(),
        }
    )


_PORTRAITS = tuple(Portrait(name) for name in PORTRAITS)
PORTRAIT = Experiment(
    name="misleading-pseudospectra",
    agrees=SAMPLED,
    trial=portrait_trial,
    quick=Grid(settings=_PORTRAITS, seeds=(0,)),
    full=Grid(settings=tuple(Portrait(name, points=81) for name in PORTRAITS), seeds=(0,)),
    data=("digits",),
)
