"""This module loads datasets as tensors with checksums, on which networks are trained and measured.

Everything is small enough to live on the device whole, so a batch is an index, not a loader.
"""

from __future__ import annotations

from pathlib import Path

import torch

from resnet_lib.data import sources, store
from resnet_lib.data.official import DISTRIBUTIONS
from resnet_lib.data.parts import Dataset, Split
from resnet_lib.data.values import Values


def checksum(name: str, *, folder: Path | None = None) -> str:
    """SHA-256 of the raw values, labels and split of a dataset, the same as `load(name).checksum`.

    Raises:
        ValueError: As for `load`.
    """
    return sources.raw(name, folder)[0].checksum()


def provenance(name: str, *, folder: Path | None = None) -> dict[str, str]:
    """The account of a dataset for results: its checksum and, where files are not the official ones, what differs.

    Raises:
        ValueError: As for `load`.
    """
    found = {name: checksum(name, folder=folder)}
    if name in DISTRIBUTIONS and not (manifest := store.about(name, folder)).official:
        found[f"{name} (files)"] = manifest.describe()
    return found


def load(
    name: str = "digits", *, device: torch.device | str = "cpu", flat: bool = False, folder: Path | None = None
) -> Dataset:
    """The dataset of that name, split into its three parts.

    Two ship with the libraries, without a download:

    - `digits`: scikit-learn's 1797 handwritten digits, 8 x 8 pixels, 10 classes, as (n, 1, 8, 8); a fixed split into
      1000, 200 and 597, stratified by label.
    - `spirals`: `two_spirals`, points in the plane, 2 classes, as (n, 2); 1000, 200 and 600.

    Four are fetched once, by `resnet-lib data fetch NAME`; their training images are split at random, always the same:

    - `cifar10`, `cifar100`: colour photographs, (n, 3, 32, 32), 10 or 100 classes; 45,000, 5,000 and 10,000.
    - `fashion-mnist`, `mnist`: grey clothes and digits, (n, 1, 28, 28), 10 classes; 55,000, 5,000 and 10,000.

    Inputs are float32, shifted and scaled by the mean and the standard deviation of all training values; with colours,
    each colour by its own.

    Args:
        name: One of `sources.NAMES`.
        device: Where the tensors live.
        flat: Whether each example is flattened to a vector, as `nets.mlp` needs it.
        folder: Where fetched datasets are kept; None for the user's data folder.

    Raises:
        ValueError: Where `name` is not known, the dataset was not fetched, or its files were altered since.

    Example:
        >>> spirals = load("spirals")
        >>> spirals.shape, len(spirals.train), len(spirals.validation), len(spirals.test), spirals.classes
        ((2,), 1000, 200, 600, 2)
    """
    raw, classes = sources.raw(name, folder)
    y = torch.from_numpy(raw.y)
    parts = []
    for rows, x in zip(raw.rows, map(torch.from_numpy, Values.normalised(raw)), strict=True):
        parts.append(Split(x.flatten(1) if flat else x, y[rows]))
    train, validation, test = parts
    return Dataset(name, train, validation, test, classes, raw.checksum()).to(device)
