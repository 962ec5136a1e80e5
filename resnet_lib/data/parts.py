"""A dataset as tensors: its three parts, each examples and labels. This module reads no file and makes no example."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from jaxtyping import Float, Int
from torch import Tensor

from resnet_lib.whole import whole


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
