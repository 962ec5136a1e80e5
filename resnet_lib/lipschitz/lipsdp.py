"""A Lipschitz bound by semidefinite programming (LipSDP-Neuron), for networks of linear layers and slopes in [0, 1].

Write the differences of two runs of a network as `dv = A dz + B dx`, `dz = s dv`, `dy = C dz + D dx`: `v` are the
inputs of all neurons, `z` their outputs, and the slopes `s` of a ReLU lie in [0, 1]. Skips are entries of A, B, C and D
like all others. Then `dz (dv - dz) >= 0` for each neuron, and for all `lambda >= 0`

    rho |dx|^2 - |dy|^2 - 2 sum_i lambda_i dz_i (dv_i - dz_i) >= 0  for all dx, dz   implies   |dy|^2 <= rho |dx|^2.

The least such `rho` is a semidefinite program (fazlyab2019efficient, with alpha = 0, beta = 1 and diagonal T; the
multipliers of that paper that couple neurons are not sound: pauli2022training). Here it is solved by Newton's method on
the logarithmic barrier, which uses that each `lambda_i` stands for a matrix of rank two. The bound that is returned
does not trust the solver: it is the exact `rho` of the multipliers that were found.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Normal", "Semidefinite", "semidefinite"]


@dataclass(frozen=True)
class Normal:
    """A network as `v = A z + B x`, `z = phi(v)`, `y = C z + D x`, where every slope of `phi` lies in [0, 1].

    Attributes:
        a: Neurons to neurons; strictly lower triangular, in the order of the neurons.
        b: Input to neurons.
        c: Neurons to output.
        d: Input to output.
    """

    a: Float[Tensor, "neurons neurons"]
    b: Float[Tensor, "neurons in"]
    c: Float[Tensor, "out neurons"]
    d: Float[Tensor, "out in"]

    def __post_init__(self):
        n, m = self.a.shape[0], self.d.shape[1]
        shapes = (tuple(self.a.shape), tuple(self.b.shape), tuple(self.c.shape))
        if shapes != ((n, n), (n, m), (len(self.d), n)):
            raise ValueError(f"a, b, c, d have shapes {shapes} and {tuple(self.d.shape)}, which do not go together")
        if self.a.triu().any():
            raise ValueError(
                "a is not strictly lower triangular: a neuron feeds itself or an earlier one; sort the neurons"
            )
        for name in "abcd":
            if not torch.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} holds NaN or infinite values; leave out networks that diverged")

    def jacobian(self, slopes: Float[Tensor, "*batch neurons"]) -> Float[Tensor, "*batch out in"]:
        """The Jacobian where the neurons have these slopes."""
        eye = torch.eye(len(self.a), dtype=self.a.dtype)
        inner = torch.linalg.solve_triangular(
            eye - slopes[..., :, None] * self.a, slopes[..., :, None] * self.b, upper=False
        )
        return self.c @ inner + self.d


@dataclass(frozen=True)
class Semidefinite:
    """An upper bound of the Lipschitz constant, with the multipliers that prove it.

    Attributes:
        value: The bound; the multipliers prove it to rounding.
        multipliers: One for each neuron, not negative.
        gap: The bound is at most this much, relative to itself, above the least that any multipliers prove.
        steps: Newton steps.
        converged: Whether the gap met the tolerance. The value is a bound in either case.
    """

    value: float
    multipliers: Float[Tensor, " neurons"]
    gap: float
    steps: int
    converged: bool


def semidefinite(network: Normal, *, tol: float = 1e-3, steps: int = 500) -> Semidefinite:
    """The LipSDP-Neuron bound. It is never above the product of layerwise bounds, nor above that of blocks `1 + K`.

    Costs `(in + neurons)^3` a Newton step, some 50 to 100 of them: seconds up to about 500 neurons.

    Args:
        network: In float64, since the multipliers of a deep network differ by many powers of ten.
        tol: Relative gap at which to stop.
        steps: Newton steps after which to give up.

    Raises:
        ValueError: Where the network is not in float64.
    """
    if network.a.dtype != torch.float64:
        raise ValueError(f"network has dtype {network.a.dtype}; the multipliers need float64: use .double()")
    used = network.b.any(1) | network.a.any(1)  # the output of the others is constant
    used &= network.c.any(0) | network.a.any(0)  # and nobody reads these
    if not used.any():
        return Semidefinite(
            float(torch.linalg.matrix_norm(network.d, 2)), torch.zeros(len(used)).double(), 0.0, 0, True
        )
    part = _narrow(Normal(network.a[used][:, used], network.b[used], network.c[:, used], network.d))
    multipliers = _feasible(part)
    best, kept = _certified(part, multipliers), multipliers
    unit = best  # from here on rho counts in units of the first bound
    rho, weight, taken, gap = 2.0, 1.0, 0, math.inf
    nu = 2 * len(multipliers) + part.d.shape[1]  # parameter of the barrier
    while gap > tol and taken < steps and math.isfinite(best):
        decrement = math.inf
        while decrement > 0.5 and taken < steps:
            rho, multipliers, decrement = _newton(part, unit, rho, multipliers, weight)
            taken += 1
            if not math.isfinite(decrement):
                break
        found = _certified(part, multipliers)
        if found < best:
            best, kept = found, multipliers
        if not decrement < 1:
            break
        # How far a point of this decrement can be above the least (Nesterov 2018, Theorem 5.3.10), and the root of it.
        above = (nu + (decrement + math.sqrt(nu)) * decrement / (1 - decrement)) / weight
        gap = 1 - math.sqrt(max(0.0, rho - above) * unit / best)
        weight *= 12
    everywhere = torch.zeros(len(used), dtype=torch.float64)
    everywhere[used] = kept
    return Semidefinite(math.sqrt(best), everywhere, gap, taken, gap <= tol)


def _narrow(network: Normal) -> Normal:
    """The same network on the inputs that matter: those orthogonal to the rows of B and D change nothing."""
    rows = torch.cat([network.b, network.d])
    _, size, basis = torch.linalg.svd(rows, full_matrices=False)
    basis = basis[size > 1e-14 * size[0]].mT if size[0] > 0 else basis[:1].mT
    return Normal(network.a, network.b @ basis, network.c, network.d @ basis)


def _inner(part: Normal, multipliers: Tensor) -> Tensor:
    """The block of the certificate that belongs to the neurons: `2 L - L A - A^T L - C^T C`."""
    weighted = multipliers[:, None] * part.a
    return torch.diag(2 * multipliers) - weighted - weighted.mT - part.c.mT @ part.c


def _certified(part: Normal, multipliers: Tensor) -> float:
    """The least `rho` that these multipliers prove; infinite where they prove none."""
    # Rescaled to a unit diagonal, because the multipliers differ by many powers of ten.
    scale = (2 * multipliers - part.c.square().sum(0)).rsqrt()
    scaled = scale[:, None] * _inner(part, multipliers) * scale
    factor, info = torch.linalg.cholesky_ex(scaled)
    if info or not torch.isfinite(factor).all():
        return math.inf
    coupling = scale[:, None] * (multipliers[:, None] * part.b + part.c.mT @ part.d)
    half = torch.linalg.solve_triangular(factor, coupling, upper=False)
    return float(torch.linalg.eigvalsh(part.d.mT @ part.d + half.mT @ half)[-1])


def _feasible(part: Normal) -> Tensor:
    """Multipliers that prove some bound, one a layer: from the last to the first, twice what the later ask for."""
    n = len(part.a)
    ends = [n]  # a layer is a run of neurons that do not feed each other
    while ends[-1]:
        end = ends[-1]
        feeds = part.a[:end, :end]
        start = end - 1
        while start and not feeds[start - 1 : end, start - 1 : end].any():
            start -= 1
        ends.append(start)
    multipliers = torch.zeros(n, dtype=torch.float64)
    schur = -part.c.mT @ part.c  # of the certificate, the later layers eliminated
    for end, start in itertools.pairwise(ends):
        layer, before = slice(start, end), slice(0, start)
        needed = torch.linalg.eigvalsh(-schur[layer, layer])[-1].item()
        multipliers[layer] = max(needed, 1e-9 * multipliers.max().item(), 1e-300)
        pivot = torch.diag(2 * multipliers[layer]) + schur[layer, layer]
        row = schur[layer, before] - multipliers[layer, None] * part.a[layer, before]
        schur[before, before] -= row.mT @ torch.linalg.solve(pivot, row)
    return multipliers


def _matrix(part: Normal, unit: float, rho: float, multipliers: Tensor) -> Tensor:
    """The certificate `M`, inputs first, in units in which `rho` counts as `unit`."""
    n, m = part.b.shape
    b, d = part.b / math.sqrt(unit), part.d / math.sqrt(unit)
    matrix = torch.zeros(m + n, m + n, dtype=torch.float64)
    matrix[:m, :m] = rho * torch.eye(m, dtype=torch.float64) - d.mT @ d
    matrix[m:, :m] = -multipliers[:, None] * b - part.c.mT @ d
    matrix[:m, m:] = matrix[m:, :m].mT
    matrix[m:, m:] = _inner(part, multipliers)
    return matrix


def _factor(matrix: Tensor) -> tuple[Tensor, Tensor] | None:
    """Cholesky's factor of the matrix scaled to a unit diagonal, and the scale; None where it is not positive."""
    diagonal = matrix.diagonal()
    if not (diagonal > 0).all():
        return None
    scale = diagonal.rsqrt()
    factor, info = torch.linalg.cholesky_ex(scale[:, None] * matrix * scale)
    return None if info or not torch.isfinite(factor).all() else (factor, scale)


def _barrier(part: Normal, unit: float, rho: float, multipliers: Tensor, weight: float) -> float:
    """`weight rho - log det M - sum log lambda`; infinite outside."""
    found = _factor(_matrix(part, unit, rho, multipliers)) if (multipliers > 0).all() else None
    if found is None:
        return math.inf
    factor, scale = found
    return float(weight * rho - 2 * (factor.diagonal() / scale).log().sum() - multipliers.log().sum())


def _newton(part: Normal, unit: float, rho: float, multipliers: Tensor, weight: float) -> tuple[float, Tensor, float]:
    """One step towards the least of the barrier, and Newton's decrement; that is infinite where rounding has won."""
    n, m = part.b.shape
    found = _factor(_matrix(part, unit, rho, multipliers))
    if found is None:
        return rho, multipliers, math.inf
    factor, scale = found
    inverse = scale[:, None] * torch.cholesky_inverse(factor) * scale
    # dM / dlambda_i = e_i u_i^T + u_i e_i^T with u_i = e_i - (b_i, a_i), so a second derivative is four entries.
    u = torch.cat([-part.b / math.sqrt(unit), torch.eye(n, dtype=torch.float64) - part.a], dim=1)
    inverse_u = inverse @ u.mT
    ee, eu, uu = inverse[m:, m:], inverse_u[m:], u @ inverse_u
    l = multipliers  # derivatives by their logarithms, in which the scales drop out
    gradient = torch.cat([(weight - inverse[:m, :m].trace()).reshape(1), -2 * eu.diagonal() * l - 1])
    hessian = torch.zeros(n + 1, n + 1, dtype=torch.float64)
    hessian[0, 0] = inverse[:m, :m].square().sum()
    hessian[0, 1:] = hessian[1:, 0] = 2 * (inverse[:m, m:] * inverse_u[:m]).sum(0) * l
    hessian[1:, 1:] = 2 * (ee * uu + eu * eu.mT) * l[:, None] * l
    hessian.diagonal()[1:] += 1
    found = _factor(hessian)
    if found is None:
        return rho, multipliers, math.inf
    factor, size = found
    step = -size * torch.cholesky_solve((size * gradient)[:, None], factor)[:, 0]
    decrement = math.sqrt(max(0.0, -(gradient @ step).item()))
    here, length = _barrier(part, unit, rho, l, weight), 1.0
    shortest = 0.5 / (1 + decrement)  # a step of 1 / (1 + decrement) always stays inside: it is self-concordant
    while length > shortest:
        there = _barrier(part, unit, rho + length * step[0].item(), l * (1 + length * step[1:]), weight)
        if there <= here - 0.1 * length * decrement**2:
            break
        length /= 2
    return rho + length * step[0].item(), l * (1 + length * step[1:]), decrement
