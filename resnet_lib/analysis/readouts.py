r"""A linear readout tells what a linear map can get out of a state: its input back, or a class. It knows tensors only.

Ridge regression, $\min_W\lVert XW-T\rVert_F^2+\lambda\lVert W\rVert_F^2$ of centred states $X$ and targets $T$, with
$\lambda$ chosen on validation examples. The share that is explained weights each target by its variance, so that one
that is constant, such as a border pixel, counts for nothing instead of for minus infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["PENALTIES", "Readout", "accuracy", "explained", "readout"]

PENALTIES = tuple(10.0**power for power in range(-10, 3))
"""Penalties that are tried, in units of the largest squared singular value of the centred states."""


@dataclass(frozen=True)
class Readout:
    """An affine map from states to targets.

    Attributes:
        weight: The matrix.
        offset: What is added.
        penalty: The one that was chosen, relative to the largest squared singular value of the states.
        validation: Mean squared error on the validation examples, a sum over targets.
    """

    weight: Float[Tensor, "d k"]
    offset: Float[Tensor, " k"]
    penalty: float
    validation: float

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """What is read out of states."""
        return x.to(self.weight) @ self.weight + self.offset


Pair = tuple[Float[Tensor, "n d"], Float[Tensor, "n k"]]
"""States and targets."""
Others = tuple[Float[Tensor, "m d"], Float[Tensor, "m k"]]
"""As many or as few of the same kind."""


def readout(learn: Pair, validate: Others, *, penalties: Sequence[float] = PENALTIES) -> Readout:
    """The readout of least validation error among those of some penalties, computed in float64.

    Args:
        learn: States and targets to fit.
        validate: Others, to choose the penalty by.
        penalties: Relative to the largest squared singular value of the centred states; positive.

    Raises:
        ValueError: Where states and targets are not as many, or no penalty is given or one is not positive.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> found = readout((x, 2 * x + 1), (x, 2 * x + 1))
        >>> found(torch.tensor([[5.0]])).round(decimals=3).item(), found.penalty
        (11.0, 1e-10)
    """
    if not penalties or not all(penalty > 0 for penalty in penalties):
        raise ValueError(f"penalties={tuple(penalties)} must be positive, at least one")
    (x, t), (x_valid, t_valid) = ((a.double(), b.double()) for a, b in (learn, validate))
    for a, b in ((x, t), (x_valid, t_valid)):
        if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or not len(a):
            raise ValueError(
                f"states have shape {tuple(a.shape)} and targets {tuple(b.shape)}; expected (n, d), (n, k)"
            )
    means = x.mean(0), t.mean(0)
    # By the d x d matrix of products, a tenth of the work: penalties are far above what squaring loses.
    squares, basis = torch.linalg.eigh((x - means[0]).mT @ (x - means[0]))
    turned, largest = basis.mT @ ((x - means[0]).mT @ (t - means[1])), float(squares[-1]) or 1.0
    found: list[Readout] = []
    for penalty in penalties:
        weight = basis @ (turned / (squares.clamp(min=0) + penalty * largest)[:, None])
        offset = means[1] - means[0] @ weight
        error = float((x_valid @ weight + offset - t_valid).square().sum(1).mean())
        found.append(Readout(weight, offset, penalty, error))
    return min(found, key=lambda one: one.validation)


def explained(predicted: Float[Tensor, "n k"], target: Float[Tensor, "n k"]) -> float:
    r"""The share of the targets' variance that is explained, $1-\sum(p-t)^2/\sum(t-\bar t)^2$ over all of them.

    It is 1 for what is exact, 0 for the mean, negative for worse; NaN where no target varies.

    Example:
        >>> target = torch.tensor([[0.0, 7.0], [2.0, 7.0]])
        >>> explained(torch.tensor([[0.0, 7.0], [1.0, 7.0]]), target)
        0.5
    """
    target = target.double()
    return float(1 - (predicted.double() - target).square().sum() / (target - target.mean(0)).square().sum())


def accuracy(scores: Float[Tensor, "n k"], labels: Int[Tensor, " n"]) -> float:
    """The share of examples whose largest score is that of their label.

    Example:
        >>> accuracy(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        0.5
    """
    return float((scores.argmax(1) == labels).double().mean())
