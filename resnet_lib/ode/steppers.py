"""This module takes one step of any method: explicit stages, stages by Newton's method, kicks and drifts. The loop over
steps is in `solver`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from resnet_lib.linalg import newton
from resnet_lib.ode.tableaus import Method, Splitting, Tableau

Field = Callable[[float, Tensor], Tensor]
Jacobian = Callable[[float, Tensor], Tensor]


@dataclass(frozen=True)
class SplitField:
    """A field that splits, `q' = velocity(p)` and `p' = force(q)`; the state is `q` and `p`, joined in the last axis.

    Attributes:
        velocity: Of `p` alone.
        force: Of `q` alone.
    """

    velocity: Callable[[Tensor], Tensor]
    force: Callable[[Tensor], Tensor]

    def __call__(self, t: float, x: Tensor) -> Tensor:
        """The field as any other method takes it."""
        q, p = x.chunk(2, dim=-1)
        return torch.cat([self.velocity(p), self.force(q)], dim=-1)


class Step(NamedTuple):
    """The outcome of one step.

    Attributes:
        x: The new state.
        evaluations: Of the field.
        error: Estimate of the local error, of a method with an embedded one.
        residual: Of the equations of an implicit method.
        last: The last stage, where it is the first of the next step.
        failure: Why the step is none, in words; empty where it is one.
    """

    x: Tensor
    evaluations: int
    error: Tensor | None = None
    residual: float = 0.0
    last: Tensor | None = None
    failure: str = ""


def readable(x: Tensor) -> bool:
    """Whether the numbers of a tensor can be looked at: not under `torch.func.vmap`, where one stands for many."""
    try:
        x.detach().sum().item()
    except RuntimeError:
        return False
    return True


def own(field: Field) -> Field:
    """The field with a state of its own at every call and an answer of its own, of the state's shape and type.

    So it may write into what it is given, and answer in the same buffer each time.

    Raises:
        TypeError: At a call: where the answer is no tensor, or of a type that the state would have to be widened to.
        ValueError: At a call: where the answer has another shape than the state.
    """
    if isinstance(field, SplitField):
        return SplitField(
            lambda p: _answer("field.velocity", field.velocity(_copy(p)), p),
            lambda q: _answer("field.force", field.force(_copy(q)), q),
        )
    return lambda t, x: _answer("field", field(t, _copy(x)), x)


def _copy(x: Tensor) -> Tensor:
    """A copy that lies in memory as the original does, with its gaps and repetitions, for the same last bits."""
    once = x
    for axis, (size, stride) in enumerate(zip(x.shape, x.stride(), strict=True)):
        if size > 1 and stride == 0:
            once = once.narrow(axis, 0, 1)
    gaps = not once.is_contiguous()
    copied = once.new_empty_strided(once.shape, once.stride()).copy_(once) if gaps else once.clone()
    return copied.expand(x.shape)


def _answer(name: str, found: object, x: Tensor) -> Tensor:
    if not isinstance(found, Tensor):
        raise TypeError(
            f"{name} gives {found!r} of type {type(found).__name__} for a state of shape {tuple(x.shape)}; it has to "
            "give a tensor of that shape, e.g. x.new_tensor(...)"
        )
    if torch.promote_types(found.dtype, x.dtype) != x.dtype:
        raise TypeError(
            f"{name} maps a state of {x.dtype} to {found.dtype}, which it cannot hold; start from "
            f"x0.to({found.dtype}), or answer with .to(x.dtype)"
        )
    if found.shape != x.shape:
        raise ValueError(
            f"{name} maps a state of shape {tuple(x.shape)} to {tuple(found.shape)}; it must keep the shape"
        )
    return found.to(x.dtype, copy=True)


def step(
    method: Method,
    field: Field,
    jacobian: Jacobian | None,
    t: float,
    x: Tensor,
    h: float,
    first: Tensor | None,
) -> Step:
    """One step of any method from `t` to `t + h`; `first` is its first stage where that is known.

    Raises:
        TypeError: As `own` does.
        ValueError: As `own` does.
    """
    field = own(field)
    if isinstance(method, Splitting):
        assert isinstance(field, SplitField)
        q, p = x.chunk(2, dim=-1)
        work = 0
        for kick, drift in zip(method.kicks, method.drifts, strict=True):
            if kick:
                p, work = p + kick * h * field.force(q), work + 1
            if drift:
                q = q + drift * h * field.velocity(p)
        return Step(torch.cat([q, p], dim=-1), work)
    if not method.explicit:
        return _implicit(method, field, jacobian, t, x, h)
    stages: list[Tensor] = []
    for row, c in zip(method.a, method.c, strict=True):
        known = first is not None and not stages
        stages.append(first if known else field(t + c * h, _combine(x, h, row, stages)))  # pyright: ignore[reportArgumentType]
    difference = [b - e for b, e in zip(method.b, method.embedded, strict=False)]
    return Step(
        _combine(x, h, method.b, stages),
        len(stages) - (first is not None),
        error=_combine(torch.zeros_like(x), h, difference, stages) if method.embedded else None,
        last=stages[-1] if method.first_same_as_last else None,
    )


def _combine(x: Tensor, h: float, weights: Sequence[float], stages: Sequence[Tensor]) -> Tensor:
    for weight, stage in zip(weights, stages, strict=False):
        if weight:
            x = x + h * weight * stage
    return x


def _implicit(
    tableau: Tableau,
    field: Field,
    jacobian: Jacobian | None,
    t: float,
    x: Tensor,
    h: float,
) -> Step:
    """Solve for all stages at once: `k_i = f(t + c_i h, x + h sum_j a_ij k_j)`, in real coordinates."""
    start = real(x)
    n, s = start.numel(), len(tableau.b)
    a = torch.tensor(tableau.a, dtype=start.dtype, device=start.device)
    calls = 0

    def at(i: int, flat: Tensor) -> Tensor:
        return real(field(t + tableau.c[i] * h, shaped(flat, x)))

    def function(k: Tensor) -> Tensor:
        nonlocal calls
        calls += s
        points = start + h * (a @ k.reshape(s, n))
        return k - torch.cat([at(i, point) for i, point in enumerate(points)])

    def derivative(k: Tensor) -> Tensor:
        points = start.detach() + h * (a @ k.reshape(s, n))
        blocks = []
        for i, point in enumerate(points):
            if jacobian is None or x.is_complex():
                inner = torch.func.jacrev(lambda flat, i=i: at(i, flat))(point)
            else:
                inner = jacobian(t + tableau.c[i] * h, shaped(point, x).clone())
            blocks.append(torch.cat([weight * inner for weight in a[i]], dim=1))  # pyright: ignore[reportOperatorIssue]
        return torch.eye(s * n, dtype=a.dtype, device=a.device) - h * torch.cat(blocks)

    with torch.no_grad():
        guess = at(0, start).repeat(s)
    calls += 1
    root = newton.newton(function, guess, jacobian=derivative)
    end = start + h * (torch.tensor(tableau.b, dtype=a.dtype, device=a.device) @ root.value.reshape(s, n))
    failure = "" if root.converged else f"{root.failure}; {_SOLVE}"
    return Step(shaped(end, x), calls, residual=root.residual, failure=failure)


_SOLVE = "use another step (1 - a h lambda = 0 is singular at h lambda = 1/a), or an explicit method"


def real(x: Tensor) -> Tensor:
    """The state as a vector of real numbers."""
    return (torch.view_as_real(x) if x.is_complex() else x).reshape(-1)


def shaped(flat: Tensor, like: Tensor) -> Tensor:
    """A vector of real numbers as a state of the shape and type of `like`."""
    return torch.view_as_complex(flat.reshape(*like.shape, 2)) if like.is_complex() else flat.reshape(like.shape)
