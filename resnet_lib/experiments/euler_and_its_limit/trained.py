"""Trained networks read as flows: finer steps, another method, blocks between blocks, roughness, paths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, ode, runtime, training
from resnet_lib.analysis import flow
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.euler_and_its_limit.measuring import FINEST, MEASURES, RULE, STARTS
from resnet_lib.experiments.euler_and_its_limit.orders import gaussian, smooth_weights, times
from resnet_lib.nets import Unit, dynamics, initialisation
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
MORE_SEEDS = tuple(range(30))
PENALTY = 0.01
SMALLER = {"small": 0.25, "slow": 0.25, "zero": 0.0}
"""What the last weights of a branch are multiplied by before training, by kind of network."""


@dataclass(frozen=True)
class Network:
    """A residual network with branches scaled by ``depth^-power``, trained on digits or CIFAR-10.

    ``kind`` is ``mlp`` (``x + W2 relu(W1 x)``), ``norm`` (pre-activation with batch normalisation), ``tied`` (one
    ``mlp`` branch shared by all blocks), ``penalty`` (``mlp`` with a penalty on the difference of neighbouring
    weights), ``small`` and ``slow`` (``mlp`` whose ``W2`` start a quarter as large, at a learning rate of its own and
    at that of the ``mlp``), ``zero`` (``mlp`` whose ``W2`` start at zero) or ``resnet`` (pre-activation ResNet for
    CIFAR-10; ``depth`` is its name, and the power that of its blocks per stage).
    """

    kind: str
    power: float
    depth: int
    lr: float
    epochs: int = 12
    batch: int = 100
    width: int = 64


def fit(setting: Network, seeds: Sequence[int], device: torch.device) -> training.Fit:
    """Train the setting's network for all seeds together."""
    cifar = setting.kind == "resnet"
    samples = data.load("cifar10", device=device) if cifar else data.load("digits", flat=True, device=device)
    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    if cifar:
        recipe = replace(recipe, weight_decay=1e-4, augment="crop-flip")

    def make(generator: torch.Generator) -> nn.Module:
        return network(setting, generator)

    penalty = None  # pyright: ignore[reportAssignmentType]
    if setting.kind == "penalty":
        names = [name for name, value in make(runtime.stream(0, "names")).named_parameters() if value.ndim > 1]
        between = flow.smoothness(names)

        def penalty(params: training.Stacked) -> Tensor:
            return PENALTY * between(params)

    return training.fit(make, samples, recipe, seeds, penalty=penalty)


def network(setting: Network, generator: torch.Generator) -> nets.Stack:
    """The setting's network, before training."""
    if setting.kind == "resnet":
        unit = Unit(order="pre", alpha=dynamics.scale((setting.depth - 2) // 6, setting.power))
        return nets.cifar_resnet(setting.depth, unit=unit, generator=generator)
    alpha = dynamics.scale(setting.depth, setting.power)
    unit = Unit(order="pre", alpha=alpha) if setting.kind == "norm" else Unit(order="inside", norm="none", alpha=alpha)
    net = nets.mlp(1 if setting.kind == "tied" else setting.depth, setting.width, unit=unit, generator=generator)
    if setting.kind == "tied":
        shared = [dynamics.Repeat(net.blocks[0], setting.depth)]
        net = nets.Stack(net.stem, shared, net.head, shape=net.shape)
    # With weights of variance 2 / fan_in a block of this form triples the mean square, and 16 of them start at 4e7.
    net = initialisation.initialise(net, generator, "lecun")
    if setting.kind in SMALLER:
        with torch.no_grad():
            for block in net.blocks:
                block.branch.weight2.weight.mul_(SMALLER[setting.kind])  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    return net


def trained_trial(setting: Network, seeds: Sequence[int], device: torch.device = torch.device("cpu")) -> pd.DataFrame:  # noqa: B008
    """What the trained networks are as flows, NaN where training diverged; one row per seed, measure and sub-steps.

    The measures whose names begin with `start-` are those of the networks before training.
    """
    fitted, drawn = fit(setting, seeds, device), fit(replace(setting, epochs=0), seeds, device)
    cifar = setting.kind == "resnet"
    samples = data.load("cifar10", device=device) if cifar else data.load("digits", flat=True, device=device)
    rows = []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        net, first = fitted.net(seed), drawn.net(seed)
        assert isinstance(net, nets.Stack)
        assert isinstance(first, nets.Stack)
        for (name, k), measure in MEASURES.items():
            rows.append({"seed": seed, "measure": name, "k": k, "value": math.nan if lost else measure(net, samples)})
        for (name, k), measure in STARTS.items():
            rows.append({"seed": seed, "measure": f"start-{name}", "k": k, "value": measure(first, samples)})
    return pd.DataFrame(rows)


# What `tuning.choose` takes of `ode-tuning`, which is stored under results/; a test compares.
DEPTH, DEPTHS, POWERS = 16, (4, 8, 16), (0.0, 0.25, 0.5, 1.0)
BEST: dict[tuple[str, float, int], float] = choices.cells(
    {
        ("mlp", 0.0): {4: 0.032, 8: 0.017, DEPTH: 0.005},
        ("mlp", 0.25): {DEPTH: 0.024},
        ("mlp", 0.5): {DEPTH: 0.075},
        ("mlp", 1.0): {4: 0.17, 8: 0.16, DEPTH: 0.24},
        ("norm", 0.0): {DEPTH: 0.1},
        ("tied", 1.0): {DEPTH: 0.075},
        ("penalty", 1.0): {DEPTH: 0.21},
        ("small", 0.0): {DEPTH: 0.021},
        ("zero", 0.0): {DEPTH: 0.024},
    }
)
"""By kind, power and depth."""
TUNED = tuple(Network(kind, power, depth, lr) for (kind, power, depth), lr in BEST.items())
NETWORKS = (*TUNED, Network("slow", 0.0, DEPTH, BEST["mlp", 0.0, DEPTH]))
RESNETS = tuple(
    Network("resnet", power, depth, 0.1 if power < 1 else 0.3, epochs=60, batch=128)
    for depth in (20, 56, 110)
    for power in POWERS
)

TRAINED = Experiment.repeated(
    "ode-trained", trained_trial, NETWORKS, MANY_SEEDS, MORE_SEEDS, group=10, data=("digits",), agrees=SAMPLED
)
CIFAR = Experiment(
    name="ode-trained-cifar",
    agrees=SAMPLED,
    trial=trained_trial,
    quick=Grid(settings=(Network("mlp", 1.0, 4, 0.1, epochs=1),), seeds=SEEDS),
    full=Grid(settings=RESNETS, seeds=SEEDS, group=1),
    data=("cifar10",),
)


def tuning_trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds, torch.device("cpu")), setting.lr)


START = 0.1


def _start(net: Network) -> float:
    """Where the search for a network's rate starts: lower where eight branches or more add up as they are."""
    added = net.kind in ("mlp", *SMALLER)
    return tuning.rounded(0.16 / net.depth) if added and net.power == 0 and net.depth > 4 else START


_GRIDS = tuning.grids([Network("mlp", 1.0, 4, START)], [replace(net, lr=_start(net)) for net in TUNED])
TUNING = Experiment("ode-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("kind", "power", "depth"), best=BEST)
CHOICES = choices.Choices(TRAINED, choices.ways(NETWORKS), SEEDS)
DIVIDED = choices.divisions(TRAINED, [net for net in NETWORKS if net.depth == DEPTH])
LINEAR = tuple(net for net in NETWORKS if (net.kind, net.power) == ("mlp", 1.0))
LONGER = choices.Choices(
    TRAINED,
    {
        f"{word} times the epochs": tuple(replace(net, epochs=times * net.epochs) for net in LINEAR)
        for word, times in (("four", 4), ("eight", 8))
    },
    SEEDS,
    name="ode-longer-choices",
)


def values(table: pd.DataFrame, measure: str, k: int, kind: str, power: float, depth: int = DEPTH) -> np.ndarray:
    """One measure of one network, one value per seed in their order."""
    keep = (table["measure"] == measure) & (table["k"] == k) & (table["kind"] == kind)
    rows = table[keep & (table["power"] == power) & (table["depth"] == depth)]
    if rows.empty:
        raise ValueError(f"the table has no {measure} at k={k} of {kind}, power {power}, depth {depth}")
    return rows.sort_values("seed")["value"].to_numpy()


def loss(table: pd.DataFrame, measure: str, k: int, kind: str, power: float, depth: int = DEPTH) -> np.ndarray:
    """Accuracy that a change of the network loses, in percentage points, one value per seed."""
    lost = values(table, "substeps", 1, kind, power, depth) - values(table, measure, k, kind, power, depth)
    return np.round(100 * lost, 9)  # a difference of equal fractions is zero


def _loss(measure: str, k: int, kind: str, power: float):
    def evidence(table: pd.DataFrame) -> Evidence:
        lost, control = (loss(table, measure, k, *network) for network in ((kind, power), ("tied", 1.0)))
        return Evidence(values=lost, control=control, unit="percentage points")

    evidence.__doc__ = f"Accuracy lost by {measure} in the {kind} network of power {power}; control: the tied one."
    return evidence


unscaled, quarter, root = (_loss("substeps", RULE, "mlp", power) for power in (0.0, 0.25, 0.5))
norm = _loss("substeps", RULE, "norm", 0.0)
rk4 = _loss("rk4", 1, "mlp", 0.0)
rk4_small = _loss("rk4", 1, "small", 0.0)
interpolated = _loss("interpolated", 2, "mlp", 1.0)


def _longer(kind: str, power: float):
    def evidence(table: pd.DataFrame) -> Evidence:
        lost, longer = (loss(table, name, RULE, kind, power) for name in ("substeps", "longer"))
        return Evidence(values=lost, control=longer, unit="percentage points")

    evidence.__doc__ = f"Accuracy lost by sub-steps, {kind} network, power {power}; control: sub-steps of full size."
    return evidence


linear, small, slow = _longer("mlp", 1.0), _longer("small", 0.0), _longer("slow", 0.0)


def aligned(table: pd.DataFrame) -> Evidence:
    """Cosine of neighbouring branches at one state, scaled by 1/L; control: the tied network, where it is 1."""
    found, control = (values(table, "alignment", 1, kind, 1.0) for kind in ("mlp", "tied"))
    return Evidence(values=found, control=control)


def roughness(table: pd.DataFrame) -> Evidence:
    """Roughness over that of independent weights, unscaled; control: with the penalty."""
    rough, smooth = (values(table, "roughness", 1, *network) for network in (("mlp", 0.0), ("penalty", 1.0)))
    return Evidence(values=rough / math.sqrt(2), control=smooth / math.sqrt(2))


def penalised(table: pd.DataFrame) -> Evidence:
    """The larger loss, by sub-steps and by interpolation, with the penalty; control: unscaled without."""
    worst = [
        np.maximum(loss(table, "substeps", RULE, *network), loss(table, "interpolated", 2, *network))
        for network in (("penalty", 1.0), ("mlp", 0.0))
    ]
    return Evidence(values=worst[0], control=worst[1], unit="percentage points")


def slopes(table: pd.DataFrame, measure: str, k: int, power: float) -> np.ndarray:
    """Exponent of a measure with depth by least squares, one value per seed; NaN where a training diverged."""
    found = np.array([values(table, measure, k, "mlp", power, depth) for depth in DEPTHS])
    x = np.log(DEPTHS) - np.log(DEPTHS).mean()
    return x @ np.log(np.where(np.isfinite(found), found, np.nan)) / (x @ x)


def fixed_field(seeds: Sequence[int], *, total: bool) -> dict[str, np.ndarray]:
    """Exponents of path and error of Euler steps on a fixed field, one value per seed.

    With ``total`` the time is fixed and the step falls with depth; else the step is fixed, and the field turns.
    """
    start, weights = gaussian(seeds, "path", "start", shape=(16,)), smooth_weights(seeds, "path", d=16)
    turn = weights(0.0) - weights(0.0).mT

    def field(t: float, x: Tensor) -> Tensor:
        return times(weights(t), x.tanh()) if total else times(turn, x)

    lengths, errors = [], []
    exact = ode.solve(field, start, method="rk4", steps=400).end
    for depth in DEPTHS:
        end = 1.0 if total else depth / max(DEPTHS)
        states = ode.solve(field, start, (0.0, end), method="euler", steps=depth).states
        lengths.append(((states[1:] - states[:-1]).norm(dim=-1) / states[:-1].norm(dim=-1)).sum(0).numpy())
        errors.append(((states[-1] - exact).norm(dim=-1) / exact.norm(dim=-1)).numpy())
    return {
        name: np.polyfit(np.log(DEPTHS), np.log(found), 1)[0] for name, found in (("path", lengths), ("error", errors))
    }


def _depth(measure: str, k: int, power: float, *, total: bool, control: str):
    def evidence(table: pd.DataFrame) -> Evidence:
        seeds = sorted(int(seed) for seed in table["seed"].unique())
        return Evidence(values=slopes(table, measure, k, power), control=fixed_field(seeds, total=total)[control])

    evidence.__doc__ = f"Exponent of the {measure} with depth at power {power}; control: a fixed field."
    return evidence


refinement = _depth("path", 1, 0.0, total=True, control="path")
time = _depth("path", 1, 0.0, total=False, control="path")
scaled = _depth("path", 1, 1.0, total=True, control="path")
closer = _depth("distance", FINEST, 0.0, total=True, control="error")
