"""This module computes what eigenvalues do not say of a matrix that is not normal: its departure from normality, its
pseudospectrum, its numerical range, and the growth rates of products.

A matrix is normal where `A A^T = A^T A`; then it has orthogonal eigenvectors, and its norm is its spectral radius.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

from resnet_lib.linalg.krylov import Operator, extreme_eigenvalues
from resnet_lib.linalg.matrices import _check, singular_values
from resnet_lib.linalg.scaling import factors, power_of_two

__all__ = [
    "Estimate",
    "Growth",
    "Support",
    "departure",
    "estimate_departure",
    "lyapunov",
    "numerical_range",
    "pseudospectrum",
    "range_support",
]


def departure(matrices: Inexact[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """`||A A^H - A^H A||_F / ||A||_F^2` of each matrix: 0 where it is normal (or zero), at most `sqrt(2)`.

    It does not depend on the size of the matrix, however small or large.

    Raises:
        ValueError: Where the matrices are not square, or hold NaN or infinite values.

    Example:
        >>> round(departure(torch.tensor([[0.0, 1.0], [0.0, 0.0]])).item(), 4)
        1.4142
    """
    _check(matrices, square=True)
    # The norm squares before it scales: in float32 it is 0 or infinite for matrices below 1e-23 and above 1e19.
    matrices = matrices * factors(matrices.detach().abs().amax((-2, -1), keepdim=True))
    size = torch.linalg.matrix_norm(matrices)[..., None, None]
    scaled = matrices / torch.where(size > 0, size, 1)
    return torch.linalg.matrix_norm(scaled @ scaled.mH - scaled.mH @ scaled)


@dataclass(frozen=True)
class Estimate:
    """A mean over random probes.

    Attributes:
        value: The estimate.
        error: Its standard error.
        products: Products with the operator or its transpose.
    """

    value: float
    error: float
    products: int


def estimate_departure(op: Operator, *, samples: int = 30, generator: torch.Generator) -> Estimate:
    """`departure` without the matrix: `||B||_F^2` is the mean of `||B v||^2` over vectors `v` of random signs.

    The error is that of the ratio of two such means, to first order.

    Raises:
        ValueError: Where the operator is not square, has no transpose, or is zero, or there are fewer than 2 samples.

    Example:
        >>> matrix = torch.ones(50, 50).triu()
        >>> found = estimate_departure(Operator.dense(matrix), generator=torch.Generator().manual_seed(0))
        >>> abs(found.value - departure(matrix).item()) < 4 * found.error
        True
    """
    if op.shape[0] != op.shape[1]:
        raise ValueError(f"op.shape={op.shape} is not square, so it cannot be normal; compare singular values instead")
    if op.rmatvec is None:
        raise ValueError("op.rmatvec is None, but A^T A needs the transpose too; use Operator(rmatvec=...)")
    if samples < 2:
        raise ValueError(f"samples={samples} must be at least 2, or there is no standard error")
    commutator, size = torch.zeros(samples, dtype=torch.float64), torch.zeros(samples, dtype=torch.float64)
    scale, tiny = None, torch.finfo(op.dtype).tiny
    for i in range(samples):
        v = torch.randint(2, (op.shape[1],), generator=generator).to(op.device, op.dtype) * 2 - 1
        forward, backward = op.matvec(v), op.rmatvec(v)
        if scale is None:
            largest = max(float(forward.abs().max()), float(backward.abs().max()))
            # Products of four factors must neither vanish nor overflow; a power of two costs no digit.
            scale = power_of_two(largest, low=tiny**0.2, high=tiny**-0.2) if largest else None
        factor = 1.0 if scale is None else scale
        forward, backward = ((factor * part.double()).to(op.dtype) for part in (forward, backward))
        forth, back = ((factor * part.double()).to(op.dtype) for part in (op.matvec(backward), op.rmatvec(forward)))
        commutator[i] = (forth - back).double().square().sum().cpu()
        size[i] = forward.double().square().sum().cpu()
    if not size.any():
        raise ValueError("op is zero, and so is its departure; leave out branches that start at zero")
    a, b = commutator.mean(), size.mean()
    value = (a.sqrt() / b).item()
    # d log(sqrt(a) / b) = da / 2a - db / b
    relative = commutator / (2 * a) - size / b if a > 0 else torch.zeros(samples, dtype=torch.float64)
    return Estimate(value, value * relative.std().item() / math.sqrt(samples), 4 * samples)


def pseudospectrum(matrix: Inexact[Tensor, "d d"], points: Complex[Tensor, "*points"]) -> Float[Tensor, "*points"]:
    """The smallest singular value of `z - A` at each point `z`: how small a change of `A` makes `z` an eigenvalue.

    Where the matrix is normal that is the distance to the nearest eigenvalue; otherwise it may be far less.

    Raises:
        ValueError: Where the matrix is not square, or holds NaN or infinite values.

    Example:
        >>> matrix = torch.tensor([[1.0, 100.0], [0.0, 2.0]])  # 1.5 is far from both eigenvalues, and nearly one
        >>> round(pseudospectrum(matrix, torch.tensor([1.5 + 0j])).item(), 4)
        0.0025
    """
    _check(matrix, square=True)
    z = points.reshape(-1, 1, 1).to(matrix.dtype.to_complex())
    eye = torch.eye(len(matrix), dtype=z.dtype, device=matrix.device)
    pieces = z.split(max(1, 2**20 // matrix.numel()))
    smallest = torch.cat([singular_values(piece * eye - matrix)[..., -1] for piece in pieces])
    return smallest.reshape(points.shape)


def numerical_range(matrix: Inexact[Tensor, "d d"], angles: Float[Tensor, " n"]) -> Complex[Tensor, " n"]:
    """Points on the boundary of `{v^H A v : ||v|| = 1}`, the one farthest in each direction `exp(i angle)` (Johnson).

    It is convex and holds the eigenvalues; of a normal matrix it is their convex hull.

    Raises:
        ValueError: Where the matrix is not square, or holds NaN or infinite values.

    Example:
        >>> numerical_range(torch.diag(torch.tensor([1.0, 2.0])), torch.tensor([0.0, math.pi])).real.round().tolist()
        [2.0, 1.0]
    """
    _check(matrix, square=True)
    a = matrix.to(matrix.dtype.to_complex())
    turned = torch.exp(-1j * angles.to(a.real.dtype))[:, None, None] * a
    _, vectors = torch.linalg.eigh((turned + turned.mH) / 2)
    farthest = vectors[..., -1]
    return (farthest.conj() * (farthest @ a.mT)).sum(-1)


@dataclass(frozen=True)
class Support:
    """The reach of an operator's numerical range in one direction.

    Attributes:
        value: The largest real part of `exp(-i angle) v^H A v` that was found.
        residual: As for `Extremes`.
        products: Products with the operator or its transpose.
        converged: Whether the iteration met its tolerance.
    """

    value: float
    residual: float
    products: int
    converged: bool


def range_support(op: Operator, angle: float, *, tol: float = 1e-6, generator: torch.Generator) -> Support:
    """How far the numerical range reaches in the direction `exp(i angle)`, without the matrix.

    It is the largest eigenvalue of the Hermitian part of `exp(-i angle) A`, a symmetric map of twice the dimension.

    Raises:
        ValueError: Where the operator is not square or has no transpose.

    Example:
        >>> op = Operator.dense(torch.diag(torch.arange(1.0, 21.0)))
        >>> round(range_support(op, 0.0, generator=torch.Generator().manual_seed(0)).value, 3)
        20.0
    """
    if op.shape[0] != op.shape[1]:
        raise ValueError(f"op.shape={op.shape} is not square, so it has no numerical range; compare singular values")
    if op.rmatvec is None:
        raise ValueError("op.rmatvec is None, but the Hermitian part needs A^T too; use Operator(rmatvec=...)")
    d, transpose = op.shape[0], op.rmatvec
    cos, sin = math.cos(angle), math.sin(angle)

    def multiply(v: Tensor) -> Tensor:
        (x, y), images = v.split(d), []
        for part in (x, y):
            forward, backward = op.matvec(part), transpose(part)
            images.append(((forward + backward) / 2, (forward - backward) / 2))
        (sx, kx), (sy, ky) = images
        return torch.cat([cos * sx + sin * ky, cos * sy - sin * kx])

    doubled = Operator((2 * d, 2 * d), op.dtype, op.device, multiply, multiply)
    found = extreme_eigenvalues(doubled, 1, which="LR", tol=tol, generator=generator)
    value = found.values.real.max().item() if len(found.values) else math.nan
    residual = found.residuals.max().item() if len(found.residuals) else math.inf
    return Support(value, residual, 4 * found.products, found.converged)


@dataclass(frozen=True)
class Growth:
    """Rates at which a product of matrices stretches: Lyapunov exponents, of a finite product.

    Attributes:
        values: Mean log growth per factor, the largest first.
        errors: Standard error of each, as if the factors were independent.
        steps: Number of factors.
        logs: Log growth of each direction in each factor.
    """

    values: Float[Tensor, " k"]
    errors: Float[Tensor, " k"]
    steps: int
    logs: Float[Tensor, "steps k"]


def lyapunov(
    factors: Iterable[Float[Tensor, "d d"] | Callable[[Tensor], Tensor]],
    dimension: int,
    k: int,
    *,
    generator: torch.Generator,
) -> Growth:
    """The `k` largest growth rates of `A_L ... A_1`, by orthogonalising after each factor (Benettin et al. 1980).

    The product itself is never formed: it would be of numerical rank one after a few dozen factors. The sums of the
    logs add up to `log |det|` where `k` is the dimension.

    Args:
        factors: Matrices, or maps of `(d, k)` columns to such; the first is applied first.
        dimension: `d`.
        k: How many rates.
        generator: Draws the first directions.

    Raises:
        ValueError: Where there is no factor, `k` is not allowed, a factor is not square, or a direction is lost.

    Example:
        >>> growth = lyapunov([2 * torch.eye(3)] * 10, 3, 2, generator=torch.Generator().manual_seed(0))
        >>> growth.values.exp().round(decimals=6).tolist()
        [2.0, 2.0]
    """
    if not 1 <= k <= dimension:
        raise ValueError(f"k={k} must lie between 1 and the dimension {dimension}")
    frame = torch.linalg.qr(torch.randn(dimension, k, generator=generator, dtype=torch.float64)).Q
    logs = []
    for i, factor in enumerate(factors):
        if isinstance(factor, Tensor):
            if factor.shape != (dimension, dimension):
                raise ValueError(f"factor {i} has shape {tuple(factor.shape)}; expected ({dimension}, {dimension})")
            image = factor.to(frame) @ frame
        else:
            image = factor(frame)
        if not torch.isfinite(image).all():
            raise ValueError(f"factor {i} gave NaN or infinite values; leave out networks that diverged")
        frame, upper = torch.linalg.qr(image.double())
        gains = upper.diagonal().abs()
        if not gains.all():
            raise ValueError(
                f"factor {i} sends one of {k} directions to zero, at the rate minus infinity; use a smaller k"
            )
        logs.append(gains.log())
    if not logs:
        raise ValueError("factors is empty; give at least one")
    table = torch.stack(logs)
    errors = table.std(0) / math.sqrt(len(table)) if len(table) > 1 else torch.full((k,), math.inf, dtype=table.dtype)
    order = table.mean(0).argsort(descending=True)
    return Growth(table.mean(0)[order], errors[order], len(table), table[:, order])
