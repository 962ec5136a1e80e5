"""Convolutions of images are linear maps: one kernel is another map on every size of image, and with every padding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib.linalg.applied import applied
from resnet_lib.linalg.krylov import Operator

__all__ = ["Convolution", "Padding"]

Padding = Literal["circular", "zeros"]

DENSE = 2**25
"""Most entries of a matrix that is formed: 256 MiB in float64."""


def layout(layer: nn.Conv2d) -> tuple[Padding, int, int, tuple[int, int, int, int] | None]:
    """Padding, stride, groups and margins of a layer, as `Convolution` has them.

    Raises:
        ValueError: Where the layer dilates its kernel, has two strides, or pads by reflection or repetition.
    """
    if layer.dilation != (1, 1) or layer.stride[0] != layer.stride[1]:
        raise ValueError(f"{layer} dilates or has two strides; expected dilation=1 and one stride")
    kind = layer.padding_mode
    if kind not in ("zeros", "circular"):
        raise ValueError(f"padding_mode={kind!r} is neither of 'zeros' and 'circular'")
    if layer.padding == "same":
        margins = None
    else:
        vertical, horizontal = (0, 0) if layer.padding == "valid" else layer.padding
        margins = (int(vertical), int(vertical), int(horizontal), int(horizontal))
    return kind, layer.stride[0], layer.groups, margins  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Convolution:
    """The linear map of a convolution (as deep learning has it, a correlation) on images of one size.

    `y[p] = sum_t weight[t] x[stride p + t - before]`, where `x` outside the image is zero or repeats itself.

    Attributes:
        weight: One kernel of height `kh` and width `kw` for each output and input channel (of its group).
        size: Height and width of the input image.
        padding: `circular` or `zeros`.
        stride: Step in both directions.
        groups: Number of groups of channels, each of which sees only itself.
        margins: Pixels of padding `(top, bottom, left, right)`. None: "same", which is `kernel // 2` on each side of an
            odd kernel, and `ceil(size / stride)` pixels come out.

    Raises:
        ValueError: Where the weight is not four-dimensional, not of a real type, not finite, or does not go with the
            size, the groups, or the margins.
    """

    weight: Float[Tensor, "out in kh kw"]
    size: tuple[int, int]
    padding: Padding = "circular"
    stride: int = 1
    groups: int = 1
    margins: tuple[int, int, int, int] | None = None

    def __post_init__(self):
        weight = self.weight
        if weight.ndim != 4 or 0 in weight.shape:
            raise ValueError(f"weight has shape {tuple(weight.shape)}; expected (out, in / groups, height, width)")
        if weight.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"weight has dtype {weight.dtype}; expected float32 or float64: use .float()")
        if not torch.isfinite(weight).all():
            raise ValueError("weight holds NaN or infinite values; leave out networks that diverged")
        if self.padding not in ("circular", "zeros"):
            raise ValueError(f"padding={self.padding!r} is unknown; use 'circular' or 'zeros'")
        if min(self.size) < 1 or self.stride < 1:
            raise ValueError(f"size={self.size} and stride={self.stride} must be at least 1")
        if self.groups < 1 or weight.shape[0] % self.groups:
            raise ValueError(f"groups={self.groups} must divide the {weight.shape[0]} output channels of weight")
        if min(self.edges) < 0 or min(self.out_size) < 1:
            raise ValueError(
                f"a kernel of {tuple(weight.shape[2:])} with margins {self.edges} gives no output on size={self.size}; "
                "use larger images or margins"
            )

    @classmethod
    def of(cls, layer: nn.Conv2d, size: tuple[int, int]) -> Convolution:
        """The map of a layer, without its bias.

        Its kernel is what the layer says that it applies: `nn.Conv2d` its weight, and any other class what it returns
        from a method `effective()` that it defines itself. The kernel of a constrained layer is the constrained one.

        Raises:
            ValueError: Where the layer's class does not say, or the layer dilates its kernel, has two strides, or pads
                by reflection or repetition.
        """
        padding, stride, groups, margins = layout(layer)
        return cls(applied(layer).detach(), size, padding, stride, groups, margins)

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """The margins, those of "same" written out."""
        if self.margins is not None:
            return self.margins
        kh, kw = self.weight.shape[2:]
        return (kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        top, bottom, left, right = self.edges
        kh, kw = self.weight.shape[2:]
        (h, w), s = self.size, self.stride
        return (h + top + bottom - kh) // s + 1, (w + left + right - kw) // s + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers that come out and go in."""
        c_out, c_in = self.weight.shape[0], self.weight.shape[1] * self.groups
        return c_out * math.prod(self.out_size), c_in * math.prod(self.size)

    @property
    def periodic(self) -> bool:
        """Whether Fourier modes decouple: circular, margins as wide as "same", a stride that divides the image."""
        top, bottom, left, right = self.edges
        same = (top + bottom + 1, left + right + 1) == tuple(self.weight.shape[2:])
        return self.padding == "circular" and same and not any(n % self.stride for n in self.size)

    def parts(self) -> Iterator[Convolution]:
        """One convolution for each group; the whole map is block diagonal in them."""
        for weight in self.weight.chunk(self.groups):
            yield replace(self, weight=weight, groups=1)

    def apply(self, x: Float[Tensor, "batch in h w"]) -> Float[Tensor, "batch out h2 w2"]:
        """The output images."""
        top, bottom, left, right = self.edges
        if self.padding == "zeros":
            x = nn.functional.pad(x, (left, right, top, bottom))
        else:
            rows, columns = self._wrapped(x.device)
            x = x[..., rows, :][..., columns]
        return nn.functional.conv2d(x, self.weight, stride=self.stride, groups=self.groups)

    def transpose(self, y: Float[Tensor, "batch out h2 w2"]) -> Float[Tensor, "batch in h w"]:
        """The transposed map, by a transposed convolution."""
        top, bottom, left, right = self.edges
        h, w = self.size
        spread = nn.functional.conv_transpose2d(y, self.weight, stride=self.stride, groups=self.groups)
        missing = (0, w + left + right - spread.shape[-1], 0, h + top + bottom - spread.shape[-2])
        spread = nn.functional.pad(spread, missing)
        if self.padding == "zeros":
            return spread[..., top : top + h, left : left + w]
        rows, columns = self._wrapped(y.device)
        folded = spread.new_zeros(*spread.shape[:-2], h, spread.shape[-1]).index_add_(-2, rows, spread)
        return folded.new_zeros(*folded.shape[:-1], w).index_add_(-1, columns, folded)

    def operator(self) -> Operator:
        """The map of flattened images."""
        c_in, (h, w), c_out, (h2, w2) = self.weight.shape[1] * self.groups, self.size, len(self.weight), self.out_size
        return Operator(
            self.shape,
            self.weight.dtype,
            self.weight.device,
            lambda v: self.apply(v.reshape(1, c_in, h, w)).flatten(),
            lambda u: self.transpose(u.reshape(1, c_out, h2, w2)).flatten(),
        )

    def dense(self) -> Float[Tensor, "m n"]:
        """The matrix.

        Raises:
            ValueError: Where it would have more than `DENSE` entries.
        """
        m, n = self.shape
        if m * n > DENSE:
            raise ValueError(
                f"the matrix is {m} x {n}, more than DENSE={DENSE} entries; use conv_norm for the largest value, "
                "padding='circular' for all, or a smaller image"
            )
        basis = torch.eye(n, dtype=self.weight.dtype, device=self.weight.device)
        images = basis.reshape(n, self.weight.shape[1] * self.groups, *self.size)
        return torch.cat([self.apply(piece).flatten(1) for piece in images.split(1024)]).mT

    def _wrapped(self, device: torch.device) -> tuple[Tensor, Tensor]:
        top, bottom, left, right = self.edges
        (h, w) = self.size
        return torch.arange(-top, h + bottom, device=device) % h, torch.arange(-left, w + right, device=device) % w
