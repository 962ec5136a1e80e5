"""One convolutional network trained by itself on a CPU, in bfloat16, and kept while it trains: for hours, or a night.

The zoo trains in float32 on a CPU. This takes two thirds of its time where the processor multiplies in bfloat16, and
looks at few images between its epochs: who wants an accuracy measures it once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import nn

from resnet_lib import runtime
from resnet_lib.data import datasets
from resnet_lib.data.parts import Dataset, Split
from resnet_lib.sweep import key, source
from resnet_lib.training import fits, kept, loop
from resnet_lib.training.fits import Fit
from resnet_lib.training.precision import Bfloat16
from resnet_lib.training.recipes import Recipe
from resnet_lib.training.stacked import Policy

POLICY = Policy(stacked=False, channels_last=True)
WATCHED = 100
"""Validation and test images, the first ones, that are labelled after every epoch."""


def identity(network: Any, seed: int, dataset: str) -> dict[str, Any]:
    """What decides a trained network: its setting with its recipe, a seed, and the images; as JSON knows it.

    Args:
        network: A frozen dataclass.
        seed: Of the weights, the order of the images and the augmentation.
        dataset: Its name.

    Example:
        >>> from resnet_lib.training.zoo import Network
        >>> identity(Network("digits-resnet", 8, "digits", Recipe(epochs=1)), 3, "digits")["seed"]
        3
    """
    return {"network": key.as_json(network), "seed": seed, "data": datasets.checksum(dataset)}


def path(about: Mapping[str, Any], folder: Path | None = None) -> Path:
    """The file in which a training is kept.

    Args:
        about: Its `identity`.
        folder: Where trained networks are kept; None for the user's cache folder.

    Example:
        >>> path({"seed": 3}, Path("kept")).suffix, path({"seed": 3}) == path({"seed": 4})
        ('.safetensors', False)
    """
    name = key.named(about, source=source.digest(train), versions=key.versions(), device="cpu")
    return (folder or platformdirs.user_cache_path("resnet-lib") / "trained") / f"{name}.safetensors"


def train(
    make: Callable[[torch.Generator], nn.Module],
    images: Dataset,
    recipe: Recipe,
    about: Mapping[str, Any],
    *,
    folder: Path | None = None,
    pause: float = 30.0,
) -> Fit:
    """The training of one network: found where it was kept, gone on with where it was stopped, else begun.

    The validation and test accuracies of the history are those on the first `WATCHED` images. On one processor the
    weights are the same bit for bit however often the training was interrupted.

    Args:
        make: Makes the network from a generator for its initial weights.
        images: What to train on.
        recipe: How to train.
        about: Its `identity`, which says all that `make`, `images` and `recipe` do.
        folder: Where trained networks are kept; None for the user's cache folder.
        pause: Seconds after which unfinished training is kept; 0 after every step.

    Returns:
        The fit; `network` takes a plain network from it.

    Raises:
        CacheError: Where the folder cannot be written.
        ValueError: As `training.fit`.

    Example:
        >>> import tempfile
        >>> from resnet_lib import data, nets
        >>> images, recipe = data.load("digits").subset(100), Recipe(epochs=1)
        >>> def make(generator):
        ...     return nets.digits_resnet(1, 4, generator=generator)
        >>> with tempfile.TemporaryDirectory() as kept:
        ...     found = train(make, images, recipe, {"seed": 0}, folder=Path(kept))
        >>> found.seeds, len(found.history), type(network(found)).__name__
        ((0,), 1, 'Stack')
    """
    seed = about["seed"]

    def wrapped(generator: torch.Generator) -> nn.Module:
        return Bfloat16(make(generator))

    def begun() -> tuple[loop.Run, dict[str, Any]]:
        few = {name: getattr(images, name) for name in ("validation", "test")}
        few = {name: Split(part.x[:WATCHED], part.y[:WATCHED]) for name, part in few.items()}
        return loop.Run(wrapped, replace(images, **few), recipe, [seed], policy=POLICY), dict(about)

    with runtime.numerics():
        tensors, _ = kept.once(path(about, folder), begun, pause)
    return fits.from_records((seed,), tensors, wrapped(runtime.stream(seed, "init")).to("meta"))


def network(found: Fit) -> nn.Module:
    """The network of a fit of `train`, in evaluation mode and without what made it compute in bfloat16.

    Example:
        >>> import tempfile
        >>> from resnet_lib import data, nets
        >>> images, recipe = data.load("digits").subset(100), Recipe(epochs=0)
        >>> with tempfile.TemporaryDirectory() as kept:
        ...     make = lambda generator: nets.digits_resnet(1, 4, generator=generator)
        ...     found = train(make, images, recipe, {"seed": 0}, folder=Path(kept))
        >>> type(found.net(0)).__name__, type(network(found)).__name__
        ('Bfloat16', 'Stack')
    """
    wrapped = found.net(found.seeds[0])
    assert isinstance(wrapped, Bfloat16)
    return wrapped.net
