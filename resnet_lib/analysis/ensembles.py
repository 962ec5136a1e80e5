"""This module measures what marks an ensemble, on the predictions of its members. It knows probabilities, no network.

The same questions are put to networks trained apart, to sub-networks of one network, and to identical copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BINS = 15
"""Bins of confidence in the calibration error, as in guo2017calibration."""

Probabilities = Float[Tensor, "members examples classes"]


@dataclass(frozen=True)
class Signatures:
    """The marks of an ensemble, for one set of members.

    Attributes:
        members: How many.
        member_accuracy: Mean accuracy of a member.
        accuracy: Accuracy of the average.
        gain: `accuracy - member_accuracy`.
        error_correlation: Mean correlation between the errors of two members; 1 where they are the same.
        disagreement: Mean fraction of examples to which two members give different labels.
        member_ece: Mean calibration error of a member.
        ece: Calibration error of the average.
    """

    members: int
    member_accuracy: float
    accuracy: float
    gain: float
    error_correlation: float
    disagreement: float
    member_ece: float
    ece: float


def signatures(probabilities: Probabilities, y: Int[Tensor, " labels"]) -> Signatures:
    """All marks of the members.

    Args:
        probabilities: What each member says.
        y: The labels.

    Raises:
        ValueError: Where there are fewer than two members, a row is no distribution, or in half precision.

    Example:
        >>> twins = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).expand(2, 2, 2)
        >>> found = signatures(twins, torch.tensor([0, 0]))
        >>> found.accuracy, found.gain, found.disagreement
        (0.5, 0.0, 0.0)
    """
    _check(probabilities, y)
    average = probabilities.mean(0)
    member_accuracy = sum(accuracy(p, y) for p in probabilities) / len(probabilities)
    return Signatures(
        members=len(probabilities),
        member_accuracy=member_accuracy,
        accuracy=accuracy(average, y),
        gain=accuracy(average, y) - member_accuracy,
        error_correlation=error_correlation(probabilities, y),
        disagreement=disagreement(probabilities),
        member_ece=sum(calibration_error(p, y) for p in probabilities) / len(probabilities),
        ece=calibration_error(average, y),
    )


def accuracy(probabilities: Float[Tensor, "examples classes"], y: Int[Tensor, " examples"]) -> float:
    """Fraction of examples whose most probable class is right.

    Raises:
        ValueError: Where a probability is NaN or in half precision.

    Example:
        >>> accuracy(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 0]))
        0.5
    """
    _require_numbers(probabilities)
    return (probabilities.argmax(-1) == y).double().mean().item()


def averages(
    probabilities: Probabilities,
    y: Int[Tensor, " examples"],
    sizes: Sequence[int],
    *,
    draws: int,
    generator: torch.Generator,
) -> list[float]:
    """Mean accuracy of the average of k members, for each k of `sizes`, over random choices of k among all members.

    Args:
        probabilities: What each member says.
        y: The labels.
        sizes: Numbers of members.
        draws: How many choices for each.
        generator: Draws the choices.

    Raises:
        ValueError: Where a size is not between 1 and the number of members, or a probability is NaN or in half
            precision.
    """
    found = []
    for size in sizes:
        if not 1 <= size <= len(probabilities):
            raise ValueError(f"sizes holds {size}; with {len(probabilities)} members it is 1 to {len(probabilities)}")
        chosen = [torch.randperm(len(probabilities), generator=generator)[:size] for _ in range(draws)]
        found.append(sum(accuracy(probabilities[one].mean(0), y) for one in chosen) / draws)
    return found


def error_correlation(probabilities: Probabilities, y: Int[Tensor, " examples"]) -> float:
    """Mean over pairs of members of Pearson's correlation between their errors, each 1 where the label is wrong.

    Where a member makes no error, or only errors, its correlation with another counts as 1 if they are wrong on the
    same examples and as 0 else.

    Example:
        >>> twins = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).expand(2, 2, 2)
        >>> round(error_correlation(twins, torch.tensor([0, 0])), 6)
        1.0
    """
    _check(probabilities, y)
    errors = (probabilities.argmax(-1) != y).double()
    centred = errors - errors.mean(1, keepdim=True)
    spread = centred.norm(dim=1)
    products = spread[:, None] * spread
    same = (errors[:, None] == errors[None]).all(-1).double()
    correlation = torch.where(products > 0, centred @ centred.T / products.clamp_min(1e-300), same)
    return _mean_of_pairs(correlation)


def disagreement(probabilities: Probabilities) -> float:
    """Mean over pairs of members of the fraction of examples to which they give different labels.

    Raises:
        ValueError: Where a probability is NaN or in half precision.

    Example:
        >>> one = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
        >>> disagreement(torch.stack([one, one])), disagreement(torch.stack([one, one.flip(-1)]))
        (0.0, 1.0)
    """
    _require_numbers(probabilities)
    labels = probabilities.argmax(-1)
    return _mean_of_pairs((labels[:, None] != labels[None]).double().mean(-1))


def calibration_error(
    probabilities: Float[Tensor, "examples classes"], y: Int[Tensor, " examples"], *, bins: int = BINS
) -> float:
    """Expected calibration error: mean distance between confidence and accuracy over bins of equal width.

    Weighted by the number of examples in a bin (guo2017calibration, eq. 3); a bin holds its upper edge.

    Raises:
        ValueError: Where a probability is NaN or in half precision.

    Example:
        >>> round(calibration_error(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 0])), 4)
        0.35
    """
    _require_numbers(probabilities)
    confidence, label = probabilities.double().max(-1)
    right = (label == y).double()
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64, device=right.device).index_add(0, index, right - confidence)
    return gaps.abs().sum().item() / len(y)


def _mean_of_pairs(matrix: Float[Tensor, "members members"]) -> float:
    rows, columns = torch.triu_indices(len(matrix), len(matrix), 1)
    return matrix[rows, columns].mean().item()


def _check(probabilities: Tensor, y: Tensor) -> None:
    if probabilities.ndim != 3 or len(probabilities) < 2 or probabilities.shape[1] != len(y):
        raise ValueError(
            f"probabilities has shape {tuple(probabilities.shape)}; expected (members, examples, classes) with two "
            f"members or more and {len(y)} examples, as many as labels"
        )
    _require_numbers(probabilities)
    if (probabilities < 0).any() or not torch.allclose(
        probabilities.sum(-1), torch.ones(()).to(probabilities), atol=1e-4
    ):
        raise ValueError("probabilities has rows that are no distribution; use logits.softmax(-1)")


def _require_numbers(probabilities: Tensor) -> None:
    if probabilities.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(
            f"probabilities has dtype {probabilities.dtype}, too few digits for distributions and their means; use "
            "logits.float().softmax(-1)"
        )
    if bad := int(probabilities.isnan().any(-1).sum()):
        raise ValueError(
            f"probabilities holds NaN in {bad} rows; leave out networks that diverged, which label nothing"
        )
