"""Verbs of the package go together: every network with every verb works, or is refused in words that say why.

And nothing that is given is changed: every public verb is called with inputs that are compared afterwards.
"""

import copy
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from resnet_lib import (
    augmentation,
    blocks,
    convergence,
    costs,
    data,
    dynamics,
    ensembles,
    fits,
    flow,
    jacobian,
    lesion,
    lesion_runs,
    nets,
    ode,
    optimizers,
    paths,
    recipes,
    runtime,
    shortcuts,
    significance,
    stochastic_depth,
    tableaus,
    training,
)
from resnet_lib.blocks import Unit
from resnet_lib.rules import Rule

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
    return blocks.initialise(nets.Stack(stem, made, head, shape=(IN,)), g)


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
}

RECIPE = recipes.Recipe(epochs=1, batch=8, lr=0.01)

VERBS: dict[str, Callable[[Callable, nets.Stack, data.Dataset], Any]] = {
    "train stacked": lambda make, net, d: training.fit(make, d, RECIPE, [0, 1]),
    "train one by one": lambda make, net, d: training.fit(make, d, RECIPE, [0, 1], policy=training.ONE_BY_ONE),
    "delete": lambda make, net, d: lesion_runs.score(list(lesion.singles(net).values()), d.test.x, d.test.y),
    "scale": lambda make, net, d: lesion_runs.outputs([lesion.scale(net, {0: 0.0}), net], d.test.x),
    "swap": lambda make, net, d: lesion_runs.outputs([lesion.swap(net, 0, 1), net], d.test.x),
    "count": lambda make, net, d: costs.count(net, (IN,)),
    "time": lambda make, net, d: costs.latency({"net": net}, d.test.x, rounds=1, backward=True),
    "expand": lambda make, net, d: paths.expand(net.blocks, net.stem(d.test.x)),
    "gradients of paths": lambda make, net, d: paths.gradients_by_length(paths.linearise(net, d.test.x, d.test.y)),
    "path": lambda make, net, d: flow.path(net, d.test.x),
    "refine": lambda make, net, d: flow.refine(net, 2)(d.test.x),
    "interpolate": lambda make, net, d: flow.interpolate(net, 2)(d.test.x),
    "roughness": lambda make, net, d: flow.roughness(net),
    "stochastic depth": lambda make, net, d: stochastic_depth.wrap(net, [0.5] * len(net.blocks), generator=generator())(
        d.test.x
    ),
    "jacobians": lambda make, net, d: jacobian.along(net, d.test.x[:2]),
    "operator": lambda make, net, d: jacobian.operator(net, d.test.x[0]).matvec(torch.ones(IN)),
}

REFUSED = {
    # (network, verb): what the refusal says. Everything else works.
    **{
        (name, verb): text
        for verb, text in {
            "expand": "paths are those of blocks.Block",
            "gradients of paths": "paths are those of blocks.Block",
            "scale": "has no branch; scale takes a blocks.Block",
            "stochastic depth": "has no shortcut: without its branch nothing is left",
        }.items()
        for name in ("hamiltonian", "repeated", "neural ode", "refined", "refined, implicit", "interpolated")
    },
    ("plain", "stochastic depth"): "has no shortcut",
    **{
        (name, verb): "stack has no block of the form x"
        for name in (
            *("plain", "order post", "gated", "projected", "without normalisation", "scaled", "zero gamma", "sigmoid"),
            *("hamiltonian", "neural ode", "refined", "refined, implicit", "interpolated"),
        )
        for verb in ("refine", "interpolate")
    },
    **{("repeated", verb): "none of the 1 blocks can be deleted|block 1 does not exist" for verb in ("delete", "swap")},
    **{
        ("neural ode", verb): "none of the 1 blocks can be deleted|block 1 does not exist"
        for verb in ("delete", "swap")
    },
    ("neural ode", "train stacked"): "vmap does not allow; use jacobian.operator",
    ("refined, implicit", "train stacked"): "vmap does not allow; use an explicit method",
    ("refined, implicit", "count"): "takes derivatives on its way",
    ("neural ode", "roughness"): "no two neighbouring blocks have weights of equal shape",
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_works_with_every_verb_or_is_refused_in_words(name, verb):
    net, given = NETWORKS[name](generator(name)).eval(), examples()
    before = snapshot((net, given))
    state = generators()
    try:
        result = VERBS[verb](NETWORKS[name], net, given)
    except (ValueError, TypeError) as error:
        if not re.search(REFUSED.get((name, verb), "(?!)"), str(error)):
            raise
    else:
        assert (name, verb) not in REFUSED, "it works: take it from the list"
        if isinstance(result, Tensor):
            assert result.isfinite().all()
    same(before, snapshot((net, given)))
    assert state == generators()


# Nothing that is given is changed


def generators() -> tuple:
    legacy: Any = np.random.get_state()  # noqa: NPY002
    return bytes(torch.get_rng_state().numpy()), bytes(legacy[1]), legacy[2]


def snapshot(value: Any) -> Any:
    """A copy of what can be compared: values, gradients, modes, hooks, types."""
    if isinstance(value, nn.Module):
        return [
            (name, type(part).__name__, part.training, len(part._forward_hooks), len(part._forward_pre_hooks))
            for name, part in value.named_modules()
        ], {name: snapshot(t) for name, t in (*value.named_parameters(), *value.named_buffers())}
    if isinstance(value, Tensor):
        gradient = value.grad.clone() if value.is_leaf and value.grad is not None else None
        values = value.detach().clone() if value.device.type != "meta" else tuple(value.shape)
        return "tensor", values, value.requires_grad, gradient
    if isinstance(value, pd.DataFrame):
        return value.copy(deep=True)
    if isinstance(value, data.Dataset | data.Split | paths.Linearised | training.Fit):
        return {name: snapshot(part) for name, part in vars(value).items()}
    if isinstance(value, dict):
        return {name: snapshot(part) for name, part in value.items()}
    if isinstance(value, list | tuple | nn.ModuleList):
        return [snapshot(part) for part in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else "not compared"


def same(one: Any, other: Any) -> None:
    if isinstance(one, Tensor):
        assert torch.equal(one, other) or (one.isnan() & other.isnan()).any()
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name, part in one.items():
            same(part, other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    else:
        assert one == other


def net() -> nets.Stack:
    """A network with gradients, in evaluation mode but for one part."""
    made = mlp(generator("net"), order="inside", norm="none", alpha=0.5)
    made(examples().train.x).sum().backward()
    made.eval()
    made.blocks[1].train()
    return made


X, Y = examples().train.x, examples().train.y
TABLE = pd.DataFrame({"seed": [0, 1, 0, 1], "v": list("aabb"), "x": np.array([1, 5, 3, 2], dtype=np.uint8)})
VERDICT = {"effect": 1.0, "low": 0.5, "high": 1.5, "n": 9, "inside": 8, "status": "holds"}
CHANCES = torch.rand(4, N, CLASSES, generator=generator("chances"), dtype=torch.float64).softmax(-1)
WEIGHT = torch.randn(2, 4, 4, generator=generator("weight"))
LABELS = torch.arange(N) % CLASSES
FITTED = training.fit(NETWORKS["scaled"], examples(), RECIPE, [0, 1], keep=[0])
RECORD = {"id": "a.b", "rule": "mean < 2", "full": None, "quick": VERDICT}

CALLS: dict[str, tuple[Callable, tuple, dict[str, Any]]] = {
    "augmentation.crop_flip": (
        augmentation.crop_flip,
        (torch.rand(2, 1, 8, 8), torch.tensor([[0, 1, 1], [2, 0, 0]])),
        {},
    ),
    "augmentation.draw": (augmentation.draw, (3, (1, 8, 8), generator()), {}),
    "augmentation.margin": (augmentation.margin, (32,), {}),
    "convergence.observed": (
        convergence.observed,
        (
            lambda t, x: x.mul_(-1),
            torch.ones(2, dtype=torch.float64),
            torch.full((2,), np.exp(-1), dtype=torch.float64),
        ),
        {"method": "heun", "steps": [4, 8]},
    ),
    "costs.count": (costs.count, (net(), (IN,)), {}),
    "costs.latency": (costs.latency, ({"a": net()}, X), {"rounds": 1, "backward": True}),
    "ensembles.accuracy": (ensembles.accuracy, (CHANCES[0], LABELS), {}),
    "ensembles.averages": (ensembles.averages, (CHANCES, LABELS, [1, 2]), {"draws": 2, "generator": generator()}),
    "ensembles.calibration_error": (ensembles.calibration_error, (CHANCES[0], LABELS), {}),
    "ensembles.disagreement": (ensembles.disagreement, (CHANCES,), {}),
    "ensembles.error_correlation": (ensembles.error_correlation, (CHANCES, LABELS), {}),
    "ensembles.signatures": (ensembles.signatures, (CHANCES, LABELS), {}),
    "fits.finite": (fits.finite, (FITTED.params()[0],), {}),
    "fits.from_records": (
        lambda records: fits.from_records((0, 1), fits.to_records([], records), FITTED.template),
        (FITTED.checkpoints,),
        {},
    ),
    "fits.parsed": (fits.parsed, (fits.to_records([], FITTED.checkpoints),), {}),
    "fits.to_records": (fits.to_records, ([], FITTED.checkpoints), {}),
    "flow.field": (lambda block, x: flow.field(block)(0.0, x), (net().blocks[0], X @ torch.ones(IN, WIDTH)), {}),
    "flow.interpolate": (flow.interpolate, (net(), 2), {}),
    "flow.layers": (flow.layers, (net(),), {}),
    "flow.path": (flow.path, (net(), X), {}),
    "flow.refine": (lambda stack, x: flow.refine(stack, 2, method="rk4")(x), (net(), X), {}),
    "flow.roughness": (flow.roughness, (net(),), {}),
    "flow.smoothness": (lambda params: flow.smoothness(list(params))(params), (FITTED.params()[0],), {}),
    "flow.steps": (flow.steps, (net().blocks[0],), {}),
    "jacobian.along": (jacobian.along, (net(), X[:2]), {"blocks": [0, 2]}),
    "jacobian.along_seeds": (jacobian.along_seeds, (FITTED.template, *FITTED.params(), X[:2]), {}),
    "jacobian.dense": (jacobian.dense, (net(), X[:2]), {}),
    "jacobian.departure": (jacobian.departure, (net().blocks[0], X[:2] @ torch.ones(IN, WIDTH)), {}),
    "jacobian.eigenvalues": (jacobian.eigenvalues, (net().blocks[0], X[:2] @ torch.ones(IN, WIDTH)), {}),
    "jacobian.lyapunov": (jacobian.lyapunov, (net(), X[0], 2), {"generator": generator()}),
    "jacobian.operator": (lambda f, x: jacobian.operator(f, x).matvec(torch.ones(IN)), (net(), X[0]), {}),
    "jacobian.singular_values": (jacobian.singular_values, (net(), X[:2]), {}),
    "lesion.delete": (lesion.delete, (net(), [1]), {}),
    "lesion.deletions": (lesion.deletions, (net(), 1, 2), {"generator": generator()}),
    "lesion.kendall_tau": (lesion.kendall_tau, ([2, 0, 1],), {}),
    "lesion.removable": (lesion.removable, (net(),), {}),
    "lesion.reorder": (lesion.reorder, (net(), [2, 0, 1]), {}),
    "lesion.scale": (lambda stack, by, x: lesion.scale(stack, by)(x), (net(), {1: 0.0}, X), {}),
    "lesion.shapes": (lesion.shapes, (net(),), {}),
    "lesion.shuffle": (lesion.shuffle, (net(), 2), {"generator": generator()}),
    "lesion.singles": (lesion.singles, (net(),), {}),
    "lesion.splice": (lesion.splice, (net(), 1, [net().blocks[0]]), {"remove": 1}),
    "lesion.swap": (lesion.swap, (net(), 0, 2), {}),
    "lesion_runs.outputs": (lesion_runs.outputs, ([net(), net()], X), {"at_once": 5}),
    "lesion_runs.score": (lesion_runs.score, ([net(), net()], X, Y), {"at_once": 5}),
    "ode.solve": (ode.solve, (lambda t, x: x.mul_(-1), torch.ones(2)), {"tol": 1e-3, "method": "dormand-prince"}),
    "optimizers.rescaled": (optimizers.rescaled, (WEIGHT, WEIGHT + 1), {}),
    "paths.counts": (paths.counts, (3,), {}),
    "paths.expand": (paths.expand, (net().blocks, X @ torch.ones(IN, WIDTH)), {}),
    "paths.gradients_by_length": (paths.gradients_by_length, (paths.linearise(net(), X, Y),), {}),
    "paths.linearise": (paths.linearise, (net(), X, Y), {}),
    "paths.path_gradients": (paths.path_gradients, (paths.linearise(net(), X, Y), 1, 2), {"generator": generator()}),
    "paths.share": (paths.share, (5, 1, 2), {}),
    "shortcuts.matrix": (shortcuts.matrix, (blocks.initialise(blocks.Linear(4, 4), generator()), (4,)), {}),
    "shortcuts.rank": (shortcuts.rank, (WEIGHT[0].double(),), {}),
    "shortcuts.ratios": (shortcuts.ratios, (WEIGHT[0], WEIGHT[1]), {}),
    "shortcuts.row_defects": (shortcuts.row_defects, (net(),), {}),
    "significance.p_value": (significance.p_value, (Rule.parse("mean < 2"), VERDICT), {}),
    "significance.paired": (significance.paired, (TABLE, "x", "v", "a", "b"), {}),
    "significance.same_again": (
        significance.same_again,
        (Rule.parse("mean < 2"), Rule.parse("mean > 2"), np.arange(5.0), np.arange(5.0) + 9, "undecided"),
        {"rng": np.random.default_rng(0)},
    ),
    "significance.seeds_needed": (significance.seeds_needed, (Rule.parse("mean < 2"), VERDICT), {}),
    "significance.together": (significance.together, ([RECORD],), {}),
    "stochastic_depth.survival": (stochastic_depth.survival, (3, 0.5), {}),
    "stochastic_depth.survives": (stochastic_depth.survives, (torch.tensor(3), torch.tensor(1), 0.5), {}),
    "stochastic_depth.wrap": (
        lambda stack, chances, x: stochastic_depth.wrap(stack, chances, generator=generator())(x),
        (net(), [0.5, 0.5, 1.0], X),
        {},
    ),
    "tableaus.explicit": (tableaus.explicit, (), {}),
    "tableaus.implicit": (tableaus.implicit, (), {}),
    "tableaus.largest_step": (tableaus.largest_step, ("rk4", np.array([-1.0, 1j])), {}),
    "tableaus.method": (tableaus.method, ("rk4",), {}),
    "training.fit": (training.fit, (NETWORKS["order pre"], examples(), RECIPE, [0, 1]), {"keep": [0]}),
}

IN_PLACE = {"shortcuts.pca_"}
"""What says by its name that it works in place."""


def public(module: str) -> list[str]:
    """The public functions that a module makes."""
    found = importlib.import_module(f"resnet_lib.{module}")
    return [
        f"{module}.{name}"
        for name, value in inspect.getmembers(found, inspect.isfunction)
        if value.__module__ == found.__name__ and not name.startswith("_")
    ]


def test_every_public_verb_is_called():
    modules = sorted({name.partition(".")[0] for name in CALLS})
    assert {verb for module in modules for verb in public(module)} - IN_PLACE == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_is_given_is_changed(name):
    verb, arguments, options = CALLS[name]
    arguments = tuple(part if isinstance(part, torch.Generator) else copy.copy(part) for part in arguments)
    before, state = snapshot((arguments, options)), generators()
    verb(*arguments, **options)
    same(before, snapshot((arguments, options)))
    assert state == generators()


WIDER = nn.Linear(WIDTH, WIDTH + 1)
FAILING = {
    # Calls that are refused, some of them late: a network that grows in its last block, labels beyond the classes.
    "costs.count": lambda n: costs.count(n, (IN + 1,)),
    "costs.latency": lambda n: costs.latency({"a": n}, torch.zeros(2, IN + 1)),
    "lesion_runs.outputs": lambda n: lesion_runs.outputs([n], torch.zeros(2, IN + 1)),
    "lesion.splice": lambda n: lesion.splice(n, 1, [WIDER]),
    "paths.linearise": lambda n: paths.linearise(n, X, LABELS + CLASSES),
    "stochastic_depth.wrap": lambda n: stochastic_depth.wrap(n, [0.5, 0.5, 0.0], generator=generator()),
    "training.fit": lambda n: training.fit(lambda g: n, examples(torch.float64), RECIPE, [0]),
    "flow.path": lambda n: flow.path(n, torch.zeros(2, IN + 1)),
}


@pytest.mark.parametrize("name", FAILING)
def test_nothing_that_is_given_is_changed_where_it_is_refused(name):
    made = net()
    before, state = snapshot((made, X, LABELS)), generators()
    with pytest.raises((ValueError, TypeError, IndexError, RuntimeError)):
        FAILING[name](made)
    same(before, snapshot((made, X, LABELS)))
    assert state == generators()
