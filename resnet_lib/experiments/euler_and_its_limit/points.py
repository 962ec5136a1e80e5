"""Fixed points of blocks and equilibria of flows, their stability by both criteria, and orientation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.euler_and_its_limit.orders import MANY_DRAWS, gaussian
from resnet_lib.linalg import newton
from resnet_lib.sweep import Experiment, Grid

DRAWS = tuple(range(60))  # the mean of so many signs, which is zero in the control, is below 0.7 whatever the draws
STARTS = 50  # random ones; of 200 draws two do not converge from 0


@dataclass(frozen=True)
class FixedPoints:
    """Blocks ``x + h(tanh(Wx + b) - x)``, linear fields, and products of blocks, on ``dimension`` coordinates."""

    dimension: int
    fields: int = 200


def fixed_point_trial(setting: FixedPoints, seeds: Sequence[int]) -> pd.DataFrame:
    """Fixed points and their stability by both criteria; signs of determinants; one row per draw."""
    records = []
    for seed in seeds:
        d = setting.dimension
        weight, bias = gaussian([seed], "fixed", shape=(2, d, d))[0] / d**0.5, gaussian([seed], "bias", shape=(2, d))[0]
        fields = [_settling(weight[i], bias[i]) for i in range(2)]
        point = _equilibrium(fields[0], seed, d)
        moves = {
            f"{name}_{h:g}": float((h * fields[i](at)).norm() / point.norm())
            for name, i, at in (("equal", 0, point), ("beside", 0, 1.1 * point))
            for h in (0.1, 1.0, 10.0)
        }
        records.append(
            {
                "seed": seed,
                **moves,
                "untied": float(fields[1](point).norm() / point.norm()),
                "tied": float(fields[0](point).norm() / point.norm()),
                **_criteria(seed, setting.fields),
                **{name: _orientation(seed, d, norm) for name, norm in (("near", 1.0), ("far", 3.0))},
            }
        )
    return pd.DataFrame(records)


def _equilibrium(field: Callable[[Tensor], Tensor], seed: int, d: int) -> Float[Tensor, " d"]:
    """A zero of `_settling`'s field, by Newton's method from 0, and from random points where it stagnates.

    There is one: `tanh(Wx + b)` maps the cube of side 2 into itself (Brouwer).
    """
    generator = runtime.stream(seed, "fixed", "start")
    starts = [2 * torch.rand(d, dtype=torch.float64, generator=generator) - 1 for _ in range(STARTS)]
    for start in (torch.zeros(d, dtype=torch.float64), *starts):
        if (root := newton.newton(field, start)).converged:
            return root.value
    raise RuntimeError(f"seed {seed}: no equilibrium from {STARTS + 1} starting points; the last: {root.failure}")


def _settling(weight: Float[Tensor, "d d"], bias: Float[Tensor, " d"]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.tanh(weight @ x + bias) - x


def _criteria(seed: int, count: int) -> dict[str, float]:
    """Fractions of random linear fields whose blocks do what a criterion predicts."""
    a = 0.4 * gaussian([seed], "linear", shape=(count, 4, 4))[0] - torch.eye(4, dtype=torch.float64)
    values = torch.linalg.eigvals(a)
    by_flow, by_block = values.real.amax(-1) < 0, (1 + values).abs().amax(-1) < 1
    large, small = _converges(a, 2_000), _converges(1e-3 * a, 2_000_000)
    pairs = {"flow": (by_flow, large), "block": (by_block, large), "flow_small": (by_flow, small)}
    return {name: float((predicted == seen).double().mean()) for name, (predicted, seen) in pairs.items()}


def _converges(a: Float[Tensor, "n d d"], blocks: int) -> Tensor:
    """Whether that many blocks ``I + A`` shrink: their product, by repeated squaring with the size kept apart."""
    base = torch.eye(a.shape[-1], dtype=a.dtype) + a
    product, log_product, log_base = torch.eye(a.shape[-1], dtype=a.dtype).expand_as(a), 0.0, torch.zeros(len(a))
    while blocks:
        if blocks % 2:
            product, log_product = product @ base, log_product + log_base
            size = product.flatten(1).norm(dim=1)
            product, log_product = product / size[:, None, None], log_product + size.log()
        base, log_base = base @ base, 2 * log_base
        size = base.flatten(1).norm(dim=1)
        base, log_base = base / size[:, None, None], log_base + size.log()
        blocks //= 2
    return log_product < 0  # pyright: ignore[reportReturnType]


def _orientation(seed: int, d: int, norm: float) -> float:
    """Sign of the determinant of 20 blocks with branches of a norm up to 1, or of the norm that is given."""
    a = gaussian([seed], "orientation", shape=(20, d, d))[0]
    sizes = torch.rand(20, generator=runtime.stream(seed, "norms"), dtype=torch.float64) if norm <= 1 else norm
    a = a / linalg.spectral_norms(a)[:, None, None] * torch.as_tensor(sizes).reshape(-1, 1, 1)
    return float(torch.linalg.slogdet(torch.eye(d, dtype=a.dtype) + a)[0].prod())


FIXED_POINTS = Experiment(
    name="ode-fixed-points",
    trial=fixed_point_trial,
    quick=Grid(settings=(FixedPoints(16),), seeds=DRAWS),
    full=Grid(settings=(FixedPoints(16), FixedPoints(64)), seeds=MANY_DRAWS, group=20),
)


def _fixed(values: tuple[str, ...], control: tuple[str, ...]):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(values=table[list(values)].to_numpy().ravel(), control=table[list(control)].to_numpy().ravel())

    measure.__doc__ = f"{', '.join(values)}, one value per draw and column; control: {', '.join(control)}."
    return measure


fixed_equal = _fixed(("equal_0.1", "equal_1", "equal_10"), ("beside_0.1", "beside_1", "beside_10"))
fixed_flow = _fixed(("flow",), ("flow_small",))
fixed_block = _fixed(("block",), ("flow",))
fixed_untied = _fixed(("untied",), ("tied",))
determinant = _fixed(("near",), ("far",))
