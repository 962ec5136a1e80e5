"""What a flow cannot do: maps that reverse the line, and classes that enclose each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.analysis import flow
from resnet_lib.evidence.choices import Choices, ways
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import SAMPLED, Experiment

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
POINTS = 64


@dataclass(frozen=True)
class Task:
    """``model`` on ``task``: ``reflection`` is ``x -> -x``, ``spheres`` is ``|x| < 1/2`` against ``1 < |x| < 3/2``.

    ``flow`` is a neural ODE on the line, ``augmented`` one with a second dimension that starts at zero, ``big-step`` a
    single residual block of the same field with step 1. All are read out by a linear function of the end, which is the
    first coordinate itself for the reflection.
    """

    task: str
    model: str
    width: int = 32
    steps: int = 300
    lr: float = 0.02


class SeedField(nn.Module):
    """One autonomous field ``W2 tanh(W1 x + b1) + b2`` for each seed, all evaluated together."""

    def __init__(self, seeds: Sequence[int], d: int, width: int):
        super().__init__()

        def drawn(name: str, *shape: int, scale: float = 1.0) -> nn.Parameter:
            draws = [torch.randn(shape, generator=runtime.stream(seed, "field", name)) for seed in seeds]
            return nn.Parameter(scale * torch.stack(draws))

        self.first, self.shift = drawn("first", d, width), drawn("shift", 1, width)
        self.second = drawn("second", width, d, scale=width**-0.5)
        self.drift = nn.Parameter(torch.zeros(len(seeds), 1, d))

    def forward(self, x: Float[Tensor, "seed n d"]) -> Float[Tensor, "seed n d"]:
        """The field at each seed's points."""
        return torch.tanh(x @ self.first + self.shift) @ self.second + self.drift


class BigStep(nn.Module):
    """One residual block of step 1."""

    def __init__(self, field: nn.Module):
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Tensor:
        """`x + F(x)`."""
        return x + self.field(x)


def samples(task: str) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n 1"]]:
    """Inputs, and answers: the reflected input of variance 1, or 1 outside and -1 inside, half of the points each."""
    if task == "reflection":
        x = torch.linspace(-(3**0.5), 3**0.5, POINTS)[:, None]
        return x, -x
    inside, outside = torch.linspace(-0.5, 0.5, POINTS // 2), torch.linspace(1.0, 1.5, POINTS // 4)
    x = torch.cat([-outside, inside, outside])[:, None]
    return x, torch.where(x.abs() > 0.75, 1.0, -1.0)


def task_trial(setting: Task, seeds: Sequence[int]) -> pd.DataFrame:
    """Error after training by Adam, and where each point ends; one row per seed and point.

    The field's solver has tolerance 1e-3 while training and 1e-6 for what is reported.
    """
    x, y = samples(setting.task)
    extra = int(setting.model == "augmented")
    field = SeedField(seeds, 1 + extra, setting.width)
    model = BigStep(field) if setting.model == "big-step" else flow.NeuralODE(field, extra=extra, tol=1e-3)
    slope = nn.Parameter(torch.ones(len(seeds), 1 + extra, 1))
    offset = nn.Parameter(torch.zeros(len(seeds), 1, 1))
    inputs = x.expand(len(seeds), -1, -1)

    def answers() -> Float[Tensor, "seed n 1"]:
        end = model(inputs)
        return end[..., :1] if setting.task == "reflection" else end @ slope + offset

    def losses(out: Tensor) -> Float[Tensor, " seed"]:
        if setting.task == "reflection":
            return (out - y).square().mean((1, 2))
        return nn.functional.softplus(-out * y).mean((1, 2))

    parameters = [*field.parameters(), *((slope, offset) if setting.task == "spheres" else ())]
    optimizer = torch.optim.Adam(parameters, lr=setting.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    for _ in range(setting.steps):
        optimizer.zero_grad()
        losses(answers()).sum().backward()
        optimizer.step()
        schedule.step()
    if isinstance(model, flow.NeuralODE):
        model.tol = 1e-6
    with torch.no_grad():
        out = answers()
        # By the variance of the answers, 1 for both tasks; for the spheres the fraction on the wrong side.
        error = losses(out) / y.square().mean() if setting.task == "reflection" else (out * y <= 0).float().mean((1, 2))
    pieces = [
        pd.DataFrame({"seed": seed, "x": x[:, 0].numpy(), "out": out[i, :, 0].numpy(), "error": float(error[i])})
        for i, seed in enumerate(seeds)
    ]
    return pd.concat(pieces, ignore_index=True)


TASKS = tuple(
    Task(task, model)
    for task, model in (
        ("reflection", "flow"),
        ("reflection", "augmented"),
        ("reflection", "big-step"),
        ("spheres", "flow"),
        ("spheres", "augmented"),
    )
)
TOPOLOGY = Experiment.repeated("ode-topology", task_trial, TASKS, SEEDS, MANY_SEEDS, agrees=SAMPLED)
CHOICES = Choices(TOPOLOGY, ways(TOPOLOGY.quick.settings, time="steps"))


def _error(task: str, model: str, control: str):
    def measure(table: pd.DataFrame) -> Evidence:
        found = table[table["task"] == task].groupby(["model", "seed"])["error"].first()
        return Evidence(values=found[model].to_numpy(), control=found[control].to_numpy())

    measure.__doc__ = f"Error of {model} on {task}, one value per seed; control: {control}."
    return measure


reflection = _error("reflection", "flow", "augmented")
big_step = _error("reflection", "big-step", "flow")
spheres = _error("spheres", "flow", "augmented")
