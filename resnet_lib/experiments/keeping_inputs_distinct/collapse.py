r"""How near two orthogonal inputs come to one direction in deep random ReLU networks: exact recursions, and draws.

Given two states, what a layer with Gaussian weights makes of them is a pair of Gaussians, independent over the units,
whose second moments are the states' inner products over the width. So a layer is drawn without its matrix, exactly in
law. In the limit of large width $c$, the cosine of two states, then obeys a recursion: a ReLU layer takes it to

$$\kappa(c)=\frac{\sqrt{1-c^2}+c\,(\pi-\arccos c)}{\pi}.$$

States are kept as one of the two and their difference, so that an angle of 1e-8 keeps all its digits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Columns, Experiment

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(100))
DEPTH = 100
READ = (0, 1, 2, 3, 5, 7, 10, 14, 20, 30, 40, 50, 70, 100)
"""Depths at which the states are read."""
EARLY = 30
"""The depth at which draws are compared with the recursion; later their scatter is larger."""
KINDS = ("plain", "linear", "inside", "pre", "norm", "scaled", "one-layer", "linear-residual")


@dataclass(frozen=True)
class Collapse:
    """Random networks on two inputs that are orthogonal up to chance.

    Attributes:
        kind: `plain` is a stack of ReLU layers with He's variance 2/n, `linear` one of linear layers of variance 1/n.
            The others are blocks `x + F(x)`. `inside` has `F = W2 relu(W1 x)`; `pre` puts one more ReLU before W1,
            `norm` a layer normalisation; `scaled` is `inside` with its branch over the root of the depth. W1 has the
            variance 2/n and W2 1/n (2/n for `pre`), so that a branch starts with the size of what it reads.

            `one-layer` is `x + relu(W x)`, `linear-residual` is `x + W x`.
        width: Units of every state.
        depth: Layers or blocks.
    """

    kind: str
    width: int
    depth: int = DEPTH


def trial(setting: Collapse, seeds: Sequence[int]) -> pd.DataFrame:
    """`apart`, 1 minus the cosine, and `law`, what the recursion says of it; one row per (draw, layer)."""
    law = recursion(setting.kind, setting.depth)
    found = drawn(setting, [runtime.stream(seed, "collapse", setting.kind, setting.width) for seed in seeds])
    layers = [layer for layer in READ if layer <= setting.depth]
    pieces = [
        pd.DataFrame({"seed": seed, "layer": layers, "apart": of_draw[layers], "law": law[layers]})
        for seed, of_draw in zip(seeds, found.T, strict=True)
    ]
    return pd.concat(pieces, ignore_index=True)


def drawn(setting: Collapse, streams: Sequence[torch.Generator]) -> Float[np.ndarray, "layer draw"]:
    """1 minus the cosine of two states after 0, 1, ... layers; a column for each draw."""
    n = setting.width
    layer = layer_of(setting, streams)
    x = torch.stack([torch.randn(2, n, generator=stream, dtype=torch.float64) for stream in streams])
    x = torch.stack([x[:, 0], x[:, 0] - x[:, 1]], 1)
    found = [apart(x)]
    for _ in range(setting.depth):
        x = layer(x)
        x = x / x[:, :1].norm(dim=2, keepdim=True) * n**0.5  # both alike: no angle changes and nothing overflows
        found.append(apart(x))
    return torch.stack(found).numpy()


States = Float[Tensor, "draw 2 n"]
"""Of each draw, a state and its difference from the other."""


def apart(x: States) -> Float[Tensor, " draw"]:
    """`1 - cos` of the two states, without cancellation: half the squared distance of the unit vectors."""
    one, change = x[:, 0], x[:, 1]
    other = one - change
    sizes = one.norm(dim=1), other.norm(dim=1)
    # |a/|a| - b/|b||^2 = (|a - b|^2 - (|a| - |b|)^2) / (|a| |b|), with |a| - |b| = (a + b) . (a - b) / (|a| + |b|)
    gap = ((one + other) * change).sum(1) / (sizes[0] + sizes[1])
    return (change.square().sum(1) - gap**2) / (2 * sizes[0] * sizes[1])


def gaussians(x: States, variance: float, streams: Sequence[torch.Generator]) -> States:
    """What a layer with weights of variance `variance / n` makes of the states, drawn by its law."""
    n = x.shape[2]
    z = torch.stack([torch.randn(2, n, generator=stream) for stream in streams]).double()
    size = x[:, 0].norm(dim=1, keepdim=True)
    along = (x[:, 0] * x[:, 1]).sum(1, keepdim=True) / size
    across = (x[:, 1] - along / size * x[:, 0]).norm(dim=1, keepdim=True)
    return torch.stack([size * z[:, 0], along * z[:, 0] + across * z[:, 1]], 1) * (variance / n) ** 0.5


def relu(x: States) -> States:
    """The ReLU of both states."""
    first = x[:, 0].relu()
    return torch.stack([first, first - (x[:, 0] - x[:, 1]).relu()], 1)


def normalised(x: States) -> States:
    """The layer normalisation of both states."""
    pair = torch.stack([x[:, 0], x[:, 0] - x[:, 1]], 1)
    pair = pair - pair.mean(2, keepdim=True)
    pair = pair / pair.square().mean(2, keepdim=True).sqrt()
    return torch.stack([pair[:, 0], pair[:, 0] - pair[:, 1]], 1)


def layer_of(setting: Collapse, streams: Sequence[torch.Generator]) -> Callable[[Tensor], Tensor]:
    """One layer or block of this kind, with new weights at each call.

    Raises:
        ValueError: Where the kind is not known.
    """
    size = 1.0 if setting.kind != "scaled" else setting.depth**-0.5
    energy = torch.ones(
        len(streams), 1, 1, dtype=torch.float64
    )  # of a state that adds up what `norm` keeps at size one

    def weighed(x: Tensor, variance: float) -> Tensor:
        return gaussians(x, variance, streams)

    def normed(x: Tensor) -> Tensor:
        nonlocal energy
        x = x * energy.sqrt() + weighed(relu(weighed(normalised(x), 2.0)), 1.0)
        energy = x[:, :1].square().mean(2, keepdim=True)
        return x

    layers: dict[str, Callable[[Tensor], Tensor]] = {
        "plain": lambda x: relu(weighed(x, 2.0)),
        "linear": lambda x: weighed(x, 1.0),
        "inside": lambda x: x + weighed(relu(weighed(x, 2.0)), 1.0),
        "scaled": lambda x: x + size * weighed(relu(weighed(x, 2.0)), 1.0),
        "pre": lambda x: x + weighed(relu(weighed(relu(x), 2.0)), 2.0),
        "norm": normed,
        "one-layer": lambda x: x + relu(weighed(x, 2.0)),
        "linear-residual": lambda x: x + weighed(x, 1.0),
    }
    if setting.kind not in layers:
        raise ValueError(f"kind={setting.kind!r} is unknown; known: {', '.join(KINDS)}")
    return layers[setting.kind]


def closer(gap: float) -> float:
    r"""$1-\kappa(1-\varepsilon)$ for the gap $\varepsilon$, without cancellation.

    With the angle $\theta$, $\cos\theta=1-\varepsilon$, it is $\varepsilon-(\sin\theta-\theta\cos\theta)/\pi$, about
    $\varepsilon-\tfrac{2\sqrt2}{3\pi}\varepsilon^{3/2}$; below $\theta=0.01$ the bracket is taken from its series.
    """
    angle = 2 * np.arcsin(np.sqrt(gap / 2))
    bracket = np.sin(angle) - angle * np.cos(angle) if angle > 0.01 else angle**3 / 3 - angle**5 / 30
    return float(gap - bracket / np.pi)


def recursion(kind: str, depth: int, start: float = 1.0) -> np.ndarray:
    r"""The gap $1-c$ after 0 to `depth` layers, at infinite width.

    A branch of energy $s^2$ times that of the state it is added to, and with the gap $\varepsilon_F$, leaves
    $(\varepsilon+s^2\varepsilon_F)/(1+s^2)$. The branch of `one-layer` has a mean, and so soon has the state: $m$ over
    the root of its second moment is followed too.

    Raises:
        ValueError: Where the kind is not known.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; known: {', '.join(KINDS)}")
    gap, mean = start, 0.0
    found = [gap]
    for layer in range(depth):
        if kind == "plain":
            gap = closer(gap)
        elif kind == "one-layer":
            growth = 2 + 2 * mean / np.pi**0.5
            gap = (gap + closer(gap)) / growth
            mean = (mean + np.pi**-0.5) / growth**0.5
        elif kind not in ("linear", "linear-residual"):
            share = {"scaled": 1 / depth, "norm": 1 / (layer + 1)}.get(kind, 1.0)
            branch = closer(closer(gap)) if kind == "pre" else closer(gap)
            gap = (gap + share * branch) / (1 + share)
        found.append(gap)
    return np.array(found)


WIDE, USUAL = 16384, 1024
SETTINGS = (
    *(Collapse(kind, WIDE, EARLY) for kind in ("plain", "inside")),
    *(Collapse(kind, USUAL) for kind in KINDS),
)
COLLAPSE = Experiment.repeated(
    "distinct-collapse", trial, SETTINGS, DRAWS, MANY_DRAWS, group=20, agrees=Columns("rounded")
)


def ends(table: pd.DataFrame, kind: str, depth: int = DEPTH) -> pd.DataFrame:
    """The last layer of the networks of a kind that have this depth."""
    return table[(table["kind"] == kind) & (table["depth"] == depth) & (table["layer"] == depth)]


def gaps(table: pd.DataFrame, kind: str) -> np.ndarray:
    """1 minus the cosine after 100 layers, one value per draw."""
    return ends(table, kind)["apart"].to_numpy()


def plain(table: pd.DataFrame) -> Evidence:
    """1 minus the cosine after 100 plain ReLU layers, one value per draw; control: linear layers."""
    return Evidence(gaps(table, "plain"), gaps(table, "linear"))


def residual(table: pd.DataFrame) -> Evidence:
    """1 minus the cosine after 100 blocks x + F(x), one value per draw; control: linear blocks."""
    return Evidence(gaps(table, "inside"), gaps(table, "linear-residual"))


def scaled(table: pd.DataFrame) -> Evidence:
    """1 minus the cosine after 100 blocks with scaled branches, one value per draw; control: unscaled ones."""
    return Evidence(gaps(table, "scaled"), gaps(table, "inside"))


def one_layer(table: pd.DataFrame) -> Evidence:
    """1 minus the cosine after 100 blocks x + relu(Wx), one value per draw; control: blocks x + F(x)."""
    return Evidence(gaps(table, "one-layer"), gaps(table, "inside"))


def _law(kind: str, other: str) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        rows = ends(table, kind, EARLY)
        wrong = recursion(other, EARLY)[EARLY]
        return Evidence((rows["apart"] / rows["law"]).to_numpy(), (rows["apart"] / wrong).to_numpy())

    measure.__doc__ = f"1 - cosine of {kind} after 30 layers over its law, one value per draw; control: law of {other}."
    return measure


law_plain, law_inside = _law("plain", "inside"), _law("inside", "plain")
