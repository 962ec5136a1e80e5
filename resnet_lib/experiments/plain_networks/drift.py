r"""Plain ReLU layers with He's initialisation: how far their signals drift, by depth and width.

One layer maps $h$ to $h'=\mathrm{relu}(Wh)$ with $W_{ij}$ Gaussian of variance $2/n$. Given $h$, the entries of $Wh$
are independent Gaussians of variance $2\lVert h\rVert^2/n$, so $\lVert h'\rVert^2/\lVert h\rVert^2$ is
$(2/n)\sum_i\mathrm{relu}(g_i)^2$ with $g$ standard normal, whatever $h$ is: its mean is 1, its variance $5/n$, and the
factors of different layers are independent.

Two other kinds of layers have a law that is known beforehand, and are the controls. Without the ReLU, and with
variance $1/n$, the factor of a layer is $\chi^2_n/n$: its mean is 1, its variance $2/n$, and its logarithm falls by
$1/n$ a layer. A reflection times the root of an independent $R$, the factor of a ReLU layer, is a matrix whose whole
Jacobian falls as the ReLU's states do, since all directions shrink alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import special, stats
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Columns, Experiment, Grid

# A slope has a deviation of 1.1 and, by `mean_of_layer`, a mean of -2.62 at these widths, 0.25 from a bound: that is
# seven standard errors of a thousand draws. The first four hundred had a mean of -2.75, 2.3 of theirs from the bound.
DRAWS = tuple(range(1000))
FEW_DRAWS, MORE_DRAWS = tuple(range(400)), tuple(range(500))  # of whole Jacobians, whose slope is 0.3 from a bound
LAYERS = 100
RATE = -2.5  # of the typical ln |h|^2, per L/n
REAL, LARGE = (32, 64, 128), (256, 512)
LINEAR = (32, 64)  # widths of real layers without ReLU, the control: their slope is six standard errors from a bound
WIDTHS = (32, 64, 128, 256, 512, 1024, 2048)
VARIANCE = {"relu": 2.0, "linear": 1.0}  # of the weights, times the width


@dataclass(frozen=True)
class Drift:
    """Stacks of plain layers.

    Attributes:
        width: Units of every layer.
        layers: How many.
        drawn: `matrices` draws every layer's weights; `law` only the Gaussians that they make of a given state, which
            is exact in law, and says nothing about gradients.
        kind: `relu` with weights of variance `2/n`, `linear` without ReLU and with variance `1/n`, or `reflected`: a
            reflection times the root of a ReLU layer's factor, only for matrices.
        whole: Whether the whole Jacobian is multiplied out; only for matrices.
        every: The signals are read after each so many layers.
    """

    width: int
    layers: int = LAYERS
    drawn: str = "matrices"
    kind: str = "relu"
    whole: bool = False
    every: int = 25


def trial(setting: Drift, seeds: Sequence[int]) -> pd.DataFrame:
    r"""Growth of squared norms, $\ln$ of last over first; one row per (draw, layer, signal).

    `state`: $\lVert h_L\rVert^2$. With matrices also `direction`: $\lVert Ju\rVert^2$ for a random $u$, with the
    Jacobian $J$ at $h_0$; `backward`: $\lVert J^\top v\rVert^2$ for a random $v$; `whole`: $\lVert J\rVert_F^2/n$.
    """
    found = by_law(setting, seeds) if setting.drawn == "law" else by_matrices(setting, seeds)
    rows = [
        pd.DataFrame({"seed": list(seeds), "layer": layer, "signal": signal, "growth": values.numpy()})
        for (layer, signal), values in found.items()
    ]
    return pd.concat(rows, ignore_index=True)


Growth = dict[tuple[int, str], Tensor]


def by_law(setting: Drift, seeds: Sequence[int]) -> Growth:
    """Growth of the state by a product of independent factors; as float64, one value per draw."""
    n = setting.width
    factors = []
    for seed in seeds:
        gaussians = torch.randn(setting.layers, n, generator=runtime.stream(seed, "drift", "law", n))
        if setting.kind == "relu":
            gaussians.relu_()
        factors.append(gaussians.square_().sum(1) * (VARIANCE[setting.kind] / n))
    logs = torch.stack(factors).double().log().cumsum(1)
    return {(layer, "state"): logs[:, layer - 1] for layer in read_at(setting)}


def by_matrices(setting: Drift, seeds: Sequence[int]) -> Growth:
    """Growth of three or four signals through layers whose weights are drawn."""
    n, draws = setting.width, len(seeds)
    streams = [runtime.stream(seed, "drift", n) for seed in seeds]
    start = torch.stack([torch.randn(n, 3, generator=stream) for stream in streams])
    pair, v = start[:, :, :2], start[:, :, 2:]  # state and direction go forward together
    whole = torch.eye(n).expand(draws, n, n) if setting.whole else None
    logs = torch.zeros(draws, 3, dtype=torch.float64)
    logs[:, :2] = -_log_squares(pair)
    logs[:, 2] = -np.log(n)
    passed: list[tuple[Tensor, Tensor]] = []
    found: Growth = {}
    for layer in range(1, setting.layers + 1):
        weight = reflections(n, streams) if setting.kind == "reflected" else gaussian(setting, streams)
        pre = weight @ pair
        on = (pre[:, :, :1] > 0).float() if setting.kind == "relu" else torch.ones_like(pre[:, :, :1])
        passed.append((weight, on))
        pair = on * pre
        if whole is not None:
            whole = on * (weight @ whole)
        if layer in read_at(setting):  # and brought to norm one, before anything overflows
            logs[:, :2] += _log_squares(pair)
            pair = pair / pair.norm(dim=1, keepdim=True)
            found |= {(layer, name): logs[:, i].clone() for i, name in enumerate(("state", "direction"))}
            if whole is not None:
                size = whole.flatten(1).norm(dim=1)
                logs[:, 2] += 2 * size.double().log()
                whole = whole / size[:, None, None]
                found[layer, "whole"] = logs[:, 2].clone()
    return found | backward(passed, v, read_at(setting))


def gaussian(setting: Drift, streams: Sequence[torch.Generator]) -> Tensor:
    """One layer's independent weights, of one draw per stream."""
    n = setting.width
    weight = torch.stack([torch.randn(n, n, generator=stream) for stream in streams])
    return weight.mul_((VARIANCE[setting.kind] / n) ** 0.5)


def reflections(n: int, streams: Sequence[torch.Generator]) -> Tensor:
    """One layer's reflection in a random direction, times the root of an independent factor of ReLU layers."""
    drawn = torch.stack([torch.randn(n, 2, generator=stream) for stream in streams])
    mirror = drawn[:, :, :1] / drawn[:, :, :1].norm(dim=1, keepdim=True)
    factor = drawn[:, :, 1].relu().square().sum(1) * (VARIANCE["relu"] / n)
    return factor.sqrt()[:, None, None] * (torch.eye(n) - 2 * mirror @ mirror.mT)


def backward(passed: Sequence[tuple[Tensor, Tensor]], v: Tensor, starts: Sequence[int]) -> Growth:
    r"""$\ln\lVert J^\top v\rVert^2-\ln\lVert v\rVert^2$ through the first so many layers, for each of `starts`."""
    unit = v / v.norm(dim=1, keepdim=True)
    signal = unit[:, :, :0]  # one column per start, the deepest first
    logs = torch.zeros(len(v), 0, dtype=torch.float64)
    for layer, (weight, on) in reversed(list(enumerate(passed, 1))):
        if layer in starts:
            logs = torch.cat([logs + _log_squares(signal), logs.new_zeros(len(v), 1)], 1)
            signal = torch.cat([signal / signal.norm(dim=1, keepdim=True), unit], 2)
        signal = weight.mT @ (on * signal)
    logs = logs + _log_squares(signal)
    return {(layer, "backward"): log for layer, log in zip(reversed(starts), logs.unbind(1), strict=True)}


def _log_squares(x: Tensor) -> Tensor:
    """Of each draw's columns, as float64."""
    return 2 * x.norm(dim=1).double().log()


def read_at(setting: Drift) -> range:
    """The layers after which signals are read."""
    return range(setting.every, setting.layers + 1, setting.every)


def mean_of_layer(width: int) -> float:
    r"""$E\ln$ of a layer's factor, exactly: that of $(2/n)\chi^2_K$ with $K$ of $n$ units on, if any is on at all."""
    on = np.arange(1, width + 1)
    chances = stats.binom.pmf(on, width, 0.5)
    return float(np.log(4 / width) + (chances * special.digamma(on / 2)).sum() / chances.sum())


def mean_of_linear_layer(width: int) -> float:
    r"""$E\ln(\chi^2_n/n)$, the same without ReLU."""
    return float(special.digamma(width / 2) + np.log(2 / width))


def _grid(real: Sequence[int], widths: Sequence[int], layers: int, every: int) -> tuple[Drift, ...]:
    return (
        *(Drift(width) for width in real),
        *(Drift(width, kind="linear") for width in LINEAR),
        *(Drift(width, layers, "law", every=every) for width in widths),
        *(Drift(width, LAYERS, "law", "linear", every=every) for width in widths),
    )


DRIFT = Experiment(
    name="plain-drift",
    agrees=Columns("rounded", {"mean": "sampled", "std": "sampled"}),  # a Jacobian amplifies rounding
    trial=trial,
    quick=Grid(settings=_grid(REAL, WIDTHS, 200, every=25), seeds=DRAWS, group=50),
    full=Grid(settings=_grid((*REAL, *LARGE), (*WIDTHS, 4096), 400, every=100), seeds=DRAWS, group=5),
)

# Reflections are drawn at a third width: their slope is then 4.4 standard errors of four hundred draws from a bound.
WHOLE = (
    *(Drift(width, whole=True) for width in (64, 128)),
    *(Drift(width, kind="reflected", whole=True) for width in (32, 64, 128)),
)
JACOBIANS = Experiment(
    name="plain-jacobians",
    agrees=Columns("rounded", {"mean": "sampled", "std": "sampled"}),
    trial=trial,
    quick=Grid(settings=WHOLE, seeds=FEW_DRAWS, group=30),
    full=Grid(settings=WHOLE, seeds=MORE_DRAWS, group=20),
)


def rows(table: pd.DataFrame, drawn: str, signal: str = "state", *, kind: str = "relu") -> pd.DataFrame:
    """The rows of one signal, with a column `ratio`: layers over width."""
    found = table[(table["drawn"] == drawn) & (table["signal"] == signal) & (table["kind"] == kind)]
    return found.assign(ratio=found["layer"] / found["width"])


def slopes(found: pd.DataFrame) -> np.ndarray:
    """Slope of growth against layers over width, least squares through the origin; one value per draw."""
    products = found.assign(xy=found["ratio"] * found["growth"], xx=found["ratio"] ** 2)
    sums = products.groupby("seed")[["xy", "xx"]].sum()
    return (sums["xy"] / sums["xx"]).to_numpy()


def _slope(signal: str, control: str = "linear") -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        found, known = (slopes(rows(table, "matrices", signal, kind=kind)) for kind in ("relu", control))
        return Evidence(values=found, control=known)

    measure.__doc__ = f"Slope of the growth of {signal} against L/n, one value per draw; control: {control} layers."
    return measure


slope, jacobian, gradient = _slope("state"), _slope("direction"), _slope("backward")
frobenius = _slope("whole", "reflected")


def _at(table: pd.DataFrame, drawn: str, width: int, kind: str) -> np.ndarray:
    found = rows(table[(table["width"] == width) & (table["layer"] == LAYERS)], drawn, kind=kind)
    return found.set_index("seed")["growth"].sort_index().to_numpy()


def _typical(drawn: str, width: int) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(values=_at(table, drawn, width, "relu"), control=_at(table, drawn, min(REAL), "linear"))

    measure.__doc__ = f"ln of the growth in 100 layers of width {width}, one value per draw; control: linear layers."
    return measure


narrow, wide = _typical("matrices", 32), _typical("law", 1024)


def mean(table: pd.DataFrame) -> Evidence:
    """Growth itself at width 1024, one value per draw; control: that of linear layers of width 256."""
    values, control = _at(table, "law", 1024, "relu"), _at(table, "law", 256, "linear")
    return Evidence(values=np.exp(values), control=np.exp(control))


def variance(table: pd.DataFrame) -> Evidence:
    """Squared distance of growth from -b/2, over b = 5L/n, mean over widths of 64 and more; control: linear, 2L/n."""
    found = []
    for kind, share in (("relu", 5), ("linear", 2)):
        last = rows(table[table["width"] >= 64], "law", kind=kind)
        last = last[last["layer"] == last["layer"].max()]
        b = share * last["ratio"]
        found.append(((last["growth"] + b / 2) ** 2 / b).groupby(last["seed"]).mean().to_numpy())
    return Evidence(values=found[0], control=found[1])
