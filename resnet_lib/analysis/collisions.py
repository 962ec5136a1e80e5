"""A search for two inputs, at a distance, of which a map makes nearly the same: by descent, since chance finds none.

What it finds is reached by the map, and so at least its largest lower Lipschitz constant. That it finds nothing proves
nothing. It knows a map of tensors, and neither networks nor data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib.linalg.scaling import row_norms
from resnet_lib.nets import effects
from resnet_lib.whole import whole

__all__ = ["Collisions", "collide", "refine"]


@dataclass(frozen=True)
class Collisions:
    """The pairs of inputs that came closest, one for each start.

    Attributes:
        ratio: `||f(x) - f(y)|| / ||x - y||` of each pair; 0 is a collision.
        first: The one input of each pair.
        second: The other, at the distance that was asked for.
        start: The ratio that each search began with.
        evaluations: Evaluations of one input by the map, those of its derivative included.
    """

    ratio: Float[Tensor, " n"]
    first: Float[Tensor, "n d"]
    second: Float[Tensor, "n d"]
    start: Float[Tensor, " n"]
    evaluations: int


def collide(
    f: Callable[[Tensor], Tensor],
    centres: Float[Tensor, "n d"],
    directions: Float[Tensor, "n d"],
    reach: Float[Tensor, " n"],
    *,
    steps: int = 100,
    rate: float = 0.05,
) -> Collisions:
    """Descend `log ||f(x) - f(y)||` over pairs `x, y = centre +- reach/2 u` of a fixed distance.

    Centre and unit direction `u` move, the distance does not, so that a pair cannot shrink to a point, where it would
    only show that some direction is shrunk. The best start is a direction of a block's least singular value, at a point
    where that is small.

    Args:
        f: A map of batches of vectors, each on its own; it is given the two inputs of each pair one after the other.
        centres: Where to begin, one search each.
        directions: First directions; not zero.
        reach: The distance of each pair.
        steps: Of Adam.
        rate: Size of a step, in units of the typical entry of the centres; directions are turned by it as well.

    Returns:
        The best pair that each search has met.

    Raises:
        ValueError: Where shapes do not fit, a direction or a distance is zero, or in inference mode.

    Example:
        >>> found = collide(torch.abs, torch.tensor([[0.3]]), torch.ones(1, 1), torch.ones(1), steps=200)
        >>> round(found.start.item(), 2), found.ratio.item() < 0.05
        (0.6, True)
    """
    effects.require_graph("a gradient")
    shape = tuple(centres.shape)
    if centres.ndim != 2 or directions.shape != centres.shape or reach.shape != centres.shape[:1]:
        raise ValueError(
            f"centres has shape {shape}, directions {tuple(directions.shape)}, reach {tuple(reach.shape)}; expected "
            "(n, d), (n, d), (n,)"
        )
    if whole("steps", steps) < 1:
        raise ValueError(f"steps={steps} must be at least 1")
    if not ((directions != 0).any(1) & (reach > 0)).all():
        raise ValueError("directions or reach holds a zero; expected pairs of two different inputs")
    scale = float(centres.square().mean().sqrt()) or 1.0
    middle = (centres.detach() / scale).clone().requires_grad_()
    turn = (directions.detach() / row_norms(directions)[:, None] * directions.shape[1] ** 0.5).clone().requires_grad_()
    optimizer = torch.optim.Adam([middle, turn], lr=rate)
    best = start = torch.full_like(reach, torch.inf)
    kept = (centres, centres)
    for step in range(steps + 1):
        with torch.enable_grad():
            half = reach[:, None] / 2 * turn / row_norms(turn)[:, None]
            first, second = middle * scale + half, middle * scale - half
            one, other = f(torch.stack([first, second], 1).flatten(0, 1)).unflatten(0, (-1, 2)).unbind(1)
            ratio = row_norms(one - other) / reach
            better = ratio.detach() < best
            start = ratio.detach() if step == 0 else start
            best = torch.where(better, ratio.detach(), best)
            kept = tuple(
                torch.where(better[:, None], new.detach(), old) for new, old in zip((first, second), kept, strict=True)
            )
            if step < steps:
                optimizer.zero_grad()
                ratio.clamp(min=1e-30).log().sum().backward(inputs=[middle, turn])
                optimizer.step()
    return Collisions(best, kept[0], kept[1], start, 4 * len(centres) * (steps + 1))


def refine(
    f: Callable[[Tensor], Tensor],
    centres: Float[Tensor, "n d"],
    directions: Float[Tensor, "n d"],
    reach: Float[Tensor, " n"],
    *,
    steps: int = 100,
    rates: Sequence[float] = (0.05, 0.01, 2e-3, 4e-4, 8e-5, 1.6e-5),
) -> Collisions:
    """`collide` again and again with smaller steps, each time from the best pairs of the time before.

    Steps of one size come no nearer to a collision than they are long.

    Args:
        f: As `collide` takes it.
        centres: As `collide` takes them.
        directions: As `collide` takes them.
        reach: The distance of each pair.
        steps: Of each search.
        rates: Sizes of the steps, the largest first.

    Returns:
        The best pair that each search has met, and the ratio that it began with.

    Raises:
        ValueError: As `collide`, or where no rate is given.

    Example:
        >>> found = refine(torch.abs, torch.tensor([[0.3]]), torch.ones(1, 1), torch.ones(1))
        >>> found.ratio.item() < 1e-4
        True
    """
    if not rates:
        raise ValueError("rates is empty; expected the size of a step of each search, e.g. (0.05, 0.01)")
    found = collide(f, centres, directions, reach, steps=steps, rate=rates[0])
    for rate in rates[1:]:
        middle, apart = (found.first + found.second) / 2, found.first - found.second
        next_ = collide(f, middle, apart, reach, steps=steps, rate=rate)
        found = replace(next_, start=found.start, evaluations=found.evaluations + next_.evaluations)
    return found
