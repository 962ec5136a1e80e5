"""This module computes singular values and norms of convolutions: by frequency where the padding is circular, else from
the matrix or by iteration.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from resnet_lib.linalg.convolutions import Convolution, Padding
from resnet_lib.linalg.krylov import extreme_singular_values
from resnet_lib.linalg.matrices import singular_values

__all__ = ["ConvNorm", "conv_bound", "conv_norm", "conv_singular_values"]

Method = Literal["svd", "gram"]

AT_ONCE = 64
"""Frequencies that are treated together: few enough for the caches, and so for little memory."""


def conv_singular_values(
    weight: Float[Tensor, "out in kh kw"],
    size: tuple[int, int],
    *,
    padding: Padding = "circular",
    stride: int = 1,
    groups: int = 1,
    method: Method = "svd",
) -> Float[Tensor, " k"]:
    """All singular values of a convolution on images of one size, the largest first.

    Circular padding: the Fourier transform takes the map apart into one matrix for each frequency (sedghi2019singular,
    Theorem 6), `G(w) = sum_t weight[t] exp(i w t)`. The weights are real, so `G(-w)` is the conjugate of `G(w)`, and
    half of the frequencies say all. With a stride `s` the output sees the frequencies `w` and `w + 2 pi a / s` as the
    same one: the matrix of a frequency is `[G(w + 2 pi a / s)]_a / s`, of `s^2` blocks side by side.

    Zero padding, and a stride that does not divide the image, leave nothing to take apart: the matrix of each group is
    formed where it has at most `DENSE` entries.

    Args:
        weight: The kernels.
        size: Height and width of the images that come in.
        padding: `circular` or `zeros`, "same" in both cases.
        stride: Step in both directions.
        groups: Groups of channels.
        method: `svd`; or `gram`, the eigenvalues of `G^H G` in float64, which is faster for wide layers: a value `s` is
            then off by about `1e-15 smax^2 / s`, at most `1e-7 smax`. For circular padding only.

    Returns:
        `min(m, n)` values in the weight's type, on its device.

    Raises:
        ValueError: As `Convolution` does, where the matrix is too large to form, or the method is not known.

    Example:
        >>> weight = torch.zeros(1, 1, 3, 3)
        >>> weight[0, 0, 1, 1] = 2  # doubles every pixel
        >>> torch.allclose(conv_singular_values(weight, (4, 4)), torch.full((16,), 2.0))
        True
    """
    convolution = Convolution(weight.detach(), size, padding, stride, groups)
    if method not in ("svd", "gram"):
        raise ValueError(f"method={method!r} is unknown; use 'svd' or 'gram'")
    if convolution.periodic:
        values = torch.cat([_by_frequency(part, method) for part in convolution.parts()])
    elif method == "gram":
        raise ValueError("method='gram' needs circular padding and a stride that divides the image; use method='svd'")
    else:
        values = torch.cat([singular_values(part.dense()) for part in convolution.parts()])
    return values.sort(descending=True).values.to(weight.device)


def _distinct(h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies `(row, column)` of which none is minus another, and how many each stands for."""
    rows, columns = np.divmod(np.arange(h * w), w)
    opposite = (-rows % h) * w + (-columns % w)
    first = np.arange(h * w) <= opposite
    return rows[first], columns[first], np.where(opposite == np.arange(h * w), 1, 2)[first]


def _by_frequency(part: Convolution, method: Method) -> Tensor:
    (h, w), s = part.size, part.stride
    c_out, c_in, kh, kw = part.weight.shape
    taps = part.weight.detach().cpu().numpy()
    if method == "gram":
        taps = taps.astype(np.float64)
    taps = np.ascontiguousarray(taps.transpose(2, 3, 0, 1)).reshape(kh * kw, c_out * c_in)
    down, right = np.divmod(np.arange(kh * kw), kw)
    rows, columns, count = _distinct(h // s, w // s)
    aliases = [(a * (h // s), b * (w // s)) for a in range(s) for b in range(s)]

    def values(piece: np.ndarray) -> np.ndarray:
        blocks = []
        for a, b in aliases:
            # Angles in turns, reduced in integers: exact at every size.
            turns = (np.outer(rows[piece] + a, down) % h) / h + (np.outer(columns[piece] + b, right) % w) / w
            waves = np.exp(2j * np.pi * turns).astype(np.result_type(taps.dtype, np.complex64)) / s
            real, imag = (np.ascontiguousarray(part_) @ taps for part_ in (waves.real, waves.imag))
            blocks.append((real + 1j * imag.astype(real.dtype)).reshape(-1, c_out, c_in))
        matrices = np.concatenate(blocks, axis=2) if s > 1 else blocks[0]
        if method == "svd":
            return np.linalg.svd(matrices, compute_uv=False)
        if matrices.shape[1] > matrices.shape[2]:
            matrices = matrices.swapaxes(1, 2)
        squares = np.linalg.eigvalsh(matrices @ matrices.conj().swapaxes(1, 2))
        return np.sqrt(np.maximum(squares, 0))

    pieces = np.array_split(np.arange(len(rows)), math.ceil(len(rows) / AT_ONCE))
    # LAPACK's own threads gain nothing at these sizes, and numpy lets go of the interpreter while it works.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = np.concatenate(list(pool.map(values, pieces)))
    return torch.from_numpy(np.repeat(found, count, axis=0).ravel()).to(part.weight.dtype)


@dataclass(frozen=True)
class ConvNorm:
    """The spectral norm of a convolution, and how far to trust it.

    Attributes:
        value: The largest singular value that was found; the norm is not smaller, up to rounding.
        upper: A bound that the norm does not exceed: `value` where it is exact, else that of `conv_bound`.
        residual: As for `Extremes`: a singular value lies within `residual * value` of `value`. 0 where it is exact.
        products: Products with the map or its transpose; 0 where it was taken apart or formed.
        converged: Whether the iteration met its tolerance.
    """

    value: float
    upper: float
    residual: float
    products: int
    converged: bool


def conv_norm(
    convolution: Convolution, *, tol: float = 1e-3, generator: torch.Generator, restarts: int = 300
) -> ConvNorm:
    """The largest singular value: by frequency where that is exact, else by Lanczos' iteration without the matrix.

    The error of the value is of the order of the residual's square.

    Args:
        convolution: The map.
        tol: Size of the residual at which to stop.
        generator: Draws the start vector.
        restarts: After so many the iteration gives up, and `converged` is False.

    Returns:
        The norm with its certificate. Where nothing was found `value` is the largest gain that was seen.

    Example:
        >>> mean = Convolution(torch.full((1, 1, 3, 3), 1 / 9), (8, 8))
        >>> found = conv_norm(mean, generator=torch.Generator())
        >>> round(found.value, 4), found.converged
        (1.0, True)
    """
    if not convolution.weight.any():
        return ConvNorm(0.0, 0.0, 0.0, 0, True)
    if convolution.periodic:
        value = max(_by_frequency(part, "svd").max().item() for part in convolution.parts())
        return ConvNorm(value, value, 0.0, 0, True)
    if min(convolution.shape) < 32:
        value = singular_values(convolution.dense()).max().item()
        return ConvNorm(value, value, 0.0, 0, True)
    op = convolution.operator()
    with torch.no_grad():
        found = extreme_singular_values(op, 1, tol=tol, generator=generator, restarts=restarts, basis=20)
    upper = conv_bound(convolution)
    value = found.values.max().item() if found.converged else found.norm
    residual = found.residuals.max().item() if len(found.residuals) else 1.0
    return ConvNorm(value, upper, residual, found.products, found.converged)


def conv_bound(convolution: Convolution) -> float:
    """An upper bound of the norm, by frequency, for every padding.

    An image with zeros around it lies on a torus that is larger by the kernel without meeting itself. On it the
    convolution is circular, and the map is a part of that one's matrix: its norm is not larger. Likewise a stride that
    does not divide the image takes some of the outputs of stride 1. It is computed in float64.

    Raises:
        ValueError: Where circular margins are so wide that an output comes twice.

    Example:
        >>> mean = Convolution(torch.full((1, 1, 3, 3), 1 / 9), (8, 8), "zeros")
        >>> bool(singular_values(mean.dense())[0] < conv_bound(mean))
        True
    """
    convolution = replace(convolution, weight=convolution.weight.detach().double())
    if convolution.periodic:
        return max(_by_frequency(part, "svd").max().item() for part in convolution.parts())
    if convolution.padding == "circular":
        if any((n - 1) * convolution.stride >= m for n, m in zip(convolution.out_size, convolution.size, strict=True)):
            raise ValueError(
                f"margins={convolution.margins} around size={convolution.size} are so wide that an output comes twice; "
                "use margins=None or padding='zeros'"
            )
        return conv_bound(replace(convolution, stride=1, margins=None))
    s, edges, kernel = convolution.stride, convolution.edges, convolution.weight.shape[2:]
    reach = (max(edges[0] + edges[1], kernel[0] - 1), max(edges[2] + edges[3], kernel[1] - 1))
    size = (-(-(convolution.size[0] + reach[0]) // s) * s, -(-(convolution.size[1] + reach[1]) // s) * s)
    return conv_bound(replace(convolution, size=size, padding="circular", margins=None))
