r"""Blocks with two layers and a ReLU between them, fitted to turns of their inputs: which kind takes fewer steps?

A residual block that is trained on $t$ has the loss of a plain one that is trained on $t-x$, from equal weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence import choices
from resnet_lib.experiments.learning_the_difference import single
from resnet_lib.experiments.learning_the_difference.single import PLAIN
from resnet_lib.training import Recipe, regression

SHIFTED = "shifted"
"""A plain block that is trained on what a residual one has to add, $t-x$."""
TURN, SWIRL = "turn", "swirl"
FRESH = 512  # examples that nothing is trained on


@dataclass(frozen=True)
class Regressor:
    r"""A block whose branch is $W_2\,\mathrm{relu}(W_1x+b_1)+b_2$, and what it is fitted to, by Adam on all pairs.

    Attributes:
        kind: `plain`, `residual`, `post` (with a ReLU behind the addition), or `shifted`.
        target: `turn` by the angle, or the `swirl` of the plane.
        angle: In degrees; 0 asks for the identity.
        lr: Learning rate.
        gain: Factor of He's last weights at first.
        steps: Steps at most.
        tolerance: Mean squared error at which a block has learned; inputs have mean square 1. 0 takes all steps.
        hidden: Units between the layers.
        width: Coordinates of the input.
        examples: Pairs.
        again: Whether other weights are drawn from the same seed.
    """

    kind: str
    target: str
    angle: float
    lr: float
    gain: float = 1.0
    steps: int = 300
    tolerance: float = 0.01
    hidden: int = 32
    width: int = 8
    examples: int = 128
    again: bool = False


def pairs(setting: Regressor, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs of a seed and what is wanted of them; the last `FRESH` are not trained on."""
    draw = runtime.stream(seed, "pairs")
    frame = single.frame(setting.width, draw)
    x = torch.randn(setting.examples + FRESH, setting.width, generator=draw, dtype=torch.float64)
    t = single.swirl(x) if setting.target == SWIRL else x @ single.turn(setting.angle, frame).T
    return x, t


def fit(setting: Regressor, seeds: Sequence[int]) -> tuple[regression.Regression, Tensor, Tensor]:
    """The fitted blocks, with their inputs and what was wanted, the fresh ones behind those trained on."""
    kind = PLAIN if setting.kind == SHIFTED else setting.kind
    x, t = (torch.stack(part) for part in zip(*(pairs(setting, seed) for seed in seeds), strict=True))
    wanted = t - x if setting.kind == SHIFTED else t
    path = ("init", *(["again"] if setting.again else []))
    blocks = [
        single.mlp(kind, setting.width, setting.hidden, setting.gain, runtime.stream(seed, *path)) for seed in seeds
    ]
    recipe = Recipe(epochs=setting.steps, lr=setting.lr, optimizer="adam", schedule="constant", warmup=0.0)
    n = setting.examples
    found = regression.fit(blocks, x[:, :n], wanted[:, :n], recipe, tolerance=setting.tolerance, keep=(0,))
    return found, x, wanted


def trial(setting: Regressor, seeds: Sequence[int]) -> pd.DataFrame:
    """How many steps a block takes, and what it adds to fresh inputs at its end; one row per seed.

    `taken` are the steps, `reached` says whether the loss came to the tolerance. `error` is the mean squared error on
    fresh inputs. `explained` is the share of the variance of `t - x` that `y - x` explains there, and `cosine` the
    mean cosine of the two; `cosine_start` the same before training. `size` is the norm of `y - x` over that of `x`,
    its mean.
    """
    found, x, t = fit(setting, seeds)
    x, t = x[:, setting.examples :], t[:, setting.examples :]
    with torch.no_grad():
        ends = torch.stack([found.block(i)(each) for i, each in enumerate(x)])
        starts = torch.stack(
            [
                torch.func.functional_call(found.template, {k: v[i] for k, v in found.kept[0].items()}, (each,))
                for i, each in enumerate(x)
            ]
        )
    wanted = t - x
    spread = (wanted - wanted.mean(1, keepdim=True)).square().mean((1, 2))
    error = (ends - t).square().mean((1, 2))
    cosines = [torch.cosine_similarity(y - x, wanted, dim=2).mean(1) for y in (ends, starts)]
    columns = {
        "taken": found.steps,
        "reached": found.reached,
        "error": error,
        "explained": 1 - error / spread,
        "cosine": cosines[0],
        "cosine_start": cosines[1],
        "size": ((ends - x).norm(dim=2) / x.norm(dim=2)).mean(1),
    }
    return pd.DataFrame({"seed": list(seeds)} | {name: value.numpy() for name, value in columns.items()})


def ways(settings: Sequence[Regressor]) -> dict[str, tuple[Regressor, ...]]:
    """Other choices for these blocks."""
    found = choices.ways(settings, time="steps")
    return {
        choices.THIRD: tuple(replace(each, steps=3 * each.steps) for each in found[choices.THIRD]),
        choices.THRICE: found[choices.THRICE],
        "one rate for both, 0.01": tuple(replace(each, lr=0.01) for each in settings),
        "last weights that start at 0": tuple(replace(each, gain=0.0) for each in settings),
        "four times the hidden units": tuple(replace(each, hidden=4 * each.hidden) for each in settings),
        "a tenth of the tolerance": tuple(
            replace(each, tolerance=each.tolerance / 10, steps=3 * each.steps) for each in settings
        ),
    }


def score(table: pd.DataFrame, setting: Regressor) -> np.ndarray:
    """What rates are chosen by, one value a seed in [0, 1]: few steps to the tolerance, or a large share explained.

    The first is one minus the logarithm of the steps over that of all steps; a block that does not come to the
    tolerance has 0.

    Example:
        >>> table = pd.DataFrame({"taken": [0.0, 400.0], "reached": [True, False], "explained": [0.5, -1.0]})
        >>> score(table, Regressor("plain", "turn", 30, 0.01)).tolist()
        [1.0, 0.0]
        >>> score(table, Regressor("plain", "swirl", 0, 0.01, tolerance=0.0)).tolist()
        [0.5, 0.0]
    """
    if not setting.tolerance:
        return table["explained"].clip(lower=0).fillna(0.0).to_numpy()
    quick = 1 - np.log1p(table["taken"]) / np.log1p(setting.steps)
    return quick.where(table["reached"], 0.0).to_numpy()
