"""Nothing that is given is changed: every public function of the library is called, and its arguments compared."""

import contextlib
import copy
import importlib
import inspect
import pkgutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import resnet_lib
from resnet_lib import data, linalg, nets, ode, runtime, training, whole
from resnet_lib.analysis import (
    alignment,
    collisions,
    corrections,
    costs,
    ensembles,
    fields,
    flow,
    inverses,
    jacobian,
    lesion,
    lesion_scores,
    lipschitz,
    paths,
    readouts,
    shortcuts,
    statistics,
    variation,
)
from resnet_lib.analysis.lipschitz import layers
from resnet_lib.data import augmentation, datasets, pretrained, spirals
from resnet_lib.evidence import intervals, significance
from resnet_lib.evidence.rules import Rule
from resnet_lib.linalg import applied, convolutions, krylov, newton, scaling, stiefel, subspaces
from resnet_lib.nets import (
    blocks,
    burdens,
    dynamics,
    effects,
    gates,
    initialisation,
    merges,
    projections,
    stochastic_depth,
    units,
)
from resnet_lib.ode import order, propagators, steppers, tableaus
from resnet_lib.sweep import agreement
from resnet_lib.training import fits, nightly, optimizers, recipes, regression, shipped, tuning
from resnet_lib.training.precision import Bfloat16
from tests.networks import CLASSES, IN, NETWORKS, RECIPE, WIDTH, N, examples, generator, mlp
from tests.unchanged import generators, same, snapshot


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
IMAGES, FIELDS = torch.rand(2, 3, 5, 5, generator=generator("images")), torch.full((2, 5, 5), 0.04)
TENT = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1)).double()
RECORD = {"id": "a.b", "rule": "mean < 2", "full": None, "quick": VERDICT}

CPU = torch.device("cpu")


TUNED = pd.DataFrame({"net": "A", "rate": [0.1, 0.1, 0.2, 0.2], "seed": [0, 1, 0, 1], "validation_accuracy": 0.5})
CHOICE = tuning.Choice(0.2, 0.9, (0.2,), (0.1, 0.2, 0.4), seeds=5)


NIGHT = training.fit(lambda generator: Bfloat16(NETWORKS["scaled"](generator)), examples(), RECIPE, [0])


def _in_folder(call: Callable[..., Any], *given: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return call(Path(folder), *given)


def _within(context: Any, module: nn.Module, x: Tensor) -> Tensor:
    with context:
        return module(x)


CALLS: dict[str, tuple[Callable, tuple, dict[str, Any]]] = {
    "data.augmentation.crop_flip": (
        augmentation.crop_flip,
        (torch.rand(2, 1, 8, 8), torch.tensor([[0, 1, 1], [2, 0, 0]])),
        {},
    ),
    "data.augmentation.draw": (augmentation.draw, (3, (1, 8, 8), generator()), {}),
    "data.augmentation.margin": (augmentation.margin, (32,), {}),
    "data.pretrained.mistakes": (pretrained.mistakes, (net().eval(), data.Split(X, Y)), {}),
    "ode.order.observed": (
        order.observed,
        (
            lambda t, x: x.mul_(-1),
            torch.ones(2, dtype=torch.float64),
            torch.full((2,), np.exp(-1), dtype=torch.float64),
        ),
        {"method": "heun", "steps": [4, 8]},
    ),
    "analysis.costs.count": (costs.count, (net(), (IN,)), {}),
    "analysis.costs.latency": (costs.latency, ({"a": net()}, X), {"rounds": 1, "backward": True}),
    "analysis.collisions.collide": (
        collisions.collide,
        (lambda x: x.abs(), POINTS, POINTS + 3, torch.ones(12, dtype=torch.float64)),
        {"steps": 3},
    ),
    "analysis.collisions.refine": (
        collisions.refine,
        (lambda x: x.abs(), POINTS, POINTS + 3, torch.ones(12, dtype=torch.float64)),
        {"steps": 3},
    ),
    "analysis.corrections.corrections": (
        lambda *given: list(corrections.corrections(*given)),
        (net(), X, Y),
        {},
    ),
    "analysis.corrections.margins": (corrections.margins, (CHANCES[0], LABELS), {}),
    "analysis.fields.gradients": (fields.gradients, (nn.Conv2d(3, 4, 3, padding=1), IMAGES, torch.eye(4)), {}),
    "analysis.fields.energy": (fields.energy, (IMAGES[None],), {}),
    "analysis.fields.amplitude": (fields.amplitude, (IMAGES[None],), {}),
    "analysis.fields.variances": (fields.variances, (FIELDS,), {}),
    "analysis.fields.width": (fields.width, (FIELDS,), {}),
    "analysis.fields.within": (fields.within, (FIELDS, 1), {}),
    "analysis.fields.extent": (fields.extent, (nets.digits_resnet(2, generator=generator()), 1), {}),
    "analysis.fields.law": (fields.law, ([0.5, 1.0], 9), {}),
    "analysis.fields.law_width": (fields.law_width, ([0.5, 1.0],), {}),
    "analysis.inverses.contraction": (inverses.contraction, (net().blocks[0].eval(), (WIDTH,)), {}),
    "analysis.inverses.invert": (inverses.invert, (net().blocks[0].eval(), STATE), {"iterations": 3}),
    "analysis.readouts.readout": (readouts.readout, ((POINTS, POINTS[:, :2]), (POINTS[:5], POINTS[:5, :2])), {}),
    "analysis.readouts.explained": (readouts.explained, (POINTS, POINTS + 1), {}),
    "analysis.readouts.accuracy": (readouts.accuracy, (CHANCES[0], LABELS), {}),
    "analysis.variation.total": (variation.total, (MATRIX,), {}),
    "analysis.variation.turns": (variation.turns, (MATRIX,), {}),
    "analysis.variation.trace": (variation.trace, (TENT,), {}),
    "analysis.variation.traces": (lambda size: variation.traces(lambda x: (size * x, []), 2), (MATRIX[:2, :1],), {}),
    "ode.propagators.turning": (propagators.turning, (SPREAD,), {}),
    "ode.propagators.joined": (propagators.joined, (MATRIX.to(torch.complex128),), {}),
    "ode.propagators.parted": (propagators.parted, (MATRIX,), {}),
    "ode.propagators.propagator": (propagators.propagator, ("implicit-midpoint", MATRIX, 0.1), {}),
    "ode.propagators.exponential": (propagators.exponential, (MATRIX, 0.1), {}),
    "ode.propagators.chebyshev": (propagators.chebyshev, (SPREAD, 0.1, 5, (-10.0, 10.0)), {}),
    "ode.propagators.strang": (propagators.strang, (MATRIX, SPREAD, 0.1), {}),
    "ode.propagators.two_step": (propagators.two_step, (MATRIX, 0.1), {}),
    "analysis.alignment.alignment": (alignment.alignment, (net(), X), {}),
    "analysis.ensembles.accuracy": (ensembles.accuracy, (CHANCES[0], LABELS), {}),
    "analysis.ensembles.averages": (
        ensembles.averages,
        (CHANCES, LABELS, [1, 2]),
        {"draws": 2, "generator": generator()},
    ),
    "analysis.ensembles.calibration_error": (ensembles.calibration_error, (CHANCES[0], LABELS), {}),
    "analysis.ensembles.disagreement": (ensembles.disagreement, (CHANCES,), {}),
    "analysis.ensembles.error_correlation": (ensembles.error_correlation, (CHANCES, LABELS), {}),
    "analysis.ensembles.signatures": (ensembles.signatures, (CHANCES, LABELS), {}),
    "training.fits.finite": (fits.finite, (FITTED.params()[0],), {}),
    "training.fits.from_records": (
        lambda records: fits.from_records((0, 1), fits.to_records([], records), FITTED.template),
        (FITTED.checkpoints,),
        {},
    ),
    "training.fits.parsed": (fits.parsed, (fits.to_records([], FITTED.checkpoints),), {}),
    "training.fits.to_records": (fits.to_records, ([], FITTED.checkpoints), {}),
    "analysis.flow.field": (
        lambda block, x: flow.field(block)(0.0, x),
        (net().blocks[0], X @ torch.ones(IN, WIDTH)),
        {},
    ),
    "analysis.flow.interpolate": (flow.interpolate, (net(), 2), {}),
    "analysis.flow.layers": (flow.layers, (net(),), {}),
    "analysis.flow.path": (flow.path, (net(), X), {}),
    "analysis.flow.refine": (lambda stack, x: flow.refine(stack, 2, method="rk4")(x), (net(), X), {}),
    "analysis.flow.roughness": (flow.roughness, (net(),), {}),
    "analysis.flow.smoothness": (lambda params: flow.smoothness(list(params))(params), (FITTED.params()[0],), {}),
    "analysis.flow.steps": (flow.steps, (net().blocks[0],), {}),
    "analysis.jacobian.along": (jacobian.along, (net(), X[:2]), {"blocks": [0, 2]}),
    "analysis.jacobian.along_seeds": (jacobian.along_seeds, (FITTED.template, *FITTED.params(), X[:2]), {}),
    "analysis.jacobian.dense": (jacobian.dense, (net(), X[:2]), {}),
    "analysis.jacobian.departure": (jacobian.departure, (net().blocks[0], X[:2] @ torch.ones(IN, WIDTH)), {}),
    "analysis.jacobian.eigenvalues": (jacobian.eigenvalues, (net().blocks[0], X[:2] @ torch.ones(IN, WIDTH)), {}),
    "analysis.jacobian.lyapunov": (jacobian.lyapunov, (net(), X[0], 2), {"generator": generator()}),
    "analysis.jacobian.operator": (lambda f, x: jacobian.operator(f, x).matvec(torch.ones(IN)), (net(), X[0]), {}),
    "analysis.jacobian.singular_values": (jacobian.singular_values, (net(), X[:2]), {}),
    "analysis.lesion.delete": (lesion.delete, (net(), [1]), {}),
    "analysis.lesion.deletions": (lesion.deletions, (net(), 1, 2), {"generator": generator()}),
    "analysis.lesion.kendall_tau": (lesion.kendall_tau, ([2, 0, 1],), {}),
    "analysis.lesion.removable": (lesion.removable, (net(),), {}),
    "analysis.lesion.reorder": (lesion.reorder, (net(), [2, 0, 1]), {}),
    "analysis.lesion.scale": (lambda stack, by, x: lesion.scale(stack, by)(x), (net(), {1: 0.0}, X), {}),
    "analysis.lesion.shapes": (lesion.shapes, (net(),), {}),
    "analysis.lesion.shuffle": (lesion.shuffle, (net(), 2), {"generator": generator()}),
    "analysis.lesion.singles": (lesion.singles, (net(),), {}),
    "analysis.lesion.splice": (lesion.splice, (net(), 1, [net().blocks[0]]), {"remove": 1}),
    "analysis.lesion.swap": (lesion.swap, (net(), 0, 2), {}),
    "analysis.lesion_scores.outputs": (lesion_scores.outputs, ([net(), net()], X), {"at_once": 5}),
    "analysis.lesion_scores.score": (lesion_scores.score, ([net(), net()], X, Y), {"at_once": 5, "anew": X[:4]}),
    "ode.solver.solve": (
        ode.solve,
        (lambda t, x: x.mul_(-1), torch.ones(2)),
        {"tol": 1e-3, "method": "dormand-prince"},
    ),
    "training.regression.fit": (
        regression.fit,
        ([SQUARE, SQUARE], POINTS.expand(2, 12, 4), POINTS.expand(2, 12, 4) + 1, RECIPE),
        {"keep": [0]},
    ),
    "training.optimizers.rescaled": (optimizers.rescaled, (WEIGHT, WEIGHT + 1), {}),
    "analysis.statistics.check": (statistics.check, (X,), {}),
    "analysis.statistics.estimating": (
        lambda norm, x: _within(statistics.estimating(copied := copy.deepcopy(norm)), copied, x),
        (nn.BatchNorm1d(IN), X),
        {},
    ),
    "analysis.statistics.reestimated": (statistics.reestimated, (net(), X), {}),
    "analysis.paths.counts": (paths.counts, (3,), {}),
    "analysis.paths.expand": (paths.expand, (net().blocks, X @ torch.ones(IN, WIDTH)), {}),
    "analysis.paths.gradients_by_length": (paths.gradients_by_length, (paths.linearise(net(), X, Y),), {}),
    "analysis.paths.linearise": (paths.linearise, (net(), X, Y), {}),
    "analysis.paths.path_gradients": (
        paths.path_gradients,
        (paths.linearise(net(), X, Y), 1, 2),
        {"generator": generator()},
    ),
    "analysis.paths.share": (paths.share, (5, 1, 2), {}),
    "analysis.shortcuts.matrix": (
        shortcuts.matrix,
        (initialisation.initialise(blocks.Linear(4, 4), generator()), (4,)),
        {},
    ),
    "analysis.shortcuts.rank": (shortcuts.rank, (WEIGHT[0].double(),), {}),
    "analysis.shortcuts.ratios": (shortcuts.ratios, (WEIGHT[0], WEIGHT[1]), {}),
    "analysis.shortcuts.row_defects": (shortcuts.row_defects, (net(),), {}),
    "evidence.significance.p_value": (significance.p_value, (Rule.parse("mean < 2"), VERDICT), {}),
    "evidence.significance.paired": (significance.paired, (TABLE, "x", "v", "a", "b"), {}),
    "evidence.significance.same_again": (
        significance.same_again,
        (Rule.parse("mean < 2"), Rule.parse("mean > 2"), np.arange(5.0), np.arange(5.0) + 9, "undecided"),
        {"rng": np.random.default_rng(0)},
    ),
    "evidence.significance.seeds_needed": (significance.seeds_needed, (Rule.parse("mean < 2"), VERDICT), {}),
    "evidence.significance.together": (significance.together, ([RECORD],), {}),
    "nets.gates.gated": (
        lambda stack, x: gates.gated(stack, "highway", -1.0, generator=generator())(x),
        (net(), X),
        {},
    ),
    "nets.gates.fixed": (lambda stack, x: gates.fixed(stack, "shortcut", 0.5)(x), (net(), X), {}),
    "nets.gates.carries": (gates.carries, (gates.fixed(net(), "shortcut", 0.5), X), {}),
    "nets.burdens.matrices": (
        lambda stack, x: burdens.matrices(stack, "he", generator=generator())(x),
        (net(), X),
        {},
    ),
    "nets.burdens.dropped": (
        lambda stack, x: burdens.dropped(stack, 0.5, generator=generator())(x),
        (net(), X),
        {},
    ),
    "nets.stochastic_depth.survival": (stochastic_depth.survival, (3, 0.5), {}),
    "nets.stochastic_depth.survives": (stochastic_depth.survives, (torch.tensor(3), torch.tensor(1), 0.5), {}),
    "nets.stochastic_depth.wrap": (
        lambda stack, chances, x: stochastic_depth.wrap(stack, chances, generator=generator())(x),
        (net(), [0.5, 0.5, 1.0], X),
        {},
    ),
    "ode.tableaus.explicit": (tableaus.explicit, (), {}),
    "ode.tableaus.implicit": (tableaus.implicit, (), {}),
    "ode.tableaus.largest_step": (tableaus.largest_step, ("rk4", np.array([-1.0, 1j])), {}),
    "ode.tableaus.method": (tableaus.method, ("rk4",), {}),
    "training.recipes.of": (recipes.of, (RECIPE,), {}),
    "training.nightly.network": (nightly.network, (NIGHT,), {}),
    "training.nightly.train": (
        lambda images: _in_folder(
            lambda folder, x: nightly.train(NETWORKS["scaled"], x, RECIPE, {"seed": 0}, folder=folder), images
        ),
        (examples(),),
        {},
    ),
    "training.shipped.write": (
        lambda module: _in_folder(lambda folder, net: shipped.write(folder / "net", net, {}), module),
        (shipped.rounded_(nn.Linear(2, 2)),),
        {},
    ),
    "training.tuning.scores": (tuning.scores, (FITTED, RECIPE.epochs), {}),
    "training.tuning.search": (lambda table: tuning.search(lambda rate: FITTED, 0.1, len(table)), (TUNED,), {}),
    "training.tuning.choose": (tuning.choose, (TUNED, ["net"]), {}),
    "training.tuning.complaints": (lambda choices: list(tuning.complaints(choices)), ({"A": CHOICE},), {}),
    "training.tuning.grids": (tuning.grids, ([CHOICE], [CHOICE]), {}),
    "training.tuning.table_of": (tuning.table_of, ({"A": CHOICE},), {}),
    "training.loop.fit": (training.fit, (NETWORKS["order pre"], examples(), RECIPE, [0, 1]), {"keep": [0]}),
    "sweep.agreement.blocked": (agreement.blocked, (SAMPLE[:2].copy(), SAMPLE[2].copy()), {}),
    "sweep.agreement.correlation": (agreement.correlation, (SAMPLE[0].copy(), SAMPLE[1].copy()), {}),
    "sweep.agreement.distance": (agreement.distance, (SAMPLE[0].copy(), SAMPLE[1].copy()), {}),
    "sweep.agreement.pooled": (agreement.pooled, (SAMPLE[0].copy(), SAMPLE[1].copy()), {}),
    "sweep.agreement.shifted_together": (
        lambda differences: agreement.shifted_together(differences, rng=np.random.default_rng(0), flips=50),
        ([list(SAMPLE.copy())],),
        {},
    ),
    "nets.blocks.conv_block": (blocks.conv_block, (units.UNITS["pre"], 4, 8), {"stride": 2}),
    "nets.merges.formula": (merges.formula, (merges.After(merges.Add(), nn.ReLU()),), {}),
    "nets.blocks.linear_block": (blocks.linear_block, (units.UNITS["pre"], 4), {}),
    "nets.blocks.series": (blocks.series, ("WNA", 4, [nn.Linear(4, 3)], nn.BatchNorm1d), {}),
    "data.spirals.two_spirals": (spirals.two_spirals, (20,), {"seed": 0}),
    "data.datasets.load": (data.load, ("spirals",), {}),
    "data.datasets.checksum": (datasets.checksum, ("spirals",), {}),
    "data.datasets.provenance": (datasets.provenance, ("spirals",), {}),
    "nets.dynamics.antisymmetric_block": (dynamics.antisymmetric_block, (4, 0.5), {}),
    "nets.dynamics.euler_block": (lambda branch, x: dynamics.euler_block(branch, 0.5)(x), (SQUARE, POINTS), {}),
    "nets.dynamics.hamiltonian_block": (dynamics.hamiltonian_block, (4, 0.5), {}),
    "nets.dynamics.scale": (dynamics.scale, (4, 0.5), {}),
    "nets.effects.alone": (
        lambda module, x: _within(effects.alone({"m": module}, "-", CPU), module, x),
        (SQUARE, POINTS),
        {},
    ),
    "nets.effects.apart": (effects.apart, (SQUARE, POINTS, "it"), {}),
    "nets.effects.check": (effects.check, (SQUARE, "nothing"), {}),
    "nets.effects.complaint": (effects.complaint, (nn.BatchNorm1d(3),), {}),
    "nets.effects.drawing": (effects.drawing, (nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5)).double(), POINTS), {}),
    "nets.effects.draws": (effects.draws, (nn.Dropout(0.5),), {}),
    "nets.effects.require_graph": (effects.require_graph, ("a gradient",), {}),
    "nets.effects.restoring": (torch.no_grad()(effects.restoring), (lambda x: x.mul_(2), POINTS.clone()), {}),
    "nets.effects.unchanged": (
        lambda module, x: _within(effects.unchanged(module, device=CPU), module, x),
        (nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5)).double(), POINTS),
        {},
    ),
    "nets.effects.watched": (effects.watched, (SQUARE, POINTS, "nothing"), {}),
    "linalg.subspaces.covariance": (subspaces.covariance, (POINTS,), {}),
    "linalg.subspaces.discriminant": (subspaces.discriminant, (POINTS, torch.arange(12) % 3, 2), {}),
    "linalg.subspaces.principal": (subspaces.principal, (SPREAD, 2), {}),
    "linalg.subspaces.probe": (
        subspaces.probe,
        ((POINTS, torch.arange(12) % 3), (POINTS[:6], torch.arange(6) % 3)),
        {},
    ),
    "linalg.subspaces.reconstruction": (subspaces.reconstruction, (MATRIX[:2], SPREAD), {}),
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
    "analysis.lipschitz.ascent.gains": (lipschitz.gains, (SQUARE, POINTS), {"start": POINTS}),
    "analysis.lipschitz.ascent.search": (
        lambda f, x: lipschitz.search(f, x, rounds=1, steps=2, generator=generator()),
        (SQUARE, POINTS),
        {},
    ),
    "analysis.lipschitz.ascent.stretch": (lipschitz.stretch, (SQUARE, POINTS, POINTS + 1), {}),
    "analysis.lipschitz.composition.product_bound": (lipschitz.product_bound, (net().eval(), (IN,)), {}),
    "analysis.lipschitz.lipsdp.semidefinite": (
        lambda module: lipschitz.semidefinite(lipschitz.normal_form(module, 4)),
        (nn.Sequential(SQUARE, nn.Tanh(), nn.Linear(4, 4).double()),),
        {},
    ),
    "analysis.lipschitz.normal.normal_form": (lipschitz.normal_form, (nn.Sequential(SQUARE, nn.Tanh()), 4), {}),
    **{
        f"analysis.lipschitz.layers.{name}": (getattr(layers, name), arguments, options)
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
    "nets.networks.cifar_resnet": (nets.cifar_resnet, (8,), {"generator": generator()}),
    "nets.networks.conv_net": (nets.conv_net, ((1, 1), (4, 8)), {"generator": generator()}),
    "nets.networks.digits_resnet": (nets.digits_resnet, (2,), {"generator": generator()}),
    "nets.networks.imagenet_resnet": (nets.imagenet_resnet, (18,), {"width": 4, "generator": generator()}),
    "nets.networks.mlp": (nets.mlp, (2, 4), {"generator": generator()}),
    "nets.projections.build": (projections.build, ("B", 4, 8), {"stride": 2}),
    "nets.projections.orthonormal": (projections.orthonormal, (MATRIX[:2],), {}),
    "linalg.newton.newton": (newton.newton, (lambda v: v.square_().sub_(2), torch.ones(2, dtype=torch.float64)), {}),
    "evidence.intervals.average": (intervals.average, (SAMPLE[0].copy(), "median"), {}),
    "evidence.intervals.limits": (intervals.limits, (np.tile(SAMPLE, 5), "median"), {}),
    "evidence.intervals.require_finite": (intervals.require_finite, ("values", SAMPLE.copy(), 2), {}),
    "evidence.intervals.interval": (
        intervals.interval,
        (SAMPLE.copy(), "mean"),
        {"rng": np.random.default_rng(0), "resamples": 50},
    ),
    "runtime.device": (runtime.device, ("cpu",), {}),
    "runtime.flushes_denormal": (runtime.flushes_denormal, (), {}),
    "runtime.key": (runtime.key, (0, "a"), {}),
    "runtime.numerics": (lambda module, x: _within(runtime.numerics(), module, x), (SQUARE, POINTS), {}),
    "runtime.processor": (runtime.processor, (), {}),
    "runtime.rng": (runtime.rng, (0, "a"), {}),
    "runtime.stream": (runtime.stream, (0, "a"), {}),
    "ode.steppers.own": (lambda field, x: steppers.own(field)(0.0, x), (lambda t, x: x.mul_(2), POINTS), {}),
    "ode.steppers.readable": (steppers.readable, (POINTS,), {}),
    "ode.steppers.real": (steppers.real, (POINTS.to(torch.complex128),), {}),
    "ode.steppers.shaped": (steppers.shaped, (POINTS.flatten(), POINTS), {}),
    "ode.steppers.step": (
        steppers.step,
        (tableaus.method("rk4"), lambda t, x: x.mul_(2), None, 0.0, POINTS, 0.1, POINTS + 1),
        {},
    ),
    "linalg.stiefel.defect": (stiefel.defect, (MATRIX,), {}),
    "linalg.stiefel.largest_log_determinant": (stiefel.largest_log_determinant, (SPREAD, 2), {}),
    "linalg.stiefel.least_defect": (stiefel.least_defect, (4, 2), {}),
    "linalg.stiefel.log_determinant": (stiefel.log_determinant, (MATRIX[:2], SPREAD), {}),
    "linalg.stiefel.maximise_determinant": (stiefel.maximise_determinant, (MATRIX[:2], SPREAD), {"steps": 5}),
    "linalg.stiefel.minimise_defect": (stiefel.minimise_defect, (MATRIX[:2],), {"steps": 5}),
    "nets.units.unit": (units.unit, ("pre",), {}),
    "nets.units.unknown": (units.unknown, ("a", 1, ["b"]), {}),
    "whole.whole": (whole.whole, ("n", np.int64(3)), {}),
    "whole.wholes": (whole.wholes, ("n", torch.tensor([1, 2])), {}),
}

IN_PLACE = {
    "analysis.inverses.contracting": "constrains the block that it is given, as its docstring says",
    "analysis.lipschitz.constraints.constrain": "constrains the module that it is given, as its docstring says",
    "analysis.lipschitz.constraints.release": "takes the constraint of the module that it is given away",
    "nets.weights.draw": "writes into the weight, which is what it is for",
    "analysis.shortcuts.pca_": "sets the projections, as the name says; test_maps compares the rest",
    "nets.initialisation.initialise": "draws the weights of a module; test_initialisation compares the rest",
    "training.shipped.read_": "sets the weights of the network, as the name says; test_shipped compares the rest",
    "training.shipped.rounded_": "rounds the weights of the network, as the name says; test_shipped compares them",
}
"""Functions whose argument is what they change, and why."""

UNCALLED = {
    "analysis.fields.share": "takes a number alone",
    "data.pretrained.compared": "takes a number alone",
    "data.pretrained.images": "takes names and numbers alone",
    "data.pretrained.published": "takes a number alone",
    "training.nightly.identity": "takes names and numbers alone",
    "training.nightly.path": "takes names and numbers alone",
    "training.ranks.joined": "starts a group of processes, on several devices",
    "training.tuning.rounded": "takes a number alone",
    "training.zoo.default_policy": "takes names alone",
    "training.zoo.path": "takes names alone",
    "training.zoo.train": "trains the package's own networks from their names, and is given none",
}
"""Functions that are given nothing that they could change."""

PLUMBING = {
    "what the book is made by": ("evidence", "replication", "experiments", "book", "cli"),
    "how trials are run and kept": ("sweep", "training.checkpoints", "training.kept", "files"),
    "how data are fetched": (
        *(
            "data.conversion",
            "data.downloads",
            "data.official",
            "data.releases",
            "data.shelf",
            "data.sources",
            "data.store",
        ),
    ),
}
"""Rooms and modules that are no library of verbs, by what they are."""
VERBS = ("evidence.intervals", "evidence.rules", "evidence.significance", "sweep.agreement")
"""Modules of these rooms that are."""


def is_library(name: str) -> bool:
    """Whether a module, by its name below the package, is one of verbs."""
    left = [part for names in PLUMBING.values() for part in names]
    return name in VERBS or not any(f"{name}.".startswith(f"{part}.") for part in left)


def public() -> set[str]:
    """The public functions that the modules of the library make."""
    found = set()
    for module in pkgutil.walk_packages(resnet_lib.__path__, "resnet_lib."):
        name = module.name.removeprefix("resnet_lib.")
        if is_library(name):
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
    modules = {module.name for module in pkgutil.walk_packages(resnet_lib.__path__, "resnet_lib.")}
    assert {f"resnet_lib.{name}" for names in (*PLUMBING.values(), VERBS) for name in names} <= modules


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
    "analysis.costs.count": lambda n: costs.count(n, (IN + 1,)),
    "analysis.costs.latency": lambda n: costs.latency({"a": n}, torch.zeros(2, IN + 1)),
    "analysis.lesion_scores.outputs": lambda n: lesion_scores.outputs([n], torch.zeros(2, IN + 1)),
    "analysis.lesion_scores.score": lambda n: lesion_scores.score([n], X, Y, anew=torch.zeros(1, IN)),
    "analysis.lesion.splice": lambda n: lesion.splice(n, 1, [WIDER]),
    "analysis.statistics.reestimated": lambda n: statistics.reestimated(n, torch.zeros(2, IN + 1)),
    "analysis.paths.linearise": lambda n: paths.linearise(n, X, LABELS + CLASSES),
    "nets.stochastic_depth.wrap": lambda n: stochastic_depth.wrap(n, [0.5, 0.5, 0.0], generator=generator()),
    "training.loop.fit": lambda n: training.fit(lambda g: n, examples(torch.float64), RECIPE, [0]),
    "analysis.flow.path": lambda n: flow.path(n, torch.zeros(2, IN + 1)),
}


@pytest.mark.parametrize("name", FAILING)
def test_nothing_that_is_given_is_changed_where_it_is_refused(name):
    made = net()
    before, state = snapshot((made, X, LABELS)), generators()
    with pytest.raises((ValueError, TypeError, IndexError, RuntimeError)):
        FAILING[name](made)
    same(before, snapshot((made, X, LABELS)))
    assert state == generators()
