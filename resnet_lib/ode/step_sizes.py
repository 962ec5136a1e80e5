"""How long the steps of `solve` are, and when it is done: equal steps, or steps by an estimate of their error.

Knows neither method nor field: of a step it reads the new state and the error estimate.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from resnet_lib.ode.steppers import Step

MOST_STEPS = 1_000_000
SAFETY, LEAST, MOST = 0.9, 0.2, 5.0
"""Of the step that the estimate would allow the next one takes so much; it changes by factors within these bounds."""


@dataclass(frozen=True)
class Judged:
    """What the control says of a step that was tried.

    Attributes:
        accepted: Whether it counts.
        factor: What its length is multiplied by for the next one.
        error: Norm of its error estimate; NaN where none is looked at.
    """

    accepted: bool
    factor: float
    error: float = math.nan


@dataclass(frozen=True)
class Equal:
    """So many steps of one length."""

    start: float
    end: float
    steps: int

    @property
    def first(self) -> float:
        """Length of the first step, with its sign."""
        return (self.end - self.start) / self.steps

    def unfinished(self, count: int, t: float, h: float) -> bool:
        """Whether another step is due after so many that count, at that time."""
        return count < self.steps

    def length(self, t: float, h: float) -> float:
        """Length of the step from that time, of which at most `h` was meant."""
        return h

    def judge(self, step: Step, x: Tensor) -> Judged:
        """Whether a step from the state `x` counts, and how long the next one may be."""
        return Judged(accepted=True, factor=1.0)

    def reached(self, count: int, t: float, h: float) -> float:
        """The time after a step of length `h` from `t`, the one of that number."""
        return self.start + count * h

    def stuck(self, rejected: int, h: float) -> bool:
        """Whether to give up after so many rejected steps, where the next one would be `h` long."""
        return False

    def endless(self, count: int) -> bool:
        """Whether to give up after so many steps that count."""
        return False


@dataclass(frozen=True)
class Adaptive:
    """Steps whose estimated local error is at most `tol`, relative to `1 + |x|`, in the root mean square.

    Attributes:
        start: Of the time.
        end: Of the time.
        tol: The tolerance.
        order: Of the embedded method, whose error the estimate is.
    """

    start: float
    end: float
    tol: float
    order: int

    @property
    def first(self) -> float:
        """As `Equal.first`."""
        return (self.end - self.start) * min(0.1, self.tol ** (1 / 3))

    def unfinished(self, count: int, t: float, h: float) -> bool:
        """As `Equal.unfinished`."""
        return (self.end - t) * h > 0

    def length(self, t: float, h: float) -> float:
        """As `Equal.length`: the last step ends at the end."""
        return self.end - t if abs(self.end - t) < abs(h) * (1 + 1e-12) else h

    def judge(self, step: Step, x: Tensor) -> Judged:
        """As `Equal.judge`; a step with an estimate of NaN or infinity is tried again at a fifth of its length."""
        ratio = self._ratio(step, x)
        factor = min(MOST, max(LEAST, SAFETY * ratio ** (-1 / (self.order + 1)))) if ratio > 0 else MOST
        if not ratio <= 1:  # nor is NaN
            return Judged(accepted=False, factor=factor if math.isfinite(ratio) else LEAST)
        assert step.error is not None
        return Judged(accepted=True, factor=factor, error=float(step.error.detach().norm()))

    def _ratio(self, step: Step, x: Tensor) -> float:
        """The local error estimate over what is allowed, root mean square; NaN where a stage is."""
        assert step.error is not None
        scale = self.tol * (1 + torch.maximum(x.detach().abs(), step.x.detach().abs()))
        return float((step.error.detach().abs() / scale).square().mean().sqrt())

    def reached(self, count: int, t: float, h: float) -> float:
        """As `Equal.reached`: exactly the end, where only rounding is left."""
        return self.end if abs(self.end - t - h) <= 1e-14 * abs(self.end - self.start) else t + h

    def stuck(self, rejected: int, h: float) -> bool:
        """As `Equal.stuck`."""
        return abs(h) < 1e-13 * abs(self.end - self.start) or rejected > MOST_STEPS

    def endless(self, count: int) -> bool:
        """As `Equal.endless`."""
        return count >= MOST_STEPS
