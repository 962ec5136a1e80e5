"""The observed order of a method: errors against numbers of steps. Knows `ode` and plain callables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from resnet_lib import ode
from resnet_lib.steppers import Field
from resnet_lib.tableaus import Method


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
    steps: Sequence[int] = (16, 32, 64, 128),
) -> Convergence:
    """The observed order of a method on a problem whose end is known.

    Raises:
        ValueError: With fewer than two numbers of steps, or an error that is zero or not finite.
    """
    steps = tuple(steps)
    if len(set(steps)) < 2:
        raise ValueError(f"steps={steps} must hold at least two different numbers; an order is a slope")
    solutions = [ode.solve(field, x0, span, method=method, steps=n) for n in steps]
    errors = tuple(float((s.end.detach() - exact).norm() / exact.norm()) for s in solutions)
    if not all(0 < error < math.inf for error in errors):
        raise ValueError(
            f"errors={errors} must be positive and finite; choose a problem that the method does not solve exactly"
        )
    x, y = -np.log(steps), np.log(errors)
    slopes = np.diff(y) / np.diff(x)
    order = float(np.polyfit(x, y, 1)[0])
    return Convergence(steps, errors, order, float(np.ptp(slopes)), tuple(s.evaluations for s in solutions))
