"""Where the values of a dataset come from, and which rows are whose: this module names datasets and divides them.

Everything here stands in the key of a trial as the checksum of what comes out, so that a new dataset, or another way to
read an old one, makes no stored result older.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch

from resnet_lib import runtime
from resnet_lib.data import store
from resnet_lib.data.official import DISTRIBUTIONS
from resnet_lib.data.spirals import two_spirals
from resnet_lib.data.values import Values
from resnet_lib.whole import whole

DIGITS_SIZES = (1000, 200, 597)
"""Training, validation and test images of the 1797 digits."""

SPIRALS_SIZES = (1000, 200, 600)
"""Training, validation and test points of the two spirals."""

_division: ContextVar[int] = ContextVar("division", default=0)


@contextlib.contextmanager
def divided_anew(number: SupportsIndex) -> Iterator[None]:
    """Within it, datasets come divided into other parts of the same sizes; division 0 is the usual one.

    A verdict about accuracy that is to hold for images of a kind, and not for 597 of them, is measured on several
    divisions. Of digits all three parts are drawn anew, of the two spirals all points; what is fetched keeps its
    official test images, and its validation images are others. The division has its own checksum.

    Args:
        number: Which division, from 0.

    Raises:
        TypeError: Where `number` is no whole number.
        ValueError: Where it is negative.

    Example:
        >>> from resnet_lib import data
        >>> with data.divided_anew(1):
        ...     other = data.load("digits")
        >>> len(other.test), other.checksum == data.load("digits").checksum
        (597, False)
    """
    if (number := whole("number", number)) < 0:
        raise ValueError(f"number={number} is negative; divisions are counted from 0, the usual one")
    before = _division.set(number)
    try:
        yield
    finally:
        _division.reset(before)


def raw(name: str, folder: Path | None = None) -> tuple[Values, int]:
    """Values, labels and rows of a dataset in the present division, and its number of classes.

    Raises:
        ValueError: Where `name` is not known, the dataset was not fetched, or its files were altered since.
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0)[0]
        raise ValueError(f"name={name!r} is no known dataset; known: {', '.join(NAMES)}; closest: {close!r}")
    if name in DISTRIBUTIONS:
        return _fetched(name, folder, _division.get()), DISTRIBUTIONS[name].classes
    source, classes = _SOURCES[name]
    return source(_division.get()), classes


@functools.lru_cache(maxsize=4)
def _digits(division: int) -> Values:
    # scikit-learn takes a second to import; only who asks for the digits pays for it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    features, target = load_digits(return_X_y=True)
    pixels = np.asarray(features).astype(np.uint8).reshape(-1, 1, 8, 8)  # whole numbers 0 to 16, stored as float64
    labels = np.asarray(target).astype(np.int64)
    _, validation, test = DIGITS_SIZES
    rows = np.arange(len(labels))
    rows, last = train_test_split(rows, test_size=test, stratify=labels, random_state=division)
    rows, middle = train_test_split(rows, test_size=validation, stratify=labels[rows], random_state=division)
    return Values(pixels, labels, (np.asarray(rows), np.asarray(middle), np.asarray(last)))


@functools.lru_cache(maxsize=4)
def _spirals(division: int) -> Values:
    parts = [
        two_spirals(n, seed=division, part=part)
        for n, part in zip(SPIRALS_SIZES, ("train", "validation", "test"), strict=True)
    ]
    ends = np.cumsum(SPIRALS_SIZES)
    return Values(
        torch.cat([part.x for part in parts]).numpy(),
        torch.cat([part.y for part in parts]).numpy(),
        tuple(np.arange(end - n, end) for n, end in zip(SPIRALS_SIZES, ends, strict=True)),
    )


def _fetched(name: str, folder: Path | None, division: int) -> Values:
    store.about(name, folder)  # whether it is there at all
    files = [store.folder(folder) / name / file.name for file in DISTRIBUTIONS[name].files]
    changed = tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists())
    return _read(name, folder, changed, division)


@functools.lru_cache(maxsize=2)
def _read(name: str, folder: Path | None, changed: tuple[tuple[int, int], ...], division: int) -> Values:
    train, test = store.read(name, folder)
    n, last = len(train.y), len(train.y) - DISTRIBUTIONS[name].validation
    order = runtime.rng(division, "data", name, "split").permutation(n)
    rows = (order[:last], order[last:], np.arange(n, n + len(test.y)))
    return Values(np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y]), rows, channels=True)


_SOURCES: dict[str, tuple[Callable[[int], Values], int]] = {"digits": (_digits, 10), "spirals": (_spirals, 2)}

NAMES = (*_SOURCES, *DISTRIBUTIONS)
"""What is known: what ships with the libraries, then what has to be fetched once."""
