"""Networks: the block Jacobians of a ResNet-20 at its true size, and of networks trained on the digits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from resnet_lib import data, linalg, nets, runtime, training
from resnet_lib.analysis import jacobian
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Unit
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning

NEAR_IDENTITY = 0.8  # share of eigenvalues within 0.5 of 1 from which a block counts as near the identity (claims.yml)
EXACT = 1e-4  # an eigenvalue of a low-rank block in single precision is 1 to some 1e-6
SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))


@dataclass(frozen=True)
class ResNet20:
    """ResNet-20 at He initialisation; batch statistics from 100 digits, enlarged to 32 x 32."""

    zero_gamma: bool
    images: int = 1


def enlarged_digits(n: int) -> Tensor:
    """The first ``n`` training digits as 3 x 32 x 32 images, by bilinear interpolation."""
    x = data.load("digits").train.x[:n]
    return nn.functional.interpolate(x, size=32, mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)


def resnet20_trial(setting: ResNet20, seeds: Sequence[int]) -> pd.DataFrame:
    """Spectral radius of each branch of stage 1, matrix-free, with its residual; one row per (seed, block, image)."""
    x, records = enlarged_digits(100), []
    for seed in seeds:
        unit = replace(UNITS["post"], zero_gamma=setting.zero_gamma)
        net = nets.cifar_resnet(20, unit=unit, generator=runtime.stream(seed, "resnet20"))
        update_bn([x], net)
        net.eval()
        with torch.no_grad():
            states = net.states(x[: setting.images])
        for block, state in list(zip(net.blocks, states, strict=False))[:3]:
            for image in range(setting.images):
                operator = jacobian.operator(block.branch, state[image])  # pyright: ignore[reportArgumentType]
                found = linalg.extreme_eigenvalues(operator, 1, tol=1e-2, generator=runtime.stream(seed, "arnoldi"))
                records.append(
                    {
                        "seed": seed,
                        "image": image,
                        "radius": found.values.abs().max().item(),
                        "residual": found.residuals.max().item(),
                        "converged": bool(found.converged),
                        "products": found.products,
                    }
                )
    return pd.DataFrame(records)


RESNET20 = Experiment(
    name="eigenvalues-resnet20",
    trial=resnet20_trial,
    quick=Grid(settings=(ResNet20(zero_gamma=False), ResNet20(zero_gamma=True)), seeds=SEEDS, group=1),
    full=Grid(
        settings=(ResNet20(zero_gamma=False, images=4), ResNet20(zero_gamma=True, images=4)), seeds=MANY_SEEDS, group=1
    ),
    data=("digits",),
)


def cluster_resnet20(table: pd.DataFrame) -> Evidence:
    """Spectral radius of the branch, mean over blocks and images, one value per seed; control: zero-gamma."""
    radius = table.groupby(["zero_gamma", "seed"])["radius"].mean()
    return Evidence(values=radius[False].to_numpy(), control=radius[True].to_numpy())


BARE = replace(UNITS["pre"], norm="none")
VARIANTS = {
    ("mlp", "residual"): BARE,
    ("mlp", "scaled"): BARE,  # alpha = 1/sqrt(blocks) is set by `recipe_of`
    ("mlp", "plain"): BARE.plain(),
    ("conv", "residual"): UNITS["pre"],
    ("conv", "zero-gamma"): UNITS["zero-gamma"],
    ("conv", "plain"): UNITS["plain-pre"],
}


@dataclass(frozen=True)
class Trained:
    """A network trained on digits by SGD with a one-cycle schedule, measured at ``images`` test images.

    ``kind`` is ``mlp`` (width 64) or ``conv`` (8 channels on 8 x 8 pixels); ``variant`` a key of ``VARIANTS``.
    """

    kind: str
    variant: str
    blocks: int
    lr: float
    images: int = 1
    epochs: int = 20
    batch: int = 100


def unit_of(setting: Trained) -> Unit:
    """The recipe of the setting's blocks."""
    unit = VARIANTS[setting.kind, setting.variant]
    return replace(unit, alpha=setting.blocks**-0.5) if setting.variant == "scaled" else unit


def fit(setting: Trained, seeds: Sequence[int], keep: Sequence[int] = ()) -> training.Fit:
    """Train the setting's network for all seeds together."""
    digits = data.load("digits", flat=setting.kind == "mlp")
    unit = unit_of(setting)

    def make(generator: torch.Generator) -> nn.Module:
        if setting.kind == "mlp":
            return nets.mlp(setting.blocks, 64, unit=unit, in_features=64, classes=10, generator=generator)
        return nets.digits_resnet(setting.blocks, 8, unit=unit, generator=generator)

    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr, schedule="one-cycle")
    return training.fit(make, digits, recipe, seeds, keep=keep)


Measured = tuple[int, int, Tensor]


def through_training(setting: Trained, seeds: Sequence[int], moments: Sequence[int]) -> Iterator[Measured]:
    """Jacobians of all blocks (block, image, d, d) of every seed's network after so many epochs.

    Batch normalisation runs in evaluation mode, with the statistics that the training images have at that moment.
    """
    fitted = fit(setting, seeds, keep=moments)
    digits = data.load("digits", flat=setting.kind == "mlp")
    for epoch, seed in product(moments, seeds):
        net = fitted.net(seed, epoch)
        update_bn([digits.train.x], net)
        yield seed, epoch, torch.stack(jacobian.along(net.eval(), digits.test.x[: setting.images]))


def trained_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Every block's Jacobian before, halfway through and after training; one row per (seed, epoch, block, image).

    `near` and `exact` are the fractions of its eigenvalues within 0.5 of 1, and within 1e-4; `branch_norm` is the
    spectral norm of the branch's Jacobian.
    """
    pieces = []
    for seed, epoch, jacobians in through_training(setting, seeds, (0, setting.epochs // 2, setting.epochs)):
        distances = (linalg.eigenvalues(jacobians) - 1).abs()
        identity = torch.eye(jacobians.shape[-1]) if unit_of(setting).residual else 0.0
        block, image = np.indices(distances.shape[:2])
        piece = {"seed": seed, "epoch": epoch, "block": block.ravel(), "image": image.ravel()}
        piece |= {
            "near": (distances <= 0.5).double().mean(-1).flatten().numpy(),
            "exact": (distances <= EXACT).double().mean(-1).flatten().numpy(),
            "branch_norm": linalg.spectral_norms(jacobians - identity).flatten().numpy(),
        }
        pieces.append(pd.DataFrame(piece))
    return pd.concat(pieces, ignore_index=True)


def spectra_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Eigenvalues of first, middle and last block's Jacobian before and after training; one row per eigenvalue."""
    ends = [0, setting.blocks // 2, setting.blocks - 1]
    pieces = []
    for seed, epoch, jacobians in through_training(setting, seeds, (0, setting.epochs)):
        values = linalg.eigenvalues(jacobians[ends]).numpy()
        place, image, _ = np.indices(values.shape)
        piece = {"seed": seed, "epoch": epoch, "block": np.array(ends)[place.ravel()], "image": image.ravel()}
        piece |= {"real": values.real.ravel(), "imag": values.imag.ravel()}  # pyright: ignore[reportAttributeAccessIssue]
        pieces.append(pd.DataFrame(piece))
    return pd.concat(pieces, ignore_index=True)


# What `tuning.choose` takes of `eigenvalues-tuning`, which is stored under results/; a test compares.
BEST: dict[tuple[str, str, int], float] = choices.cells(
    {
        ("mlp", "residual"): {5: 0.04, 10: 0.0061},
        ("mlp", "scaled"): {5: 0.13, 10: 0.061},
        ("mlp", "plain"): {5: 0.02, 10: 0.0066},
        ("conv", "residual"): {2: 0.4, 4: 0.17},
        ("conv", "zero-gamma"): {2: 0.66, 4: 0.3},
        ("conv", "plain"): {2: 0.23, 4: 0.15},
    }
)
"""By kind, variant and blocks."""


SIZES = {"mlp": (5, 10), "conv": (2, 4)}  # blocks
CONV = {"epochs": 6, "batch": 50}  # a step costs more and fewer epochs suffice


def network(kind: str, variant: str, blocks: int, *, lr: float | None = None, images: int = 1) -> Trained:
    """The setting of one network; its learning rate is the best one unless given."""
    lr = BEST[kind, variant, blocks] if lr is None else lr
    return Trained(kind, variant, blocks, lr, images, **(CONV if kind == "conv" else {}))


NETWORKS = [(kind, variant, blocks) for kind, variant in VARIANTS for blocks in SIZES[kind]]


def _trained(wanted: str, images: int, sizes: tuple[int, ...]) -> tuple[Trained, ...]:
    return tuple(network(*key, images=images) for key in NETWORKS if key[0] == wanted and key[2] in sizes)


TRAINED_MLP = Experiment(
    name="eigenvalues-trained-mlp",
    agrees=SAMPLED,
    trial=trained_trial,
    quick=Grid(settings=(*_trained("mlp", 1, SIZES["mlp"]), network("mlp", "residual", 10, lr=0.0)), seeds=SEEDS),
    full=Grid(
        settings=(*_trained("mlp", 8, SIZES["mlp"]), network("mlp", "residual", 10, lr=0.0, images=8)), seeds=MANY_SEEDS
    ),
    data=("digits",),
)
_ONE_SEED = Grid(settings=_trained("mlp", 1, (10,)), seeds=SEEDS[:1])
SPECTRA = Experiment(
    "eigenvalues-trained-spectra", spectra_trial, quick=_ONE_SEED, full=_ONE_SEED, data=("digits",), agrees=SAMPLED
)
# One seed a trial: stacked convolutions are slower on a CPU than one network after the other.
TRAINED_CONV = Experiment(
    name="eigenvalues-trained-conv",
    agrees=SAMPLED,
    trial=trained_trial,
    quick=Grid(settings=_trained("conv", 1, (4,)), seeds=SEEDS, group=1),
    full=Grid(settings=_trained("conv", 4, SIZES["conv"]), seeds=MANY_SEEDS, group=1),
    data=("digits",),
)


def near_identity(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over blocks, one row per moment: fractions of eigenvalues near 1 and exactly 1, and the branch's norm.

    `others` is the fraction near 1 of those that are not exactly 1, over the blocks that have such eigenvalues.
    """
    of_network = ["kind", "variant", "blocks", "lr", "seed", "epoch"]
    of_block = [*of_network, "block"]
    per_block = table.groupby(of_block)[["near", "exact", "branch_norm"]].mean().rename(columns={"near": "fraction"})
    left = 1 - per_block["exact"]
    per_block["others"] = (per_block["fraction"] - per_block["exact"]) / left.where(left > 0)
    return per_block.groupby(of_network).median().reset_index()


def _trained_measure(kind: str, variant: str, blocks: int, column: str = "fraction", beside: str = "fraction"):
    def measure(table: pd.DataFrame) -> Evidence:
        rows = near_identity(table)
        rows = rows[(rows["kind"] == kind) & (rows["blocks"] == blocks) & (rows["epoch"] == rows["epoch"].max())]
        rows = rows[rows["lr"] > 0].set_index("variant")
        return Evidence(rows.loc[[variant], column].to_numpy(), control=rows.loc[["plain"], beside].to_numpy())

    measure.__doc__ = (
        f"`{column}` after training, {variant} {kind} of {blocks} blocks, one value per seed; control: plain twin."
    )
    return measure


trained_exact = _trained_measure("mlp", "residual", 10, "exact", "exact")
trained_others = _trained_measure("mlp", "residual", 10, "others")
trained_mlp = _trained_measure("mlp", "residual", 10)
trained_mlp_scaled = _trained_measure("mlp", "scaled", 10)
trained_conv = _trained_measure("conv", "residual", 4)
trained_conv_zero_gamma = _trained_measure("conv", "zero-gamma", 4)


def _residual_mlp(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column for the residual MLPs of 10 blocks: rows (trained or of learning rate 0, seed), columns epochs."""
    rows = rows[(rows["kind"] == "mlp") & (rows["variant"] == "residual") & (rows["blocks"] == 10)]
    return rows.assign(trained=rows["lr"] > 0).pivot(index=["trained", "seed"], columns="epoch", values=column)


def trained_toward(table: pd.DataFrame) -> Evidence:
    """Fraction near 1 after training minus before, residual MLP of 10 blocks, one value per seed; control: rate 0."""
    moments = _residual_mlp(near_identity(table), "fraction")
    change = moments[moments.columns.max()] - moments[0]
    return Evidence(values=change[True].to_numpy(), control=change[False].to_numpy())


def trained_rank(table: pd.DataFrame) -> Evidence:
    """Rise of the exact ones minus that of those near 1, residual MLP of 10 blocks, a value a seed; control: rate 0."""
    rows = near_identity(table)
    exact, near = (_residual_mlp(rows, column) for column in ("exact", "fraction"))
    last = exact.columns.max()
    rise = (exact[last] - exact[0]) - (near[last] - near[0])
    return Evidence(values=rise[True].to_numpy(), control=rise[False].to_numpy())


def trained_small_branch(table: pd.DataFrame) -> Evidence:
    """Norm of the branch's Jacobian after training, median over blocks, one value per seed; control: before it."""
    norms = _residual_mlp(near_identity(table), "branch_norm").xs(True, level="trained")
    return Evidence(values=norms[norms.columns.max()].to_numpy(), control=norms[0].to_numpy())


def tuning_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


START = {"mlp": 0.03, "conv": 0.3}
_GRIDS = tuning.grids(
    [network("mlp", "residual", 5, lr=START["mlp"])], [network(*key, lr=START[key[0]]) for key in NETWORKS]
)
TUNING = Experiment("eigenvalues-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("kind", "variant", "blocks"), best=BEST)
MLP_CHOICES = choices.Choices(TRAINED_MLP, choices.ways(TRAINED_MLP.quick.settings))
CONV_CHOICES = choices.Choices(TRAINED_CONV, choices.ways(TRAINED_CONV.quick.settings))
