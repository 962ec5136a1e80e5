r"""One block is fitted to a target of its own here, many such problems at once. It knows no network and no experiment.

Inside a network no block has a target: only the loss at the end does. A block that is trained alone on pairs $(x, t)$
has one, and what its branch has to learn can be written down: $t$ itself without a shortcut, $t-x$ with the identity.
Every step uses all examples of a problem, so that nothing is left to chance but the start and the examples.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from resnet_lib.training.recipes import Recipe
from resnet_lib.training.stacked import STACKED, Networks, Stacked
from resnet_lib.whole import whole, wholes


@dataclass(frozen=True)
class Regression:
    """Blocks that were fitted, one a problem.

    Attributes:
        params: Stacked parameters of the blocks at their end: where the loss first was at most the tolerance, or after
            the last step where it never was.
        kept: Stacked parameters of all blocks after some numbers of steps, whether they were at the tolerance or not.
        steps: Number of steps after which the loss was at most the tolerance. Its fraction places it between two steps,
            as if the logarithm of the loss fell evenly there; 0 where it was so at the start, and the number of all
            steps where it never was.
        reached: Whether it was.
        loss: Mean squared error at the end, over examples and coordinates.
        template: The block without values: `torch.func.functional_call(template, state, x)` evaluates it.
    """

    params: Stacked
    kept: dict[int, Stacked]
    steps: Float[Tensor, " problems"]
    reached: Bool[Tensor, " problems"]
    loss: Float[Tensor, " problems"]
    template: nn.Module

    def block(self, problem: SupportsIndex) -> nn.Module:
        """The fitted block of one problem, with tensors of its own.

        Raises:
            TypeError: Where the problem is no whole number.
            ValueError: Where there is no such problem.
        """
        problem, count = whole("problem", problem), len(self.steps)
        if not 0 <= problem < count:
            raise ValueError(f"problem={problem} does not exist; there are {count}, counted from 0")
        made = copy.deepcopy(self.template).to_empty(device=self.steps.device)
        made.load_state_dict({name: value[problem] for name, value in self.params.items()})
        return made.eval()


def fit(
    blocks: Sequence[nn.Module],
    x: Float[Tensor, "problems n d"],
    t: Float[Tensor, "problems n k"],
    recipe: Recipe,
    *,
    tolerance: float = 0.0,
    keep: Sequence[SupportsIndex] = (),
) -> Regression:
    r"""Fit each block to its own pairs by full-batch descent of $\frac1{nk}\sum_{i,j}(y_{ij}-t_{ij})^2$.

    Args:
        blocks: One a problem, of one architecture and without buffers; they stay as they are.
        x: What each block reads.
        t: What it shall return.
        recipe: How to descend. Its epochs are the steps, for each uses all examples; its batch counts for nothing.
        tolerance: The mean squared error at which a problem is solved. All end as soon as each is; 0 takes every step.
        keep: Numbers of steps after which all parameters are kept; 0 is the start.

    Raises:
        TypeError: Where a number of steps is no whole number.
        ValueError: Where there is not one block for each problem, a block has buffers, a number of steps to keep is
            beyond the last one, or the tolerance is negative.

    Example:
        >>> from resnet_lib.nets.blocks import Add, Block, Linear
        >>> layer = Linear(2, 2, bias=False)
        >>> _ = nn.init.zeros_(layer.weight)
        >>> x = torch.eye(2).expand(1, 2, 2)
        >>> recipe = Recipe(epochs=100, lr=0.5, momentum=0.0, schedule="constant", warmup=0.0)
        >>> found = fit([Block(layer, nn.Identity(), Add())], x, 2 * x, recipe, tolerance=1e-6)  # 2x = x + F(x)
        >>> found.reached.tolist(), found.block(0).branch(x[0]).round(decimals=2).tolist()
        ([True], [[1.0, 0.0], [0.0, 1.0]])
    """
    keep = wholes("keep", keep)
    _check(blocks, x, t, recipe, tolerance, keep)
    stacked = Networks(blocks, STACKED)
    params = list(stacked.params.values())
    optimizer = recipe.optimizer_of(params)
    end = stacked.copy()[0]
    steps = x.new_full((len(blocks),), float(recipe.epochs))
    reached = torch.zeros(len(blocks), dtype=torch.bool, device=x.device)
    last, kept = x.new_zeros(len(blocks)), {}
    before = last
    for step in range(recipe.epochs + 1):
        losses = (stacked.logits(x) - t).square().mean((1, 2))
        now = losses.detach()
        if step in keep:
            kept[step] = stacked.copy()[0]
        first = (now <= tolerance) & ~reached
        if first.any():
            steps[first] = _between(before, now, tolerance, step)[first]
        _into(end, stacked.params, first)
        last, reached = torch.where(first, now, last), reached | first
        if step == recipe.epochs or (tolerance > 0 and reached.all()):
            break
        optimizer.param_groups[0]["lr"] = recipe.rate(step, recipe.epochs)
        for parameter, gradient in zip(params, torch.autograd.grad(losses.sum(), params), strict=True):
            parameter.grad = gradient
        optimizer.step()
        before = now
    _into(end, stacked.params, ~reached)
    return Regression(end, kept, steps, reached, torch.where(reached, last, now), stacked.template)


def _check(blocks: Sequence, x: Tensor, t: Tensor, recipe: Recipe, tolerance: float, keep: Sequence[int]) -> None:
    if not len(blocks) == len(x) == len(t):
        raise ValueError(f"there are {len(blocks)} blocks, {len(x)} inputs and {len(t)} targets; each problem has one")
    if buffers := [name for name, _ in blocks[0].named_buffers()]:
        raise ValueError(f"a block has the buffer {buffers[0]!r}, which would depend on all examples; use norm='none'")
    if wrong := [step for step in keep if not 0 <= step <= recipe.epochs]:
        raise ValueError(f"keep={tuple(keep)} names step {wrong[0]}; the recipe has the steps 0 to {recipe.epochs}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance={tolerance} is a mean squared error; use 0 or more")


def _between(before: Tensor, now: Tensor, tolerance: float, step: int) -> Tensor:
    """Where between the last step and this one the logarithm of the loss passes that of the tolerance."""
    if step == 0 or tolerance == 0:
        return torch.full_like(now, float(step))
    floor = torch.finfo(now.dtype).tiny
    high, low = before.clamp_min(floor).log(), now.clamp_min(floor).log()
    return step - ((torch.as_tensor(tolerance, dtype=now.dtype).log() - low) / (high - low)).clamp(0, 1)


def _into(end: Stacked, params: Stacked, which: Tensor) -> None:
    """Take the parameters of some problems as their last ones."""
    if which.any():
        for name, value in end.items():
            value[which] = params[name].detach()[which]
