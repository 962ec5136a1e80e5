"""This module computes all eigenvalues or singular values of matrices that come in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

__all__ = ["eigenvalues", "singular_values", "spectral_norms", "spectral_radius"]


def eigenvalues(matrices: Inexact[Tensor, "*batch d d"]) -> Complex[Tensor, "*batch d"]:
    """All eigenvalues of each matrix, sorted by real part and then by imaginary part.

    Where a row or a column is zero off the diagonal, its diagonal entry is an eigenvalue without rounding error, and
    the matrix shrinks by one. So a ReLU that is off, or a branch that is zero, makes this faster and exact.

    LAPACK works on the CPU, whatever the device, on as many matrices at a time as torch has threads.

    Args:
        matrices: Square matrices of type float32, float64 or their complex types.

    Returns:
        The eigenvalues, on the device of the matrices.

    Raises:
        ValueError: Where the matrices are not square, or hold NaN or infinite values.

    Example:
        >>> eigenvalues(torch.tensor([[0.0, 2.0], [-2.0, 0.0]])).imag.round().tolist()
        [-2.0, 2.0]
    """
    _check(matrices, square=True)
    values = _each(_deflated_eigenvalues, matrices)
    values = values.gather(-1, values.imag.sort(stable=True).indices)
    return values.gather(-1, values.real.sort(stable=True).indices)


def spectral_radius(matrices: Inexact[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """`max |lambda|` of each matrix; raises as `eigenvalues` does.

    Example:
        >>> spectral_radius(torch.tensor([[0.5, 100.0], [0.0, -2.0]])).item()
        2.0
    """
    return eigenvalues(matrices).abs().amax(-1)


def singular_values(matrices: Inexact[Tensor, "*batch m n"]) -> Float[Tensor, "*batch k"]:
    """All `k = min(m, n)` singular values of each matrix, the largest first.

    Args:
        matrices: Matrices of type float32, float64 or their complex types.

    Returns:
        The singular values, on the device of the matrices.

    Raises:
        ValueError: Where the matrices hold NaN or infinite values.

    Example:
        >>> singular_values(torch.diag(torch.tensor([3.0, -4.0]))).round().tolist()
        [4.0, 3.0]
    """
    _check(matrices, square=False)
    return _each(torch.linalg.svdvals, matrices)


def spectral_norms(matrices: Inexact[Tensor, "*batch m n"]) -> Float[Tensor, "*batch"]:
    """The largest singular value `max ||A v|| / ||v||` of each matrix, by the largest eigenvalue of `A^T A`.

    It is as accurate as that of `singular_values` and takes half the time. Like all spectra here it has no graph.
    Raises as `singular_values` does.

    Example:
        >>> spectral_norms(torch.ones(2, 3, 3)).round().tolist()
        [3.0, 3.0]
    """
    _check(matrices, square=False)
    matrices = matrices.detach()  # the scale too: with a graph of its own it gave a gradient, and a wrong one
    # Without the scale the squares overflow, in float32 from 1e19 on, which products of many layers reach.
    scale = matrices.abs().amax((-2, -1), keepdim=True)
    scaled = matrices / torch.where(scale > 0, scale, 1)
    gram = scaled.mH @ scaled if matrices.shape[-1] <= matrices.shape[-2] else scaled @ scaled.mH
    return _each(torch.linalg.eigvalsh, gram)[..., -1].clamp(min=0).sqrt() * scale[..., 0, 0]


def _check(matrices: Tensor, *, square: bool) -> None:
    shape = tuple(matrices.shape)
    if matrices.ndim < 2 or 0 in shape[-2:] or (square and shape[-1] != shape[-2]):
        kind = "square matrices (..., d, d)" if square else "matrices (..., m, n)"
        advice = "; a map that changes shape has singular values only: use singular_values" if square else ""
        raise ValueError(f"matrices has shape {shape}; expected {kind}{advice}")
    if matrices.dtype not in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        raise ValueError(f"matrices has dtype {matrices.dtype}; expected float32, float64 or complex: use .float()")
    bad = ~torch.isfinite(matrices).flatten(-2).all(-1)
    if bad.any():
        first = f", the first at index {tuple(bad.nonzero()[0].tolist())}" if matrices.ndim > 2 else ""
        raise ValueError(
            f"matrices holds NaN or infinite values in {int(bad.sum())} of {bad.numel()} matrices{first}; "
            "leave those out, e.g. the Jacobians of a network that diverged"
        )


def _each(function: Callable[[Tensor], Tensor], matrices: Tensor) -> Tensor:
    """`function` of each matrix: on the CPU, one thread per matrix, as many at a time as torch has threads."""
    flat = matrices.detach().reshape(-1, *matrices.shape[-2:]).cpu()
    threads = torch.get_num_threads()
    if threads == 1 or len(flat) < 2:
        values = function(flat)
    else:
        # LAPACK's own threads gain little at these sizes. Several pieces per thread, since deflation makes them uneven.
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as pool:
                values = torch.cat(list(pool.map(function, flat.split(math.ceil(len(flat) / (4 * threads))))))
        finally:
            torch.set_num_threads(threads)
    return values.reshape(*matrices.shape[:-2], *values.shape[1:]).to(matrices.device)


def _alone(matrices: Tensor) -> Tensor:
    """Which coordinates have a row or a column that is zero off the diagonal."""
    coupled = matrices != 0
    coupled.diagonal(dim1=-2, dim2=-1).fill_(False)
    return ~(coupled.any(-1) & coupled.any(-2))


def _deflated_eigenvalues(matrices: Tensor) -> Tensor:
    """Unsorted eigenvalues of a batch (n, d, d); LAPACK sees the coordinates that are not alone."""
    values = torch.empty(matrices.shape[:-1], dtype=matrices.dtype.to_complex())
    alone = _alone(matrices)
    whole = ~alone.any(-1)
    values[whole] = torch.linalg.eigvals(matrices[whole])
    for i in (~whole).nonzero()[:, 0].tolist():
        matrix, isolated, found = matrices[i], alone[i], []
        while isolated.any():
            found.append(matrix.diagonal()[isolated].to(values.dtype))
            rest = (~isolated).nonzero()[:, 0]
            matrix = matrix[rest][:, rest]
            isolated = _alone(matrix)
        values[i] = torch.cat([*found, torch.linalg.eigvals(matrix)])
    return values
