r"""On a linear field a step of any method is a matrix, its propagator; the Schroedinger equation is such a field.

$i\psi'=H\psi$ with a real symmetric $H$ is, for $\psi=q+ip$, the real field $q'=Hp$, $p'=-Hq$: that of an antisymmetric
matrix. States here are real, $q$ and $p$ joined in the last axis. Which $H$ it is, is not known here.
"""

from __future__ import annotations

import numpy as np
import scipy.special
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from resnet_lib.ode import tableaus
from resnet_lib.ode.tableaus import Method, Splitting

__all__ = ["chebyshev", "exponential", "joined", "parted", "propagator", "strang", "turning", "two_step"]


def turning(hamiltonian: Float[Tensor, "n n"]) -> Float[Tensor, "2*n 2*n"]:
    r"""The real matrix of $\psi'=-iH\psi$: $\bigl(\begin{smallmatrix}0&H\\-H&0\end{smallmatrix}\bigr)$, antisymmetric.

    Raises:
        ValueError: Where the Hamiltonian is not square, or not symmetric to 1e-12 of its largest entry.

    Example:
        >>> turning(torch.tensor([[2.0]], dtype=torch.float64)).tolist()
        [[0.0, 2.0], [-2.0, 0.0]]
    """
    if hamiltonian.ndim != 2 or hamiltonian.shape[0] != hamiltonian.shape[1]:
        raise ValueError(f"hamiltonian has shape {tuple(hamiltonian.shape)}; it must be square")
    if (hamiltonian - hamiltonian.mT).abs().max() > 1e-12 * hamiltonian.abs().max():
        raise ValueError("hamiltonian is not symmetric; its energies would not be real: use (H + H.mT) / 2")
    zero = torch.zeros_like(hamiltonian)
    return torch.cat([torch.cat([zero, hamiltonian], 1), torch.cat([-hamiltonian, zero], 1)])


def joined(psi: Complex[Tensor, "*batch n"]) -> Float[Tensor, "*batch d"]:
    """A wave as its real and its imaginary part, one behind the other.

    Example:
        >>> joined(torch.tensor([1 + 2j, 3 + 4j])).tolist()
        [1.0, 3.0, 2.0, 4.0]
    """
    return torch.cat([psi.real, psi.imag], -1)


def parted(x: Float[Tensor, "*batch d"]) -> Complex[Tensor, "*batch n"]:
    """The wave whose parts are joined in `x`.

    Example:
        >>> parted(torch.tensor([1.0, 3.0, 2.0, 4.0])).tolist()
        [(1+2j), (3+4j)]
    """
    q, p = x.chunk(2, -1)
    return torch.complex(q, p)


def propagator(method: str | Method, a: Float[Tensor, "d d"], step: float) -> Float[Tensor, "d d"]:
    r"""The matrix by which one step of a method multiplies on $x'=Ax$.

    A Runge-Kutta method gives its stability function, $R(hA)=Q(hA)^{-1}P(hA)$ (hairer1996solving, ch. IV.3). A
    splitting alternates kicks and drifts, and needs a field that splits: $q'=Bp$ and $p'=Cq$ for the two halves.

    Args:
        method: A name in `tableaus.METHODS`, or a method.
        a: The field's matrix, in float64 for what is meant to be exact.
        step: The step $h$.

    Raises:
        ValueError: Where the method is unknown, the matrix not square, or a splitting gets a field that does not split.

    Example:
        >>> field = torch.tensor([[-1.0]], dtype=torch.float64)
        >>> [round(propagator(name, field, 0.5).item(), 3) for name in ("euler", "implicit-euler", "implicit-midpoint")]
        [0.5, 0.667, 0.6]
    """
    chosen = tableaus.method(method)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"a has shape {tuple(a.shape)}; the matrix of a field is square")
    if isinstance(chosen, Splitting):
        return _split(chosen, a, step)
    p, q = (_polynomial(each, step * a) for each in chosen.polynomials())
    return torch.linalg.solve(q, p)


def _polynomial(coefficients: np.ndarray, z: Tensor) -> Tensor:
    """The polynomial of a matrix, the constant first, by Horner's rule."""
    eye = torch.eye(len(z), dtype=z.dtype)
    value = torch.zeros_like(z)
    for coefficient in coefficients[::-1]:
        value = value @ z + float(coefficient) * eye
    return value


def _split(splitting: Splitting, a: Tensor, step: float) -> Tensor:
    if len(a) % 2:
        raise ValueError(f"a has {len(a)} rows; a field that splits has two halves of one size")
    half = len(a) // 2
    if a[:half, :half].any() or a[half:, half:].any():
        raise ValueError(
            f"method={splitting.name!r} needs a field that splits, q' = B p and p' = C q; this one has entries in its "
            "diagonal blocks; use a Runge-Kutta method"
        )
    x = torch.eye(len(a), dtype=a.dtype)
    q, p = x[:half], x[half:]
    for kick, drift in zip(splitting.kicks, splitting.drifts, strict=True):
        p = p + kick * step * a[half:, :half] @ q
        q = q + drift * step * a[:half, half:] @ p
    return torch.cat([q, p])


def exponential(a: Float[Tensor, "d d"], step: float) -> Float[Tensor, "d d"]:
    """The exact propagator, the matrix exponential of `step * a`.

    Example:
        >>> exponential(torch.zeros(2, 2), 0.1).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return torch.linalg.matrix_exp(step * a)


def chebyshev(
    hamiltonian: Float[Tensor, "n n"], step: float, terms: int, energies: tuple[float, float]
) -> Complex[Tensor, "n n"]:
    r"""The exponential $e^{-ihH}$ as a sum of Chebyshev polynomials of $H$, in complex coordinates.

    With the middle $m$ and half the width $w$ of the range of energies, and $G=(H-m)/w$,
    $$ e^{-ihH}\approx e^{-ihm}\sum_{k<K}(2-\delta_{k0})\,(-i)^kJ_k(hw)\,T_k(G) , $$
    of which the terms beyond $k=hw$ fall faster than any power. A term takes one product with $H$.

    Args:
        hamiltonian: The energy, symmetric, in float64.
        step: The step $h$.
        terms: How many, $K$; at least 1.
        energies: Bounds of them, the lower first.

    Raises:
        ValueError: With no terms, or where the range of energies is empty.

    Example:
        >>> energy = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
        >>> found = chebyshev(energy, 0.5, 20, (-1.0, 1.0))
        >>> torch.allclose(found, torch.linalg.matrix_exp(-0.5j * energy))
        True
    """
    low, high = energies
    if terms < 1:
        raise ValueError(f"terms={terms} must be at least 1")
    if not low < high:
        raise ValueError(f"energies={energies} is an empty range; give the lower bound of the energies first")
    middle, half = (low + high) / 2, (high - low) / 2
    eye = torch.eye(len(hamiltonian), dtype=hamiltonian.dtype)
    scaled = (hamiltonian - middle * eye) / half
    before, now = scaled, eye  # T_{-1} = T_1
    total = torch.zeros(hamiltonian.shape, dtype=torch.complex128)
    for k, size in enumerate(scipy.special.jv(np.arange(terms), step * half)):
        total = total + (1 if k == 0 else 2) * (-1j) ** k * float(size) * now
        before, now = now, 2 * scaled @ now - before
    return np.exp(-1j * step * middle).item() * total


def strang(a: Float[Tensor, "d d"], b: Float[Tensor, "d d"], step: float) -> Float[Tensor, "d d"]:
    r"""The split step $e^{hA/2}e^{hB}e^{hA/2}$ on $x'=(A+B)x$, of second order (hairer2006geometric, ch. II.5).

    Each factor is exact, and with antisymmetric parts it is a rotation: the norm is kept for every step.

    Example:
        >>> part = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
        >>> torch.allclose(strang(part, part, 0.3), exponential(part, 0.6))  # parts that commute leave no error
        True
    """
    outer = exponential(a, step / 2)
    return outer @ exponential(b, step) @ outer


def two_step(a: Float[Tensor, "d d"], step: float) -> Float[Tensor, "2*d 2*d"]:
    r"""The leapfrog of two steps, $x_{n+1}=x_{n-1}+2hAx_n$, on the pair $(x_{n-1},x_n)$ (after askar1978explicit).

    On an oscillation of frequency $E$ its roots $\xi^2-2i hE\,\xi-1=0$ lie on the unit circle while $hE\le1$: half of
    what the staggered leapfrog of `tableaus` allows.

    Example:
        >>> two_step(torch.tensor([[3.0]]), 0.5).tolist()
        [[0.0, 1.0], [1.0, 3.0]]
    """
    eye, zero = torch.eye(len(a), dtype=a.dtype), torch.zeros_like(a)
    return torch.cat([torch.cat([zero, eye], 1), torch.cat([eye, 2 * step * a], 1)])
