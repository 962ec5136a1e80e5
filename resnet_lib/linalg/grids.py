"""This module holds lines of points and the difference operators on them, with the modes that take these apart.

A line is closed to a ring (`periodic`) or ends in insulated walls (`no-flux`). A kernel is applied as convolutions of
deep learning are, as a correlation. What moves along a line, heat or a wave, is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from resnet_lib.whole import whole

__all__ = ["Ends", "Line", "Modes"]

Ends = Literal["periodic", "no-flux"]


class Modes(NamedTuple):
    """The eigenvectors that all symmetric kernels on a line share.

    Attributes:
        angles: Turn of each mode from one point to the next, in radians from 0 to pi, the slowest first.
        vectors: The modes as orthonormal columns.
    """

    angles: Float[Tensor, " n"]
    vectors: Float[Tensor, "n n"]


@dataclass(frozen=True)
class Line:
    r"""Points at equal distances, $x_j = j\,\Delta x$.

    Beyond a `periodic` end the line begins again. A `no-flux` end is a mirror half a spacing beyond the last point, so
    that $u_{-1}=u_0$: nothing passes, as through the insulated end of a bar whose points are the middles of cells.

    Attributes:
        points: How many; at least 2.
        ends: What is beyond the first and the last.
        spacing: The distance of neighbours.

    Raises:
        TypeError: Where the number of points is no whole number.
        ValueError: With fewer than 2 points, unknown ends, or a spacing that is not positive and finite.

    Example:
        >>> bar = Line(4, "no-flux")
        >>> bar.laplacian()[0].tolist(), bar.laplacian().sum(0).abs().max().item()
        ([-1.0, 1.0, 0.0, 0.0], 0.0)
    """

    points: int
    ends: Ends = "periodic"
    spacing: float = 1.0

    def __post_init__(self):
        if whole("points", self.points) < 2:
            raise ValueError(f"points={self.points} must be at least 2: one point has no neighbour")
        if self.ends not in get_args(Ends):
            raise ValueError(f"ends={self.ends!r} is unknown; use 'periodic' or 'no-flux'")
        if not 0 < self.spacing < math.inf:
            raise ValueError(f"spacing={self.spacing} must be positive and finite")

    def neighbours(self, offset: int) -> Int[Tensor, " n"]:
        """For each point the index of the one that stands `offset` places on, around the ring or mirrored at walls.

        Example:
            >>> Line(4).neighbours(1).tolist(), Line(4, "no-flux").neighbours(1).tolist()
            ([1, 2, 3, 0], [1, 2, 3, 3])
        """
        places = torch.arange(self.points) + offset
        if self.ends == "periodic":
            return places % self.points
        places = places % (2 * self.points)
        return torch.where(places < self.points, places, 2 * self.points - 1 - places)

    def apply(self, kernel: Sequence[float], u: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """A kernel on values along the line: `y[j] = sum_t kernel[t] u[j + t - centre]`.

        Raises:
            ValueError: Where the kernel has no centre, or the values are not one for each point.
        """
        if len(kernel) % 2 == 0:
            raise ValueError(f"kernel has {len(kernel)} taps; it needs an odd number, to have a centre")
        if u.shape[-1] != self.points:
            raise ValueError(f"u has {u.shape[-1]} values on a line of {self.points} points; give one for each point")
        reach = len(kernel) // 2
        parts = [tap * u[..., self.neighbours(t - reach)] for t, tap in enumerate(kernel)]
        return torch.stack(parts).sum(0)

    def matrix(self, kernel: Sequence[float]) -> Float[Tensor, "n n"]:
        """The matrix by which `apply` multiplies, in float64.

        Raises:
            ValueError: As `apply` does.
        """
        return self.apply(kernel, torch.eye(self.points, dtype=torch.float64)).mT.contiguous()

    def laplacian(self) -> Float[Tensor, "n n"]:
        r"""The second difference, $(u_{j-1}-2u_j+u_{j+1})/\Delta x^2$: symmetric, with rows and columns of sum 0."""
        return self.matrix((1.0, -2.0, 1.0)) / self.spacing**2

    def slope(self) -> Float[Tensor, "n n"]:
        r"""The central difference, $(u_{j+1}-u_{j-1})/(2\Delta x)$: antisymmetric on a ring."""
        return self.matrix((-0.5, 0.0, 0.5)) / self.spacing

    def modes(self) -> Modes:
        r"""The modes: cosines and sines on a ring, cosines about the middle of cells between walls.

        A kernel with $\kappa_{-t}=\kappa_t$ multiplies the mode of angle $\theta$ by $\kappa_0+2\sum_t\kappa_t\cos
        t\theta$, and so the Laplacian by $-4\sin^2(\theta/2)/\Delta x^2$.

        Example:
            >>> line = Line(8, "no-flux")
            >>> angles, vectors = line.modes()
            >>> factors = -4 * torch.sin(angles / 2) ** 2
            >>> torch.allclose(line.laplacian() @ vectors, vectors * factors)
            True
        """
        n = self.points
        place = torch.arange(n, dtype=torch.float64)
        number = torch.arange(n, dtype=torch.float64)
        if self.ends == "no-flux":
            angles = math.pi * number / n
            waves = torch.cos(angles * (place[:, None] + 0.5))
        else:
            turns = torch.div(number + 1, 2, rounding_mode="floor")
            angles = 2 * math.pi * turns / n
            sine = (number % 2 == 0) & (number > 0)
            waves = torch.where(sine, torch.sin(angles * place[:, None]), torch.cos(angles * place[:, None]))
        return Modes(angles, waves / waves.norm(dim=0))
