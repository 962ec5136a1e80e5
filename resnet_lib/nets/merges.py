"""A merge makes one state of a block's two paths, by a sum or otherwise, and says by which formula."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Formula:
    """The formula by which a merge joins both paths: `then(skip s + branch b)`.

    Attributes:
        skip: Factor of the shortcut; None where it is not read.
        branch: Factor of the branch.
        then: What the sum goes through, the first one first.
    """

    skip: float | None
    branch: float
    then: tuple[nn.Module, ...] = ()


def formula(merge: nn.Module) -> Formula:
    """The formula of a merge, in its own words: its class defines `formula()` beside `forward`.

    Raises:
        ValueError: Where its class does not; one that inherits the word may have another `forward`.
    """
    if merge._forward_hooks or merge._forward_pre_hooks:
        raise ValueError(f"this {type(merge).__name__} has forward hooks, which may change its map; remove them")
    if "formula" not in vars(type(merge)) or "forward" in vars(merge):
        raise ValueError(
            f"{type(merge).__name__} does not say what it makes of both paths; give its class a method formula() that "
            "returns blocks.Formula(skip, branch, then), or use Add, Scaled, BranchOnly, After"
        )
    return merge.formula()  # pyright: ignore[reportCallIssue]


class Add(nn.Module):
    """`s + b`."""

    def forward(self, s: Tensor, b: Tensor) -> Tensor:
        """The sum."""
        return s + b

    def formula(self) -> Formula:
        """`s + b`."""
        return Formula(1.0, 1.0)


class Scaled(nn.Module):
    """`skip * s + branch * b`."""

    def __init__(self, skip: float, branch: float):
        super().__init__()
        self.skip = skip
        self.branch = branch

    def forward(self, s: Tensor, b: Tensor) -> Tensor:
        """The weighted sum."""
        return torch.add(s if self.skip == 1 else self.skip * s, b, alpha=self.branch)

    def formula(self) -> Formula:
        """`skip s + branch b`."""
        return Formula(float(self.skip), float(self.branch))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"skip={self.skip}, branch={self.branch}"


class BranchOnly(nn.Module):
    """`b`."""

    def forward(self, s: Tensor | None, b: Tensor) -> Tensor:
        """The branch."""
        return b

    def formula(self) -> Formula:
        """`b`."""
        return Formula(None, 1.0)


class After(nn.Module):
    """`then(merge(s, b))`: the activation of the original unit, which also acts on the shortcut."""

    def __init__(self, merge: nn.Module, then: nn.Module):
        super().__init__()
        self.merge = merge
        self.then = then

    def forward(self, s: Tensor | None, b: Tensor) -> Tensor:
        """The merged paths, put through `then`."""
        return self.then(self.merge(s, b))

    def formula(self) -> Formula:
        """That of the merge, with one more layer behind it."""
        inner = formula(self.merge)
        return replace(inner, then=(*inner.then, self.then))


class Times(nn.Module):
    """`merge(s, factor * b)`: a merge whose branch counts `factor` times."""

    def __init__(self, merge: nn.Module, factor: float):
        super().__init__()
        self.merge = merge
        self.factor = factor

    def forward(self, s: Tensor | None, b: Tensor) -> Tensor:
        """The merged paths."""
        return self.merge(s, self.factor * b)

    def formula(self) -> Formula:
        """That of the merge, with the branch multiplied."""
        inner = formula(self.merge)
        return replace(inner, branch=self.factor * inner.branch)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"factor={self.factor}"
