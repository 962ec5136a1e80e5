"""Small networks of every kind that the package makes, and a dataset for them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import flow, lesion
from resnet_lib.nets import Unit, blocks, burdens, dynamics, gates, initialisation, stochastic_depth

IN, WIDTH, CLASSES, N = 6, 8, 3, 24


def generator(*path: str | int) -> torch.Generator:
    return runtime.stream(0, "test-verbs", *path)


def examples(dtype: torch.dtype = torch.float32) -> data.Dataset:
    x = torch.randn(N, IN, generator=generator("x"), dtype=torch.float64).to(dtype)
    part = data.Split(x, torch.arange(N) % CLASSES)
    return data.Dataset("toy", part, part, part, CLASSES, "")


def mlp(g: torch.Generator, depth: int = 3, **unit: Any) -> nets.Stack:
    return nets.mlp(depth, WIDTH, unit=Unit(**unit), in_features=IN, classes=CLASSES, generator=g)


def of_blocks(g: torch.Generator, *made: nn.Module) -> nets.Stack:
    stem, head = blocks.Linear(IN, WIDTH), blocks.Linear(WIDTH, CLASSES)
    return initialisation.initialise(nets.Stack(stem, made, head, shape=(IN,)), g)


NETWORKS: dict[str, Callable[[torch.Generator], nets.Stack]] = {
    **{f"order {order}": lambda g, order=order: mlp(g, order=order) for order in ("post", "pre", "inside")},
    "plain": lambda g: mlp(g, residual=False),
    "without normalisation": lambda g: mlp(g, norm="none"),
    "scaled": lambda g: mlp(g, norm="none", alpha=0.5),
    "gated": lambda g: mlp(g, norm="none", alpha=0.5, beta=0.5),
    "zero gamma": lambda g: mlp(g, order="post", zero_gamma=True),
    "projected": lambda g: mlp(g, shortcut="C"),
    "sigmoid": lambda g: mlp(g, norm="none", activation="sigmoid"),
    "antisymmetric": lambda g: of_blocks(g, *(dynamics.antisymmetric_block(WIDTH, 0.5) for _ in range(3))),
    "hamiltonian": lambda g: of_blocks(g, *(dynamics.hamiltonian_block(WIDTH, 0.5) for _ in range(2))),
    "repeated": lambda g: of_blocks(g, dynamics.Repeat(dynamics.antisymmetric_block(WIDTH, 0.5), 3)),
    "neural ode": lambda g: of_blocks(g, flow.NeuralODE(nn.Sequential(blocks.Linear(WIDTH, WIDTH), nn.Tanh()))),
    "refined": lambda g: flow.refine(mlp(g, order="inside", norm="none", alpha=0.3), 2, method="rk4"),
    "refined, implicit": lambda g: flow.refine(
        mlp(g, order="inside", norm="none", activation="tanh", alpha=0.3), 1, method="implicit-midpoint"
    ),
    "interpolated": lambda g: flow.interpolate(mlp(g, order="pre", norm="none", alpha=0.3), 2),
    "lesioned": lambda g: lesion.delete(mlp(g, order="pre"), 1),
    "scaled lesion": lambda g: lesion.scale(mlp(g, order="pre"), {1: 0.5}),
    "spliced": lambda g: lesion.splice(mlp(g, order="pre"), 1, list(mlp(g, order="pre").blocks), remove=1),
    "stochastic depth": lambda g: stochastic_depth.wrap(mlp(g, order="pre"), [1.0, 0.75, 0.5], generator=g),
    "highway": lambda g: gates.gated(mlp(g, norm="none"), "highway", -1.0, generator=g),
    "shortcut gate": lambda g: gates.gated(mlp(g, order="pre"), "shortcut", -1.0, generator=g),
    "fixed gate": lambda g: gates.fixed(mlp(g, order="inside"), "highway", 0.5),
    "matrices": lambda g: burdens.matrices(mlp(g, order="pre"), "orthogonal", generator=g),
    "held matrices": lambda g: burdens.matrices(mlp(g, order="pre"), "orthogonal", learned=False, generator=g),
    "dropped shortcut": lambda g: burdens.dropped(mlp(g, order="pre"), 0.5, generator=g),
}

RECIPE = training.Recipe(epochs=1, batch=8, lr=0.01)
