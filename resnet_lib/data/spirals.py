"""This module draws points in the plane that lie on two intertwined arms."""

import numpy as np
import torch

from resnet_lib import runtime
from resnet_lib.data.parts import Split


def two_spirals(n: int, *, seed: int, part: str = "train", turns: float = 1.5, noise: float = 0.05) -> Split:
    """Points on two interleaved Archimedean spirals in the plane.

    A point of arm `k` is `r (cos(2 pi turns r + pi k), sin(2 pi turns r + pi k)) + noise z`, with `r` the root of a
    uniform number (so that the arms are evenly dense), and `z` standard Gaussian.

    Args:
        n: Number of points; half of them on each arm, the odd one on arm 0.
        seed: Seed of the draw.
        part: Name of the draw; another part of the same seed is independent.
        turns: How often each arm winds around the origin.
        noise: Standard deviation of the noise; the arms end at radius 1 and are `1 / (2 turns)` apart.

    Example:
        >>> two_spirals(5, seed=0).y.tolist()
        [0, 1, 0, 1, 0]
    """
    generator = runtime.stream(seed, "two-spirals", part)
    y = torch.arange(n) % 2
    r = torch.rand(n, generator=generator, dtype=torch.float64).sqrt()
    angle = 2 * np.pi * turns * r + np.pi * y
    points = r[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    points = points + noise * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return Split(points.float(), y)
