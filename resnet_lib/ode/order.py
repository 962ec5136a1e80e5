"""The order of a method is observed here, from its errors against numbers of steps. The field is a plain callable."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from torch import Tensor

from resnet_lib.ode import solver
from resnet_lib.ode.steppers import Field
from resnet_lib.ode.tableaus import Method
from resnet_lib.whole import wholes


@dataclass(frozen=True)
class Convergence:
    """Errors at the end for several numbers of steps, and the order that they show.

    Attributes:
        steps: Numbers of steps.
        errors: Norms of the error at the end, relative to the norm of the exact end.
        order: Slope of `log error` against `-log steps`, by least squares.
        spread: Largest minus smallest slope between neighbours: small where the order is a law.
        evaluations: Of the field, for each.
    """

    steps: tuple[int, ...]
    errors: tuple[float, ...]
    order: float
    spread: float
    evaluations: tuple[int, ...]


def observed(
    field: Field,
    x0: Tensor,
    exact: Tensor,
    span: tuple[float, float] = (0.0, 1.0),
    *,
    method: str | Method,
    steps: Iterable[SupportsIndex] = (16, 32, 64, 128),
) -> Convergence:
    """The observed order of a method on a problem whose end is known.

    Raises:
        TypeError: Where a number of steps is no whole number.
        ValueError: With fewer than two numbers of steps, one that is given twice, an exact end of another shape, or an
            error that is zero or not finite.

    Example:
        >>> import torch
        >>> start = torch.ones(1, dtype=torch.float64)
        >>> found = observed(lambda t, x: -x, start, start / math.e, method="heun")
        >>> round(found.order, 1)
        2.0
    """
    steps = wholes("steps", steps)
    if len(steps) < 2 or len(set(steps)) < len(steps):
        raise ValueError(
            f"steps={steps} must hold at least two different numbers, each once; an order is a slope between them"
        )
    if exact.shape != x0.shape:
        raise ValueError(
            f"exact has shape {tuple(exact.shape)}, and the state {tuple(x0.shape)}; they must be the same"
        )
    solutions = [solver.solve(field, x0, span, method=method, steps=n) for n in steps]
    errors = tuple(float((s.end.detach() - exact).norm() / exact.norm()) for s in solutions)
    if not all(0 < error < math.inf for error in errors):
        raise ValueError(
            f"errors={errors} must be positive and finite; choose a problem that the method does not solve exactly"
        )
    x, y = -np.log(steps), np.log(errors)
    slopes = np.diff(y) / np.diff(x)
    order = float(np.polyfit(x, y, 1)[0])
    return Convergence(steps, errors, order, float(np.ptp(slopes)), tuple(s.evaluations for s in solutions))
