"""This module reads whole numbers as people give them: positions, seeds and epochs, as `int` or of NumPy or torch.

A tensor is not found in a set by its value, and True counts as 1: both end in mistakes that nobody sees. So whatever is
put into a set, compared or kept goes through here first.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
import torch

Wholes = SupportsIndex | Iterable[SupportsIndex]
"""One whole number or several."""


def whole(argument: str, value: SupportsIndex) -> int:
    """A whole number as an `int`.

    Args:
        argument: What to call it in an error.
        value: An `int`, or a NumPy scalar, an array or a tensor that holds one whole number.

    Raises:
        TypeError: Where it is a truth value, or no whole number.

    Example:
        >>> whole("epoch", torch.tensor(3))
        3
    """
    if isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) in (torch.bool, np.bool_):
        raise TypeError(
            f"{argument} holds {value!r}, a truth value; it takes whole numbers: of a mask, those where it is True, "
            "e.g. mask.nonzero()"
        )
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{argument} holds {value!r} of type {type(value).__name__}; it takes whole numbers, e.g. int({value!r})"
        ) from None


def wholes(argument: str, values: Wholes) -> tuple[int, ...]:
    """Whole numbers as a tuple of `int`, in their order; a single one is a tuple of one.

    Args:
        argument: What to call them in an error.
        values: As for `whole`, one or several.

    Raises:
        TypeError: As `whole` does.

    Example:
        >>> wholes("seeds", 3), wholes("seeds", np.arange(2))
        ((3,), (0, 1))
    """
    if isinstance(values, int | np.generic) or getattr(values, "ndim", None) == 0:
        return (whole(argument, values),)  # pyright: ignore[reportArgumentType]
    return tuple(whole(argument, value) for value in values)  # pyright: ignore[reportGeneralTypeIssues]
