"""Newton's method finds roots of nonlinear systems, and says how good they are. It knows plain callables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Root:
    """A root as Newton's method found it, and how far to trust it.

    Attributes:
        value: The last iterate; the gradient flows into what the function depends on, by the implicit function theorem.
        residual: Norm of the function there, relative to `1 + |value|`.
        iterations: Linear systems that were solved.
        condition: Ratio of the largest to the smallest pivot of the last Jacobian, a lower bound of how nearly
            singular it is.
        converged: Whether the residual is within the tolerance.
        failure: Why not, in words; empty where it is.
    """

    value: Tensor
    residual: float
    iterations: int
    condition: float
    converged: bool
    failure: str


def newton(
    function: Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]],
    start: Float[Tensor, " n"],
    *,
    jacobian: Callable[[Float[Tensor, " n"]], Float[Tensor, "n n"]] | None = None,
    tol: float | None = None,
    iterations: int = 50,
) -> Root:
    """Solve `function(x) = 0` by Newton's method, each step halved until the residual falls.

    A failure is a value: `converged` is False and `failure` says why.

    Args:
        function: A map of vectors. It is given copies, so that it may write into its argument, and may return the same
            tensor each time.
        start: Where to begin.
        jacobian: Its derivative; by default automatic differentiation.
        tol: Largest residual, relative to `1 + |value|`; by default 1e-13 in float64 and 1e-5 in float32.
        iterations: At most so many linear systems.

    Raises:
        ValueError: Where the function changes the size of a vector, `start` is not a vector of real numbers, or
            `iterations` is below 1.

    Example:
        >>> root = newton(lambda x: x**2 - 2, torch.ones(1, dtype=torch.float64))
        >>> round(root.value.item(), 6), root.converged
        (1.414214, True)
    """
    if start.ndim != 1 or not start.is_floating_point():
        raise ValueError(
            f"start has shape {tuple(start.shape)} and dtype {start.dtype}; expected a vector of real numbers"
        )
    if iterations < 1:
        raise ValueError(f"iterations={iterations} must be at least 1")
    tol = (1e-13 if start.dtype == torch.float64 else 1e-5) if tol is None else tol
    given = torch.func.jacrev(lambda v: function(v.clone())) if jacobian is None else jacobian

    def evaluate(v: Tensor) -> Tensor:
        return function(v.clone()).clone()

    def derivative(v: Tensor) -> Tensor:
        return given(v.clone())

    condition, done, failure = 1.0, 0, ""
    with torch.no_grad():
        x = start.detach()
        value = evaluate(x)
        if value.shape != x.shape:
            raise ValueError(f"function maps shape {tuple(x.shape)} to {tuple(value.shape)}; it must keep the size")
        size = _size(value, x)
        factors = None
        while not size <= tol:
            if done == iterations:
                failure = f"no root after {iterations} iterations of Newton's method, residual {size:.3g}"
                break
            if not math.isfinite(size):
                failure = f"Newton's method met a value that is not finite after {done} iterations"
                break
            factors, condition = _factors(derivative(x))
            if not condition < 1e14:
                failure = f"the linear system of Newton's method is singular (pivots differ by {condition:.1e})"
                break
            done += 1
            move = torch.linalg.lu_solve(*factors, value[:, None])[:, 0]
            damping, moved, new = 1.0, x - move, evaluate(x - move)
            while not _size(new, moved) < size and damping > 1e-3:
                damping /= 2
                moved = x - damping * move
                new = evaluate(moved)
            if not _size(new, moved) < size:
                # At the level of rounding nothing falls any more.
                if size <= 100 * tol:
                    break
                failure = f"Newton's method stagnates at residual {size:.3g} after {done} iterations: perhaps no root"
                break
            x, value, size = moved, new, _size(new, moved)
    if not failure and torch.is_grad_enabled():
        value = evaluate(x)
        if value.requires_grad:
            # One more step, whose derivative by all that the function depends on is that of the root.
            factors, condition = _factors(derivative(x).detach())
            x = x - torch.linalg.lu_solve(*factors, value[:, None])[:, 0]
    return Root(x, size, done, condition, not failure, failure)


def _size(value: Tensor, x: Tensor) -> float:
    return float(value.norm() / (1 + x.norm()))


def _factors(matrix: Tensor) -> tuple[tuple[Tensor, Tensor], float]:
    lu, pivots, _ = torch.linalg.lu_factor_ex(matrix)
    sizes = lu.diagonal().abs()
    smallest = float(sizes.min())
    return (lu, pivots), float(sizes.max()) / smallest if smallest > 0 else math.inf
