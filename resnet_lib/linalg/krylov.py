"""A linear map that is too large to form is an `Operator`, known by its products; Krylov iterations find its ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Inexact
from scipy.sparse import linalg as sparse
from threadpoolctl import threadpool_limits
from torch import Tensor

from resnet_lib.linalg.scaling import power_of_two

__all__ = ["WHICH", "Extremes", "Operator", "Which", "extreme_eigenvalues", "extreme_singular_values"]

Which = Literal["LM", "LR", "SR"]

WHICH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LM": lambda values: -np.abs(values),
    "LR": lambda values: -np.real(values),
    "SR": np.real,
}
"""Ends of a spectrum: largest modulus, largest or smallest real part. The key sorts the outermost first."""


@dataclass(frozen=True)
class Operator:
    """A linear map `R^n -> R^m` that is known by its products.

    Attributes:
        shape: `(m, n)`.
        dtype: Of the vectors that `matvec` and `rmatvec` take and give.
        device: Where those vectors live.
        matvec: `A v` of a vector `v` with `n` entries.
        rmatvec: `A^T u` of a vector `u` with `m` entries, where it is known.
    """

    shape: tuple[int, int]
    dtype: torch.dtype
    device: torch.device
    matvec: Callable[[Tensor], Tensor]
    rmatvec: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def dense(cls, matrix: Float[Tensor, "m n"]) -> Operator:
        """The map of a matrix."""
        m, n = matrix.shape
        return cls((m, n), matrix.dtype, matrix.device, lambda v: matrix @ v, lambda u: matrix.mT @ u)

    def to_dense(self) -> Float[Tensor, "m n"]:
        """The matrix, column by column: `n` products."""
        basis = torch.eye(self.shape[1], dtype=self.dtype, device=self.device)
        return torch.stack([self.matvec(e) for e in basis], dim=1)


@dataclass(frozen=True)
class Extremes:
    """Some eigenvalues or singular values of an operator, and how far to trust them.

    Attributes:
        values: Those that were found, the outermost first: `k`, or fewer where the iteration did not converge.
        residuals: The certificate of each, relative to `norm`. For an eigenvalue `||A v - lambda v||` with its unit
            vector `v`: it is exact for a matrix that differs from A by so much; how far it is from an eigenvalue of A
            depends also on how far A is from normal. For a singular value `min(r / sigma, sqrt(r))` with
            `r = ||A^T A v - sigma^2 v||`: a singular value of A is no farther away.
        norm: The largest `||A v||` of all unit vectors that were multiplied, a lower bound of the spectral norm.
        products: Number of products with A or its transpose, those for the residuals included.
        converged: Whether all `k` were found, each with a residual of at most twice the tolerance.
    """

    values: Inexact[Tensor, " found"]
    residuals: Float[Tensor, " found"]
    norm: float
    products: int
    converged: bool


def extreme_eigenvalues(
    op: Operator,
    k: int,
    *,
    which: Which = "LM",
    tol: float = 1e-6,
    generator: torch.Generator,
    basis: int | None = None,
    restarts: int = 300,
) -> Extremes:
    """The `k` eigenvalues at one end of the spectrum, without the matrix: implicitly restarted Arnoldi (ARPACK).

    Args:
        op: A square operator. Products are made in its precision, everything else in float64.
        k: How many, at most `d - 2`. Where the last is half of a complex pair, either half may be given.
        which: `LM` largest modulus, `LR` largest or `SR` smallest real part.
        tol: Size of a residual at which to stop, relative to its eigenvalue. Products in float32 reach about 1e-6.
        generator: Draws the start vector, on the CPU.
        basis: Number of Krylov vectors, from `k + 2` to `d`; more cost memory and save products. Default: 40 or `4 k`.
        restarts: After so many the iteration gives up, and `converged` is False.

    Returns:
        The eigenvalues, complex, the outermost first.

    Raises:
        ValueError: Where `op` is not square, `k`, `basis` or `which` is not allowed, or a product is not finite.

    Example:
        >>> op = Operator.dense(torch.diag(torch.arange(1.0, 101.0)))
        >>> extreme_eigenvalues(op, 2, generator=torch.Generator().manual_seed(0)).values.real.round().tolist()
        [100.0, 99.0]
    """
    d = op.shape[0]
    if op.shape[0] != op.shape[1]:
        raise ValueError(f"op.shape={op.shape} is not square, so it has no eigenvalues; use extreme_singular_values")
    if not 1 <= k <= d - 2:
        raise ValueError(f"k={k} must lie between 1 and d - 2 = {d - 2}; for all: eigenvalues(op.to_dense())")
    if which not in WHICH:
        raise ValueError(f"which={which!r} is unknown; known: {', '.join(WHICH)}")
    products = _Products(op)
    values, vectors = _arpack(sparse.eigs, products, k, which, tol, generator, basis, restarts)
    order = np.lexsort((-np.imag(values), WHICH[which](values)))
    values, vectors = values[order], vectors[:, order]
    residuals = np.zeros(len(values))
    for i, (value, v) in enumerate(zip(values, vectors.T, strict=True)):
        image = products.matvec(v.real) + 1j * (products.matvec(v.imag) if v.imag.any() else 0)
        residuals[i] = np.linalg.norm(image - value * v) / np.linalg.norm(v)
    return _certified(values.astype(complex), residuals, products, k, tol)


def extreme_singular_values(
    op: Operator,
    k: int,
    *,
    tol: float = 1e-6,
    generator: torch.Generator,
    basis: int | None = None,
    restarts: int = 300,
) -> Extremes:
    """The `k` largest singular values, without the matrix: restarted Lanczos on `A^T A` or `A A^T` (ARPACK).

    Args:
        op: An operator that knows its transpose. Products are made in its precision, everything else in float64.
        k: How many, at most `min(m, n) - 1`.
        tol: Size of a residual at which to stop, relative to its singular value. Products in float32 reach about 1e-6.
        generator: Draws the start vector, on the CPU.
        basis: Number of Krylov vectors, from `k + 2` to `min(m, n)`, as for `extreme_eigenvalues`.
        restarts: After so many the iteration gives up, and `converged` is False.

    Returns:
        The singular values, the largest first.

    Raises:
        ValueError: Where `op.rmatvec` is missing, `k` or `basis` is not allowed, or a product is not finite.

    Example:
        >>> op = Operator.dense(torch.diag(torch.arange(-100.0, 0.0)))
        >>> extreme_singular_values(op, 2, generator=torch.Generator().manual_seed(0)).values.round().tolist()
        [100.0, 99.0]
    """
    m, n = op.shape
    if op.rmatvec is None:
        raise ValueError("op.rmatvec is None, but singular values need the transpose too; use Operator(rmatvec=...)")
    if not 1 <= k <= min(m, n) - 1:
        limit = f"min(m, n) - 1 = {min(m, n) - 1}"
        raise ValueError(f"k={k} must lie between 1 and {limit}; for all: singular_values(op.to_dense())")
    if m < n:  # the same values, and the smaller of the two squares
        op = Operator((n, m), op.dtype, op.device, op.rmatvec, op.matvec)
    products = _Products(op)
    _, vectors = _arpack(sparse.eigsh, products.H @ products, k, "LM", tol, generator, basis, restarts)
    values, residuals = np.zeros(vectors.shape[1]), np.zeros(vectors.shape[1])
    for i, v in enumerate(vectors.T):
        image = products.matvec(v)
        values[i] = np.linalg.norm(image)
        r = np.linalg.norm(products.rmatvec(image) - values[i] ** 2 * v)
        residuals[i] = min(r / values[i], r**0.5) if values[i] else r**0.5
    order = np.argsort(-values, kind="stable")
    return _certified(values[order], residuals[order], products, k, tol)


class _Products(sparse.LinearOperator):
    """Counted products, in float64 numpy outside and in the operator's precision on its device inside.

    They are those with `scale` times the operator, a power of two, which is 1 where the operator is of ordinary size.
    ARPACK takes values below 4e-11 for zero, and squares of singular values underflow long before they do themselves.
    """

    def __init__(self, op: Operator):
        super().__init__(np.float64, op.shape)
        self.op, self.count, self.norm = op, 0, 0.0
        self.scale: float | None = None

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._product("matvec", self.op.matvec, x)

    def _rmatvec(self, x: np.ndarray) -> np.ndarray:
        assert self.op.rmatvec is not None
        return self._product("rmatvec", self.op.rmatvec, x)

    def _product(self, name: str, multiply: Callable[[Tensor], Tensor], x: np.ndarray) -> np.ndarray:
        self.count += 1
        product = multiply(torch.from_numpy(x.ravel()).to(self.op.device, self.op.dtype))
        size = self.op.shape[0 if name == "matvec" else 1]
        if product.shape != (size,):
            raise ValueError(f"op.{name} gave shape {tuple(product.shape)}; expected ({size},)")
        out = product.detach().to("cpu", torch.float64).numpy()
        if not np.isfinite(out).all():
            raise ValueError(f"op.{name} gave NaN or infinite values; check the point where the map is linearised")
        largest, length = np.abs(out).max(initial=0.0), np.abs(x).max(initial=0.0)
        if self.scale is None and largest and length:
            self.scale = power_of_two(largest / length, low=2.0**-17, high=2.0**60)
        out = out * (self.scale or 1.0)
        length = np.linalg.norm(x)
        if length:
            self.norm = max(self.norm, float(np.linalg.norm(out) / length))
        return out


def _arpack(solver, map_, k, which, tol, generator, basis, restarts) -> tuple[np.ndarray, np.ndarray]:
    """Values and vectors that ARPACK has found, however many."""
    d = map_.shape[1]
    basis = min(d, max(4 * k, 40)) if basis is None else basis
    if not min(k + 2, d) <= basis <= d:
        raise ValueError(f"basis={basis} must lie between k + 2 = {k + 2} and d = {d}; leave it out for the default")
    start = torch.randn(d, generator=generator, dtype=torch.float64).numpy()
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    if not map_.matvec(start).any():  # with probability 1 the map is zero, from which ARPACK cannot start
        return np.zeros(k), np.eye(d, k)
    # BLAS threads that wait for each other on 40 short vectors made this 20 times slower on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        try:
            return solver(map_, k, which=which, v0=start, ncv=basis, maxiter=restarts, tol=tol, rng=rng)
        except sparse.ArpackNoConvergence as stopped:
            return stopped.eigenvalues, stopped.eigenvectors


def _certified(values: np.ndarray, residuals: np.ndarray, products: _Products, k: int, tol: float) -> Extremes:
    if products.norm:
        residuals = residuals / products.norm
    converged = len(values) == k and bool((residuals <= 2 * tol).all())
    scale = products.scale or 1.0
    found = torch.from_numpy(values / scale)
    return Extremes(found, torch.from_numpy(residuals), products.norm / scale, products.count, converged)
