"""The zoo keeps trained networks: each is trained once, found by what decides it, and measured by many experiments.

A network's file is named by the hash of its setting, its seeds, its data, the source code that trains it, the versions
and the kind of device. Training that is interrupted goes on where it was, to the same weights.
"""

from __future__ import annotations

import copy
import importlib.util
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, SupportsIndex

import pandas as pd
import platformdirs
import torch
from torch import nn

from resnet_lib import runtime
from resnet_lib.data import datasets
from resnet_lib.nets import networks
from resnet_lib.nets.units import Unit, unknown
from resnet_lib.sweep import key, source
from resnet_lib.sweep.key import as_json
from resnet_lib.training import kept, loop, stacked
from resnet_lib.training.fits import Fit, from_records
from resnet_lib.training.recipes import Recipe
from resnet_lib.training.stacked import Policy
from resnet_lib.whole import wholes

ARCHITECTURES = ("cifar-resnet", "digits-resnet", "mlp")


@dataclass(frozen=True)
class Network:
    """A network of the zoo: which architecture, trained on what data, and how.

    Attributes:
        architecture: `cifar-resnet` (`nets.cifar_resnet`, also for grey images), `digits-resnet` or `mlp`.
        depth: As that function counts it.
        unit: The recipe of the blocks; None for the published one of that depth.
        data: Name of the dataset.
        recipe: How to train.
        width: As that function counts it; None for 16, 8 and 64.
        examples: Only the first so many training examples; None for all.
        keep: Epochs whose weights are kept besides the last; 0 is the initialisation.

    Raises:
        ValueError: Where the architecture is not known, or an epoch to keep does not exist.
    """

    architecture: str
    depth: int
    data: str
    recipe: Recipe
    unit: str | Unit | None = None
    width: int | None = None
    examples: int | None = None
    keep: tuple[int, ...] = ()

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            raise unknown("architecture", self.architecture, ARCHITECTURES)
        if wrong := [epoch for epoch in self.keep if not 0 <= epoch <= self.recipe.epochs]:
            raise ValueError(f"keep={self.keep} names epoch {wrong[0]}; the recipe allows 0 to {self.recipe.epochs}")

    def make(self, generator: torch.Generator, shape: tuple[int, ...], classes: int) -> networks.Stack:
        """The network before its training, for examples of that shape.

        Raises:
            ValueError: Where there is no such network.
        """
        options: dict[str, Any] = {} if self.width is None else {"width": self.width}
        options |= {"unit": self.unit} if self.unit is not None else {}
        options |= {"classes": classes, "generator": generator}
        if self.architecture == "mlp":
            options = {"width": 64} | options
            return networks.mlp(self.depth, in_features=math.prod(shape), **options)
        if self.architecture == "digits-resnet":
            return networks.digits_resnet(self.depth, **options)
        return networks.cifar_resnet(self.depth, in_channels=shape[0], **options)


def train(
    network: Network,
    seeds: Iterable[SupportsIndex],
    *,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    pause: float = 60.0,
    policy: Policy | None = None,
) -> Fit:
    """The trained networks of these seeds: those that are kept, the others trained now and kept.

    Convolutional networks are trained and kept one by one, so that any group of seeds finds what another has left;
    MLPs in the group that is asked for, which is several times faster. On the CPU the weights are the same bit for bit
    however often the training was interrupted; on a GPU up to the order of its sums.

    Args:
        network: Which one.
        seeds: Of the initial weights, the order of the data and the augmentation.
        device: Where to train; where the tensors that come back are.
        folder: Where trained networks are kept; None for the user's cache folder.
        pause: Seconds after which unfinished training is kept; 0 after every step.
        policy: How the machine does the work. None: MLPs stacked; convolutional networks one by one, compiled on a GPU
            with Triton. Networks trained in another way are kept under another name.

    Raises:
        TypeError: Where a seed is no whole number.
        ValueError: As `training.fit`, `data.load`, `runtime.device`, and the functions that make networks.
        CacheError: Where the folder cannot be written.

    Example:
        >>> import tempfile
        >>> network = Network("mlp", 1, "spirals", Recipe(epochs=1), width=8, examples=100)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first, again = (train(network, [0], folder=Path(folder)) for _ in range(2))
        >>> first.history.equals(again.history)
        True
    """
    seeds = wholes("seeds", seeds)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds={seeds} names a seed twice; every seed is one network")
    groups = [seeds] if network.architecture == "mlp" else [(seed,) for seed in seeds]
    if not groups or not groups[0]:
        raise ValueError("seeds is empty; give at least one, e.g. seeds=(0,)")
    place = runtime.device(str(device))
    policy = policy or default_policy(network, place.type)
    with runtime.numerics():
        fits = [_kept(network, group, place, folder, pause, policy) for group in groups]
    return fits[0] if len(fits) == 1 else _joined(fits)


def default_policy(network: Network, device: str) -> Policy:
    """The policy by which a network is trained where nobody says another."""
    if network.architecture == "mlp":
        return stacked.STACKED
    return stacked.COMPILED if device == "cuda" and importlib.util.find_spec("triton") else stacked.ONE_BY_ONE


def path(
    network: Network,
    seeds: Iterable[SupportsIndex],
    *,
    device: str = "cpu",
    folder: Path | None = None,
    policy: Policy | None = None,
) -> Path:
    """File in which the networks of a group of seeds are kept (of one seed, where they are convolutional)."""
    parts = {
        "network": as_json(network, "network"),
        "seeds": list(wholes("seeds", seeds)),
        "data": datasets.checksum(network.data),
    }
    if policy not in (None, default_policy(network, device)):
        parts["policy"] = as_json(policy, "policy")
    name = key.named(parts, source=source.digest(train), versions=key.versions(), device=device)
    return (folder or platformdirs.user_cache_path("resnet-lib") / "trained") / f"{name}.safetensors"


def _kept(
    network: Network, seeds: tuple[int, ...], device: torch.device, folder: Path | None, pause: float, policy: Policy
) -> Fit:
    file = path(network, seeds, device=device.type, folder=folder, policy=policy)
    tensors, about = kept.once(file, lambda: _begun(network, seeds, device, policy), pause)
    template = network.make(runtime.stream(seeds[0], "init"), tuple(about["shape"]), about["classes"]).to("meta")
    return from_records(seeds, {name: value.to(device) for name, value in tensors.items()}, template)


def _begun(
    network: Network, seeds: tuple[int, ...], device: torch.device, policy: Policy
) -> tuple[loop.Run, dict[str, Any]]:
    """The training before its first step, and what is to be said about it."""
    dataset = datasets.load(network.data, flat=network.architecture == "mlp")
    if network.examples is not None:
        dataset = dataset.subset(network.examples)
    about = {"network": as_json(network, "network"), "seeds": list(seeds), "shape": list(dataset.shape)}
    about |= {"classes": dataset.classes, "device": device.type}

    def make(generator: torch.Generator) -> nn.Module:
        return network.make(generator, dataset.shape, dataset.classes)

    return loop.Run(make, dataset.to(device), network.recipe, seeds, keep=network.keep, policy=policy), about


def _joined(fits: list[Fit]) -> Fit:
    """The fits of single seeds as one."""
    epochs = fits[0].checkpoints
    checkpoints_ = {
        epoch: tuple(
            {name: torch.cat([fit.checkpoints[epoch][i][name] for fit in fits]) for name in part}
            for i, part in enumerate(epochs[epoch])
        )
        for epoch in epochs
    }
    return replace(
        fits[0],
        seeds=tuple(seed for fit in fits for seed in fit.seeds),
        history=pd.concat([fit.history for fit in fits], ignore_index=True),
        checkpoints=checkpoints_,  # pyright: ignore[reportArgumentType]
        diverged=tuple(lost for fit in fits for lost in fit.diverged),
        template=copy.deepcopy(fits[0].template),
    )
