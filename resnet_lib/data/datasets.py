"""This module loads datasets as tensors with checksums, on which networks are trained and measured.

Everything is small enough to live on the device whole, so a batch is an index, not a loader.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.data import store
from resnet_lib.data.official import DISTRIBUTIONS
from resnet_lib.data.values import Values
from resnet_lib.whole import whole

DIGITS_SIZES = (1000, 200, 597)
"""Training, validation and test images of the 1797 digits."""

SPIRALS_SIZES = (1000, 200, 600)
"""Training, validation and test points of the two spirals."""


@dataclass(frozen=True)
class Split:
    """Examples and their labels.

    Attributes:
        x: Inputs, one example per row.
        y: Labels, counted from 0.

    Raises:
        ValueError: Where the lengths differ, a value of `x` is NaN or infinite, or a label is negative.
        TypeError: Where `x` or `y` is no tensor, `x` not of a floating type or `y` not of type int64.
    """

    x: Float[Tensor, "n ..."]
    y: Int[Tensor, " n"]

    def __post_init__(self):
        for name in ("x", "y"):
            if not isinstance(value := getattr(self, name), Tensor):
                raise TypeError(
                    f"{name} is a {type(value).__name__}; a split holds tensors: use torch.as_tensor({name})"
                )
        if not self.x.is_floating_point():
            raise TypeError(f"x has dtype {self.x.dtype}; a split needs floating-point inputs: use x.float()")
        if self.y.dtype != torch.int64:
            raise TypeError(f"y has dtype {self.y.dtype}; labels are integers of type int64: use y.long()")
        if self.x.ndim < 2 or self.y.ndim != 1 or len(self.x) != len(self.y):
            raise ValueError(
                f"x has shape {tuple(self.x.shape)} and y {tuple(self.y.shape)}; "
                "expected (n, ...) and (n,), one label for each example"
            )
        bad = ~torch.isfinite(self.x.flatten(1)).all(dim=1)
        if bad.any():
            first = int(bad.nonzero()[0])
            raise ValueError(
                f"x holds NaN or infinite values in {int(bad.sum())} of {len(self.x)} examples, the first at index "
                f"{first}; remove or repair them, e.g. keep x[torch.isfinite(x.flatten(1)).all(1)]"
            )
        if len(self.y) and int(self.y.min()) < 0:
            raise ValueError(f"y holds the label {int(self.y.min())}; labels are counted from 0")

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device | str) -> Split:
        """The same examples on another device."""
        return Split(self.x.to(device), self.y.to(device))


@dataclass(frozen=True)
class Dataset:
    """A dataset with its three parts: fit on `train`, choose on `validation`, report on `test`.

    Attributes:
        name: What `load` calls it.
        train: Examples that gradients see, in random order.
        validation: Examples that settings are chosen on.
        test: Examples that are only reported on.
        classes: Number of labels, 0 to `classes - 1`.
        checksum: SHA-256 of the raw values, the labels and the split; part of a trial's cache key.

    Raises:
        ValueError: Where a label is outside 0 to `classes - 1`, a part is empty, or the parts differ in shape.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    checksum: str

    def __post_init__(self):
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            if len(split) == 0:
                raise ValueError(f"{part} of dataset {self.name!r} is empty; every part needs at least one example")
            if int(split.y.max()) >= self.classes:
                raise ValueError(
                    f"{part} of dataset {self.name!r} holds the label {int(split.y.max())}; "
                    f"classes={self.classes} allows 0 to {self.classes - 1}"
                )
            if split.x.shape[1:] != self.train.x.shape[1:]:
                raise ValueError(
                    f"{part} of dataset {self.name!r} has examples of shape {tuple(split.x.shape[1:])}, "
                    f"train has {tuple(self.train.x.shape[1:])}"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device | str) -> Dataset:
        """The same dataset on another device."""
        return dataclasses.replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )

    def subset(self, n: SupportsIndex) -> Dataset:
        """The dataset with only its first `n` training examples; validation and test stay whole.

        The order of the training examples is random, so the first `n` are a random sample.

        Raises:
            TypeError: Where `n` is no whole number.
            ValueError: Where `n` is not between 1 and the number of training examples.
        """
        if not 1 <= (n := whole("n", n)) <= len(self.train):
            raise ValueError(f"n={n} is out of range; {self.name!r} has 1 to {len(self.train)} training examples")
        return dataclasses.replace(
            self,
            name=f"{self.name}[:{n}]",
            train=Split(self.train.x[:n], self.train.y[:n]),
            checksum=hashlib.sha256(f"{self.checksum}[:{n}]".encode()).hexdigest(),
        )


@functools.cache
def _digits() -> Values:
    # scikit-learn takes a second to import; only who asks for the digits pays for it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    features, target = load_digits(return_X_y=True)
    pixels = np.asarray(features).astype(np.uint8).reshape(-1, 1, 8, 8)  # whole numbers 0 to 16, stored as float64
    labels = np.asarray(target).astype(np.int64)
    _, validation, test = DIGITS_SIZES
    rows = np.arange(len(labels))
    rows, last = train_test_split(rows, test_size=test, stratify=labels, random_state=0)
    rows, middle = train_test_split(rows, test_size=validation, stratify=labels[rows], random_state=0)
    return Values(pixels, labels, (np.asarray(rows), np.asarray(middle), np.asarray(last)))


@functools.cache
def _spirals() -> Values:
    parts = [
        two_spirals(n, seed=0, part=part)
        for n, part in zip(SPIRALS_SIZES, ("train", "validation", "test"), strict=True)
    ]
    ends = np.cumsum(SPIRALS_SIZES)
    return Values(
        torch.cat([part.x for part in parts]).numpy(),
        torch.cat([part.y for part in parts]).numpy(),
        tuple(np.arange(end - n, end) for n, end in zip(SPIRALS_SIZES, ends, strict=True)),
    )


def _fetched(name: str, folder: Path | None) -> Values:
    store.about(name, folder)  # whether it is there at all
    files = [store.folder(folder) / name / file.name for file in DISTRIBUTIONS[name].files]
    return _read(name, folder, tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()))


@functools.lru_cache(maxsize=2)
def _read(name: str, folder: Path | None, changed: tuple[tuple[int, int], ...]) -> Values:
    train, test = store.read(name, folder)
    n, last = len(train.y), len(train.y) - DISTRIBUTIONS[name].validation
    order = runtime.rng(0, "data", name, "split").permutation(n)
    rows = (order[:last], order[last:], np.arange(n, n + len(test.y)))
    return Values(np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y]), rows, channels=True)


_SOURCES: dict[str, tuple[Callable[[], Values], int]] = {"digits": (_digits, 10), "spirals": (_spirals, 2)}

NAMES = (*_SOURCES, *DISTRIBUTIONS)
"""What `load` knows: what ships with the libraries, then what has to be fetched once."""


def two_spirals(n: int, *, seed: int, part: str = "train", turns: float = 1.5, noise: float = 0.05) -> Split:
    """Points on two interleaved Archimedean spirals in the plane.

    A point of arm `k` is `r (cos(2 pi turns r + pi k), sin(2 pi turns r + pi k)) + noise z`, with `r` the root of a
    uniform number (so that the arms are evenly dense), and `z` standard Gaussian.

    Args:
        n: Number of points; half of them on each arm, the odd one on arm 0.
        seed: Seed of the draw.
        part: Name of the draw; another part of the same seed is independent.
        turns: How often each arm winds around the origin.
        noise: Standard deviation of the noise; the arms end at radius 1 and are `1 / (2 turns)` apart.

    Example:
        >>> two_spirals(5, seed=0).y.tolist()
        [0, 1, 0, 1, 0]
    """
    generator = runtime.stream(seed, "two-spirals", part)
    y = torch.arange(n) % 2
    r = torch.rand(n, generator=generator, dtype=torch.float64).sqrt()
    angle = 2 * np.pi * turns * r + np.pi * y
    points = r[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    points = points + noise * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return Split(points.float(), y)


def _raw(name: str, folder: Path | None) -> tuple[Values, int]:
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0)[0]
        raise ValueError(f"name={name!r} is no known dataset; known: {', '.join(NAMES)}; closest: {close!r}")
    if name in DISTRIBUTIONS:
        return _fetched(name, folder), DISTRIBUTIONS[name].classes
    source, classes = _SOURCES[name]
    return source(), classes


def checksum(name: str, *, folder: Path | None = None) -> str:
    """SHA-256 of the raw values, labels and split of a dataset, the same as `load(name).checksum`.

    Raises:
        ValueError: As for `load`.
    """
    return _raw(name, folder)[0].checksum()


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
        name: One of `NAMES`.
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
    raw, classes = _raw(name, folder)
    y = torch.from_numpy(raw.y)
    parts = []
    for rows, x in zip(raw.rows, map(torch.from_numpy, raw.normalised()), strict=True):
        parts.append(Split(x.flatten(1) if flat else x, y[rows]))
    train, validation, test = parts
    return Dataset(name, train, validation, test, classes, raw.checksum()).to(device)
