"""This module makes blocks that are time steps of a field: with shared weights, antisymmetric, or Hamiltonian.

The step `h` is the factor of the branch, `y = x + h F(x)`, and every such block is a `blocks.Block`.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import linalg
from resnet_lib.nets.blocks import Block, Linear
from resnet_lib.nets.merges import Scaled


class Repeat(nn.Module):
    """One block `times` times in a row, with the same weights: an autonomous field.

    A hook on the block sees every pass.
    """

    def __init__(self, block: nn.Module, times: int):
        super().__init__()
        if times < 1:
            raise ValueError(f"times={times} must be at least 1")
        self.block = block
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """The last state."""
        for _ in range(self.times):
            x = self.block(x)
        return x

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"times={self.times}"


class Antisymmetric(Linear):
    r"""The linear map $K - K^{\mathsf T} - \gamma I$ (haber2017stable, chang2019antisymmetric).

    Its eigenvalues have the real part $-\gamma$ exactly. The parameter `weight` is $K$, drawn by `initialise`.

    Args:
        width: Of the state.
        gamma: Damping; negative values expand.
        bias: Whether a vector is added.
        bound: What the spectral norm of the antisymmetric part may not exceed: it is scaled down where its Frobenius
            norm over the root of 2, which is at least that (its eigenvalues come in pairs), does. None for no bound.
    """

    def __init__(self, width: int, *, gamma: float = 0.0, bias: bool = True, bound: float | None = None):
        super().__init__(width, width, bias=bias)
        self.gamma = gamma
        self.bound = bound

    def matrix(self) -> Float[Tensor, "d d"]:
        """The map's matrix."""
        eye = torch.eye(self.in_features, dtype=self.weight.dtype, device=self.weight.device)
        turn = self.weight - self.weight.mT
        if self.bound is not None:
            turn = turn * (self.bound * 2**0.5 / turn.norm().clamp(min=1e-12)).clamp(max=1)
        return turn - self.gamma * eye

    def effective(self) -> Float[Tensor, "d d"]:
        """The matrix that is applied, by the name that all layers have for it."""
        return self.matrix()

    def forward(self, input: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """The map and the bias."""
        return nn.functional.linear(input, self.matrix(), self.bias)


class Shear(nn.Module):
    r"""A branch that moves one half of the state by the other: $-K^{\mathsf T}\phi(Kq+b)$ or, of the other half, $+$.

    Two blocks with shears are one step of the symplectic Euler method for a Hamiltonian field
    (haber2017stable, chang2018reversible).

    Args:
        width: Of the whole state, even.
        moves: `p` or `q`, the half that is moved; `q` is the first.
    """

    def __init__(self, width: int, *, moves: str):
        super().__init__()
        if width % 2:
            raise ValueError(f"width={width} of a Hamiltonian block must be even, for q and p; use {width + 1}")
        if moves not in ("p", "q"):
            raise ValueError(f"moves={moves!r} is unknown; use 'p' or 'q'")
        self.inner = Linear(width // 2, width // 2)
        self.moves = moves

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """Zero for the half that stays."""
        q, p = x.chunk(2, dim=-1)
        other = q if self.moves == "p" else p
        push = torch.tanh(self.inner(other)) @ self.inner.weight
        still = torch.zeros_like(push)
        return torch.cat([still, -push] if self.moves == "p" else [push, still], dim=-1)

    def lipschitz_constant(self) -> float:
        r"""$\lVert K\rVert_2^2$, since no slope of the hyperbolic tangent exceeds 1."""
        return float(linalg.spectral_norms(self.inner.weight.double())) ** 2


def euler_block(branch: nn.Module, h: float) -> Block:
    """One explicit Euler step of a field: `x + h branch(x)`.

    Raises:
        ValueError: Where `h` is not finite.

    Example:
        >>> euler_block(nn.Identity(), 0.5)(torch.ones(1, 2)).tolist()
        [[1.5, 1.5]]
    """
    if not math.isfinite(h):
        raise ValueError(f"h={h} must be finite")
    return Block(branch, nn.Identity(), Scaled(1.0, h))


def antisymmetric_block(width: int, h: float, *, gamma: float = 0.0) -> Block:
    r"""An Euler step of $x' = \tanh((K - K^{\mathsf T} - \gamma I)x + b)$."""
    return euler_block(nn.Sequential(Antisymmetric(width, gamma=gamma), nn.Tanh()), h)


def hamiltonian_block(width: int, h: float) -> nn.Sequential:
    """A step of the symplectic Euler method: `p` is moved by `q`, then `q` by the new `p`. Two blocks in a row."""
    return nn.Sequential(euler_block(Shear(width, moves="p"), h), euler_block(Shear(width, moves="q"), h))


def scale(depth: int, power: float) -> float:
    """`depth ** -power`, the factor of a branch in a network of that depth.

    Example:
        >>> scale(100, 0.5)
        0.1
    """
    if depth < 1:
        raise ValueError(f"depth={depth} must be at least 1")
    return float(depth**-power)
