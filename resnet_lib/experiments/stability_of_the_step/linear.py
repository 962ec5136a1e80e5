"""Linear fields, where everything about the step can be computed: thresholds, growth, layers, and methods compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import linalg, ode
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.stability_of_the_step.fields import Threshold, fields, gaussian
from resnet_lib.nets import dynamics
from resnet_lib.ode import tableaus
from resnet_lib.sweep import Experiment, Grid

DRAWS = tuple(range(20))
MANY_DRAWS = tuple(range(200))
EXPLICIT = tuple(entry.name for entry in tableaus.explicit())
SQUARINGS = 17  # 131,072 steps tell growth from decay 1% beside the threshold


def grows(method: str, scaled: Float[Tensor, "n d d"]) -> np.ndarray:
    """Whether 131,072 steps of ``x' = A x`` with ``h A`` as given make the state grow: by taking them.

    One step of the solver on the identity is the step's matrix; squaring it 17 times takes the others.
    """
    eye = torch.eye(scaled.shape[-1], dtype=scaled.dtype).expand_as(scaled)
    power = ode.solve(lambda t, x: scaled @ x, eye, method=method, steps=1, ceiling=np.inf).end
    log_size = torch.zeros(len(power), dtype=power.dtype)
    for _ in range(SQUARINGS):
        power = power @ power
        size = power.flatten(1).norm(dim=1)
        power, log_size = power / size[:, None, None], 2 * log_size + size.log()
    return (log_size > 0).numpy()


def threshold_trial(setting: Threshold, seeds: Sequence[int]) -> pd.DataFrame:
    """Measured and predicted largest stable step; one row per draw."""
    matrices = fields(setting, seeds)
    values = torch.linalg.eigvals(matrices).numpy()
    sizes = np.abs(values).max(-1)
    # From below: the first unstable step of a geometric scan, then bisection. No prediction is used.
    low, high = np.zeros(len(seeds)), np.full(len(seeds), np.nan)
    for reach in np.geomspace(1e-3, 10, 190):
        unknown = np.isnan(high)
        if not unknown.any():
            break
        up = grows(setting.method, torch.from_numpy(reach / sizes)[:, None, None] * matrices)
        high = np.where(unknown & up, reach / sizes, high)
        low = np.where(unknown & ~up, reach / sizes, low)
    for _ in range(14):
        middle = (low + high) / 2
        up = grows(setting.method, torch.from_numpy(middle)[:, None, None] * matrices)
        low, high = np.where(up, low, middle), np.where(up, middle, high)
    with np.errstate(divide="ignore"):
        formula = (-2 * values.real / np.abs(values) ** 2).clip(min=0).min(-1)
    return pd.DataFrame(
        {
            "seed": list(seeds),
            "measured": (low + high) / 2,
            "predicted": [tableaus.largest_step(setting.method, row).value for row in values],
            "formula": formula,
            "size": sizes,
        }
    )


def _thresholds(dimension: int) -> tuple[Threshold, ...]:
    pairs = [(method, field) for method in EXPLICIT for field in ("damped", "oscillating")]
    return tuple(Threshold(method, field, dimension) for method, field in [*pairs, ("euler", "turning")])


THRESHOLDS = Experiment(
    name="stability-thresholds",
    trial=threshold_trial,
    quick=Grid(settings=_thresholds(8), seeds=DRAWS),
    full=Grid(settings=_thresholds(32), seeds=MANY_DRAWS, group=50),
)


def euler_threshold(table: pd.DataFrame) -> Evidence:
    """Measured over predicted step of Euler's method by the formula; control: antisymmetric fields, step times |l|."""
    euler = table[table["method"] == "euler"]
    damped, turning = euler[euler["field"] != "turning"], euler[euler["field"] == "turning"]
    return Evidence(
        values=(damped["measured"] / damped["formula"]).to_numpy(),
        control=(turning["measured"] * turning["size"]).to_numpy(),
    )


def method_thresholds(table: pd.DataFrame) -> Evidence:
    """Measured over predicted step of every explicit method; control: Euler's prediction, oscillating fields."""
    rows = table[table["field"] != "turning"]
    others = rows[(rows["method"] != "euler") & (rows["field"] == "oscillating")]
    return Evidence(
        values=(rows["measured"] / rows["predicted"]).to_numpy(),
        control=(others["measured"] / others["formula"]).to_numpy(),
    )


@dataclass(frozen=True)
class Oscillator:
    """Oscillators of random start and both directions of turn, followed with steps ``h`` of ``h omega = angle``."""

    angle: float
    steps: int


def oscillator_trial(setting: Oscillator, seeds: Sequence[int]) -> pd.DataFrame:
    """Growth of the norm under explicit Euler and the implicit midpoint method; one row per draw."""
    field = torch.zeros(2 * len(seeds), 2 * len(seeds), dtype=torch.float64)
    for i in range(len(seeds)):
        sign = -1.0 if seeds[i] % 2 else 1.0
        field[2 * i, 2 * i + 1], field[2 * i + 1, 2 * i] = -sign * setting.angle, sign * setting.angle
    start = gaussian(seeds, "start", shape=(2,)).flatten()

    def norms(method: str, steps: int) -> Tensor:
        with torch.no_grad():
            solution = ode.solve(
                lambda t, x: field @ x,
                start,
                (0.0, float(steps)),
                method=method,
                steps=steps,
                jacobian=lambda t, x: field,
                ceiling=np.inf if steps <= 100 else 1e6,
                throw=steps <= 100,  # the longer run ends where it blows up
            )
        return solution.states.reshape(-1, len(seeds), 2).norm(dim=-1)

    few = {name: norms(name, 100) for name in ("euler", "implicit-midpoint")}
    many = {name: norms(name, setting.steps) for name in few}
    return pd.DataFrame(
        {
            "seed": list(seeds),
            "euler": (few["euler"][-1] / few["euler"][0]).numpy(),
            "midpoint": (few["implicit-midpoint"][-1] / few["implicit-midpoint"][0]).numpy(),
            "predicted": (1 + setting.angle**2) ** 50,
            "euler_change": (many["euler"] / many["euler"][0] - 1).abs().amax(0).numpy(),
            "midpoint_change": (many["implicit-midpoint"] / many["implicit-midpoint"][0] - 1).abs().amax(0).numpy(),
        }
    )


def _oscillators(angles: Sequence[float]) -> tuple[Oscillator, ...]:
    return tuple(Oscillator(a, 10_000 if a in (0.1, 1.0) else 100) for a in angles)


OSCILLATOR = Experiment(
    name="stability-oscillator",
    trial=oscillator_trial,
    quick=Grid(settings=_oscillators((0.001, 0.01, 0.1, 0.3, 1.0, 3.0)), seeds=DRAWS),
    full=Grid(settings=_oscillators((0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)), seeds=MANY_DRAWS, group=20),
)


def oscillator_growth(table: pd.DataFrame) -> Evidence:
    """Measured over predicted growth of Euler's method; control: the implicit midpoint from 0.3 on."""
    large = table[table["angle"] >= 0.3]
    return Evidence(
        values=(table["euler"] / table["predicted"]).to_numpy(),
        control=(large["midpoint"] / large["predicted"]).to_numpy(),
    )


def oscillator_midpoint(table: pd.DataFrame) -> Evidence:
    """Largest relative change of the norm over 10,000 steps, implicit midpoint; control: Euler."""
    long = table[table["steps"] == 10_000]
    return Evidence(values=long["midpoint_change"].to_numpy(), control=long["euler_change"].to_numpy())


@dataclass(frozen=True)
class Layers:
    """Networks of ``depth`` linear or tanh layers on ``width`` coordinates."""

    width: int
    depth: int = 100


def _gain_log10(step: Float[Tensor, "seed d d"], depth: int) -> Float[Tensor, " seed"]:
    """log10 of the spectral norm of ``depth`` tied layers."""
    return linalg.spectral_norms(torch.linalg.matrix_power(step, depth)).log10()


def _pulled_back(net: nn.Module, x: Float[Tensor, " d"]) -> Float[Tensor, "d d"]:
    """Gradients of all coordinates of the output by the input, in one backward pass over copies of it."""
    copies = x.expand(len(x), -1).clone().requires_grad_()
    (rows,) = torch.autograd.grad(net(copies), copies, torch.eye(len(x), dtype=x.dtype))
    return rows


def layers_trial(setting: Layers, seeds: Sequence[int]) -> pd.DataFrame:
    """What 100 layers do to features, gradients and distances; one row per draw."""
    d, depth = setting.width, setting.depth
    eye = torch.eye(d, dtype=torch.float64)
    records = []
    for seed in seeds:
        field = fields(Threshold("euler", "damped", d), [seed])[0]
        h = 1.5 * tableaus.largest_step("euler", torch.linalg.eigvals(field).numpy()).value
        linear = nn.Linear(d, d, bias=False, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(field)
        straight = dynamics.Repeat(dynamics.euler_block(linear, h), depth)
        bent = dynamics.Repeat(dynamics.euler_block(nn.Sequential(linear, nn.Tanh()), h), depth)
        x = gaussian([seed], "input", shape=(2, d))[0]
        with torch.no_grad():
            forward = straight(eye).norm() / d**0.5
            moved = bent(x[:1]).norm() / x[0].norm()
        backward, about = (_pulled_back(net, x[0]).norm() / d**0.5 for net in (straight, bent))

        turn = gaussian([seed], "turn", shape=(d, d))[0]
        turn = turn - turn.T
        half = 0.25 * turn / linalg.spectral_norms(turn)  # h/2 times the antisymmetric weight
        midpoint = torch.linalg.solve(eye - half, eye + half)
        # (1 - g)^2 + w^2 = 0.95^2 for the fastest turn w = 0.1: the spectral radius is 0.95.
        damped = (0.95**2 - 0.1**2) ** 0.5 * eye + 0.4 * half
        apart = x[0] - x[1]
        records.append(
            {
                "seed": seed,
                "gradient": float(abs(backward / forward - 1)),
                "gradient_control": float(abs(about / moved - 1)),
                "euler_norm": float(_gain_log10((eye + 2 * half)[None], depth)),
                "midpoint_norm": float(_gain_log10(midpoint[None], depth)),
                "damped_distance": float(
                    (torch.linalg.matrix_power(damped, depth) @ apart).norm().log10() - apart.norm().log10()
                ),
                "midpoint_distance": float(
                    (torch.linalg.matrix_power(midpoint, depth) @ apart).norm().log10() - apart.norm().log10()
                ),
                **_shears(seed, d, depth),
                **_small(seed, d, depth),
            }
        )
    return pd.DataFrame(records)


def _shears(seed: int, d: int, depth: int) -> dict[str, float]:
    """log10 of the root-mean-square gain of shears ``0.9 I + 3 u v^T`` with orthonormal ``u, v``: eigenvalues 0.9."""
    frames = torch.linalg.qr(gaussian([seed], "shear", shape=(depth, d, 2))[0])[0]
    steps = 0.9 * torch.eye(d, dtype=torch.float64) + 3 * frames[:, :, :1] @ frames[:, :, 1:].mT
    product = torch.eye(d, dtype=torch.float64)
    for step in steps:
        product = step @ product
    tied = torch.linalg.matrix_power(steps[0], depth)
    return {"untied": float((product.norm() / d**0.5).log10()), "tied": float((tied.norm() / d**0.5).log10())}


def _small(seed: int, d: int, depth: int) -> dict[str, float]:
    """Largest log10 of the norm of tied layers over the explicit methods, for a small and a large step."""
    field = gaussian([seed], "small", shape=(d, d))[0]
    field = field / linalg.spectral_norms(field)
    eye = torch.eye(d, dtype=torch.float64)
    found = {}
    for name, h in (("small", 0.01), ("large", 2.0)):
        steps = [ode.solve(lambda t, x, h=h: h * field @ x, eye, method=method, steps=1).end for method in EXPLICIT]
        found[name] = float(_gain_log10(torch.stack(steps), depth).max())
    return found


LAYERS = Experiment(
    name="stability-layers",
    trial=layers_trial,
    quick=Grid(settings=(Layers(width=16),), seeds=DRAWS),
    full=Grid(settings=(Layers(width=16), Layers(width=64)), seeds=MANY_DRAWS, group=20),
)


def _pair(value: str, control: str):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(values=table[value].to_numpy(), control=table[control].to_numpy())

    measure.__doc__ = f"`{value}`, one value per draw; control: `{control}`."
    return measure


gradient = _pair("gradient", "gradient_control")
untied = _pair("untied", "tied")
antisymmetric = _pair("euler_norm", "midpoint_norm")
distinct = _pair("damped_distance", "midpoint_distance")
small = _pair("small", "large")
