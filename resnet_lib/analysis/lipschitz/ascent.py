"""A search finds lower bounds of Lipschitz constants: pairs of inputs, and points whose Jacobian has a large norm.

Everything here is reached by the network, and so at most its Lipschitz constant. Nothing here is an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import linalg
from resnet_lib.linalg.scaling import factors, row_norms
from resnet_lib.nets import effects

__all__ = ["Gains", "LowerBound", "gains", "search", "stretch"]

Map = Callable[[Tensor], Tensor]

ALONE = "an example has no sensitivity of its own"

ALONG = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places between the two ends of a pair at which the Jacobian's norm is measured."""


@dataclass(frozen=True)
class LowerBound:
    """A sensitivity that the network reaches.

    Attributes:
        value: `||J v||` at the best point and unit direction that were found.
        point: Where.
        direction: The unit vector `v`.
        pair: The largest `||f(x) - f(y)|| / ||x - y||` of a pair that was met on the way.
        residual: `||J^T J v - value^2 v|| / value^2`: whether `v` is the direction that is stretched most there.
        start: The largest value at the starts, before the search moved: what the search gained is `value / start`.
        evaluations: Evaluations of one example by the network or a derivative of it.
    """

    value: float
    point: Float[Tensor, "*shape"]
    direction: Float[Tensor, "*shape"]
    pair: float
    residual: float
    start: float
    evaluations: int


@dataclass(frozen=True)
class Gains:
    """`||J v||` at each example with a unit vector `v` that power iteration has turned to where the most is gained.

    Attributes:
        values: A lower bound of the Jacobian's norm at each example.
        directions: The unit vectors.
        residuals: `||J^T J v - value^2 v|| / value^2`.
    """

    values: Float[Tensor, " n"]
    directions: Float[Tensor, "n ..."]
    residuals: Float[Tensor, " n"]


def stretch(f: Map, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """`||f(x) - f(y)|| / ||x - y||` for each pair; 0 where the two are equal.

    Args:
        f: A map of batches, each example on its own. It is given copies, so that it may work in place.
        x: The ones.
        y: The others.

    Raises:
        ValueError: Where there are not as many ones as others, or a batch normalisation or dropout that `f` calls is in
            training mode, so that its examples are not on their own.

    Example:
        >>> round(stretch(torch.tanh, torch.zeros(1, 1), torch.ones(1, 1)).item(), 4)
        0.7616
    """
    _real("x", x)
    _real("y", y)
    if x.shape != y.shape or x.ndim < 2:
        raise ValueError(f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; expected two batches (n, ...) of pairs")
    return _stretch(lambda z: effects.watched(f, z, ALONE), x, y)


def _stretch(f: Map, x: Tensor, y: Tensor) -> Tensor:
    first = f(x.clone()).clone()  # f may give the same tensor again, with other numbers
    apart, out = row_norms(x - y), row_norms(first - f(y.clone()))
    return torch.where(apart > 0, out / torch.where(apart > 0, apart, 1), 0)


def gains(f: Map, x: Float[Tensor, "n ..."], *, start: Float[Tensor, "n ..."], iterations: int = 10) -> Gains:
    """The norm of the Jacobian at each example, from below, by power iteration on `J^T J`, all examples at once.

    Args:
        f: A map of batches, each example on its own. It is given a copy, so that it may work in place.
        x: The examples.
        start: First directions; zero ones are not allowed.
        iterations: Rounds of a product with `J` and one with `J^T`.

    Raises:
        ValueError: Where a direction is zero or has another shape than its example, or a batch normalisation or dropout
            that `f` calls is in training mode.

    Example:
        >>> found = gains(lambda x: x * torch.tensor([1.0, 3.0]), torch.zeros(1, 2), start=torch.ones(1, 2))
        >>> found.values.round().tolist(), found.directions.round().tolist()
        ([3.0], [[0.0, 1.0]])
    """
    _real("x", x)
    if start.shape != x.shape or not (start.flatten(1) != 0).any(1).all():
        raise ValueError(
            f"start has shape {tuple(start.shape)} for x of shape {tuple(x.shape)}; expected a direction that is not "
            "zero for each example"
        )
    return _gains(lambda z: effects.watched(f, z, ALONE), x, start, iterations)


def _gains(f: Map, x: Tensor, start: Tensor, iterations: int) -> Gains:
    map_ = linalg.tangent(f, x)
    v = _unit(start)
    for _ in range(iterations):
        image = map_.push(v)
        turned = map_.pull(_like(_scale(image), image) * image)
        lost = row_norms(turned) == 0
        v = torch.where(_like(lost, v), v, _unit(turned))
    image = map_.push(v)
    values, scale = row_norms(image), _scale(image)
    # J^T J v and value^2 v, both times the scale, which is 1 where nothing is lost by squaring.
    rest = row_norms(map_.pull(_like(scale, image) * image) - _like(scale * values * values, v) * v)
    squares = torch.where(values > 0, scale * values * values, 1)
    return Gains(values, v, torch.where(values > 0, rest / squares, 0))


def _scale(image: Tensor) -> Tensor:
    return factors(image.flatten(1).abs().amax(1)) if image[0].numel() else image.new_ones(len(image))


def search(
    f: Map,
    starts: Float[Tensor, "n ..."],
    *,
    rounds: int = 4,
    steps: int = 20,
    rate: float = 0.1,
    generator: torch.Generator,
) -> LowerBound:
    """Ascend the sensitivity from many starts at once.

    The norm of a ReLU network's Jacobian is constant around almost every point, so its gradient says nothing. A pair
    of points at a distance sees past the kinks.

    Each start is paired with a point in its most stretched direction, at distances from a sixteenth to eight times the
    size of a start; both ends ascend `log ||f(x) - f(y)|| - log ||x - y||`, and by the mean value theorem some point
    between them has a Jacobian whose norm is at least the ratio. The best of five places between the ends is the next
    start, and the pair is closer in each round.

    Args:
        f: A map of batches, each example on its own; a module in evaluation mode.
        starts: One search each; data, and points far from it.
        rounds: Rounds of pairing and ascending.
        steps: Gradient steps (Adam) of a round.
        rate: Size of a step, in units of the typical entry of the starts.
        generator: Draws the first directions, on the CPU.

    Returns:
        The best that was found.

    Raises:
        ValueError: Where `starts` is no batch of numbers that are finite, `f` gives something that is not, or a batch
            normalisation or dropout that `f` calls is in training mode, or one keeps no running statistics; or where
            this is called in inference mode.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> found = search(torch.sin, torch.ones(4, 2), rounds=2, steps=20, generator=draw)
        >>> 0.5 < found.start <= found.value <= 1  # the slope of the sine is at most 1, and cos(1) at the starts
        True
    """
    effects.require_graph("a gradient")
    if starts.ndim < 2 or not len(starts):
        raise ValueError(f"starts has shape {tuple(starts.shape)}; expected a batch (n, ...), n >= 1")
    _real("starts", starts)
    if not torch.isfinite(starts).all():
        raise ValueError("starts holds NaN or infinite values; leave out those examples")
    n, x = len(starts), starts.detach()
    scale = float(x.square().mean().sqrt())
    if not 0 < scale < math.inf:  # squares that are lost
        scale = float(row_norms(x.double().reshape(1, -1))) / x.numel() ** 0.5 or 1.0
    v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
    found = gains(f, x, start=v)
    _finite(found.values)
    count, first, pair = n * 23, float(found.values.max()), 0.0
    for r in range(rounds):
        size, spread = scale * x[0].numel() ** 0.5 * 0.25**r, 2 ** (7 * torch.rand(n, generator=generator) - 4)
        reach = size * (spread if 1e-30 < size < 1e30 else spread.double())
        ends = x, x + _like(reach.to(x), x) * found.directions
        ends, ratio = _ascend(f, *ends, steps=steps, rate=rate * scale * 0.5**r)
        pair, count = max(pair, ratio), count + 4 * n * steps
        between = torch.cat([x, *((1 - t) * ends[0] + t * ends[1] for t in ALONG)])
        towards = torch.cat([found.directions, *[ends[1] - ends[0]] * len(ALONG)])
        measured = _gains(f, between, towards, 5)
        _finite(measured.values)
        count += 13 * len(between)
        best = measured.values.reshape(-1, n).argmax(0) * n + torch.arange(n, device=x.device)
        x = between[best]
        found = Gains(measured.values[best], measured.directions[best], measured.residuals[best])
    top = int(found.values.argmax())
    last = _gains(f, x[top : top + 1], found.directions[top : top + 1], 100)
    value = float(last.values[0])
    return LowerBound(value, x[top], last.directions[0], pair, float(last.residuals[0]), first, count + 203)


def _ascend(f: Map, x: Tensor, y: Tensor, *, steps: int, rate: float) -> tuple[tuple[Tensor, Tensor], float]:
    """Ascend the log of the stretch from each pair; the best ends of each, and the largest stretch."""
    ends = [x.detach().clone().requires_grad_(), y.detach().clone().requires_grad_()]
    optimizer = torch.optim.Adam(ends, lr=rate)
    best, kept = torch.zeros(len(x), dtype=x.dtype, device=x.device), [x, y]
    for step in range(steps + 1):
        with torch.enable_grad():
            ratio = _stretch(f, *ends)
            better = ratio.detach() > best
            best = torch.where(better, ratio.detach(), best)
            kept = [torch.where(_like(better, a), a.detach(), b) for a, b in zip(ends, kept, strict=True)]
            if step < steps:
                optimizer.zero_grad()
                (-ratio.clamp(min=1e-30).log().sum()).backward(inputs=ends)
                optimizer.step()
    return (kept[0], kept[1]), float(best.max())


def _like(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (x.ndim - 1))


def _unit(v: Tensor) -> Tensor:
    size = row_norms(v)
    return v / _like(torch.where(size > 0, size, 1), v)


def _real(name: str, x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(
            f"{name} has dtype {x.dtype}; expected a real type, in which f can be differentiated: use .float()"
        )


def _finite(values: Tensor) -> None:
    if not torch.isfinite(values).all():
        bad = int((~torch.isfinite(values)).sum())
        raise ValueError(f"f has NaN or infinite derivatives at {bad} of {len(values)} points; leave out what diverged")
