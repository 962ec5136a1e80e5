r"""This module optimises over matrices with orthonormal rows, and over those that would have them. It knows no network.

Two questions of linear algebra have answers in closed form, and are solved here without knowing them: how near
can $KK^\top$ come to $I$, and how large can $\det(W\Sigma W^\top)$ become.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Optimum:
    """The point at which an optimiser stopped, and how far to trust it.

    Attributes:
        value: Of the objective at `point`.
        point: The matrix or kernel.
        residual: Norm of the (Riemannian) gradient there, relative to that at the start.
        steps: How many it took.
        converged: Whether `residual` is below the tolerance.
    """

    value: float
    point: Tensor
    residual: float
    steps: int
    converged: bool


def defect(matrix: Float[Tensor, "*batch m n"]) -> Float[Tensor, "*batch"]:
    r"""$\lVert KK^\top-I\rVert_F$: how far the rows are from orthonormal.

    Example:
        >>> defect(torch.eye(2, 3)).item(), round(defect(2 * torch.eye(2, 3)).item(), 4)
        (0.0, 4.2426)
    """
    return (matrix @ matrix.mT - torch.eye(matrix.shape[-2], dtype=matrix.dtype, device=matrix.device)).norm(
        dim=(-2, -1)
    )


def least_defect(rows: int, rank: int) -> float:
    r"""The least $\lVert KK^\top-I\rVert_F$ of all matrices with that many rows and at most that rank.

    $KK^\top$ has the eigenvalue 0 at least `rows - rank` times, each of which costs 1, and the others can be 1.

    Raises:
        ValueError: Where `rows` or `rank` is negative.

    Example:
        >>> least_defect(rows=8, rank=4)
        2.0
    """
    if rows < 0 or rank < 0:
        raise ValueError(f"rows={rows} and rank={rank} must not be negative")
    return max(rows - rank, 0) ** 0.5


def minimise_defect(
    start: Float[Tensor, ...],
    matrix: Callable[[Tensor], Tensor] = lambda weight: weight,
    *,
    tol: float = 1e-10,
    steps: int = 2000,
) -> Optimum:
    r"""The weights whose matrix has the least $\lVert KK^\top-I\rVert_F$, by L-BFGS on its square.

    All stationary points but saddles are global: in singular values the objective is $\sum(\sigma_i^2-1)^2$.

    Args:
        start: The weights to start from; float64, not zero.
        matrix: The matrix of the weights, by default themselves: e.g. that of a strided convolution of that kernel.
        tol: Relative norm of the gradient at which to stop.
        steps: After so many iterations it gives up.

    Raises:
        ValueError: Where `start` is zero, a stationary point that is no minimum, or is not finite.

    Example:
        >>> start = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
        >>> found = minimise_defect(start)
        >>> round(found.value, 6), found.converged
        (1.0, True)
    """
    if not torch.isfinite(start).all() or not start.any():
        raise ValueError("start is zero, or holds NaN or infinite values; draw it from a Gaussian")
    weight = start.detach().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight], max_iter=steps, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    sizes: list[float] = []

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = defect(matrix(weight)).square()
        value.backward(inputs=[weight])
        sizes.append(float(weight.grad.norm()))  # pyright: ignore[reportOptionalMemberAccess]
        return value

    objective()
    if sizes[0] > 0:
        # L-BFGS measures the largest entry of a gradient; that of a norm is at least as small.
        optimizer.param_groups[0]["tolerance_grad"] = tol * sizes[0] / weight.numel() ** 0.5
        optimizer.step(objective)  # pyright: ignore[reportArgumentType]
    objective()
    taken = optimizer.state[weight].get("n_iter", 0)
    point = weight.detach()
    residual = sizes[-1] / sizes[0] if sizes[0] else 0.0
    return Optimum(float(defect(matrix(point)).detach()), point, residual, int(taken), residual <= tol)


def log_determinant(
    weight: Float[Tensor, "*batch k d"], covariance: Float[Tensor, "*#batch d d"]
) -> Float[Tensor, "*batch"]:
    r"""$\log\det(W\Sigma W^\top)$, minus infinity where it is not positive: always with more rows than columns.

    Half of it is, up to a constant, the entropy of $Wx$ for Gaussian $x$ of that covariance.

    Raises:
        ValueError: Where the shapes do not fit.

    Example:
        >>> round(log_determinant(torch.eye(2, 3), torch.diag(torch.tensor([1.0, 2.0, 4.0]))).exp().item(), 4)
        2.0
    """
    _check(weight, covariance)
    if weight.shape[-2] > weight.shape[-1]:
        return torch.full(weight.shape[:-2], -torch.inf, dtype=weight.dtype)
    sign, value = torch.linalg.slogdet(weight @ covariance @ weight.mT)
    return torch.where(sign > 0, value, -torch.inf)


def largest_log_determinant(covariance: Float[Tensor, "*batch d d"], k: int) -> Float[Tensor, "*batch"]:
    r"""The largest $\log\det(W\Sigma W^\top)$ with `k` orthonormal rows: the sum of the `k` largest log eigenvalues.

    Raises:
        ValueError: Where `k` is not between 1 and d.

    Example:
        >>> round(largest_log_determinant(torch.diag(torch.tensor([1.0, 2.0, 4.0])), 2).exp().item(), 4)
        8.0
    """
    if not 1 <= k <= covariance.shape[-1]:
        raise ValueError(
            f"k={k} orthonormal rows of {covariance.shape[-1]} entries do not exist; k is between 1 and "
            f"{covariance.shape[-1]}"
        )
    return torch.linalg.eigvalsh(covariance)[..., -k:].log().sum(-1)


def maximise_determinant(
    start: Float[Tensor, "k d"],
    covariance: Float[Tensor, "d d"],
    *,
    constrained: bool = True,
    tol: float = 1e-6,
    steps: int = 5000,
) -> Optimum:
    r"""Ascent of $\log\det(W\Sigma W^\top)$, on the Stiefel manifold unless `constrained` is False.

    Half of the gradient is $G=(W\Sigma W^\top)^{-1}W\Sigma$, and $GW^\top=I$. So on the manifold the Riemannian
    gradient is $G-W$; a unit step along it leads to $G$, whose rows are made orthonormal again by QR. They
    span what those of $W\Sigma$ span: the ascent is orthogonal iteration, the oldest method for principal directions.
    Without the constraint the step goes to $W+G$.

    Args:
        start: Of full rank; its rows are made orthonormal first.
        covariance: Positive definite.
        constrained: Whether the rows stay orthonormal.
        tol: Norm of the Riemannian gradient, relative to that at the start, at which to stop.
        steps: After so many it stops; without the constraint always, since there is no maximum.

    Returns:
        The largest log determinant and the matrix.

    Raises:
        ValueError: Where `start` has more rows than columns, so that the determinant is 0 everywhere, or the shapes do
            not fit.

    Example:
        >>> covariance = torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
        >>> found = maximise_determinant(torch.ones(1, 3, dtype=torch.float64), covariance)
        >>> round(found.value, 4), found.converged
        (1.3863, True)
    """
    _check(start, covariance)
    k, d = start.shape
    if k > d:
        raise ValueError(f"start has {k} rows of {d} entries: det(W S W^T) is 0 for every such W; use at most {d} rows")
    weight = torch.linalg.qr(start.mT).Q.mT
    first = residual = 0.0
    taken = 0
    for taken in range(steps + 1):
        image = weight @ covariance
        gradient = torch.linalg.solve(image @ weight.mT, image)
        tangent = gradient - gradient @ weight.mT @ weight if constrained else gradient
        residual = float(tangent.norm())
        first = first or residual
        if residual <= tol * first or taken == steps:
            break
        weight = torch.linalg.qr(gradient.mT).Q.mT if constrained else weight + gradient
    relative = residual / first if first else 0.0
    return Optimum(float(log_determinant(weight, covariance)), weight, relative, taken, relative <= tol)


def _check(weight: Tensor, covariance: Tensor) -> None:
    if covariance.shape[-1] != covariance.shape[-2] or weight.shape[-1] != covariance.shape[-1]:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)} and covariance {tuple(covariance.shape)}; "
            "expected (k, d) and (d, d)"
        )
