"""This module makes the layers that carry a state past a branch where its shape changes. It knows no block.

`units.SHORTCUTS` names them and `build` makes them. They are measured in `analysis.shortcuts`; what they keep is in
`linalg.subspaces`.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

KINDS = ("A", "B", "C", "identity", "none", "rows", "columns", "2x2", "pca", "pool")
"""What `build` makes."""

NORMALISED = ("B", "C", "pool")
"""Those that a post-activation block with batch normalisation follows by a normalisation of their own."""


class Undrawn:
    """Weights are NaN until they are drawn: torch's own draw is from the global generator, and NaN is loud."""

    def reset_parameters(self: nn.Module) -> None:  # pyright: ignore[reportGeneralTypeIssues]
        """Mark them as not drawn."""
        for parameter in self.parameters():
            nn.init.constant_(parameter, math.nan)


class Conv2d(Undrawn, nn.Conv2d):
    """`nn.Conv2d` whose weights are NaN until `initialisation.initialise` draws them."""

    def effective(self) -> Float[Tensor, "c_out c_in kh kw"]:
        """The kernel that is applied."""
        return self.weight


def orthonormal(matrices: Float[Tensor, "*batch m n"]) -> Float[Tensor, "*batch m n"]:
    r"""Matrices with orthonormal rows (columns where there are more rows) that span what the rows (columns) span.

    `L^-1 A` with the Cholesky factor `L` of `A A^T`, and once more, which leaves nothing but rounding of the first
    time's error. A matrix of full rank depends smoothly on it; every matrix with orthonormal rows is its own image.

    Args:
        matrices: Of full rank. Others, and those with NaN, give NaN and disturb no other of the batch.
    """
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    for _ in range(2):
        factor, failed = torch.linalg.cholesky_ex(wide @ wide.mT)
        factor = torch.where(failed[..., None, None] == 0, factor, math.nan)
        wide = torch.linalg.solve_triangular(factor, wide, upper=False)
    return wide if matrices.shape[-2] <= matrices.shape[-1] else wide.mT


class Patches(Conv2d):
    """A convolution whose kernel is as large as its stride, so that it reads every pixel once. No bias.

    Args:
        c_in: Channels of the input.
        c_out: Channels of the output.
        stride: Step in both directions, and size of the kernel unless `kernel` says otherwise.
        kernel: 1 to read one pixel of each patch only.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, *, kernel: int | None = None):
        super().__init__(c_in, c_out, stride if kernel is None else kernel, stride=stride, bias=False)

    def effective(self) -> Float[Tensor, "c_out c_in k k"]:
        """The kernel that is applied."""
        return self.weight

    def forward(self, input: Float[Tensor, "... c h w"]) -> Float[Tensor, "... c2 h2 w2"]:
        """The convolution.

        Raises:
            ValueError: Where pixels at the border would be left out, and the branch would not leave them out.
        """
        size, kernel = tuple(input.shape[-2:]), self.kernel_size[0]
        if size[0] % kernel or size[1] % kernel:
            raise ValueError(
                f"x has {size[0]} x {size[1]} pixels, which patches of {kernel} x {kernel} do not cover; use an image "
                f"whose sides are multiples of {kernel}, or shortcut='pool' or 'B'"
            )
        return nn.functional.conv2d(input, self.effective(), stride=self.stride)


class Orthonormal(Patches):
    """`Patches` whose kernel, as a matrix of `c_out` rows, is `orthonormal(weight)`, whatever the weight becomes."""

    def effective(self) -> Float[Tensor, "c_out c_in k k"]:
        """The kernel that is applied."""
        return orthonormal(self.weight.flatten(1)).view_as(self.weight)


class Principal(Patches):
    """`Patches` that start as the principal directions of their input. NaN until `shortcuts.pca_` has seen data."""

    def effective(self) -> Float[Tensor, "c_out c_in k k"]:
        """The kernel that is applied."""
        return self.weight


class ZeroPad(nn.Module):
    """Option A of he2016deep: every `stride`-th pixel, and zeros in the new channels. No parameters.

    Args:
        extra: Number of channels to append.
        stride: Step in both directions of the image.
    """

    def __init__(self, extra: int, stride: int):
        super().__init__()
        self.extra = extra
        self.stride = stride

    def forward(self, x: Float[Tensor, "... c h w"]) -> Float[Tensor, "... c2 h2 w2"]:
        """The subsampled and padded input."""
        return nn.functional.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"extra={self.extra}, stride={self.stride}"


def build(name: str, c_in: int, c_out: int, *, stride: int = 1) -> nn.Module | None:
    """The shortcut of that name from `c_in` channels to `c_out`, the image divided by `stride`, without normalisation.

    Args:
        name: One of `units.SHORTCUTS`.
        c_in: Channels of the input.
        c_out: Channels of the output.
        stride: Step in both directions of the image.

    Returns:
        The layer; a bare `nn.Identity` where the shape stays (C projects there too), None where `none` leaves it out.

    Raises:
        ValueError: Where the name is not known, or such a shortcut cannot join these shapes.

    Example:
        >>> pad = build("A", 2, 4, stride=2)
        >>> pad(torch.ones(1, 2, 4, 4)).sum((2, 3)).tolist()
        [[4.0, 4.0, 0.0, 0.0]]
    """
    if name not in KINDS:
        raise ValueError(f"shortcut={name!r} is unknown; known: {', '.join(KINDS)}")
    if stride == 1 and c_in == c_out and name != "C":
        return nn.Identity()
    shapes = f"c_in={c_in} to c_out={c_out} channels at stride={stride}"
    if name == "none":
        return None
    if name == "identity":
        raise ValueError(
            f"shortcut='identity' cannot map {shapes}: it changes no shape; use 'A' (zeros) or 'B' (1x1 convolution), "
            "or 'none' to leave the shortcut out here"
        )
    if name == "A":
        if c_out < c_in:
            raise ValueError(f"shortcut='A' cannot map c_in={c_in} to c_out={c_out} channels; use shortcut='B'")
        return ZeroPad(c_out - c_in, stride)
    if name == "columns" and c_out < c_in:
        raise ValueError(
            f"shortcut='columns' cannot map {shapes}: {c_in} columns of {c_out} entries are not orthonormal; "
            "use shortcut='rows'"
        )
    reads = c_in * stride**2 if name in ("2x2", "pca") else c_in
    if name in ("rows", "2x2", "pca") and c_out > reads:
        raise ValueError(
            f"shortcut={name!r} cannot map {shapes}: {c_out} rows of {reads} entries are not orthonormal; use "
            + ("'2x2', which reads every pixel, or " if name == "rows" and c_out <= c_in * stride**2 else "")
            + "'columns', which keeps the norm on the way forward"
        )
    if name in ("rows", "columns"):
        return Orthonormal(c_in, c_out, stride, kernel=1)
    if name in ("2x2", "pca"):
        return (Orthonormal if name == "2x2" else Principal)(c_in, c_out, stride)
    if name == "pool" and stride > 1:
        pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        return nn.Sequential(pool, Conv2d(c_in, c_out, 1, bias=False))
    return Conv2d(c_in, c_out, 1, stride=stride, bias=False)
