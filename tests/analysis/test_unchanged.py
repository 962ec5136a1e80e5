"""Nothing that is given is changed: every public function of the library is called, and its arguments compared."""

import contextlib
import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from networks import CLASSES, IN, NETWORKS, RECIPE, WIDTH, N, examples, generator, mlp
from torch import Tensor, nn
from unchanged import generators, same, snapshot

import resnet_lib
from resnet_lib import data, linalg, nets, ode, runtime, training, whole
from resnet_lib.analysis import costs, ensembles, flow, jacobian, lesion, lesion_scores, lipschitz, paths, shortcuts
from resnet_lib.analysis.lipschitz import layers
from resnet_lib.data import augmentation, datasets
from resnet_lib.evidence import rules, significance
from resnet_lib.evidence.rules import Rule
from resnet_lib.linalg import applied, convolutions, krylov, newton, scaling, stiefel, subspaces
from resnet_lib.nets import blocks, dynamics, effects, initialisation, merges, projections, stochastic_depth, units
from resnet_lib.ode import order, steppers, tableaus
from resnet_lib.sweep import agreement
from resnet_lib.training import fits, optimizers


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
MATRIX = torch.randn(4, 4, generator=generator("matrix"), dtype=torch.float64)
SPREAD = MATRIX @ MATRIX.mT + torch.eye(4, dtype=torch.float64)
KERNEL = torch.randn(2, 2, 3, 3, generator=generator("kernel"))
POINTS = torch.randn(12, 4, generator=generator("points"), dtype=torch.float64)
SAMPLE = np.random.default_rng(0).normal(size=(3, 7))
STATE, SQUARE = X @ torch.ones(IN, WIDTH), nn.Linear(4, 4).double()
RECORD = {"id": "a.b", "rule": "mean < 2", "full": None, "quick": VERDICT}

CPU = torch.device("cpu")


def _within(context: Any, module: nn.Module, x: Tensor) -> Tensor:
    with context:
        return module.eval()(x) if isinstance(module, nn.Linear) else module(x)


CALLS: dict[str, tuple[Callable, tuple, dict[str, Any]]] = {
    "augmentation.crop_flip": (
        augmentation.crop_flip,
        (torch.rand(2, 1, 8, 8), torch.tensor([[0, 1, 1], [2, 0, 0]])),
        {},
    ),
    "augmentation.draw": (augmentation.draw, (3, (1, 8, 8), generator()), {}),
    "augmentation.margin": (augmentation.margin, (32,), {}),
    "convergence.observed": (
        order.observed,
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
    "lesion_runs.outputs": (lesion_scores.outputs, ([net(), net()], X), {"at_once": 5}),
    "lesion_runs.score": (lesion_scores.score, ([net(), net()], X, Y), {"at_once": 5}),
    "ode.solve": (ode.solve, (lambda t, x: x.mul_(-1), torch.ones(2)), {"tol": 1e-3, "method": "dormand-prince"}),
    "optimizers.rescaled": (optimizers.rescaled, (WEIGHT, WEIGHT + 1), {}),
    "paths.counts": (paths.counts, (3,), {}),
    "paths.expand": (paths.expand, (net().blocks, X @ torch.ones(IN, WIDTH)), {}),
    "paths.gradients_by_length": (paths.gradients_by_length, (paths.linearise(net(), X, Y),), {}),
    "paths.linearise": (paths.linearise, (net(), X, Y), {}),
    "paths.path_gradients": (paths.path_gradients, (paths.linearise(net(), X, Y), 1, 2), {"generator": generator()}),
    "paths.share": (paths.share, (5, 1, 2), {}),
    "shortcuts.matrix": (shortcuts.matrix, (initialisation.initialise(blocks.Linear(4, 4), generator()), (4,)), {}),
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
    "agreement.blocked": (agreement.blocked, (SAMPLE[:2].copy(), SAMPLE[2].copy()), {}),
    "agreement.correlation": (agreement.correlation, (SAMPLE[0].copy(), SAMPLE[1].copy()), {}),
    "agreement.distance": (agreement.distance, (SAMPLE[0].copy(), SAMPLE[1].copy()), {}),
    "agreement.pooled": (agreement.pooled, (SAMPLE[0].copy(), SAMPLE[1].copy()), {}),
    "agreement.shifted_together": (
        lambda differences: agreement.shifted_together(differences, rng=np.random.default_rng(0), flips=50),
        ([SAMPLE.copy()],),
        {},
    ),
    "blocks.conv_block": (blocks.conv_block, (units.UNITS["pre"], 4, 8), {"stride": 2}),
    "blocks.formula": (merges.formula, (merges.After(merges.Add(), nn.ReLU()),), {}),
    "blocks.linear_block": (blocks.linear_block, (units.UNITS["pre"], 4), {}),
    "blocks.series": (blocks.series, ("WNA", 4, [nn.Linear(4, 3)], nn.BatchNorm1d), {}),
    "data.two_spirals": (datasets.two_spirals, (20,), {"seed": 0}),
    "data.load": (data.load, ("spirals",), {}),
    "data.checksum": (datasets.checksum, ("spirals",), {}),
    "data.provenance": (datasets.provenance, ("spirals",), {}),
    "dynamics.antisymmetric_block": (dynamics.antisymmetric_block, (4, 0.5), {}),
    "dynamics.euler_block": (lambda branch, x: dynamics.euler_block(branch, 0.5)(x), (SQUARE, POINTS), {}),
    "dynamics.hamiltonian_block": (dynamics.hamiltonian_block, (4, 0.5), {}),
    "dynamics.scale": (dynamics.scale, (4, 0.5), {}),
    "effects.alone": (
        lambda module, x: _within(effects.alone({"m": module}, "-", CPU), module, x),
        (SQUARE, POINTS),
        {},
    ),
    "effects.apart": (effects.apart, (SQUARE, POINTS, "it"), {}),
    "effects.check": (effects.check, (SQUARE, "nothing"), {}),
    "effects.complaint": (effects.complaint, (nn.BatchNorm1d(3),), {}),
    "effects.drawing": (effects.drawing, (nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5)).double(), POINTS), {}),
    "effects.draws": (effects.draws, (nn.Dropout(0.5),), {}),
    "effects.restoring": (torch.no_grad()(effects.restoring), (lambda x: x.mul_(2), POINTS.clone()), {}),
    "effects.unchanged": (
        lambda module, x: _within(effects.unchanged(module, device=CPU), module, x),
        (nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5)).double(), POINTS),
        {},
    ),
    "effects.watched": (effects.watched, (SQUARE, POINTS, "nothing"), {}),
    "information.covariance": (subspaces.covariance, (POINTS,), {}),
    "information.discriminant": (subspaces.discriminant, (POINTS, torch.arange(12) % 3, 2), {}),
    "information.principal": (subspaces.principal, (SPREAD, 2), {}),
    "information.probe": (
        subspaces.probe,
        ((POINTS, torch.arange(12) % 3), (POINTS[:6], torch.arange(6) % 3)),
        {},
    ),
    "information.reconstruction": (subspaces.reconstruction, (MATRIX[:2], SPREAD), {}),
    "linalg.applied.applied": (applied.applied, (SQUARE,), {}),
    "linalg.applied.own_class": (applied.own_class, (SQUARE,), {}),
    "linalg.convolutions.layout": (convolutions.layout, (nn.Conv2d(2, 2, 3),), {}),
    "linalg.frequencies.conv_bound": (lambda w: linalg.conv_bound(linalg.Convolution(w, (5, 4))), (KERNEL,), {}),
    "linalg.frequencies.conv_norm": (
        lambda w: linalg.conv_norm(linalg.Convolution(w, (5, 4), "zeros"), generator=generator()),
        (KERNEL,),
        {},
    ),
    "linalg.frequencies.conv_singular_values": (linalg.conv_singular_values, (KERNEL, (5, 4)), {}),
    "linalg.krylov.extreme_eigenvalues": (
        lambda a: krylov.extreme_eigenvalues(linalg.Operator.dense(a), 1, generator=generator()),
        (MATRIX,),
        {},
    ),
    "linalg.krylov.extreme_singular_values": (
        lambda a: krylov.extreme_singular_values(linalg.Operator.dense(a), 1, generator=generator()),
        (MATRIX,),
        {},
    ),
    **{
        f"linalg.matrices.{name}": (getattr(linalg, name), (MATRIX,), {})
        for name in ("eigenvalues", "singular_values", "spectral_norms", "spectral_radius")
    },
    "linalg.nonnormal.departure": (linalg.departure, (MATRIX,), {}),
    "linalg.nonnormal.estimate_departure": (
        lambda a: linalg.estimate_departure(linalg.Operator.dense(a), samples=3, generator=generator()),
        (MATRIX,),
        {},
    ),
    "linalg.nonnormal.lyapunov": (linalg.lyapunov, ([MATRIX, lambda v: v.mul_(2)], 4, 2), {"generator": generator()}),
    "linalg.nonnormal.numerical_range": (linalg.numerical_range, (MATRIX, torch.zeros(2, dtype=torch.float64)), {}),
    "linalg.nonnormal.pseudospectrum": (linalg.pseudospectrum, (MATRIX, torch.ones(2, dtype=torch.complex128)), {}),
    "linalg.nonnormal.range_support": (
        lambda a: linalg.range_support(linalg.Operator.dense(a), 0.3, generator=generator()),
        (MATRIX,),
        {},
    ),
    "linalg.scaling.factors": (scaling.factors, (MATRIX.abs(),), {}),
    "linalg.scaling.power_of_two": (scaling.power_of_two, (3.0,), {"low": 0.1, "high": 1.0}),
    "linalg.scaling.row_norms": (scaling.row_norms, (MATRIX,), {}),
    "linalg.tangents.tangent": (lambda f, x, v: linalg.tangent(f, x).push(v), (torch.sin, MATRIX, MATRIX), {}),
    "lipschitz.ascent.gains": (lipschitz.gains, (SQUARE, POINTS), {"start": POINTS}),
    "lipschitz.ascent.search": (
        lambda f, x: lipschitz.search(f, x, rounds=1, steps=2, generator=generator()),
        (SQUARE, POINTS),
        {},
    ),
    "lipschitz.ascent.stretch": (lipschitz.stretch, (SQUARE, POINTS, POINTS + 1), {}),
    "lipschitz.composition.product_bound": (lipschitz.product_bound, (net().eval(), (IN,)), {}),
    "lipschitz.lipsdp.semidefinite": (
        lambda module: lipschitz.semidefinite(lipschitz.normal_form(module, 4)),
        (nn.Sequential(SQUARE, nn.Tanh(), nn.Linear(4, 4).double()),),
        {},
    ),
    "lipschitz.normal.normal_form": (lipschitz.normal_form, (nn.Sequential(SQUARE, nn.Tanh()), 4), {}),
    **{
        f"lipschitz.layers.{name}": (getattr(layers, name), arguments, options)
        for name, arguments, options in (
            ("children", (net(), nets.Stack), {}),
            ("convolution", (nn.Conv2d,), {}),
            ("gain", (nn.BatchNorm1d(3).eval(), "it"), {}),
            ("in_place", (SQUARE, "it"), {"shared": True}),
            ("known", (SQUARE, "it"), {}),
            ("linear", (nn.Linear,), {}),
            ("other", (nn.AvgPool1d(2), nn.AvgPool1d, "it", POINTS[None]), {}),
            ("slope", (nn.ReLU(), nn.ReLU, "it", POINTS), {}),
            ("smooth", (nn.Softplus(),), {}),
            ("training", (nn.BatchNorm1d(3), "it"), {}),
            ("unknown", (nn.LayerNorm(3), "it"), {}),
            ("weight", (SQUARE, "it"), {}),
        )
    },
    "nets.cifar_resnet": (nets.cifar_resnet, (8,), {"generator": generator()}),
    "nets.conv_net": (nets.conv_net, ((1, 1), (4, 8)), {"generator": generator()}),
    "nets.digits_resnet": (nets.digits_resnet, (2,), {"generator": generator()}),
    "nets.imagenet_resnet": (nets.imagenet_resnet, (18,), {"width": 4, "generator": generator()}),
    "nets.mlp": (nets.mlp, (2, 4), {"generator": generator()}),
    "projections.build": (projections.build, ("B", 4, 8), {"stride": 2}),
    "projections.orthonormal": (projections.orthonormal, (MATRIX[:2],), {}),
    "roots.newton": (newton.newton, (lambda v: v.square_().sub_(2), torch.ones(2, dtype=torch.float64)), {}),
    "rules.interval": (rules.interval, (SAMPLE.copy(), "mean"), {"rng": np.random.default_rng(0), "resamples": 50}),
    "runtime.device": (runtime.device, ("cpu",), {}),
    "runtime.flushes_denormal": (runtime.flushes_denormal, (), {}),
    "runtime.key": (runtime.key, (0, "a"), {}),
    "runtime.numerics": (lambda module, x: _within(runtime.numerics(), module, x), (SQUARE, POINTS), {}),
    "runtime.processor": (runtime.processor, (), {}),
    "runtime.rng": (runtime.rng, (0, "a"), {}),
    "runtime.stream": (runtime.stream, (0, "a"), {}),
    "steppers.own": (lambda field, x: steppers.own(field)(0.0, x), (lambda t, x: x.mul_(2), POINTS), {}),
    "steppers.readable": (steppers.readable, (POINTS,), {}),
    "steppers.real": (steppers.real, (POINTS.to(torch.complex128),), {}),
    "steppers.shaped": (steppers.shaped, (POINTS.flatten(), POINTS), {}),
    "steppers.step": (
        steppers.step,
        (tableaus.method("rk4"), lambda t, x: x.mul_(2), None, 0.0, POINTS, 0.1, POINTS + 1),
        {},
    ),
    "stiefel.defect": (stiefel.defect, (MATRIX,), {}),
    "stiefel.largest_log_determinant": (stiefel.largest_log_determinant, (SPREAD, 2), {}),
    "stiefel.least_defect": (stiefel.least_defect, (4, 2), {}),
    "stiefel.log_determinant": (stiefel.log_determinant, (MATRIX[:2], SPREAD), {}),
    "stiefel.maximise_determinant": (stiefel.maximise_determinant, (MATRIX[:2], SPREAD), {"steps": 5}),
    "stiefel.minimise_defect": (stiefel.minimise_defect, (MATRIX[:2],), {"steps": 5}),
    "units.unit": (units.unit, ("pre",), {}),
    "units.unknown": (units.unknown, ("a", 1, ["b"]), {}),
    "whole.whole": (whole.whole, ("n", np.int64(3)), {}),
    "whole.wholes": (whole.wholes, ("n", torch.tensor([1, 2])), {}),
}

IN_PLACE = {
    "lipschitz.constraints.constrain": "constrains the module that it is given, as its docstring says",
    "lipschitz.constraints.release": "takes the constraint of the module that it is given away",
    "schemes.draw": "writes into the weight, which is what it is for",
    "shortcuts.pca_": "sets the projections, as the name says; test_maps compares the rest",
    "initialisation.initialise": "draws the weights of the module that it is given; test_initialisation compares the rest",
}
"""Functions whose argument is what they change, and why."""

UNCALLED = {
    "parallel.joined": "starts a group of processes, on several devices",
    "trained.default_policy": "takes names alone",
    "trained.path": "takes names alone",
    "trained.train": "trains the package's own networks from their names, and is given none",
}
"""Functions that are given nothing that they could change."""

PLUMBING = {
    "what the book is made by": (
        *("audit", "backlog", "book", "catalogue", "claims", "cli", "comparison", "crate", "experiments", "figures"),
        *("held", "kernels", "ledger", "manuscript", "markup", "replicas", "replication", "runs", "statements"),
        *("texts", "vega"),
    ),
    "how trials are run and kept": (
        *("cache", "checkpoints", "grid", "progress", "provenance", "results", "source", "sweep", "trial", "workers"),
    ),
    "how data are fetched": ("archives", "collection", "distributions"),
}
"""Modules that are no library of verbs, by what they are."""


def public() -> set[str]:
    """The public functions that the modules of the library make."""
    found = set()
    left = {name for names in PLUMBING.values() for name in names}
    for module in pkgutil.walk_packages(resnet_lib.__path__, "resnet_lib."):
        name = module.name.removeprefix("resnet_lib.")
        if name.partition(".")[0] not in left:
            members = inspect.getmembers(importlib.import_module(module.name), callable)
            found |= {
                f"{name}.{member}"
                for member, value in members
                if not inspect.isclass(value)
                and getattr(value, "__module__", "") == module.name
                and not member.startswith("_")
                and getattr(value, "__name__", "") == member
            }
    return found


def test_every_public_function_of_the_library_is_called_or_has_a_reason():
    groups = set(CALLS), set(IN_PLACE), set(UNCALLED)
    assert set.union(*groups) == public()
    assert sum(map(len, groups)) == len(set.union(*groups))
    modules = {name.partition(".")[0] for _, name, _ in pkgutil.iter_modules(resnet_lib.__path__)}
    assert {name for names in PLUMBING.values() for name in names} <= modules


@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_is_given_is_changed(name):
    verb, arguments, options = CALLS[name]
    arguments = tuple(part if isinstance(part, torch.Generator) else copy.copy(part) for part in arguments)
    before, state = snapshot((arguments, options)), generators()
    verb(*arguments, **options)
    same(before, snapshot((arguments, options)))
    assert state == generators()


def spoilt(value: Any, kind: str) -> Any:
    """An argument with its numbers replaced, or cut; what is no tensor of numbers stays."""
    if isinstance(value, list | tuple):
        return type(value)(spoilt(part, kind) for part in value)
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.ndim:
        return value
    return value * float("nan") if kind == "NaN" else value[..., :-1].clone()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", ["NaN", "cut"])
@pytest.mark.parametrize(
    "name", [name for name, call in CALLS.items() if any(spoilt(part, "cut") is not part for part in call[1])]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_that_is_given_is_changed_whatever_is_given(name, kind):
    """Also where it is refused, early or late, by this package or by torch."""
    verb, arguments, options = CALLS[name]
    arguments = tuple(spoilt(part, kind) for part in arguments)
    before, state = snapshot((arguments, options)), generators()
    with contextlib.suppress(ValueError, TypeError, RuntimeError, IndexError, AssertionError, ArithmeticError):
        verb(*arguments, **options)
    same(before, snapshot((arguments, options)))
    assert state == generators()


WIDER = nn.Linear(WIDTH, WIDTH + 1)
FAILING = {
    # Calls that are refused, some of them late: a network that grows in its last block, labels beyond the classes.
    "costs.count": lambda n: costs.count(n, (IN + 1,)),
    "costs.latency": lambda n: costs.latency({"a": n}, torch.zeros(2, IN + 1)),
    "lesion_runs.outputs": lambda n: lesion_scores.outputs([n], torch.zeros(2, IN + 1)),
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
