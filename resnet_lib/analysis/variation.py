r"""The total variation of a network of one input: exactly where it is piecewise linear, else on a grid.

The total variation of a function on an interval is the way that its value goes up and down, the supremum over all
grids of $\sum_i|f(x_{i+1})-f(x_i)|$. A grid measures it from below, for it misses what goes up and down between two
of its points. A network of ReLUs is linear between the points where one of its ReLUs switches: with these for a grid
the sum is the variation. This module knows functions of one input, and no experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

TOLERANCE = 1e-9
"""A function counts as piecewise linear whose middles are so near to its chords, relative to its largest value."""


@dataclass(frozen=True)
class PiecewiseLinear:
    """A piecewise linear function of one input, by its corners.

    Attributes:
        points: Where it may bend, in ascending order, with both ends of the interval.
        values: What it is there.
        residual: How far the network is from the chord in the middle of a piece, relative to its largest value.
    """

    points: Float[Tensor, " n"]
    values: Float[Tensor, " n"]
    residual: float

    @property
    def variation(self) -> float:
        """The total variation on the interval."""
        return float(total(self.values))

    @property
    def turns(self) -> int:
        """How often it turns from rising to falling or back."""
        return int(turns(self.values))


def total(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Total variation of values in the order of their points: the sum of the absolute differences.

    It is that of the function itself where these are the corners of a piecewise linear one; else a lower bound.

    Example:
        >>> total(torch.tensor([0.0, 1.0, 0.5])).item()
        1.5
    """
    return values.diff(dim=-1).abs().sum(-1)


def turns(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """How often values turn from rising to falling or back; stretches of equal ones count as none.

    Example:
        >>> turns(torch.tensor([0.0, 1.0, 1.0, 2.0, 0.0, 3.0])).item()
        2.0
    """
    signs = values.diff(dim=-1).sign()
    # The last sign that is not zero, carried on: its place is the running maximum of the places.
    places = torch.arange(signs.shape[-1], device=signs.device).expand_as(signs)
    last = torch.where(signs != 0, places, 0).cummax(-1).values
    carried = signs.gather(-1, last)
    return (carried[..., 1:] * carried[..., :-1] < 0).sum(-1).to(values.dtype)


def trace(f: nn.Module, start: float = 0.0, end: float = 1.0) -> PiecewiseLinear:
    r"""Corners and values of a network of one input that bends in ReLUs alone.

    What the first ReLU reads is linear on the interval, so that each of its units switches at one point at most,
    which follows from the values at both ends. With these points what the second ReLU reads is linear on each piece,
    and so on through the network. The chord of every piece is compared with the network in its middle.

    Args:
        f: Takes inputs of shape (n, 1) and gives outputs of shape (n, 1); its parameters are float64. It bends in
            modules `nn.ReLU` and nowhere else.
        start: Left end of the interval.
        end: Right end.

    Raises:
        TypeError: Where a parameter is not float64: in single precision, points are lost that lie near each other.
        ValueError: Where the interval is empty, the output is no single number, or the function is not linear between
            the points, since it bends in something else than a ReLU.

    Example:
        >>> tent = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
        >>> values = [[[1.0], [1.0]], [0.0, -0.5], [[2.0, -4.0]], [0.0]]
        >>> for parameter, value in zip(tent.parameters(), values):
        ...     _ = parameter.data.copy_(torch.tensor(value))
        >>> found = trace(tent)
        >>> found.points.tolist(), found.values.tolist(), found.variation, found.turns
        ([0.0, 0.5, 1.0], [0.0, 1.0, 0.0], 2.0, 1)
    """
    if not start < end:
        raise ValueError(f"start={start} must be below end={end}")
    for name, value in f.named_parameters():
        if value.dtype != torch.float64:
            raise TypeError(f"{name} has dtype {value.dtype}; corners are found in float64: use f.double()")
    x = torch.tensor([start, end], dtype=torch.float64)
    with torch.no_grad(), _read_by_relus(f) as read:
        _outputs(f, x)
        for nth in range(len(read)):
            read.clear()
            _outputs(f, x)
            x = _refined(x, read[nth].reshape(len(x), -1))
        values, middles = _outputs(f, x), _outputs(f, (x[1:] + x[:-1]) / 2)
    off = (middles - (values[1:] + values[:-1]) / 2).abs().max()
    residual = float(off / values.abs().max().clamp(min=torch.finfo(x.dtype).tiny))
    if not residual <= TOLERANCE:
        raise ValueError(
            f"f is {residual:.1e} of its largest value off the chord in the middle of a piece: it bends in something "
            "else than nn.ReLU, or is not finite; use variation.total of its values on a fine grid, a lower bound"
        )
    return PiecewiseLinear(x, values, residual)


def traces(
    f: Callable[[Float[Tensor, "seed n"]], tuple[Float[Tensor, "seed n"], list[Tensor]]],
    count: int,
    start: float = 0.0,
    end: float = 1.0,
) -> tuple[Float[Tensor, "seed m"], Float[Tensor, "seed m"], Float[Tensor, " seed"]]:
    """Corners and values of stacked networks of one input that bend in ReLUs alone, all of them in each pass.

    As `trace`, for networks of one architecture. Networks of fewer corners than others get the right end several times.

    Args:
        f: From points of each network to outputs and to what the ReLUs read, in their order, of shapes
            (seed, n, width); in float64.
        count: How many networks are stacked.
        start: Left end of the interval.
        end: Right end.

    Returns:
        Points, values, and the residual of each network.

    Raises:
        ValueError: Where a function is not linear between the points.

    Example:
        >>> def two(x):  # |x - 0.5| and 2 |x - 0.5|
        ...     read = torch.stack([x - 0.5, 0.5 - x], -1)
        ...     return torch.tensor([[1.0], [2.0]]) * torch.relu(read).sum(-1), [read]
        >>> points, values, _ = traces(two, 2)
        >>> total(values).tolist()
        [1.0, 2.0]
    """
    x = torch.tensor([start, end], dtype=torch.float64).repeat(count, 1)
    with torch.no_grad():
        for nth in range(len(f(x)[1])):
            read = f(x)[1][nth]
            before, after = read[:, :-1], read[:, 1:]
            left, right = x[:, :-1, None], x[:, 1:, None]
            passed = left + before / (before - after) * (right - left)
            passed = torch.where(before * after < 0, passed, end).flatten(1).sort().values
            most = int((passed < end).sum(1).max())
            x = torch.cat([x, passed[:, :most]], 1).sort().values
        (values, _), (middles, _) = f(x), f((x[:, 1:] + x[:, :-1]) / 2)
        # A point that is there several times is one point, however its value is rounded in each place.
        values = torch.where(x == end, values[:, -1:], values)
        off = (middles - (values[:, 1:] + values[:, :-1]) / 2).abs().amax(1)
        residual = off / values.abs().amax(1).clamp(min=torch.finfo(x.dtype).tiny)
    if not bool((residual <= TOLERANCE).all()):
        raise ValueError(
            f"a network is {float(residual.max()):.1e} of its largest value off the chord in the middle of a piece: it "
            "bends in something else than the ReLUs whose inputs f returns, or is not finite"
        )
    return x, values, residual


def _outputs(f: nn.Module, x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    found = f(x[:, None])
    if found.shape != (len(x), 1):
        raise ValueError(f"f gives outputs of shape {tuple(found.shape[1:])} for an input; it takes one of shape (1,)")
    return found[:, 0]


@contextmanager
def _read_by_relus(f: nn.Module) -> Iterator[list[Tensor]]:
    """What the ReLUs read in a pass, in the order in which they are called."""
    read: list[Tensor] = []
    hooks = [
        part.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].clone()))
        for part in f.modules()
        if isinstance(part, nn.ReLU)
    ]
    try:
        yield read
    finally:
        for hook in hooks:
            hook.remove()


def _refined(x: Float[Tensor, " n"], units: Float[Tensor, "n width"]) -> Float[Tensor, " m"]:
    """The points, and those between them where a unit passes through zero."""
    before, after = units[:-1], units[1:]
    piece, unit = (before * after < 0).nonzero(as_tuple=True)
    left, right = before[piece, unit], after[piece, unit]
    passed = x[piece] + left / (left - right) * (x[piece + 1] - x[piece])
    return torch.cat([x, passed]).unique()
