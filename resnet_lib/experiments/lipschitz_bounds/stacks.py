"""Many blocks: networks trained on digits under different rules, their bounds, their sensitivity and their signal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import lipschitz
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.lipschitz_bounds.single import INSIDE, largest_weight
from resnet_lib.nets import Block, Stack, Unit
from resnet_lib.nets.merges import Add
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
BETA = 0.1


@dataclass(frozen=True)
class Trained:
    """An MLP of blocks `W2 relu(W1 x + b1) + b2` on digits; `rule` says what the blocks are.

    `residual` is `x + F(x) / sqrt(L)`, `plain` is `F(x)`, `constrained` is `x + F(x)` with both norms at most
    `1 / sqrt(L)`. `guaranteed` is `(1 - beta) x + beta F(x)` with both norms equal to 1. `bounded` is
    `(1 - beta) x + F(x)` with both norms at most `sqrt(beta)` and no biases, `biased` has them, `free` is without
    biases and bounds. `silent` keeps so little of `x`, and nothing of `F`, that no signal passes `blocks` blocks.
    `scalar` is not trained: `x + 0.3 x`.
    """

    rule: str
    blocks: int
    lr: float
    width: int = 16
    epochs: int = 20
    bounds: bool = True


def unit_of(setting: Trained) -> Unit:
    """The recipe of the setting's blocks."""
    rule, depth = setting.rule, setting.blocks
    if rule == "plain":
        return INSIDE.plain()
    if rule == "silent":
        return replace(INSIDE, alpha=0.0, beta=1 - 10 ** (-15 / depth))
    scales = {"residual": (depth**-0.5, 0.0), "constrained": (1.0, 0.0), "guaranteed": (BETA, BETA)}
    alpha, beta = scales.get(rule, (1.0, BETA))
    return replace(INSIDE, alpha=alpha, beta=beta)


def make_net(setting: Trained, generator: torch.Generator) -> Stack:
    """The network before training, with its constraints."""
    net = nets.mlp(setting.blocks, setting.width, unit=unit_of(setting), generator=generator)
    if setting.rule in ("bounded", "free"):
        for layer in net.blocks.modules():
            if isinstance(layer, nn.Linear):
                layer.register_parameter("bias", None)
    bounds = {"guaranteed": 1.0, "bounded": BETA**0.5, "biased": BETA**0.5, "constrained": setting.blocks**-0.5}
    if setting.rule in bounds:
        kind = lipschitz.SpectrallyNormalised if setting.rule == "guaranteed" else lipschitz.Projected
        lipschitz.constrain(net, bounds[setting.rule], kind=kind, where=lambda name: name.startswith("blocks"))
    return net


def fit(setting: Trained, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's networks; the initialisation is kept."""
    recipe = training.Recipe(epochs=setting.epochs, batch=100, lr=setting.lr)
    digits = data.load("digits", flat=True)
    return training.fit(lambda generator: make_net(setting, generator), digits, recipe, seeds, keep=(0,))


def scalar_net(blocks: int, width: int) -> Stack:
    """Blocks `x + 0.3 x`, whose sensitivity is their product."""
    body = [Block(nn.Linear(width, width, bias=False), nn.Identity(), Add()) for _ in range(blocks)]
    for block in body:
        block.branch.weight.data = 0.3 * torch.eye(width)  # pyright: ignore[reportArgumentType]
    return Stack(nn.Identity(), body, nn.Identity(), shape=(width,))


def without_activations(net: Stack) -> Stack:
    """The linear network of the same weights."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Identity())
    return net


def bounds_of(net: Stack, inputs: int, x: Tensor, seed: int, *, certify: bool) -> dict[str, float]:
    """Upper bounds, what a search finds, and the same for the controls; log10."""
    generator = runtime.stream(seed, "search")
    far = torch.randn(20, inputs, generator=generator, dtype=torch.float64)
    starts = torch.cat([x[:30], far[:10] * x.std(), 10 * far[10:]])
    found = lipschitz.search(net, starts, generator=generator)
    values = {
        "product": lipschitz.product_bound(net, (inputs,)).value,
        "wrong": lipschitz.product_bound(net, (inputs,), linear=largest_weight).value,
        "found": max(found.value, found.pair),
        "at_data": float(lipschitz.gains(net, x[:30], start=torch.ones_like(x[:30]), iterations=50).values.max()),
    }
    nan = {"certified": math.nan, "linear_certified": math.nan, "linear_found": math.nan, "linear_product": math.nan}
    if certify:
        nan["certified"] = lipschitz.semidefinite(lipschitz.normal_form(net, inputs), tol=1e-2).value
        linear = without_activations(net)
        nan["linear_certified"] = lipschitz.semidefinite(lipschitz.normal_form(linear, inputs)).value
        nan["linear_found"] = lipschitz.search(linear, x[:2], rounds=1, steps=1, generator=generator).value
        nan["linear_product"] = lipschitz.product_bound(linear, (inputs,)).value
    return {name: math.log10(max(value, 1e-30)) for name, value in (values | nan).items()}


def signal_of(net: Stack, x: Tensor, y: Tensor) -> float:
    """log10 of the gradient's norm at the first block over that at the last, of the mean cross-entropy."""
    state = net.stem(x).detach().requires_grad_()
    states = [state]
    for block in net.blocks:
        states.append(block(states[-1]))
    loss = nn.functional.cross_entropy(net.head(states[-1]), y)
    first, last = (float(g.norm()) for g in torch.autograd.grad(loss, (states[0], states[-2])))
    return math.log10(max(first, 1e-300) / max(last, 1e-300))


@torch.no_grad()
def states_of(net: Stack, setting: Trained, x: Tensor) -> dict[str, float]:
    """The largest growth of a state, minus 1, and what exceeds the bound that counts biases, relative to the state."""
    growth, excess, unit = -math.inf, -math.inf, unit_of(setting)
    states = net.states(x)
    for block, before, after in zip(net.blocks, states, states[1:], strict=False):
        sizes = before.norm(dim=1)
        branch = block.branch
        assert isinstance(branch, nn.Module)
        constant = lipschitz.product_bound(branch, (setting.width,)).value
        at_zero = branch(x.new_zeros(1, setting.width)).norm()
        limit = ((1 - unit.beta) + abs(unit.alpha) * constant) * sizes + abs(unit.alpha) * at_zero
        growth = max(growth, float((after.norm(dim=1) / sizes.clamp(min=1e-300)).max()) - 1)
        excess = max(excess, float(((after.norm(dim=1) - limit) / sizes.clamp(min=1e-300)).max()))
    return {"growth": growth, "excess": excess}


def trained_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy, bounds (log10), gradient at the start, growth of states; a row a seed, NaN if not asked or diverged."""
    digits = data.load("digits", flat=True)
    x = digits.test.x.double()
    if setting.rule == "scalar":
        net = scalar_net(setting.blocks, setting.width).double().eval()
        values = bounds_of(net, setting.width, x[:, : setting.width], 0, certify=False)
        none = {"test_accuracy": math.nan, "gradient": math.nan, "growth": math.nan, "excess": math.nan}
        return pd.DataFrame([{"seed": seed, **none, **values} for seed in seeds])
    fitted = fit(setting, seeds)
    accuracy = fitted.history[fitted.history["epoch"] == setting.epochs].set_index("seed")["test_accuracy"].fillna(0.1)
    records = []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        start = fitted_net(setting, fitted, seed, 0).double().eval()
        record = {"seed": seed, "test_accuracy": float(accuracy[seed])}
        record["gradient"] = signal_of(start, digits.train.x[:200].double(), digits.train.y[:200])
        record |= dict.fromkeys(("growth", "excess", *COLUMNS), math.nan)
        if not lost:
            net = fitted_net(setting, fitted, seed, setting.epochs).double().eval()
            record |= states_of(net, setting, x[:200])
            record |= bounds_of(net, 64, x, seed, certify=setting.blocks <= 10) if setting.bounds else {}
        records.append(record)
    return pd.DataFrame(records)


COLUMNS = ("product", "wrong", "found", "at_data", "certified", "linear_certified", "linear_found", "linear_product")


def fitted_net(setting: Trained, fitted: training.Fit, seed: int, epoch: int) -> Stack:
    """One seed's network, its constraints turned into weights."""
    net = make_net(setting, runtime.stream(seed, "init"))
    net.load_state_dict(fitted.net(seed, epoch).state_dict())
    return lipschitz.release(net)


# What `tuning.choose` takes of `lipschitz-tuning`, which is stored under results/; a test compares.
LADDER: dict[tuple[str, int], float] = choices.cells(
    {
        "residual": {2: 0.14, 5: 0.1, 10: 0.075, 20: 0.075},
        "constrained": {2: 0.21, 5: 0.21, 10: 0.15, 20: 0.13},
        "plain": {2: 0.046, 5: 0.023},
    }
)
"""The networks whose bounds are compared, by rule and blocks."""
BEST = LADDER | {
    ("residual", 50): 0.043,
    ("guaranteed", 50): 2.3,
    ("bounded", 10): 0.57,
    ("biased", 10): 0.24,
    ("free", 10): 0.0018,
}
START = dict.fromkeys((rule for rule, _ in BEST), 0.1) | {"plain": 0.03, "guaranteed": 3.0, "free": 0.001}
"""Where the search begins, by rule."""


def network(rule: str, blocks: int, *, lr: float | None = None) -> Trained:
    """The setting of one network; its learning rate is the best one unless given."""
    lr = BEST.get((rule, blocks), 0.1) if lr is None else lr
    return Trained(rule, blocks, lr, bounds=(rule, blocks) in LADDER)


_NETWORKS = (
    *(network(*key) for key in BEST),
    network("silent", 50),
    network("silent", 10),
    *(Trained("scalar", depth, 0.0) for depth in (2, 5, 10, 20)),
)
NETWORKS = Experiment.repeated(
    "lipschitz-networks", trained_trial, _NETWORKS, SEEDS, MANY_SEEDS, group=5, data=("digits",), agrees=SAMPLED
)


def tuning_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


_GRIDS = tuning.grids([network("residual", 2, lr=START["residual"])], [network(*key, lr=START[key[0]]) for key in BEST])
TUNING = Experiment("lipschitz-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("rule", "blocks"), best=BEST)
CHOICES = choices.Choices(NETWORKS, choices.ways(_NETWORKS))
DIVIDED = choices.divisions(NETWORKS, [setting for setting in _NETWORKS if setting.blocks == 50])


def _of(table: pd.DataFrame, rule: str, blocks: int) -> pd.DataFrame:
    return table[(table["rule"] == rule) & (table["blocks"] == blocks)].set_index("seed")


def product_bound(table: pd.DataFrame) -> Evidence:
    """log10 of the sensitivity found over the product, one value per network; control: largest weights, few blocks."""
    rows = table[table["product"].notna() & (table["rule"] != "scalar")]
    few = rows[rows["blocks"] <= 5]
    return Evidence((rows["found"] - rows["product"]).to_numpy(), (few["found"] - few["wrong"]).to_numpy(), "decades")


def product_estimate(table: pd.DataFrame) -> Evidence:
    """log10 of the product over the sensitivity found, 10 residual blocks; control: constrained ones."""
    rows = [_of(table, rule, 10) for rule in ("residual", "constrained")]
    return Evidence(*((r["product"] - r["found"]).to_numpy() for r in rows), unit="decades")


def product_growth(table: pd.DataFrame) -> Evidence:
    """Slope of the sensitivity against depth over that of the product, one value per seed; control: `x + 0.3 x`."""

    def slopes(rule: str) -> np.ndarray:
        rows = table[(table["rule"] == rule) & (table["blocks"] <= 20)]
        fits = [[np.polyfit(g["blocks"], g[c], 1)[0] for c in ("found", "product")] for _, g in rows.groupby("seed")]
        return np.array([found / product for found, product in fits])

    return Evidence(slopes("residual"), slopes("scalar"))


def product_slack(table: pd.DataFrame) -> Evidence:
    """Share of the decades between product and search that the semidefinite bound removes; control: no activations."""
    rows = _of(table, "residual", 10)
    share = (rows["product"] - rows["certified"]) / (rows["product"] - rows["found"])
    linear = (rows["linear_product"] - rows["linear_certified"]) / (rows["linear_product"] - rows["linear_found"])
    return Evidence(share.to_numpy(), linear.to_numpy())


def signal_gradient(table: pd.DataFrame) -> Evidence:
    """log10 of the first gradient over the last at the start, 50 guaranteed blocks; control: `1 / sqrt(L)`."""
    return Evidence(
        _of(table, "guaranteed", 50)["gradient"].to_numpy(),
        _of(table, "residual", 50)["gradient"].to_numpy(),
        "decades",
    )


def _points(table: pd.DataFrame, rule: str, usual: str, blocks: int) -> np.ndarray:
    return 100 * (_of(table, rule, blocks)["test_accuracy"] - _of(table, usual, blocks)["test_accuracy"]).to_numpy()


def signal_accuracy(table: pd.DataFrame) -> Evidence:
    """Accuracy of 50 guaranteed blocks minus that of `1 / sqrt(L)`, paired by seed; control: silent blocks."""
    usual = "residual"
    return Evidence(_points(table, "guaranteed", usual, 50), _points(table, "silent", usual, 50), "percentage points")


def weights_monotone(table: pd.DataFrame) -> Evidence:
    """Largest growth of a state in the bounded network, one value per seed; control: the free one."""
    return Evidence(_of(table, "bounded", 10)["growth"].to_numpy(), _of(table, "free", 10)["growth"].to_numpy())


def weights_biases(table: pd.DataFrame) -> Evidence:
    """Largest growth of a state with biases; control: what exceeds the bound that counts them."""
    rows = _of(table, "biased", 10)
    return Evidence(rows["growth"].to_numpy(), rows["excess"].to_numpy())
