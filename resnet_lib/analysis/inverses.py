r"""An invertible residual block, and its inverse by fixed-point iteration with a certificate of how good that is.

The block $y=x+F(x)$ is undone by $x\leftarrow y-F(x)$. Where $F$ has a Lipschitz constant $c<1$ this contracts, so that
each $y$ has exactly one $x$, and after $k$ steps from $x_0=y$

$$\lVert x_k-x\rVert\le\frac{c^k}{1-c}\,\lVert x_1-x_0\rVert,\qquad x_1-x_0=-F(y).$$

That a constant below 1 suffices is behrmann2019invertible, Theorem 1; the bound is Banach's. No data are known here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib.analysis import lipschitz
from resnet_lib.linalg.scaling import row_norms
from resnet_lib.nets import Block, effects
from resnet_lib.nets.merges import formula
from resnet_lib.whole import whole

__all__ = ["Inverse", "contracting", "contraction", "invert"]


@dataclass(frozen=True)
class Inverse:
    """The inputs that a residual block makes given outputs of, as fixed-point iteration found them.

    Attributes:
        value: One input for each output.
        residual: Of each, `||block(x) - y|| / (1 + ||y||)`.
        bound: Of each, how far the true input can be: the smaller of the bound in advance,
            `c^k / (1 - c) ||x_1 - x_0||`, and that of the last step, `c / (1 - c) ||x_k - x_(k-1)||`, up to rounding;
            infinite where `c >= 1`, for then there may be none, or several.
        constant: The proven constant `c` of the map that is iterated.
        observed: The largest ratio of two steps in a row that was met, at most `c`; NaN where there were not two.
        iterations: Evaluations of the branch, the one of the residual aside.
        converged: Whether every residual is within the tolerance and finite.
    """

    value: Float[Tensor, "n ..."]
    residual: Float[Tensor, " n"]
    bound: Float[Tensor, " n"]
    constant: float
    observed: float
    iterations: int
    converged: bool


def contracting(block: Block, constant: float) -> Block:
    """Make a residual block invertible: its branch gets a Lipschitz constant, from now on and through training.

    Each of the `m` weight layers of the branch is normalised to the spectral norm `constant^(1/m)`, exactly. With
    activations of slope at most 1 between them, the branch then has at most that constant.

    Args:
        block: A block of linear layers, changed in place.
        constant: Of the branch; below 1 for a block that `invert` can undo.

    Returns:
        `block`.

    Raises:
        ValueError: Where the constant is not positive and finite, or the branch has no weight layer or one that
            `lipschitz.constrain` refuses.

    Example:
        >>> from resnet_lib import nets, runtime
        >>> from resnet_lib.nets.blocks import linear_block
        >>> block = linear_block(nets.Unit(order="inside", norm="none"), 4)
        >>> from resnet_lib.nets.initialisation import initialise
        >>> block = contracting(initialise(block, runtime.stream(0, "block")), 0.5)
        >>> round(contraction(block, (4,)), 6)
        0.5
    """
    if not 0 < constant < math.inf:
        raise ValueError(f"constant={constant} must be positive and finite; below 1 the block is invertible")
    layers = sum(isinstance(part, nn.Linear | nn.Conv2d) for part in block.branch.modules())
    if not layers:
        raise ValueError("the branch has no linear layer or convolution, so that nothing sets its constant")
    lipschitz.constrain(block.branch, constant ** (1 / layers), kind=lipschitz.SpectrallyNormalised)
    return block


def contraction(block: Block, shape: Sequence[int]) -> float:
    """A proven Lipschitz constant of the map `x -> (y - b F(x)) / s` that undoes `y = s x + b F(x)`.

    Args:
        block: A residual block whose shortcut is the identity and behind whose addition nothing stands.
        shape: Of one input.

    Raises:
        ValueError: Where the block has another form, or `lipschitz.product_bound` knows no constant of its branch.
    """
    skip, branch = _factors(block)
    return abs(branch / skip) * lipschitz.product_bound(block.branch, shape).value


def invert(
    block: Block,
    y: Float[Tensor, "n ..."],
    *,
    constant: float | None = None,
    tol: float | None = None,
    iterations: int = 100,
) -> Inverse:
    """The inputs of which a residual block makes `y`: the iteration `x <- (y - b F(x)) / s` from `x = y / s`.

    It ends where all residuals are within the tolerance. A failure is a value: `converged` is False, and `bound` says
    how far the truth can be.

    Args:
        block: A residual block `y = s x + b F(x)` in evaluation mode.
        y: Outputs.
        constant: Of the iterated map, proven by who calls; by default `contraction` of the block.
        tol: Largest residual; by default 1e-12 in float64 and 1e-5 in float32; 0 spends all iterations.
        iterations: At most so many.

    Returns:
        The inputs with their certificate.

    Raises:
        ValueError: Where the block has another form, `iterations` is below 1, or `y` is no batch of real numbers.

    Example:
        >>> from resnet_lib.nets.merges import Add
        >>> shrinking = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(shrinking.weight, -0.5)
        >>> found = invert(Block(shrinking, nn.Identity(), Add()), torch.tensor([[1.0]]), tol=1e-6)
        >>> found.value.round(decimals=3).item(), found.constant, found.converged
        (2.0, 0.5, True)
    """
    if y.ndim < 2 or not y.is_floating_point():
        raise ValueError(f"y has shape {tuple(y.shape)} and dtype {y.dtype}; expected a batch (n, ...) of real numbers")
    if whole("iterations", iterations) < 1:
        raise ValueError(f"iterations={iterations} must be at least 1")
    effects.check(block, "an output has no input of its own", name="block")
    skip, branch = _factors(block)
    c = contraction(block, y.shape[1:]) if constant is None else constant
    tol = (1e-12 if y.dtype == torch.float64 else 1e-5) if tol is None else tol
    with torch.no_grad():
        x = y / skip
        value = block.branch(x.clone())
        first = step = row_norms(branch * value / skip)
        observed, done = math.nan, 0
        while True:
            before, step_before = x, step
            x = (y - branch * value) / skip
            done += 1
            step = row_norms(x - before)
            if done > 1 and (step_before > 0).any():
                ratio = float((step / torch.where(step_before > 0, step_before, math.inf)).max())
                observed = ratio if math.isnan(observed) else max(observed, ratio)
            value = block.branch(x.clone())
            residual = row_norms(skip * x + branch * value - y) / (1 + row_norms(y))
            if done == iterations or (residual <= tol).all():
                break
    bound = torch.minimum(c**done * first, c * step) / (1 - c) if c < 1 else torch.full_like(first, math.inf)
    converged = bool((residual <= tol).all() and residual.isfinite().all())
    return Inverse(x, residual, bound, c, observed, done, converged)


def _factors(block: Block) -> tuple[float, float]:
    """Factor of the identity and of the branch in a block that a fixed-point iteration can undo."""
    sum_ = formula(block.merge)
    if sum_.then or not sum_.skip or type(block.shortcut) is not nn.Identity:
        raise ValueError(
            "the block is not of the form s x + b F(x) with s other than 0: it has another shortcut than the identity, "
            "none, or a layer behind the addition, such as a ReLU, which is not invertible"
        )
    return sum_.skip, sum_.branch
