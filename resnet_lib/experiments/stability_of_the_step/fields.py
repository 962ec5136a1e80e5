"""The random matrices of the linear fields whose largest stable step is measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import runtime


def gaussian(seeds: Sequence[int], *path: str | int, shape: tuple[int, ...]) -> Float[Tensor, "seed *shape"]:
    """One standard normal tensor a seed, float64, each from its own named stream."""
    return torch.stack(
        [torch.randn(shape, generator=runtime.stream(seed, *path), dtype=torch.float64) for seed in seeds]
    )


@dataclass(frozen=True)
class Threshold:
    """The largest stable step of a method on random fields ``x' = A x``.

    ``field`` is ``damped`` (Gaussian, shifted until all real parts are below -0.2), ``oscillating`` (pairs of
    eigenvalues whose imaginary part is 0.5 to 3 times their damping, in a random basis) or ``turning`` (antisymmetric).
    """

    method: str
    field: str
    dimension: int = 8


def fields(setting: Threshold, seeds: Sequence[int]) -> Float[Tensor, "seed d d"]:
    """The random matrices of a setting."""
    d = setting.dimension
    g = gaussian(seeds, "threshold", setting.field, shape=(d, d)) / d**0.5
    if setting.field == "turning":
        return g - g.mT
    if setting.field == "damped":
        return g - (0.2 + torch.linalg.eigvals(g).real.amax(-1))[:, None, None] * torch.eye(d, dtype=g.dtype)
    damping = 0.5 + torch.stack([torch.rand(d // 2, generator=runtime.stream(s, "damping")) for s in seeds]).double()
    turn = damping * (0.5 + 2.5 * torch.stack([torch.rand(d // 2, generator=runtime.stream(s, "turn")) for s in seeds]))
    blocked = torch.zeros_like(g)
    for i in range(d // 2):
        pair = torch.stack([-damping[:, i], turn[:, i], -turn[:, i], -damping[:, i]], dim=1).reshape(-1, 2, 2)
        blocked[:, 2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = pair
    basis = torch.eye(d, dtype=g.dtype) + 0.3 * g
    return basis @ blocked @ torch.linalg.inv(basis)
