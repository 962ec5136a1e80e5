"""Networks of one input and one output, trained on a few noisy points until they reach the same training loss."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from resnet_lib import nets, runtime, training
from resnet_lib.analysis import variation
from resnet_lib.nets.merges import Add
from resnet_lib.nets.units import UNITS
from resnet_lib.training.stacked import Stacked

BARE = replace(UNITS["pre"], norm="none")
KINDS = ("plain", "residual", "around", "shifted")
SINE, RANDOM, RISING, FALLING = "sine", "random", "rising", "falling"
NOISE = {SINE: 0.3, RANDOM: 0.3, RISING: 0.1, FALLING: 0.1}
KNOTS = 6
MANY = 400  # points of the sample that rates are chosen on, and of the grid on which errors are measured
HALVINGS = 30


@dataclass(frozen=True)
class Regressor:
    """A ReLU network of ``blocks`` pre-activation blocks without normalisation, and the points it is trained on.

    ``kind`` is ``residual``, or ``plain`` without shortcuts; ``around`` is the plain network with one shortcut around
    all of it, ``x + F(x)``, and ``shifted`` the plain network trained on ``y - x``. The last weights of the blocks are
    ``gain`` times as large as He's at first. Training ends where the mean squared error is ``level`` times that of
    the noise. ``again`` draws other weights from the same seed.
    """

    kind: str
    lr: float
    gain: float = 1.0
    target: str = SINE
    blocks: int = 3
    width: int = 24
    points: int = 16
    level: float = 0.5
    steps: int = 400
    again: bool = False


@dataclass(frozen=True)
class Sample:
    """Points of one seed: what is trained on, what rates are chosen on, and the target on a grid."""

    x: Float[Tensor, "n 1"]
    y: Float[Tensor, "n 1"]
    fresh: Float[Tensor, "m 1"]
    answers: Float[Tensor, "m 1"]
    grid: Float[Tensor, "k 1"]
    truth: Float[Tensor, "k 1"]


def target(name: str, seed: int, x: np.ndarray) -> np.ndarray:
    """What the points are drawn about: a sine, a line with a ripple, or the seed's own polygon of Gaussian corners."""
    if name == RANDOM:
        corners = runtime.rng(seed, "regression", "corners").standard_normal(KNOTS)
        return np.interp(x, np.linspace(0, 1, KNOTS), corners)
    ripple = 0.1 * np.sin(2 * np.pi * x)
    return {SINE: np.sin(2 * np.pi * x), RISING: x + ripple, FALLING: -x - ripple}[name]


def sample(setting: Regressor, seed: int) -> Sample:
    """One point in each of ``points`` equal intervals, with Gaussian noise of exactly the wanted mean square."""
    return _sample(setting.target, setting.points, seed)


@functools.lru_cache(maxsize=512)
def _sample(name: str, points: int, seed: int) -> Sample:
    rng, sigma = runtime.rng(seed, "regression"), NOISE[name]

    def noisy(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = (np.arange(n) + rng.uniform(size=n)) / n
        noise = rng.standard_normal(n)
        return x, target(name, seed, x) + sigma * noise / math.sqrt((noise**2).mean())

    grid = np.linspace(0, 1, MANY + 1)
    found = (*noisy(points), *noisy(MANY), grid, target(name, seed, grid))
    return Sample(*(torch.from_numpy(each)[:, None] for each in found))


def build(setting: Regressor, seed: int) -> nets.Stack:
    """The network of one seed in float64, without the shortcut around it; its stem bends at random points of [0, 1]."""
    unit = BARE if setting.kind == "residual" else BARE.plain()
    path = ("init", *(["again"] if setting.again else []))
    net = nets.mlp(
        setting.blocks, setting.width, unit=unit, in_features=1, classes=1, generator=runtime.stream(seed, *path)
    )
    first = net.get_submodule("stem.weight1")
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.bias.copy_(-first.weight[:, 0] * torch.rand(setting.width, generator=runtime.stream(seed, *path, "bend")))
        for i in range(setting.blocks):
            net.get_parameter(f"blocks.{i}.branch.weight2.weight").mul_(setting.gain)
    return net.double()


def starts(setting: Regressor, seeds: Sequence[int]) -> Stacked:
    """Parameters of the networks that `build` makes, stacked; those of all kinds and gains are drawn but once."""
    drawn = [_drawn(setting.blocks, setting.width, setting.again, seed) for seed in seeds]
    found = {name: torch.stack([each[name] for each in drawn]) for name in drawn[0]}
    for i in range(setting.blocks):
        found[f"blocks.{i}.branch.weight2.weight"].mul_(setting.gain)
    return {name: value.requires_grad_() for name, value in found.items()}


@functools.lru_cache(maxsize=512)
def _drawn(blocks: int, width: int, again: bool, seed: int) -> Stacked:
    net = build(Regressor("plain", 0.0, blocks=blocks, width=width, again=again), seed)
    return {name: value.detach() for name, value in net.named_parameters()}


def outputs(
    setting: Regressor, params: Stacked, x: Float[Tensor, "seed n 1"], read: list[Tensor] | None = None
) -> Float[Tensor, "seed n 1"]:
    """Outputs of the stacked networks, each on points of its own: what `build` makes, and the shortcut around it.

    What the ReLUs read is put into the list `read`, where there is one.
    """

    def layer(name: str, h: Tensor) -> Tensor:
        return torch.baddbmm(params[f"{name}.bias"][:, None], h, params[f"{name}.weight"].mT)

    def relu(h: Tensor) -> Tensor:
        if read is not None:
            read.append(h)
        return torch.relu(h)

    h = layer("stem.weight1", x)
    for i in range(setting.blocks):
        inner = layer(f"blocks.{i}.branch.weight1", relu(h))
        branch = layer(f"blocks.{i}.branch.weight2", relu(inner))
        h = h + branch if setting.kind == "residual" else branch
    found = layer("head.weight1", relu(h))
    return found + x if setting.kind == "around" else found


@dataclass(frozen=True)
class Trained:
    """Networks at the same training loss: stacked parameters before and after training.

    Attributes:
        start: Parameters before.
        end: After; on the line between two steps, where the loss is the wanted one.
        steps: After how many steps each reached the loss; all of them where it did not.
        reached: Whether it did.
    """

    start: Stacked
    end: Stacked
    steps: Float[Tensor, " seed"]
    reached: Bool[Tensor, " seed"]


def fit(setting: Regressor, seeds: Sequence[int], penalty: Callable[[Stacked], Tensor] | None = None) -> Trained:
    """Train one network a seed by Adam on all of its points, until its loss is ``level`` times that of the noise.

    What `penalty` makes of the parameters, one number a seed, is added to what is descended; the loss is without it.
    """
    samples = [sample(setting, seed) for seed in seeds]
    x, y = (torch.stack([getattr(each, name) for each in samples]) for name in ("x", "y"))
    if setting.kind == "shifted":
        y = y - x
    params = starts(setting, seeds)
    wanted = setting.level * NOISE[setting.target] ** 2
    optimizer = training.Recipe(epochs=1, lr=setting.lr, optimizer="adam").optimizer_of(list(params.values()))

    def losses(at: Stacked, x: Tensor, y: Tensor) -> Tensor:
        return ((outputs(setting, at, x) - y) ** 2).mean((1, 2))

    def copied() -> Stacked:
        return {name: value.detach().clone() for name, value in params.items()}

    start, above, below, before = copied(), copied(), copied(), copied()
    steps = torch.full((len(seeds),), float(setting.steps))
    reached = torch.zeros(len(seeds), dtype=torch.bool)
    left, xs, ys = torch.arange(len(seeds)), x, y  # the networks that go on, and their points
    for step in range(setting.steps + 1):
        found = losses(params, xs, ys)
        now = found.detach() <= wanted
        steps[left[now]], reached[left[now]] = float(step), True
        # What has not come so far stays where it is after the last step.
        ends = now if step < setting.steps else torch.ones_like(now)
        if ends.any():
            for name, value in params.items():
                above[name][left[ends]], below[name][left[ends]] = before[name][ends], value.detach()[ends]
            left, xs, ys = left[~ends], xs[~ends], ys[~ends]
            if not len(left):
                break
            params = _going_on(optimizer, params, ~ends)
            found = losses(params, xs, ys)
        before = copied()
        descended = found if penalty is None else found + penalty(params)
        gradients = torch.autograd.grad(descended.sum(), list(params.values()))
        for parameter, gradient in zip(params.values(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    end = _between(lambda at: losses(at, x, y), above, below, wanted)
    return Trained(start, end, steps, reached)


def _going_on(optimizer: torch.optim.Optimizer, params: Stacked, kept: Bool[Tensor, " seed"]) -> Stacked:
    """The parameters of the seeds that are kept, as the optimiser has them from now on, with what it remembers."""
    found = {}
    for name, value in params.items():
        found[name] = value.detach()[kept].requires_grad_()
        state = optimizer.state.pop(value, {})
        optimizer.state[found[name]] = {key: each[kept] if each.ndim else each for key, each in state.items()}
    optimizer.param_groups[0]["params"] = list(found.values())
    return found


@torch.no_grad()
def _between(losses, above: Stacked, below: Stacked, wanted: float) -> Stacked:
    """The point on the line from above to below where the loss is the wanted one, by bisection for each seed."""
    low = torch.zeros(len(next(iter(above.values()))), dtype=torch.float64)
    high = torch.ones_like(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = losses(_line(above, below, middle)) > wanted
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    return _line(above, below, high)


def _line(a: Stacked, b: Stacked, share: Float[Tensor, " seed"]) -> Stacked:
    return {name: torch.lerp(a[name], b[name], share.reshape(-1, *[1] * (a[name].ndim - 1))) for name in a}


def network(setting: Regressor, params: Stacked, nth: int) -> nets.Stack:
    """The network of one seed, without the shortcut around it."""
    net = build(setting, 0)
    net.load_state_dict({name: value[nth] for name, value in params.items()})
    return net


def whole(setting: Regressor, net: nets.Stack) -> nn.Module:
    """With the shortcut around it, where it has one."""
    return nets.Block(net, nn.Identity(), Add()) if setting.kind == "around" else net


def traced(
    setting: Regressor, params: Stacked, count: int
) -> tuple[Float[Tensor, "seed m"], Float[Tensor, "seed m"], Float[Tensor, " seed"]]:
    """Corners of the stacked networks on [0, 1] and their values there, exact, as `variation.traces` has them."""

    def f(x: Tensor) -> tuple[Tensor, list[Tensor]]:
        read: list[Tensor] = []
        return outputs(setting, params, x[..., None], read)[..., 0], read

    return variation.traces(f, count)


def trial(setting: Regressor, seeds: Sequence[int]) -> pd.DataFrame:
    """Exact variation at the same training loss, and the error there: `measured` of what `fit` finds."""
    return measured(setting, seeds, fit(setting, seeds))


def measured(setting: Regressor, seeds: Sequence[int], trained: Trained) -> pd.DataFrame:
    """Exact variation of trained networks, and their error; one row per seed.

    `variation` and `turns` are those of the whole function, `branch` the variation of the network without the shortcut
    around it, and `start` that of the whole before training. `error` is the mean squared distance from the target on
    [0, 1] over the mean square of the noise, `loss` the training loss over the wanted one, `taken` the steps.
    """
    samples = [sample(setting, seed) for seed in seeds]
    with torch.no_grad():
        x, y, grid, truth = (
            torch.stack([getattr(each, name) for each in samples]) for name in ("x", "y", "grid", "truth")
        )
        if setting.kind == "shifted":
            y, truth = y - x, truth - grid
        noise = NOISE[setting.target] ** 2
        loss = ((outputs(setting, trained.end, x) - y) ** 2).mean((1, 2)) / (setting.level * noise)
        error = ((outputs(setting, trained.end, grid) - truth) ** 2).mean((1, 2)) / noise
        points, values, _ = traced(setting, trained.end, len(seeds))
        first = traced(setting, trained.start, len(seeds))[1]
        branch = values - points if setting.kind == "around" else values
    found = {
        "variation": variation.total(values),
        "turns": variation.turns(values),
        "branch": variation.total(branch),
        "start": variation.total(first),
        "error": error,
        "loss": loss,
        "taken": trained.steps,
        "reached": trained.reached,
    }
    table = pd.DataFrame({"seed": list(seeds)} | {name: value.numpy() for name, value in found.items()})
    return table.assign(turns=table["turns"].astype(int))
