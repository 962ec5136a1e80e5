"""A recipe says, as data, how a network is trained: epochs, batches, and the course of the learning rate.

A variant of a recipe is `dataclasses.replace(recipe, ...)`.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, optim

from resnet_lib.training.optimizers import Lars
from resnet_lib.whole import whole

SCHEDULES = ("one-cycle", "cosine", "constant", "step")
OPTIMIZERS = ("sgd", "adam", "lars")
AUGMENTATIONS = ("none", "crop-flip")


@dataclass(frozen=True)
class Recipe:
    """A recipe of training: how long, in which steps, by which optimiser.

    Attributes:
        epochs: Passes over the training examples; 0 only initialises.
        batch: Examples in one step; the last step of an epoch takes what is left.
        lr: Highest learning rate.
        momentum: Momentum of SGD, or beta1 of Adam.
        weight_decay: Factor of the parameters that is added to their gradient (decoupled from it for Adam: AdamW).
        schedule: `one-cycle`, from `lr / 25` up and down to `lr / 250000` along half-cosines (as `OneCycleLR` of torch,
            but with a fixed momentum); `cosine`, up linearly and down along a half-cosine; `constant`, up linearly;
            `step`, `lr / 10` in the warm-up, then `lr`, a tenth of it after half of all steps and a hundredth after
            three quarters.
        warmup: Fraction of all steps in which the rate rises (or, for `step`, waits).
        optimizer: `sgd`, `adam`, or `lars`: SGD whose steps are as large in each layer (`optimizers.Lars`); its `lr` is
            a fraction of a layer's weights.
        augment: What is done to the training images at each sight of them: `none`, or `crop-flip`
            (`augmentation.crop_flip`).

    Raises:
        TypeError: Where `epochs` or `batch` is no whole number.
        ValueError: Where a field has a value that is not allowed.
    """

    epochs: int
    batch: int = 50
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    warmup: float = 0.25
    optimizer: str = "sgd"
    augment: str = "none"

    def __post_init__(self):
        for field, known in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS), ("augment", AUGMENTATIONS)):
            value = getattr(self, field)
            if value not in known:
                close = difflib.get_close_matches(str(value), known, n=1, cutoff=0)[0]
                raise ValueError(f"{field}={value!r} is unknown; known: {', '.join(known)}; closest: {close!r}")
        for field in ("epochs", "batch"):
            whole(field, getattr(self, field))
        if self.epochs < 0:
            raise ValueError(f"epochs={self.epochs} must be 0 or more")
        if self.batch < 1:
            raise ValueError(f"batch={self.batch} must be at least 1")
        for field in ("lr", "weight_decay"):
            if not 0 <= getattr(self, field) < math.inf:
                raise ValueError(f"{field}={getattr(self, field)} must be 0 or more, and finite")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum} must be at least 0 and less than 1")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup={self.warmup} is a fraction of all steps, between 0 and 1")

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step, counted from 0, of so many."""
        rising = self.warmup * steps
        if self.schedule == "one-cycle":
            # torch's own OneCycleLR divides by zero where a phase has no step.
            peak = max(rising - 1, 0)
            if step < peak:
                return self.lr * _cosine(1 / 25, 1, step / peak)
            return self.lr * _cosine(1, 1 / 25e4, (step - peak) / max(steps - 1 - peak, 1))
        if self.schedule == "step":
            if step < rising:
                return self.lr / 10
            return self.lr / 10 ** sum(step >= fraction * steps for fraction in (0.5, 0.75))
        if step < rising:
            return self.lr * ((step + 1) / (rising + 1))
        return self.lr * (
            1.0 if self.schedule == "constant" else _cosine(1, 0, (step - rising) / max(steps - rising, 1))
        )

    def optimizer_of(self, params: list[Tensor]) -> optim.Optimizer:
        """An optimiser of stacked parameters in which no seed sees another: elementwise, or by norms of each seed."""
        kernel = {"fused" if params[0].is_cuda else "foreach": True}  # on a GPU one kernel for all parameters
        if self.optimizer == "adam":
            betas = (self.momentum, 0.999)
            return optim.AdamW(params, lr=self.lr, betas=betas, weight_decay=self.weight_decay, **kernel)
        sgd = Lars if self.optimizer == "lars" else optim.SGD
        return sgd(params, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, **kernel)


def of(setting: Any) -> Recipe:
    """The recipe that an experiment's setting tells: its fields that are named like those of a recipe, defaults else.

    Args:
        setting: A dataclass with the field `epochs`, and as a rule `batch` and `lr`.

    Example:
        >>> @dataclass(frozen=True)
        ... class Network:
        ...     depth: int
        ...     epochs: int = 4
        ...     lr: float = 0.2
        >>> of(Network(depth=56)) == Recipe(epochs=4, lr=0.2)
        True
    """
    known = {field.name for field in fields(Recipe)}
    return Recipe(**{field.name: getattr(setting, field.name) for field in fields(setting) if field.name in known})


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


HE = Recipe(
    epochs=182, batch=128, lr=0.1, weight_decay=1e-4, schedule="step", warmup=0.0, augment="crop-flip", momentum=0.9
)
"""CIFAR of he2016deep, sec. 4.2: 64,000 steps, which are 182 epochs of 45,000 images (164 of all 50,000)."""

HE_110 = Recipe(
    epochs=182, batch=128, lr=0.1, weight_decay=1e-4, schedule="step", warmup=400 / 64_000, augment="crop-flip"
)
"""The same for 110 layers: a rate of 0.01 until the training error is below 80%, there about 400 steps."""

ONE_CYCLE = Recipe(epochs=60, batch=128, lr=0.4, weight_decay=5e-4, warmup=0.2, augment="crop-flip")
"""A third of the time, for orderings of networks; the rate is to be tuned for each family."""
