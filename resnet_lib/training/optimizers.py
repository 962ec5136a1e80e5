"""These optimisers step the stacked parameters of several seeds, which stay independent of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, optim


class Lars(optim.SGD):
    r"""SGD with momentum whose steps are as large in every layer, relative to its weights.

    Before momentum and weight decay the gradient $g$ of a weight $w$ becomes $g\,\lVert w\rVert/\lVert g\rVert$, so
    that without momentum a step of rate $\eta$ moves it by $\eta\lVert w\rVert$, however small or large $g$ is. It is
    the layerwise rescaling of LARS (you2017lars, by the formula in the documentation of Chainer's `GradientLARS`, which
    divides by $\lVert g\rVert+\beta\lVert w\rVert$ and rescales the weight decay too).

    A parameter has an axis that counts the seeds, and the norms are taken over the others: each seed is rescaled by
    itself. Parameters with a single further axis (biases, and scales of normalisations) are left as they are, and so
    are a weight and a gradient of which one is zero.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Rescale the gradients in place, and take SGD's step.

        Args:
            closure: Evaluates the loss again before the step, as torch's optimisers do.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and weight.ndim > 2:
                    weight.grad = rescaled(weight, weight.grad)
        super().step()
        return loss


def rescaled(weight: Float[Tensor, "seeds ..."], gradient: Float[Tensor, "seeds ..."]) -> Float[Tensor, "seeds ..."]:
    """The gradient with the norm of the weight, for each seed; as it is where one of both is zero.

    Divided by its largest entry first, for the square of a gradient that has vanished is no longer a number.
    """
    axes = tuple(range(1, gradient.ndim))
    largest = gradient.abs().amax(axes, keepdim=True)
    unit = gradient / torch.where(largest > 0, largest, 1)
    norm = torch.linalg.vector_norm(unit, dim=axes, keepdim=True)
    size = torch.linalg.vector_norm(weight.detach(), dim=axes, keepdim=True)
    return torch.where((largest > 0) & (size > 0) | largest.isnan(), unit * (size / norm), gradient)
