"""Semidefinite programming bounds the Lipschitz constant (LipSDP-Neuron) of linear layers and slopes in [0, 1].

Write the differences of two runs of a network as `dv = A dz + B dx`, `dz = s dv`, `dy = C dz + D dx`: `v` are the
inputs of all neurons, `z` their outputs, and the slopes `s` of a ReLU lie in [0, 1]. Skips are entries of A, B, C and D
like all others. Then `dz (dv - dz) >= 0` for each neuron, and for all `lambda >= 0`

    rho |dx|^2 - |dy|^2 - 2 sum_i lambda_i dz_i (dv_i - dz_i) >= 0  for all dx, dz   implies   |dy|^2 <= rho |dx|^2.

The least such `rho` is a semidefinite program (fazlyab2019efficient, with alpha = 0, beta = 1 and diagonal T; the
multipliers of that paper that couple neurons are not sound: pauli2022training). Here it is solved by a
primal-dual interior-point method (the direction of Helmberg et al. 1996, with Mehrotra's corrector), which uses that
each `lambda_i` stands for a matrix of rank two. The bound that is returned does not trust the solver: it is the exact
`rho` of the multipliers that were found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib.linalg.scaling import power_of_two

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


def semidefinite(network: Normal, *, tol: float = 1e-3, steps: int = 100) -> Semidefinite:
    """The LipSDP-Neuron bound. It is never above the product of layerwise bounds, nor above that of blocks `1 + K`.
    A step costs about ten products of matrices of the size `in + neurons`; 15 to 40 steps are usual.

    Args:
        network: In float64, since the multipliers of a deep network differ by many powers of ten.
        tol: Relative gap at which to stop.
        steps: After so many the method gives up.

    Raises:
        ValueError: Where the network is not in float64, or its weights are so large that their squares overflow.

    Example:
        >>> eye = torch.eye(2, dtype=torch.float64)
        >>> round(semidefinite(Normal(0 * eye, eye, eye, 0 * eye)).value, 2)  # two ReLUs side by side
        1.0
    """
    if network.a.dtype != torch.float64:
        raise ValueError(f"network has dtype {network.a.dtype}; the multipliers need float64: use .double()")
    used = network.b.any(1) | network.a.any(1)  # the output of the others is constant
    used &= network.c.any(0) | network.a.any(0)  # and nobody reads these
    if not used.any():
        return Semidefinite(
            float(torch.linalg.matrix_norm(network.d, 2)), torch.zeros(len(used)).double(), 0.0, 0, True
        )
    # Squares of what is very small or large are lost, and with them the bound: powers of two bring it to about one.
    inward = power_of_two(float(network.b.abs().max()), low=1e-40, high=1e40)
    largest = max(float(network.c.abs().max()), inward * float(network.d.abs().max()))
    outward = power_of_two(largest, low=1e-40, high=1e40)
    if (inward, outward) != (1, 1):
        scaled = Normal(network.a, inward * network.b, outward * network.c, outward * (inward * network.d))
        found = semidefinite(scaled, tol=tol, steps=steps)
        multipliers = found.multipliers / outward / outward
        return replace(found, value=found.value / outward / inward, multipliers=multipliers)
    part = _narrow(Normal(network.a[used][:, used], network.b[used], network.c[:, used], network.d))
    kept = _feasible(part)
    best = _certified(part, kept)
    lower, taken = 0.0, 0
    if math.isfinite(best):
        for taken, (multipliers, bound) in enumerate(_path(part, best, kept), start=1):
            found = _certified(part, multipliers)
            lower = max(lower, bound)
            if found < best:
                best, kept = found, multipliers
            if taken == steps or math.sqrt(lower) >= (1 - tol) * math.sqrt(best):
                break
    gap = 1 - math.sqrt(lower / best) if 0 < best < math.inf else 0.0 if best == 0 else 1.0
    everywhere = torch.zeros(len(used), dtype=torch.float64)
    everywhere[used] = kept
    return Semidefinite(math.sqrt(best), everywhere, max(gap, 0.0), taken, gap <= tol)


def _narrow(network: Normal) -> Normal:
    """The same network on the inputs that matter: those orthogonal to the rows of B and D change nothing."""
    rows = torch.cat([network.b, network.d])
    _, size, basis = torch.linalg.svd(rows, full_matrices=False)
    if not (size > 1e-14 * size[0]).all():
        # Each row by itself: one that is small beside the others may be all that a large multiplier sees.
        lengths = rows.abs().amax(1, keepdim=True)
        _, size, basis = torch.linalg.svd(rows / torch.where(lengths > 0, lengths, 1), full_matrices=False)
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
    """Multipliers that prove some bound, one per layer: from the last back, twice what the later ones ask for."""
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
        if not torch.isfinite(schur).all():
            raise ValueError("a holds weights so large that products of their squares overflow; scale the network down")
        needed = torch.linalg.eigvalsh(-schur[layer, layer])[-1].item()
        multipliers[layer] = max(needed, 1e-9 * multipliers.max().item(), 1e-300)
        pivot = torch.diag(2 * multipliers[layer]) + schur[layer, layer]
        row = schur[layer, before] - multipliers[layer, None] * part.a[layer, before]
        schur[before, before] -= row.mT @ torch.linalg.solve(pivot, row)
    return multipliers


class _Program:
    """The program in units of its start, so that all numbers are of order one.

    With `u_i = e_i - (b_i, a_i)` the certificate is `S = rho F + sum_i lambda_i g_i (e_i u_i^T + u_i e_i^T) - G`, and
    its dual `X` satisfies `F . X = 1` and `E_i . X + x_i = 0`.
    """

    def __init__(self, part: Normal, unit: float, start: Tensor):
        self.n, self.m = n, m = part.b.shape
        outward = torch.cat([part.d, part.c], dim=1)
        u = torch.cat([-part.b, torch.eye(n, dtype=torch.float64) - part.a], dim=1)
        diagonal = torch.cat([torch.full((m,), 2 * unit, dtype=torch.float64), 2 * start])
        scale = (diagonal - outward.square().sum(0)).rsqrt()
        self.unit, self.start = unit, start
        self.u, self.g = u * scale, start * scale[m:]
        self.ground = (outward * scale).mT @ (outward * scale)
        self.f = torch.cat([unit * scale[:m] ** 2, torch.zeros(n, dtype=torch.float64)])
        self.target = torch.zeros(n + 1, dtype=torch.float64)
        self.target[0] = 1

    def combined(self, y: Tensor) -> Tensor:
        """`rho F + sum lambda_i E_i`."""
        rows = (y[1:] * self.g)[:, None] * self.u
        matrix = torch.diag(self.f * y[0])
        matrix[self.m :] += rows
        matrix[:, self.m :] += rows.mT
        return matrix

    def against(self, z: Tensor) -> Tensor:
        """`F . Z` and all `E_i . Z`, for a symmetric `Z`."""
        return torch.cat([(self.f * z.diagonal()).sum().reshape(1), 2 * self.g * (z[self.m :] * self.u).sum(1)])

    def schur(self, x: Tensor, q: Tensor) -> Tensor:
        """All `tr(E_i X E_j Q)`, of which each is four products of entries."""
        m, f, g, u = self.m, self.f, self.g, self.u
        qu, xu = q @ u.mT, x @ u.mT
        matrix = torch.zeros(self.n + 1, self.n + 1, dtype=torch.float64)
        matrix[0, 0] = f @ (x * q) @ f
        matrix[0, 1:] = matrix[1:, 0] = g * (f @ (x[:, m:] * qu + xu * q[:, m:]))
        cross = xu[m:] * qu[m:].mT
        matrix[1:, 1:] = g[:, None] * g * (cross + cross.mT + (u @ xu) * q[m:, m:] + x[m:, m:] * (u @ qu))
        return matrix


@dataclass
class _Point:
    """Variables `y = (rho, lambda)`, certificate S with its factor and inverse Q, dual X, slack of the multipliers."""

    y: Tensor
    s: Tensor
    factor: Tensor
    q: Tensor
    x: Tensor
    slack: Tensor


def _path(part: Normal, unit: float, start: Tensor) -> Iterator[tuple[Tensor, float]]:
    """Multipliers on the way to the best, and what `rho` cannot go below. Ends where rounding has won."""
    program = _Program(part, unit, start)
    y = torch.ones(program.n + 1, dtype=torch.float64)
    y[0] = 2
    s = program.combined(y) - program.ground
    factor = _cholesky(s)
    if factor is None:
        return
    q = torch.cholesky_inverse(factor)
    size = 1 / (program.f * q.diagonal()).sum()
    point = _Point(y, s, factor, q, size * q, size / y[1:])
    while (following := _step(program, point)) is not None:
        point = following
        # Every X with E_i . X <= 0 bounds rho by G . X / F . X, whatever equations it misses on the way.
        kept = program.against(point.x)
        below = (program.ground * point.x).sum() / kept[0] if (kept[1:] <= 0).all() else torch.zeros(())
        yield point.y[1:] * start, float(below) * unit


def _step(program: _Program, at: _Point) -> _Point | None:
    """One step of prediction and correction towards `X S = 0`."""
    y, s, q, x, slack, multipliers = at.y, at.s, at.q, at.x, at.slack, at.y[1:]
    count = 2 * program.n + program.m
    mu = ((x * s).sum() + slack @ multipliers).item() / count
    matrix = program.schur(x, q)
    matrix.diagonal()[1:] += slack / multipliers
    scale = matrix.diagonal().rsqrt()
    solver, from_x = _cholesky(scale[:, None] * matrix * scale), _cholesky(x)
    if solver is None or from_x is None:
        return None

    def direction(centre: float, bend: Tensor, bow: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Changes of y, S, X and its slack towards `X S = centre`; the last two arguments are second-order terms."""
        right = centre * program.against(q) - program.against(bend) - program.target
        right[1:] += (centre - bow) / multipliers
        dy = scale * torch.cholesky_solve((scale * right)[:, None], solver)[:, 0]
        ds = program.combined(dy)
        dx = x @ ds @ q
        dslack = (centre - bow - slack * dy[1:]) / multipliers - slack
        return dy, ds, centre * q - x - (dx + dx.mT) / 2 - bend, dslack

    dy, ds, dx, dslack = direction(0.0, torch.zeros_like(x), torch.zeros_like(slack))
    primal, dual = _reach(from_x, dx, slack, dslack), _reach(at.factor, ds, multipliers, dy[1:])
    ahead = ((x + primal * dx) * (s + dual * ds)).sum() + (slack + primal * dslack) @ (multipliers + dual * dy[1:])
    centre = mu * min(1.0, max(1e-3, ahead.item() / count / mu)) ** 2
    bend = dx @ ds @ q
    dy, ds, dx, dslack = direction(centre, (bend + bend.mT) / 2, dslack * dy[1:])
    primal, dual = _reach(from_x, dx, slack, dslack), _reach(at.factor, ds, multipliers, dy[1:])
    y = y + dual * dy
    s = program.combined(y) - program.ground
    factor = _cholesky(s)
    if factor is None:
        return None
    return _Point(y, s, factor, torch.cholesky_inverse(factor), x + primal * dx, slack + primal * dslack)


def _cholesky(matrix: Tensor) -> Tensor | None:
    factor, info = torch.linalg.cholesky_ex(matrix)
    return None if info or not torch.isfinite(factor).all() else factor


def _reach(factor: Tensor, change: Tensor, slack: Tensor, change_of_slack: Tensor) -> float:
    """How far one can go without leaving the positive matrices and numbers: at most 1, and 0.95 of the way there."""
    half = torch.linalg.solve_triangular(factor, change, upper=False)
    turned = torch.linalg.solve_triangular(factor, half.mT, upper=False)
    least = min(float(torch.linalg.eigvalsh((turned + turned.mT) / 2)[0]), float((change_of_slack / slack).min()))
    return min(1.0, 0.95 / -least) if least < 0 else 1.0
