"""The learning rates of the chapter's networks are chosen by what these explain of fresh points at the same loss."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch

from resnet_lib import training
from resnet_lib.evidence import choices
from resnet_lib.experiments.smoothness_and_variation.regressors import (
    FALLING,
    RANDOM,
    RISING,
    SINE,
    Regressor,
    build,
    fit,
    outputs,
    sample,
)
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

RATES_TRIED = 11
GAINS = (0.25, 1.0, 2.0)
TARGETS = (RANDOM, RISING, FALLING)
# What `tuning.choose` takes of `variation-tuning`, which is stored under results/; a test compares.
BEST: dict[tuple[str, str, float], float] = choices.cells(
    {
        ("plain", SINE): {0.25: 0.0075, 1.0: 0.0057, 2.0: 0.0032},
        ("residual", SINE): {0.25: 0.0018, 1.0: 0.0075, 2.0: 0.0057},
        ("plain", RANDOM): {1.0: 0.01},
        ("plain", RISING): {1.0: 0.01},
        ("plain", FALLING): {1.0: 0.018},
        ("around", RANDOM): {1.0: 0.014},
        ("around", RISING): {1.0: 0.0075},
        ("around", FALLING): {1.0: 0.011},
    }
)
"""By kind, target and gain: networks of three blocks on the sine, of one block on the other targets."""


def regressor(kind: str, target: str, gain: float = 1.0, *, lr: float | None = None, again: bool = False) -> Regressor:
    """The setting of one network; its learning rate is the best one unless given, of `shifted` that of `around`."""
    tuned = "around" if kind == "shifted" else kind
    lr = BEST[tuned, target, gain] if lr is None else lr
    return Regressor(kind, lr, gain, target, blocks=3 if target == SINE else 1, again=again)


def tuning_trial(setting: Regressor, seeds: Sequence[int]) -> pd.DataFrame:
    """Scores at the rates that a search tries, from the setting's own; one row per rate and seed.

    The score stands in the column `validation_accuracy`: the share of the variance of 400 fresh noisy points that the
    network explains at the wanted loss, at least 0, and 0 where it does not reach that loss.
    """
    return tuning.search(lambda lr: _scored(replace(setting, lr=lr), seeds), setting.lr, number=RATES_TRIED)


def _scored(setting: Regressor, seeds: Sequence[int]) -> training.Fit:
    trained = fit(setting, seeds)
    samples = [sample(setting, seed) for seed in seeds]
    x, y = (torch.stack([getattr(each, name) for each in samples]) for name in ("fresh", "answers"))
    with torch.no_grad():
        left = ((outputs(setting, trained.end, x) - y) ** 2).mean((1, 2)) / y.var(dim=(1, 2), correction=0)
        score = torch.where(trained.reached, (1 - left).clamp(min=0), 0.0).nan_to_num(0.0)
    history = pd.DataFrame({"epoch": 1, "seed": list(seeds), tuning.SCORE: score.numpy()})
    return training.Fit(tuple(seeds), history, {}, tuple((~trained.reached).tolist()), build(setting, 0))


START = 0.01
# Half of the steps that the chapter's networks have: at the rates that reach the loss here, others reach it there.
SETTINGS = tuple(replace(found, steps=found.steps // 2) for found in (regressor(*key, lr=START) for key in BEST))
TUNING = Experiment("variation-tuning", tuning_trial, *tuning.grids(SETTINGS[:1], SETTINGS), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("kind", "target", "gain"), best=BEST)
TITLES = {key: f"{key[0]}, {key[1]}" + (f", gain {key[2]:g}" if key[1] == SINE else "") for key in BEST}

DEEP, DEEP_START = 12, 0.002
DEEP_SETTINGS = tuple(
    replace(regressor(kind, SINE, lr=DEEP_START), blocks=DEEP, steps=SETTINGS[0].steps)
    for kind in ("plain", "residual")
)
DEEP_TUNING = Experiment(
    "variation-depth-tuning", tuning_trial, *tuning.grids(DEEP_SETTINGS[:1], DEEP_SETTINGS), agrees=SAMPLED
)
# What `tuning.choose` takes of `variation-depth-tuning`.
DEEP_BEST = {"plain": 0.0063, "residual": 0.011}
DEEP_RATES = choices.Rates(DEEP_TUNING, by=("kind",), best=DEEP_BEST)
