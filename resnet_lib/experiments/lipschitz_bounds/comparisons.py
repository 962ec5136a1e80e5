"""What a guarantee costs, compared with care: at a smaller beta, and against an unconstrained network of one start."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import lipschitz
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.lipschitz_bounds import stacks
from resnet_lib.experiments.lipschitz_bounds.single import INSIDE
from resnet_lib.nets import Stack
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

GENTLE = 0.02


@dataclass(frozen=True)
class Compared:
    """An MLP of blocks without measured bounds, trained on digits; `rule` says what the blocks are.

    `gentle` is `(1 - beta) x + beta F(x)` with `beta = 0.02` and both norms equal to 1. `released` starts from the
    weights that `bounded` of `stacks.Trained` starts from, as they are projected, and trains without the bound. The
    other rules are those of `stacks.Trained`.
    """

    rule: str
    blocks: int
    lr: float
    width: int = 16
    epochs: int = 20


def make_net(setting: Compared, generator: torch.Generator) -> Stack:
    """The network before training, with its constraints."""
    if setting.rule == "gentle":
        unit = replace(INSIDE, alpha=GENTLE, beta=GENTLE)
        net = nets.mlp(setting.blocks, setting.width, unit=unit, generator=generator)
        kind = lipschitz.SpectrallyNormalised
        return lipschitz.constrain(net, 1.0, kind=kind, where=lambda name: name.startswith("blocks"))
    released = setting.rule == "released"
    rule = "bounded" if released else setting.rule
    net = stacks.make_net(stacks.Trained(rule, setting.blocks, setting.lr, setting.width), generator)
    return lipschitz.release(net) if released else net


def fit(setting: Compared, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's networks; the initialisation is kept."""
    recipe = training.Recipe(epochs=setting.epochs, batch=100, lr=setting.lr)
    digits = data.load("digits", flat=True)
    return training.fit(lambda generator: make_net(setting, generator), digits, recipe, seeds, keep=(0,))


def compared_trial(setting: Compared, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy after training, 0.1 where it diverged, and log10 of the gradient's ratio before; one row per seed."""
    digits = data.load("digits", flat=True)
    fitted = fit(setting, seeds)
    accuracy = fitted.history[fitted.history["epoch"] == setting.epochs].set_index("seed")["test_accuracy"].fillna(0.1)
    records = []
    for seed in seeds:
        start = make_net(setting, runtime.stream(seed, "init"))
        start.load_state_dict(fitted.net(seed, 0).state_dict())
        start = lipschitz.release(start).double().eval()
        gradient = stacks.signal_of(start, digits.train.x[:200].double(), digits.train.y[:200])
        records.append({"seed": seed, "test_accuracy": float(accuracy[seed]), "gradient": gradient})
    return pd.DataFrame(records)


START = {"gentle": 0.3, "released": 0.1}
# What `tuning.choose` takes of `lipschitz-compared-tuning`, which is stored under results/; a test compares.
BEST: dict[tuple[str, int], float] = {("gentle", 50): 0.35, ("released", 10): 0.13}
SAME = ("residual", 50), ("bounded", 10)
"""Networks of `stacks`, at the rates that were chosen there."""
_COMPARED = (
    *(Compared(*key, lr) for key, lr in BEST.items()),
    *(Compared(*key, stacks.BEST[key]) for key in SAME),
    *(Compared("silent", blocks, 0.1) for blocks in (10, 50)),
)
COMPARED = Experiment.repeated(
    "lipschitz-compared",
    compared_trial,
    _COMPARED,
    stacks.SEEDS,
    stacks.MANY_SEEDS,
    group=5,
    data=("digits",),
    agrees=SAMPLED,
)


def tuning_trial(setting: Compared, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


_TUNED = tuple(Compared(rule, blocks, START[rule]) for rule, blocks in BEST)
_GRIDS = tuning.grids(_TUNED[1:], _TUNED)
TUNING = Experiment("lipschitz-compared-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("rule", "blocks"), best=BEST)
CHOICES = choices.Choices(COMPARED, choices.ways(_COMPARED))
DIVIDED = choices.divisions(COMPARED)


def _of(table: pd.DataFrame, rule: str, blocks: int, column: str = "test_accuracy") -> pd.Series:
    return table[(table["rule"] == rule) & (table["blocks"] == blocks)].set_index("seed")[column]


def _points(table: pd.DataFrame, rule: str, usual: str, blocks: int) -> np.ndarray:
    return 100 * (_of(table, rule, blocks) - _of(table, usual, blocks)).to_numpy()


def gentle_gradient(table: pd.DataFrame) -> Evidence:
    """log10 of the first gradient over the last at the start, 50 blocks, beta = 0.02; control: silent blocks."""
    found = (_of(table, rule, 50, "gradient").to_numpy() for rule in ("gentle", "silent"))
    return Evidence(*found, unit="decades")


def gentle_accuracy(table: pd.DataFrame) -> Evidence:
    """Accuracy of 50 blocks with beta = 0.02 minus that of `1 / sqrt(50)`, paired by seed; control: silent blocks."""
    return Evidence(*(_points(table, rule, "residual", 50) for rule in ("gentle", "silent")), unit="percentage points")


def weights_cost(table: pd.DataFrame) -> Evidence:
    """Accuracy of the bounded network minus that of the released one, paired by seed; control: silent blocks."""
    return Evidence(*(_points(table, rule, "released", 10) for rule in ("bounded", "silent")), unit="percentage points")
