"""Networks: the same residual network with every kind of shortcut where its shape changes, trained and measured."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, files, nets, runtime, sweep, training
from resnet_lib.analysis import lesion, shortcuts
from resnet_lib.data import Dataset, Split
from resnet_lib.evidence.claims import Evidence
from resnet_lib.linalg import subspaces
from resnet_lib.nets.blocks import Absent
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment, Grid, Result
from resnet_lib.training import recipes

SEEDS = tuple(range(5))
TITLES = {
    "A": "zero-padding (A)",
    "B": "1x1 where needed (B)",
    "C": "1x1 everywhere (C)",
    "columns": "1x1, orthonormal columns",
    "2x2": "2x2, orthonormal rows",
    "pca": "2x2, PCA at the start",
    "pool": "average, then 1x1 (D)",
    "none": "none where shapes differ",
    "plain": "none anywhere",
}
"""The variants, in the order of the figures: names of `units.SHORTCUTS`, and the plain twin."""

VECTORS = 20


@dataclass(frozen=True)
class Network:
    """A post-activation ResNet of three stages (he2016deep, sec. 4.2), with ``shortcut`` where its shape changes."""

    shortcut: str
    lr: float
    depth: int = 14
    width: int = 8
    dataset: str = "digits"
    epochs: int = 4
    batch: int = 50
    weight_decay: float = 0.0
    augment: str = "none"


def fit(setting: Network, seeds: Sequence[int], dataset: Dataset, keep: Sequence[int] = ()) -> training.Fit:
    """Train the setting's network for all seeds together; one with PCA looks at 1,000 training images first."""
    plain = setting.shortcut == "plain"
    unit = UNITS["plain"] if plain else replace(UNITS["post"], shortcut=setting.shortcut)
    seen = dataset.train.x[:1000].cpu()

    def make(generator: torch.Generator) -> nn.Module:
        net = nets.cifar_resnet(
            setting.depth, unit=unit, width=setting.width, in_channels=dataset.shape[0], generator=generator
        )
        return shortcuts.pca_(net, seen) if setting.shortcut == "pca" else net

    return training.fit(make, dataset, recipes.of(setting), seeds, keep=keep, policy=training.ONE_BY_ONE)


class Cut(nn.Module):
    """What a shortcut would carry, times zero."""

    def __init__(self, shortcut: nn.Module):
        super().__init__()
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of the shortcut's shape."""
        return 0 * self.shortcut(x)


@torch.no_grad()
def accuracy(net: nn.Module, part: Split) -> float:
    """Percentage of right labels."""
    hits = sum(int((net(x).argmax(1) == y).sum()) for x, y in zip(part.x.split(1000), part.y.split(1000), strict=True))
    return 100 * hits / len(part)


def transitions(net: nets.Stack) -> list[int]:
    """Positions of the blocks that change the shape."""
    shapes = lesion.shapes(net)
    return [i for i in range(len(net.blocks)) if shapes[i] != shapes[i + 1]]


def without(net: nets.Stack, positions: Sequence[int]) -> nets.Stack:
    """A copy in which the shortcuts of these blocks carry nothing."""
    cut = copy.deepcopy(net)
    for i in positions:
        block = cut.blocks[i]
        if not isinstance(block.shortcut, Absent):
            block.shortcut = Cut(block.shortcut)  # pyright: ignore[reportArgumentType]
    return cut


def norm_ratios(shortcut: nn.Module, shape: tuple[int, ...], seed: int, device: torch.device) -> tuple[float, float]:
    """Mean ratios of norms of Gaussian gradients and signals, without the matrix, which is large on photographs."""
    if isinstance(shortcut, Absent):
        return float("nan"), float("nan")
    x = torch.randn(VECTORS, *shape, generator=runtime.stream(seed, "signals")).to(device).requires_grad_()
    with torch.enable_grad():
        y = shortcut(x)
        g = torch.randn(y.shape, generator=runtime.stream(seed, "gradients")).to(device)
        (pulled,) = torch.autograd.grad((y * g).sum(), x)
    with torch.no_grad():
        moved = y - shortcut(torch.zeros_like(x[:1]))
    gradient = pulled.flatten(1).norm(dim=1) / g.flatten(1).norm(dim=1)
    return float(gradient.mean()), float((moved.flatten(1).norm(dim=1) / x.detach().flatten(1).norm(dim=1)).mean())


@torch.no_grad()
def kept_of_digits(net: nets.Stack, position: int, dataset: Dataset) -> tuple[float, float]:
    """Percentages: variance of the state that the shortcut's output determines; accuracy of a linear probe of it."""
    shortcut = net.blocks[position].shortcut
    if isinstance(shortcut, Absent):
        return float("nan"), float("nan")
    states = [net.states(part.x)[position] for part in (dataset.train, dataset.test)]
    matrix = shortcuts.matrix(shortcut, tuple(states[0].shape[1:])).double()  # pyright: ignore[reportArgumentType]
    variance = subspaces.reconstruction(matrix, subspaces.covariance(states[0]))
    features = [shortcut(state) for state in states]  # pyright: ignore[reportCallIssue]
    probe = subspaces.probe((features[0], dataset.train.y), (features[1], dataset.test.y))
    return 100 * variance, 100 * probe


def network_trial(setting: Network, seeds: Sequence[int], device: torch.device | str = "cpu") -> pd.DataFrame:
    """Train, then measure the network and its shortcuts where the shape changes; one row per (seed, change of shape).

    ``test``: test accuracy in percent, ``cut``: with the shortcuts of those blocks (C: of all) carrying nothing;
    ``gradient``, ``forward``: ratios of norms after training, ``_start`` before; ``defect``: largest distance of an
    orthonormal or PCA kernel from orthonormal at any kept epoch; ``variance``, ``probe``: `kept_of_digits`. NaN where
    there is no shortcut, and an accuracy of 0 where training diverged.
    """
    dataset = data.load(setting.dataset, device=device)
    moments = range(setting.epochs + 1) if setting.epochs <= 10 else (0, setting.epochs // 2, setting.epochs)
    fitted = fit(setting, seeds, dataset, keep=tuple(moments))
    records = []
    for seed, diverged in zip(seeds, fitted.diverged, strict=True):
        start, net = fitted.net(seed, 0), fitted.net(seed)
        assert isinstance(net, nets.Stack)
        assert isinstance(start, nets.Stack)
        changing = transitions(net)
        cut = range(len(net.blocks)) if setting.shortcut == "C" else changing
        defects = [max(shortcuts.row_defects(fitted.net(seed, epoch)).values(), default=np.nan) for epoch in moments]
        whole = {
            "seed": seed,
            "test": 0.0 if diverged else accuracy(net, dataset.test),
            "cut": 0.0 if diverged else accuracy(without(net, list(cut)), dataset.test),
            "defect": max(defects),
        }
        for number, position in enumerate(changing, start=1):
            shape, place = lesion.shapes(net)[position], dataset.train.x.device
            before, after = (norm_ratios(part.blocks[position].shortcut, shape, seed, place) for part in (start, net))  # pyright: ignore[reportArgumentType]
            lost = diverged or setting.dataset != "digits"
            variance, probe = (np.nan, np.nan) if lost else kept_of_digits(net, position, dataset)
            records.append(
                {
                    **whole,
                    "change": number,
                    "gradient_start": before[0],
                    "forward_start": before[1],
                    "gradient": after[0],
                    "forward": after[1],
                    "variance": variance,
                    "probe": probe,
                }
            )
    return pd.DataFrame(records)


# What `tuning.choose` takes of `rates.RATES` (`rates.TUNING`, stored under results/; a test compares).
BEST = {
    "A": 0.1,
    "B": 0.18,
    "C": 0.18,
    "columns": 0.056,
    "2x2": 0.18,
    "pca": 0.1,
    "pool": 0.18,
    "none": 0.1,
    "plain": 0.056,
}

DIGITS = Experiment(
    name="shortcuts-digits",
    agrees=SAMPLED,
    trial=network_trial,
    quick=Grid(settings=tuple(Network(name, BEST[name]) for name in TITLES), seeds=SEEDS, group=1),
    full=Grid(settings=tuple(Network(name, BEST[name]) for name in TITLES), seeds=tuple(range(20)), group=1),
    data=("digits",),
)


def _cifar(depth: int, epochs: int) -> tuple[Network, ...]:
    # Learning rate, batch, decay and augmentation of he2016deep, sec. 4.2, with a third of its epochs.
    rest = {"width": 16, "dataset": "cifar10", "epochs": epochs, "batch": 128, "weight_decay": 1e-4}
    return tuple(Network(name, 0.1, depth, augment="crop-flip", **rest) for name in TITLES)


CIFAR = Experiment(
    name="shortcuts-cifar",
    agrees=SAMPLED,
    trial=network_trial,
    quick=Grid(settings=_cifar(20, 1), seeds=(0,)),
    full=Grid(settings=tuple(n for depth in (20, 56, 110) for n in _cifar(depth, 60)), seeds=SEEDS, group=1),
    data=("cifar10",),
)


def beside_cifar(result: Result, root: Path | None = None) -> Result:
    """The result on digits, with the stored one on CIFAR-10 in place of its own FULL one where that was computed."""
    return replace(result, full=sweep.stored(CIFAR, root or files.root()) or result.full)


def per_network(table: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, seed) at the largest depth: accuracy whole and cut, and the defect."""
    rows = table[(table["depth"] == table["depth"].max()) & (table["change"] == 1)]
    return rows[["shortcut", "seed", "test", "cut", "defect"]].reset_index(drop=True)


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy minus that of A with the same seed, percentage points; one column per variant, one row per seed."""
    wide = per_network(table).pivot(index="seed", columns="shortcut", values="test")
    return wide.sub(wide["A"], axis=0)


def _paired(table: pd.DataFrame, one: str, other: str, control: str) -> Evidence:
    rows = per_network(table).set_index("seed")
    test = {name: part["test"] for name, part in rows.groupby("shortcut")}
    lesioned = rows[rows["shortcut"] == control]
    return Evidence(
        values=(test[one] - test[other]).to_numpy(),
        control=(lesioned["test"] - lesioned["cut"]).to_numpy(),
    )


def need_something(table: pd.DataFrame) -> Evidence:
    """A minus no shortcut where shapes differ, paired, one value per seed; control: A whole minus cut."""
    return _paired(table, "A", "none", "A")


def need_learned(table: pd.DataFrame) -> Evidence:
    """B minus A, paired, one value per seed; control: B whole minus cut."""
    return _paired(table, "B", "A", "B")


def need_averaged(table: pd.DataFrame) -> Evidence:
    """Averages, then 1x1 (D) minus A, paired, one value per seed; control: D whole minus cut."""
    return _paired(table, "pool", "A", "pool")


def need_everywhere(table: pd.DataFrame) -> Evidence:
    """B minus C, paired, one value per seed; control: C whole minus cut."""
    return _paired(table, "B", "C", "C")


def need_orthonormal(table: pd.DataFrame) -> Evidence:
    """2x2 orthonormal minus B, paired, one value per seed; control: 2x2 orthonormal whole minus cut."""
    return _paired(table, "2x2", "B", "2x2")


def orth_trained(table: pd.DataFrame) -> Evidence:
    """Largest distance of a kernel from orthonormal at any epoch, one value per seed; control: PCA, free to learn."""
    defect = per_network(table).groupby("shortcut")["defect"]
    return Evidence(values=defect.get_group("2x2").to_numpy(), control=defect.get_group("pca").to_numpy())
