"""The families of networks that the chapter compares: what each is made of, and the learning rate it trains best at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from resnet_lib.evidence import choices
from resnet_lib.experiments.plain_networks import stacks
from resnet_lib.nets import Unit
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import Fit, Recipe, recipes, tuning, zoo
from resnet_lib.training.zoo import Network

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
CHANCE = 0.1  # accuracy that a network whose numbers overflowed is given; ten classes

BARE = replace(UNITS["plain"], norm="none")
VARIANTS: dict[str, str | Unit] = {
    "plain": "plain",
    "mirrored": replace(UNITS["plain"], scheme="looks-linear"),
    "original": "post",
    "pre": "pre",
    "bare": BARE,
    "identity": replace(BARE, scheme="identity"),
    "looks-linear": replace(BARE, scheme="looks-linear"),
    "orthogonal": replace(BARE, scheme="orthogonal"),
    "sigmoid": replace(BARE, activation="sigmoid", scheme="lecun"),
}
"""Plain networks with batch normalisation and residual ones of two units; from `bare` on, all without it.

Besides these there is `scaled`, the residual network of `stacks` without normalisation.
"""

EPOCHS = {"digits": 8, "cifar10": 60}


@dataclass(frozen=True)
class Family:
    """A network and how it is trained: an MLP of width 64 on `digits`, the network of He et al. on `cifar10`.

    Attributes:
        variant: A key of ``VARIANTS``, or ``scaled``.
        layers: Weight layers on the path of the branches: ``2 * blocks + 2``.
        lr: Highest learning rate.
        rescaled: Whether each layer's gradient is rescaled to the size of its weights.
        dataset: ``digits`` or ``cifar10``.
        epochs: Passes over the training images.
        watched: Whether its weights after the epochs 0, 1, 2, half and all are kept, and its gradients measured there.
        bent: Whether the slope from its first state to its last is measured, before and after training.
    """

    variant: str
    layers: int
    lr: float
    rescaled: bool = False
    dataset: str = "digits"
    epochs: int = 8
    watched: bool = False
    bent: bool = False


def recipe(setting: Family) -> Recipe:
    """How the setting's network is trained."""
    base = recipes.ONE_CYCLE if setting.dataset == "cifar10" else Recipe(epochs=1, batch=100)
    optimizer = "lars" if setting.rescaled else "sgd"
    decay = 0.0 if setting.rescaled else base.weight_decay  # the rescaled step is a fraction of the weights itself
    return replace(base, epochs=setting.epochs, lr=setting.lr, optimizer=optimizer, weight_decay=decay)


def kept(setting: Family) -> tuple[int, ...]:
    """The epochs whose weights are kept; on digits for every network, so that experiments share them."""
    if setting.watched or setting.bent or setting.dataset == "digits":
        return tuple(sorted({epoch for epoch in (0, 1, 2, setting.epochs // 2) if epoch < setting.epochs}))
    return ()


def unit(variant: str, layers: int) -> str | Unit:
    """The recipe of a variant's blocks in a network of so many layers."""
    return stacks.recipe("scaled", blocks_of(layers)).unit if variant == "scaled" else VARIANTS[variant]


def blocks_of(layers: int) -> int:
    """Blocks of two layers between the first layer and the last."""
    return (layers - 2) // 2


def network(setting: Family) -> Network:
    """The setting's network, as it is trained and kept."""
    architecture, depth = "cifar-resnet", setting.layers
    if setting.dataset == "digits":
        architecture, depth = "mlp", blocks_of(setting.layers)
    made = unit(setting.variant, setting.layers)
    return Network(architecture, depth, setting.dataset, recipe(setting), unit=made, keep=kept(setting))


def fit(setting: Family, seeds: Sequence[int], device: torch.device | str) -> Fit:
    """The trained networks of the setting."""
    return zoo.train(network(setting), seeds, device=device)


def accuracies(found: Fit) -> pd.DataFrame:
    """Accuracies in the last epoch, one row per seed; those of a network whose numbers overflowed are chance."""
    last = found.history[found.history["epoch"] == found.history["epoch"].max()]
    columns = ["train_accuracy", "validation_accuracy", "test_accuracy"]
    return last.set_index("seed")[columns].fillna(CHANCE)


def tuning_trial(setting: Family, seeds: Sequence[int], device: torch.device | str = "cpu") -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds, device), setting.lr)


_SEARCHED: dict[tuple[str, int, bool], tuple[float, float]] = choices.cells(
    {
        "plain": {
            (8, False): (0.1, 0.13),
            (20, False): (0.1, 0.15),
            (50, False): (0.03, 0.071),
            (50, True): (0.01, 0.005),
        },
        "mirrored": {(50, False): (0.01, 0.01)},
        "original": {(8, False): (0.3, 0.095), (20, False): (0.1, 0.043), (50, False): (0.03, 0.03)},
        "pre": {(8, False): (0.3, 0.53), (20, False): (0.1, 0.18), (50, False): (0.3, 0.4)},
        "bare": {
            (8, False): (0.03, 0.03),
            (8, True): (0.006, 0.0081),
            (50, False): (0.003, 0.0071),
            (50, True): (0.001, 0.00032),
            (100, False): (0.003, 0.003),
        },
        "identity": {(100, False): (0.003, 0.003)},
        "looks-linear": {(100, False): (0.003, 0.0033)},
        "scaled": {(8, False): (0.1, 0.057), (100, False): (0.1, 0.087)},
        "sigmoid": {(8, False): (0.01, 0.01), (8, True): (0.01, 0.01)},
    }
)
STARTS = {network: start for network, (start, _) in _SEARCHED.items()}
"""Where the search begins for every network on digits. The key: variant, layers, whether gradients are rescaled."""
BEST = {network: best for network, (_, best) in _SEARCHED.items()}
"""What `tuning.choose` takes of `plain-tuning`, which is stored under results/; a test compares."""

LONG = {"sigmoid": 60}  # epochs on digits; eight sigmoid layers learn slowly even where their gradients are rescaled

# On CIFAR-10, by variant and whether rescaled, until `plain-cifar-tuning` has been computed: the one-cycle rate of the
# book where there is normalisation, and what trains at a tiny size elsewhere.
BEST_CIFAR: dict[tuple[str, bool], float] = choices.cells(
    {
        "plain": {False: 0.1, True: 0.01},
        "mirrored": {False: 0.1},
        "original": {False: 0.4},
        "pre": {False: 0.4},
        "scaled": {False: 0.03},
        "bare": {False: 0.01, True: 0.01},
        "identity": {False: 0.01},
        "looks-linear": {False: 0.01},
        "sigmoid": {False: 0.1, True: 0.01},
    }
)


def digits(variant: str, layers: int, *, rescaled: bool = False, watched: bool = False, bent: bool = False) -> Family:
    """A family on digits at its own rate."""
    lr, epochs = BEST[variant, layers, rescaled], LONG.get(variant, EPOCHS["digits"])
    return Family(variant, layers, lr, rescaled=rescaled, epochs=epochs, watched=watched, bent=bent)


def cifar(variant: str, layers: int, *, rescaled: bool = False, watched: bool = False, bent: bool = False) -> Family:
    """A family on CIFAR-10 at its own rate."""
    lr, epochs = BEST_CIFAR[variant, rescaled], EPOCHS["cifar10"]
    return Family(variant, layers, lr, rescaled=rescaled, dataset="cifar10", epochs=epochs, watched=watched, bent=bent)


def _searches(starts: Iterable[tuple[str, int, bool]]) -> tuple[Family, ...]:
    """The networks on digits that are tuned, each at the rate that its search begins with."""
    found = (
        (digits(variant, layers, rescaled=rescaled), STARTS[variant, layers, rescaled])
        for variant, layers, rescaled in starts
    )
    return tuple(replace(family, lr=lr) for family, lr in found)


_GRIDS = tuning.grids([replace(each, epochs=2) for each in _searches([("plain", 8, False)])], _searches(STARTS))
TUNING = Experiment("plain-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("variant", "layers", "rescaled"), best=BEST, untrained=(("sigmoid", 8, False),))
# Needs CIFAR-10 and, in FULL, a GPU; no page runs it. A rate of a family is chosen at its least and greatest depth.
_CIFAR_GRIDS = tuning.grids(
    [replace(cifar("plain", 8), epochs=1)],
    [
        cifar(variant, layers, rescaled=rescaled)
        for variant, rescaled in BEST_CIFAR
        for layers in ((8,) if variant == "sigmoid" else (8, 56))
    ],
)
CIFAR_TUNING = Experiment("plain-cifar-tuning", tuning_trial, *_CIFAR_GRIDS, data=("cifar10",), agrees=SAMPLED)
