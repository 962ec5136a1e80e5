r"""Linear blocks: at which angle plain and residual ones learn equally fast, and that both are one map to be learned.

Descent of $\lVert(A-T)x\rVert^2$ from $A=0$ leaves $A_k-T=-T(I-\eta C)^k$ after $k$ steps, with $C$ the second moments
of the inputs. A plain block has the target $T=R$, a residual one $R-I$.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.learning_the_difference import single
from resnet_lib.experiments.learning_the_difference.single import PLAIN, RESIDUAL
from resnet_lib.sweep import Columns, Experiment
from resnet_lib.training import Recipe, regression

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))
NODES = (45, 55, 65, 75, 85)
"""Angles between which the angle of equal steps is found, by the polynomial through them; it is none of them."""
ANGLES = (0, 30, *NODES, 120, 180)
MOST = 300
"""Steps after which a linear block is given up; none needs so many."""


@dataclass(frozen=True)
class Turns:
    """A linear block that is to turn its input.

    Attributes:
        scale: What the turned input is multiplied by.
        start: Standard deviation of the weights at first.
        width: Coordinates of the input.
        examples: Pairs.
        spread: Largest over smallest standard deviation of the inputs, along axes of random direction.
        tolerance: Mean squared error at which the block has learned, over the mean square of the inputs.
        rate: What a step takes of the error along the widest axis.
    """

    scale: float = 1.0
    start: float = 0.01
    width: int = 16
    examples: int = 48
    spread: float = 2.0
    tolerance: float = 0.01
    rate: float = 0.2


@dataclass(frozen=True)
class Problem:
    """Inputs of mean square 1, the planes that are turned, and the weights at first."""

    x: Tensor
    frame: Tensor
    start: Tensor


def problem(setting: Turns, seed: int) -> Problem:
    """The problem of a seed; the same for all angles and both kinds of blocks."""
    draw, width = runtime.stream(seed, "turns"), setting.width
    axes = single.frame(width, draw) * torch.logspace(0, -1, width, base=setting.spread, dtype=torch.float64)
    x = torch.randn(setting.examples, width, generator=draw, dtype=torch.float64) @ axes.T
    weight = setting.start * torch.randn(width, width, generator=draw, dtype=torch.float64)
    return Problem(x / x.square().mean().sqrt(), single.frame(width, draw), weight)


def steps(setting: Turns, problems: Sequence[Problem], kind: str) -> np.ndarray:
    """Steps, with a fraction, after which a block of that kind turns by each of `ANGLES`: a row a problem."""
    pairs = [(each, single.turn(angle, each.frame)) for each in problems for angle in ANGLES]
    x = torch.stack([each.x for each, _ in pairs])
    t = torch.stack([setting.scale * each.x @ turn.T for each, turn in pairs])
    widest = max(float(torch.linalg.matrix_norm(each.x, 2)) ** 2 / setting.examples for each in problems)
    lr = setting.rate * setting.width / 2 / widest  # of a loss that is a mean over coordinates
    recipe = Recipe(epochs=MOST, lr=lr, momentum=0.0, schedule="constant", warmup=0.0)
    blocks = [single.linear(kind, each.start) for each, _ in pairs]
    found = regression.fit(blocks, x, t, recipe, tolerance=setting.tolerance)
    return found.steps.reshape(len(problems), len(ANGLES)).numpy()


def trial(setting: Turns, seeds: Sequence[int]) -> pd.DataFrame:
    """Steps of both kinds by angle, and the angle at which they are equal; one row per draw and angle."""
    problems = [problem(setting, seed) for seed in seeds]
    plain, residual = (steps(setting, problems, kind) for kind in (PLAIN, RESIDUAL))
    nodes = [ANGLES.index(angle) for angle in NODES]
    crossing = [equal(lead) for lead in (plain - residual)[:, nodes]]
    count = len(ANGLES)
    found = {"seed": np.repeat(seeds, count), "angle": np.tile(ANGLES, len(seeds)), "plain": plain.ravel()}
    return pd.DataFrame(found | {"residual": residual.ravel(), "crossing": np.repeat(crossing, count)})


def equal(lead: Sequence[float] | np.ndarray) -> float:
    """The angle at which a lead in steps, known at `NODES`, is 0: of the polynomial that gives the angle by the lead.

    Example:
        >>> round(equal([15.0, 5.0, -5.0, -15.0, -25.0]), 6)
        60.0
    """
    lead = np.asarray(lead, dtype=float)
    others = [np.delete(lead, i) for i in range(len(lead))]
    return float(sum(n * np.prod(o / (o - own)) for n, o, own in zip(NODES, others, lead, strict=True)))


LINEAR = Experiment.repeated(
    "difference-linear", trial, (Turns(), Turns(scale=2.0)), DRAWS, MANY_DRAWS, group=50, agrees=Columns("exact")
)


def of(table: pd.DataFrame, column: str, angle: float, scale: float = 1.0) -> np.ndarray:
    """A column at an angle, one value per draw."""
    rows = table[(table["angle"] == angle) & (table["scale"] == scale)]
    return rows.set_index("seed")[column].sort_index().to_numpy()


def crossing(table: pd.DataFrame) -> Evidence:
    """Angle of equal steps, one value per draw; control: of turns that also double."""
    return Evidence(*(of(table, "crossing", 0, scale) for scale in (1.0, 2.0)), unit="degrees")  # pyright: ignore[reportArgumentType]


def half_turn(table: pd.DataFrame) -> Evidence:
    """Steps of the residual minus of the plain block at 180 degrees, one value per draw; control: at 0 degrees."""
    return Evidence(*(of(table, "residual", angle) - of(table, "plain", angle) for angle in (180, 0)), unit="steps")  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Twins:
    """A plain linear block that starts at $I+A$ beside a residual one that starts at $A$.

    Attributes:
        optimizer: `sgd`, `momentum` or `adam`.
        decay: Weight decay of both.
        steps: Steps, of which some are compared.
    """

    optimizer: str
    decay: float = 0.0
    steps: int = 200
    width: int = 16
    examples: int = 32


RATES = {"sgd": 0.5, "momentum": 0.1, "adam": 0.01}
"""Rates at which nothing diverges and the targets are not reached; no result depends on them."""


def twins_trial(setting: Twins, seeds: Sequence[int]) -> pd.DataFrame:
    """How far the twins are apart, and how far from the identity; one row per draw.

    `gap` is the largest entry of $W-(I+A)$ after 1, 5, 20, 100 and all steps, `moved` how far $W$ has come from its
    start by its largest entry. `plain` and `residual` are the distances of $W$ and $I+A$ from the identity at the end.
    """
    width, keep = setting.width, (0, 1, 5, 20, 100, setting.steps)
    x, t, start = [], [], []
    for seed in seeds:
        draw = runtime.stream(seed, "twins")
        sizes = torch.logspace(0, -1, width, base=5.0, dtype=torch.float64)
        x.append(torch.randn(setting.examples, width, generator=draw, dtype=torch.float64) * sizes)
        target = torch.randn(width, width, generator=draw, dtype=torch.float64) / width**0.5
        t.append(x[-1] @ target.T)
        start.append(torch.randn(width, width, generator=draw, dtype=torch.float64) / width**0.5)
    recipe = Recipe(
        epochs=setting.steps,
        lr=RATES[setting.optimizer],
        momentum=0.0 if setting.optimizer == "sgd" else 0.9,
        weight_decay=setting.decay,
        schedule="constant",
        warmup=0.0,
        optimizer="adam" if setting.optimizer == "adam" else "sgd",
    )
    identity = torch.eye(width, dtype=torch.float64)
    kept = {}
    for kind, shift in ((PLAIN, identity), (RESIDUAL, torch.zeros_like(identity))):
        blocks = [single.linear(kind, weight + shift) for weight in start]
        kept[kind] = regression.fit(blocks, torch.stack(x), torch.stack(t), recipe, keep=keep).kept
    plain = {step: next(iter(params.values())) for step, params in kept[PLAIN].items()}
    residual = {step: next(iter(params.values())) + identity for step, params in kept[RESIDUAL].items()}
    gap = torch.stack([(plain[step] - residual[step]).abs().amax((1, 2)) for step in keep]).amax(0)
    ends = {PLAIN: plain[setting.steps] - identity, RESIDUAL: residual[setting.steps] - identity}
    moved = (plain[setting.steps] - plain[0]).abs().amax((1, 2))
    return pd.DataFrame(
        {"seed": list(seeds), "gap": gap.numpy(), "moved": moved.numpy()}
        | {kind: end.square().sum((1, 2)).sqrt().numpy() for kind, end in ends.items()}
    )


DECAYS = (0.0, 0.01)
TWINS = Experiment.repeated(
    "difference-twins",
    twins_trial,
    tuple(Twins(optimizer, decay) for decay in DECAYS for optimizer in RATES),
    DRAWS,
    MANY_DRAWS,
    group=50,
    agrees=Columns("rounded", {"gap": "noise"}),
)


def _with(table: pd.DataFrame, decay: float, value: Callable[[pd.DataFrame], pd.Series]) -> np.ndarray:
    rows = table[table["decay"] == decay].sort_values(["optimizer", "seed"])
    return value(rows).to_numpy()


def same(table: pd.DataFrame) -> Evidence:
    """Largest gap between W and I + A, one value per optimiser and draw; control: with weight decay 0.01."""
    return Evidence(*(_with(table, decay, lambda rows: rows["gap"]) for decay in DECAYS))  # pyright: ignore[reportArgumentType]


def decay(table: pd.DataFrame) -> Evidence:
    """Log of the residual twin's distance from the identity over the plain one's, decay 0.01; control: no decay."""

    def log(rows: pd.DataFrame) -> pd.Series:
        return np.log(rows["residual"] / rows["plain"])  # pyright: ignore[reportReturnType]

    return Evidence(_with(table, 0.01, log), _with(table, 0.0, log))
