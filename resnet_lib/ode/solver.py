"""This module solves initial value problems, by one loop over the steps of any method of `tableaus`.

A field is `f(t, x)`, with `x` a tensor of any shape. Steps are differentiable. What goes wrong has a name: `BlowUp`,
`NoRoot` and `TooManySteps` are raised, or returned as `Solution.failure` with `throw=False`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib.ode import steppers, tableaus
from resnet_lib.ode.step_sizes import Adaptive, Equal
from resnet_lib.ode.steppers import Field, Jacobian, SplitField
from resnet_lib.ode.tableaus import Method, Splitting, Tableau
from resnet_lib.whole import whole

__all__ = ["BlowUp", "NoRoot", "Solution", "SolverError", "TooManySteps", "solve"]

CEILING = 1e9


@dataclass(frozen=True)
class Solution:
    """States at the ends of the steps, and how far to trust them.

    Attributes:
        times: When; the first is the start.
        states: The state at each of them.
        method: The method's name.
        steps: Steps that were taken.
        rejected: Steps that were tried and found too long; of an adaptive method.
        evaluations: Of the field, those for Jacobians not included; of a splitting, its kicks.
        error: Sum of the norms of the local error estimates, an estimate of the global error where nothing grows;
            NaN for a method without an estimate.
        residual: Largest relative residual of the equations that an implicit method solved; 0 for an explicit one.
        converged: Whether the end was reached.
        failure: What went wrong, in words; empty where nothing did.
    """

    times: Float[Tensor, " n"]
    states: Tensor
    method: str
    steps: int
    rejected: int
    evaluations: int
    error: float
    residual: float
    converged: bool
    failure: str

    @property
    def end(self) -> Tensor:
        """The last state."""
        return self.states[-1]


class SolverError(ArithmeticError):
    """The end was not reached.

    Attributes:
        solution: As far as it came.
    """

    def __init__(self, solution: Solution):
        super().__init__(solution.failure)
        self.solution = solution


class BlowUp(SolverError):
    """The state became huge, infinite or NaN."""


class NoRoot(SolverError):
    """The equations of an implicit step have no solution that Newton's method finds."""


class TooManySteps(SolverError):
    """An adaptive method would need more or shorter steps than are sensible."""


def solve(
    field: Field,
    x0: Tensor,
    span: tuple[float, float] = (0.0, 1.0),
    *,
    method: str | Method = "rk4",
    steps: SupportsIndex | None = None,
    tol: float | None = None,
    jacobian: Jacobian | None = None,
    ceiling: float = CEILING,
    throw: bool = True,
) -> Solution:
    """Solve `x' = f(t, x)` from `x0`, with `steps` equal steps or, to a tolerance, with steps of the method's choice.

    The gradient flows through the steps; through an implicit one by the implicit function theorem.

    Under `torch.func.vmap` (in `jacobian.dense`, and where `training.fit` stacks seeds) no number of a state can be
    looked at: equal steps of an explicit method go on to the end, and what blew up there is infinite or NaN.

    Args:
        field: `f(t, x)`, of the shape of `x`; a `SplitField` for a splitting method. It may write into `x` or give the
            same buffer at every call.
        x0: The start, which stays as it is; of a floating or complex type; float64 for what is meant to be exact.
        span: Start and end; the end may lie before the start.
        method: A name in `tableaus.METHODS`, or a method.
        steps: Number of equal steps.
        tol: Tolerance of a step, relative to `1 + |x|`, for methods with an embedded error estimate.
        jacobian: `df/dx` as a matrix of the flattened state, for implicit methods; by default by automatic
            differentiation.
        ceiling: A state with an entry of more than this, relative to the largest of the start (or to 1), has blown up.
            `math.inf` leaves only infinity and NaN.
        throw: Whether to raise where the end is not reached; otherwise `Solution.failure` says so.

    Raises:
        BlowUp: Where the state leaves the ceiling; with the stability limit where the field's Jacobian shows one.
        NoRoot: Where an implicit step cannot be solved.
        TooManySteps: Where an adaptive method comes to no end.
        TypeError: Where a splitting method gets a field that does not split, the state is no tensor or one of integers,
            or the field gives no tensor or one that the type of the state cannot hold.
        ValueError: Where an argument is not allowed, does not fit the method, or cannot be kept under `vmap`; or the
            field changes the shape.

    Example:
        >>> decay = solve(lambda t, x: -x, torch.ones(1, dtype=torch.float64), method="rk4", steps=10)
        >>> round(decay.end.item(), 5), decay.evaluations
        (0.36788, 40)
    """
    chosen = tableaus.method(method)
    steps = None if steps is None else whole("steps", steps)
    seen = _check(chosen, field, x0, span, steps, tol)
    start, end = map(float, span)
    control = _control(chosen, start, end, steps, tol)
    t, x, h = start, x0, control.first
    bound = ceiling * max(1.0, float(x0.detach().abs().max())) if seen else math.inf
    times, states = [t], [x]
    count = rejected = evaluations = 0
    residual, error = 0.0, 0.0 if tol else math.nan
    failure: type[SolverError] | None = None
    message, first = "", None
    while control.unfinished(count, t, h):
        h = control.length(t, h)
        step = steppers.step(chosen, field, jacobian, t, x, h, first)
        evaluations += step.evaluations
        residual = max(residual, step.residual)
        if step.failure:
            failure, message = NoRoot, f"step {count + 1} of {chosen.name} at t={t:.6g}, h={h:.6g}: {step.failure}"
            break
        judged = control.judge(step, x)
        if not judged.accepted:
            rejected, h, first = rejected + 1, h * judged.factor, None
            if control.stuck(rejected, h):
                failure, message = TooManySteps, _too_many(chosen, t, h, tol)
                break
            continue
        error += judged.error
        # NaN compares as false, and counts as larger.
        size = float(step.x.detach().abs().max()) if seen else 0.0
        if not size <= bound:
            failure, message = BlowUp, _blown_up(chosen, field, jacobian, x0, start, t + h, h, size, end)
            break
        count += 1
        t = control.reached(count, t, h)
        x, first = step.x, step.last
        times.append(t)
        states.append(x)
        h *= judged.factor
        if control.endless(count):
            failure, message = TooManySteps, _too_many(chosen, t, h, tol)
            break
    solution = Solution(
        times=torch.tensor(times, dtype=torch.float64),
        states=torch.stack(states),
        method=chosen.name,
        steps=count,
        rejected=rejected,
        evaluations=evaluations,
        error=error,
        residual=residual,
        converged=failure is None,
        failure=message,
    )
    if failure and throw:
        raise failure(solution)
    return solution


def _control(method: Method, start: float, end: float, steps: int | None, tol: float | None) -> Equal | Adaptive:
    if steps is not None:
        return Equal(start, end, steps)
    assert tol is not None
    assert isinstance(method, Tableau)
    return Adaptive(start, end, tol, method.embedded_order)


def _too_many(method: Method, t: float, h: float, tol: float | None) -> str:
    return (
        f"{method.name} with tol={tol} came to t={t:.6g} and would go on with steps of {h:.3g}: the solution ends "
        "there (it blows up or jumps), or the field is stiff; shorten the span, raise tol, or use 'implicit-euler'"
    )


def _blown_up(
    method: Method,
    field: Field,
    jacobian: Jacobian | None,
    x0: Tensor,
    start: float,
    t: float,
    h: float,
    size: float,
    end: float,
) -> str:
    """What to say, and what to change: the stability limit of the field's linearisation where that is the reason."""
    said = f"{method.name} with h={h:.6g} blew up: the largest entry of the state at t={t:.6g} is {size:.3g}"
    limit = _linear_limit(method, field, jacobian, start, x0)
    if limit is not None and limit.eigenvalue is not None and limit.value < abs(h):
        way = f"at least {math.ceil(abs(end - start) / limit.value)} steps" if limit.value > 0 else "another method"
        return (
            f"{said}. The field is stiff for this step: its Jacobian at the start has the eigenvalue "
            f"{limit.eigenvalue:.4g}, with which {method.name} is stable up to h={limit.value:.4g}; use {way}, or "
            "'implicit-euler', which is stable for every h"
        )
    return (
        f"{said}. No step limit of the Jacobian at the start explains it: the solution itself may grow or end there; "
        "shorten the span, use more steps, or raise ceiling if such sizes are meant"
    )


def _linear_limit(
    method: Method, field: Field, jacobian: Jacobian | None, t: float, x: Tensor
) -> tableaus.StepLimit | None:
    field, flat = steppers.own(field), steppers.real(x.detach())
    if flat.numel() > 64:
        return None
    with torch.no_grad():
        if jacobian is None or x.is_complex():
            matrix = torch.func.jacrev(lambda v: steppers.real(field(t, steppers.shaped(v, x))))(flat)
        else:
            matrix = jacobian(t, x.clone())
    if not bool(torch.isfinite(matrix).all()):
        return None
    values = np.linalg.eigvals(matrix.double().cpu().numpy())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(method, Splitting):
        values = 1j * np.abs(values.imag)
    # A growing direction is the field's own; what a step can spoil are the others.
    return tableaus.largest_step(method, values[values.real <= 1e-12 * np.abs(values).max()])


def _check(
    method: Method, field: Field, x0: Tensor, span: tuple[float, float], steps: int | None, tol: float | None
) -> bool:
    """Whether the numbers of the state can be looked at, of arguments that are allowed."""
    if not isinstance(x0, Tensor):
        raise TypeError(
            f"x0 is a {type(x0).__name__}; a state is a tensor: use torch.as_tensor(x0, dtype=torch.float64)"
        )
    if not (x0.is_floating_point() or x0.is_complex()):
        raise TypeError(f"x0 has dtype {x0.dtype}; a state needs floating-point numbers: use x0.double()")
    seen = x0.numel() > 0 and steppers.readable(x0)
    if x0.numel() == 0 or (seen and not bool(torch.isfinite(x0.detach()).all())):
        raise ValueError(f"x0 of shape {tuple(x0.shape)} is empty or holds NaN or infinite values")
    if not all(math.isfinite(t) for t in span) or span[0] == span[1]:
        raise ValueError(f"span={span} must be two different, finite times")
    if (steps is None) == (tol is None):
        raise ValueError(f"steps={steps}, tol={tol}: give one of them, a number of equal steps or a tolerance")
    if not seen and (tol or not (isinstance(method, Splitting) or method.explicit)):
        raise ValueError(
            f"method={method.name!r} looks at the numbers of a state (of its error, or of its equations), which "
            "torch.func.vmap does not allow; use an explicit method with steps=..., jacobian.operator in place of "
            "jacobian.dense, or training.fit(..., policy=training.ONE_BY_ONE)"
        )
    if steps is not None and steps < 1:
        raise ValueError(f"steps={steps} must be at least 1")
    if tol is not None:
        if not 0 < tol < 1:
            raise ValueError(f"tol={tol} must lie between 0 and 1, e.g. 1e-6")
        if isinstance(method, Splitting) or not method.embedded:
            pairs = [m.name for m in tableaus.METHODS.values() if isinstance(m, Tableau) and m.embedded]
            raise ValueError(
                f"method={method.name!r} estimates no error, so tol={tol:g} cannot be kept; use steps=..., or one of "
                f"{', '.join(pairs)}"
            )
    if isinstance(method, Splitting):
        if not isinstance(field, SplitField):
            raise TypeError(
                f"method={method.name!r} needs a field that splits into q' = velocity(p) and p' = force(q): "
                "ode.SplitField(velocity, force); a field that does not split (damping, for instance) needs a "
                "Runge-Kutta method such as 'implicit-midpoint'"
            )
        if x0.ndim == 0 or x0.shape[-1] % 2:
            raise ValueError(
                f"x0 has shape {tuple(x0.shape)}; {method.name} needs q and p of equal size in its last axis"
            )
    return seen
