"""Networks as solvers: their states against the iterates of the method, and orders of convergence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import nets, ode, runtime
from resnet_lib.analysis import flow
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Unit
from resnet_lib.ode import Jacobian, tableaus
from resnet_lib.ode.tableaus import METHODS, Splitting
from resnet_lib.sweep import Experiment

DRAWS = tuple(range(20))
MANY_DRAWS = tuple(range(200))
WAVES = 3  # of the smooth weights: 1, and cosine and sine of 1 to 3 half turns


def gaussian(seeds: Sequence[int], *path: str | int, shape: tuple[int, ...]) -> Float[Tensor, "seed *shape"]:
    """One standard normal tensor a seed, float64, each from its own named stream."""
    return torch.stack(
        [torch.randn(shape, generator=runtime.stream(seed, *path), dtype=torch.float64) for seed in seeds]
    )


def smooth_weights(seeds: Sequence[int], *path: str | int, d: int) -> Callable[[float], Float[Tensor, "seed d d"]]:
    """Weights ``V(t)`` that are smooth in depth: a random trigonometric polynomial, entries of size ``1/sqrt(d)``."""
    parts = gaussian(seeds, *path, "weights", shape=(2 * WAVES + 1, d, d)) / (d * (WAVES + 1)) ** 0.5

    def weights(t: float) -> Tensor:
        turns = np.pi * t * np.arange(1, WAVES + 1)
        return torch.einsum("k,skij->sij", torch.tensor([1.0, *np.cos(turns), *np.sin(turns)]).double(), parts)

    return weights


def times(matrices: Float[Tensor, "seed d d"], x: Float[Tensor, "seed d"]) -> Float[Tensor, "seed d"]:
    """A matrix times a vector, for each seed."""
    return (matrices @ x[..., None])[..., 0]


@dataclass(frozen=True)
class Order:
    """The observed order of a method on ``x' = V(t) tanh x``.

    ``field`` is ``smooth``, ``jump`` (smooth, but for a change of sign at a random time), ``turning`` (an antisymmetric
    linear field for a time of 2, for methods whose leading error nearly vanishes on the smooth one, so that rounding
    would hide its order) or ``independent`` (weights drawn anew for each layer; their limit is the identity).
    """

    method: str
    field: str
    dimension: int = 6


def order_trial(setting: Order, seeds: Sequence[int]) -> pd.DataFrame:
    """Slopes of log error against log step; one row per draw."""
    method, d = tableaus.method(setting.method), setting.dimension
    start = gaussian(seeds, "order", "start", shape=(d,))
    jump = 0.3 + 0.4 * float(torch.rand((), generator=runtime.stream(0, "order", "jump")))
    if setting.field == "independent":
        depths = (16, 32, 64, 128, 256)
        exact, ends = start, {n: independent_end(seeds, n, 256, 1.0, start) for n in depths}
    else:
        depths = (16, 32, 64, 128, 256) if method.order < 4 else (32, 45, 64, 91, 128)
        if setting.field == "jump":
            depths = tuple(int(n) for n in np.unique(np.geomspace(16, 512, 16).round()))
        field, jacobian, end = _field(setting, seeds, jump)
        with torch.no_grad():
            exact = _reference(field, start, (jump, end) if setting.field == "jump" else (end,))
            ends = {
                n: ode.solve(field, start, (0.0, end), method=method, steps=n, jacobian=jacobian).end for n in depths
            }
    errors = np.array([((ends[n] - exact).norm(dim=1) / exact.norm(dim=1)).numpy() for n in depths])
    slopes = np.polyfit(-np.log(depths), np.log(errors), 1)[0]
    rows = [
        pd.DataFrame({"seed": list(seeds), "order": slopes, "theory": method.order, "depth": n, "error": e})
        for n, e in zip(depths, errors, strict=True)
    ]
    return pd.concat(rows, ignore_index=True)


def _field(setting: Order, seeds: Sequence[int], jump: float) -> tuple[ode.Field, Jacobian | None, float]:
    """The field, its Jacobian over all draws together, and the end of time."""
    d = setting.dimension
    if isinstance(tableaus.method(setting.method), Splitting):
        one, two = (gaussian(seeds, "order", name, shape=(d // 2, d // 2)) / (d // 2) ** 0.5 for name in "ab")
        return ode.SplitField(lambda p: times(one, p.tanh()), lambda q: -times(two, q.tanh())), None, 1.0
    weights = smooth_weights(seeds, "order", d=d)
    if setting.field == "turning":
        turn = weights(0.0) - weights(0.0).mT
        return lambda t, x: times(turn, x), lambda t, x: torch.block_diag(*turn), 2.0

    def sign(t: float) -> float:
        return -1.0 if setting.field == "jump" and t > jump else 1.0

    def field(t: float, x: Tensor) -> Tensor:
        return sign(t) * times(weights(t), x.tanh())

    def jacobian(t: float, x: Tensor) -> Tensor:
        return sign(t) * torch.block_diag(*(weights(t) * (1 - x.tanh() ** 2)[:, None, :]))

    return field, jacobian, 1.0


def _reference(field: ode.Field, start: Tensor, ends: Sequence[float]) -> Tensor:
    """The flow at the last of the times, by many steps of the pair of order 5 that end at each of them."""
    x, a = start, 0.0
    for end in ends:
        x = ode.solve(field, x, (a, end), method="dormand-prince", steps=500).end
        a = float(np.nextafter(end, np.inf))
    return x


def independent_end(seeds: Sequence[int], depth: int, finest: int, power: float, start: Tensor) -> Tensor:
    """The end of a network with independent weights, refined as a Brownian path: sums of the finest network's draws."""
    x, d, together = start, start.shape[1], finest // depth
    generators = [runtime.stream(seed, "independent", d) for seed in seeds]
    for _ in range(depth):
        parts = torch.stack([torch.randn(together, d, d, generator=g, dtype=torch.float64) for g in generators])
        x = x + depth**-power * times(parts.sum(1) / (d * together) ** 0.5, x.tanh())
    return x


JUMPED = tuple(method.name for method in tableaus.explicit() if method.order > 1)


def _orders() -> tuple[Order, ...]:
    settings = [Order(name, "smooth" if method.order < 5 else "turning") for name, method in METHODS.items()]
    settings += [Order(name, "jump") for name in JUMPED]
    return (*settings, Order("euler", "independent", 64))


ORDERS = Experiment.repeated("ode-orders", order_trial, _orders(), DRAWS, MANY_DRAWS, group=20)


def _slopes(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(["method", "field", "seed"])[["order", "theory"]].first().reset_index()


def euler_order(table: pd.DataFrame) -> Evidence:
    """Observed order of Euler's method on smooth fields; control: independent weights."""
    rows = _slopes(table[table["method"] == "euler"]).set_index("field")["order"]
    return Evidence(values=rows["smooth"].to_numpy(), control=rows["independent"].to_numpy())


def all_orders(table: pd.DataFrame) -> Evidence:
    """Observed minus theoretical order of every method; control: explicit methods of order two and more at a jump."""
    rows = _slopes(table)
    excess = (rows["order"] - rows["theory"]).groupby(rows["field"]).apply(np.array)
    return Evidence(values=np.concatenate([excess["smooth"], excess["turning"]]), control=excess["jump"])


@dataclass(frozen=True)
class Step:
    """A residual network in float64 and the solver on the field that its branches make; ``order`` is a block's."""

    order: str
    depth: int = 16


def step_trial(setting: Step, seeds: Sequence[int]) -> pd.DataFrame:
    """Largest difference between states and iterates, relative to the largest state; one row per draw."""
    inside = Unit(order="inside", norm="none", alpha=1 / setting.depth)
    records = []
    for seed in seeds:
        net, euler = (
            nets.mlp(setting.depth, 32, unit=unit, generator=runtime.stream(seed, "step")).double()
            for unit in (Unit(order=setting.order, norm="none", alpha=1 / setting.depth), inside)
        )
        branches = [flow.field(block) for block in euler.blocks]

        def field(t: float, x: Tensor, branches: list = branches) -> Tensor:
            return setting.depth * branches[round(t * setting.depth)](t, x)

        x = torch.randn(8, 64, generator=runtime.stream(seed, "step", "input"), dtype=torch.float64)
        with torch.no_grad():
            states = torch.stack(net.states(x))
            iterates = ode.solve(field, states[0], method="euler", steps=setting.depth).states
        records.append({"seed": seed, "difference": float((states - iterates).abs().max() / states.abs().max())})
    return pd.DataFrame(records)


STEP = Experiment.repeated("ode-step", step_trial, (Step("inside"), Step("post")), DRAWS, MANY_DRAWS, group=20)


def step(table: pd.DataFrame) -> Evidence:
    """Network against solver; control: the original unit, with its ReLU behind the addition."""
    rows = table.set_index("order")["difference"]
    return Evidence(values=rows["inside"].to_numpy(), control=rows["post"].to_numpy())
