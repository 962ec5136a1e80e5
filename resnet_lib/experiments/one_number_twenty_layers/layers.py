r"""Layers of plain networks: whether one shortens a direction, and whether it shortens the gradient on its way back.

A layer $x\mapsto\mathrm{relu}(Wx+b)$ has the Jacobian $DW$ at a state, $D$ with a 1 where a unit is on. It multiplies a
small change $v$ of its input by $\lVert DWv\rVert/\lVert v\rVert$, and a gradient $g$ of its output by
$\lVert W^{\mathsf T}Dg\rVert/\lVert g\rVert$. In a chain of scalars the two are one number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime
from resnet_lib.data import Split
from resnet_lib.evidence.choices import Choices, ways
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import Columns, Experiment, Grid
from resnet_lib.training import Recipe, zoo
from resnet_lib.training.zoo import Network

BARE = replace(UNITS["plain"], norm="none")  # the plain network of chapter 2 without normalisation
SEEDS = tuple(range(20))  # in fives, of which chapter 2 trains the first; five alone would leave the gradient to chance
IMAGES = 100  # of the test images, the first


@dataclass(frozen=True)
class Layers:
    """A plain ReLU network of width 64 for digits without normalisation.

    Attributes:
        layers: Weight layers, the first and the last included.
        lr: Highest learning rate; 0 for a network that is not trained and has orthogonal weights.
        epochs: Passes over the training images.
        scale: Factor of the orthogonal weights.
    """

    layers: int
    lr: float
    epochs: int = 8
    scale: float = 1.0


def network(setting: Layers) -> Network:
    """The setting's trained network, by the name under which chapter 2 keeps its own."""
    keep = tuple(sorted({epoch for epoch in (0, 1, 2, setting.epochs // 2) if epoch < setting.epochs}))
    recipe = Recipe(epochs=setting.epochs, batch=100, lr=setting.lr, optimizer="sgd")
    return Network("mlp", (setting.layers - 2) // 2, "digits", recipe, unit=BARE, keep=keep)


def orthogonal(setting: Layers, seed: int) -> nets.Stack:
    """The setting's network with orthogonal weights times its scale."""
    unit = replace(BARE, scheme="orthogonal")
    net = nets.mlp((setting.layers - 2) // 2, 64, unit=unit, generator=runtime.stream(seed, "orthogonal"))
    with torch.no_grad():
        for layer in (each for each in net.modules() if isinstance(each, nn.Linear)):
            layer.weight *= setting.scale
    return net


def networks(setting: Layers, seeds: Sequence[int]) -> Iterator[tuple[int, int, nets.Stack]]:
    """Seed, epoch and network: at all epochs that are kept, or once where nothing is trained."""
    if not setting.lr:
        yield from ((seed, 0, orthogonal(setting, seed)) for seed in seeds)
        return
    fit = zoo.train(network(setting), seeds, device="cpu")
    for seed in seeds:
        for epoch in sorted(fit.checkpoints):
            net = fit.net(seed, epoch)
            assert isinstance(net, nets.Stack)
            yield seed, epoch, net


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """The right class's output minus the largest of the others, one per image.

    Example:
        >>> margins(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1])).item()
        2.0
    """
    right = nn.functional.one_hot(labels, logits.shape[1]).bool()
    return logits[right] - logits.masked_fill(right, -torch.inf).amax(1)


def factors(net: nets.Stack, images: Split, generator: torch.Generator) -> Iterator[dict[str, float]]:
    """What each layer of the blocks does at the images, in the order of the data.

    `random`: share of the images at which it shortens a Gaussian direction; `gradient`: at which it shortens the
    margin's gradient, which is zero nowhere; `random_factor`, `gradient_factor`, `fresh_factor`: geometric means of
    these factors and of that of a Gaussian gradient; `square`, `gradient_square`: means of the squared factors;
    `linear`: the first of these without the ReLU; `through`, `through_factor`: mean of the squared factor, and
    geometric mean of the factor, by which all measured layers up to this one change one Gaussian direction.
    """
    layers = [layer for layer in net.blocks.modules() if isinstance(layer, nn.Linear)]
    states = [net.stem(images.x).detach().requires_grad_()]
    for layer in layers:
        states.append(layer(states[-1]).relu())
    gradients = torch.autograd.grad(margins(net.head(states[-1]), images.y).sum(), states)
    drawn = [torch.randn(state.shape, generator=generator) for state in states]
    sent = torch.randn(states[0].shape, generator=generator)
    start = sent.norm(dim=1)
    for layer, v, u, after, *back in zip(layers, drawn, drawn[1:], states[1:], gradients, gradients[1:], strict=False):
        on = (after > 0).float()
        sent = (sent @ layer.weight.T) * on
        linear, through = (v @ layer.weight.T).norm(dim=1) / v.norm(dim=1), sent.norm(dim=1) / start
        random = ((v @ layer.weight.T) * on).norm(dim=1) / v.norm(dim=1)
        fresh = ((u * on) @ layer.weight).norm(dim=1) / u.norm(dim=1)
        gradient = back[0].norm(dim=1) / back[1].norm(dim=1)
        squares = {"square": random, "linear": linear, "gradient_square": gradient, "through": through}
        found = {name: factor.square() for name, factor in squares.items()}
        found |= {"random": random < 1, "gradient": gradient < 1}
        for name, factor in (("random", random), ("gradient", gradient), ("fresh", fresh), ("through", through)):
            found[f"{name}_factor"] = factor.clamp_min(1e-30).log()
        means = {name: values.double().mean().item() for name, values in found.items()}
        yield {name: np.exp(mean) if name.endswith("factor") else mean for name, mean in means.items()}


def trial(setting: Layers, seeds: Sequence[int]) -> pd.DataFrame:
    """What `factors` finds, and the share of the images that are told right; one row per seed, epoch and layer."""
    test = data.load("digits", flat=True).test
    images, rows = Split(test.x[:IMAGES], test.y[:IMAGES]), []
    for seed, epoch, net in networks(setting, seeds):
        with torch.no_grad():
            right = (net.eval()(images.x).argmax(1) == images.y).double().mean().item()
        found = factors(net.eval(), images, runtime.stream(seed, "directions", epoch))
        rows += [{"seed": seed, "epoch": epoch, "layer": i, "right": right} | x for i, x in enumerate(found, start=2)]
    return pd.DataFrame(rows)


# The learning rates are those that chapter 2 chose for the same networks on the validation split, with other seeds
# (`plain-tuning`, stored under results/; a test compares).
SHALLOW, DEEP = Layers(8, 0.03), Layers(50, 0.0071)
KNOWN = (Layers(8, 0.0), Layers(8, 0.0, scale=3.0))
LAYERS = Experiment(
    "scalar-layers",
    trial,
    quick=Grid((SHALLOW, *KNOWN), SEEDS, group=5),
    full=Grid((SHALLOW, *KNOWN, DEEP), SEEDS, group=5),
    data=("digits",),
    agrees=Columns("sampled", {"square": "rounded", "linear": "rounded"}),
)
CHOICES = Choices(LAYERS, ways(LAYERS.quick.settings))


def of(table: pd.DataFrame, column: str, *, scale: float | None = None, layers: int = 8) -> pd.Series:
    """Means over the layers, by seed and epoch: of the trained network, or of orthogonal weights of a scale."""
    kind = table["lr"] > 0 if scale is None else (table["lr"] == 0) & (table["scale"] == scale)
    rows = table[kind & (table["layers"] == layers)]
    return rows.groupby(["seed", "epoch"])[column].mean()


def _shortening(table: pd.DataFrame, column: str, moments: Sequence[int]) -> Evidence:
    """Mean squared factor minus 1 over some epochs, one value per seed; control: before training, where it is 0."""
    found = (of(table, column) - 1).unstack("epoch")
    return Evidence(values=found[list(moments)].mean(axis=1).to_numpy(), control=found[0].to_numpy())


def _epochs(table: pd.DataFrame) -> list[int]:
    """The epochs after the start at which the trained networks are kept."""
    return sorted({*table.loc[table["epoch"] > 0, "epoch"]})


def shortens(table: pd.DataFrame) -> Evidence:
    """Mean squared factor of a random direction in training, minus 1; control: before it."""
    return _shortening(table, "square", _epochs(table))


def early(table: pd.DataFrame) -> Evidence:
    """Mean squared factor of the gradient after the first epoch, minus 1; control: before training."""
    return _shortening(table, "gradient_square", _epochs(table)[:1])


def late(table: pd.DataFrame) -> Evidence:
    """Mean squared factor of the gradient after the last epoch, minus 1; control: before training."""
    return _shortening(table, "gradient_square", _epochs(table)[-1:])


def through(table: pd.DataFrame) -> Evidence:
    """Mean squared factor of one direction through all layers, after the last epoch, minus 1; control: before it."""
    last = table[table["layer"] == table["layers"] - 1]
    return _shortening(last, "through", _epochs(table)[-1:])


def ending(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What the trained networks of some tables do in the end: geometric means over seeds, images and layers.

    One row per table and depth. `through_factor` is of all measured layers at once; `stretched` is the share of the
    networks whose factor of the gradient is above 1; `right` is the share of the test images that are told right.
    """
    rows = {}
    for name, table in tables.items():
        trained = table[(table["lr"] > 0) & (table["epoch"] == table["epochs"])]
        for depth, found in trained.groupby("layers"):
            logs = (
                found[["random_factor", "fresh_factor", "gradient_factor"]].apply(np.log).groupby(found["seed"]).mean()
            )
            last = np.log(found.loc[found["layer"] == depth - 1, "through_factor"])  # pyright: ignore[reportOperatorIssue]
            means = np.exp(logs.mean()).to_dict() | {"through_factor": np.exp(last.mean())}  # pyright: ignore[reportAttributeAccessIssue]
            shares = found[["right", "random", "gradient"]].mean().to_dict()
            rows[name, depth] = shares | means | {"stretched": (logs["gradient_factor"] > 0).mean()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["choice", "layers"])


WORDS = {
    "right": "test images told right",
    "random": "shorten a fresh direction",
    "random_factor": "its factor",
    "through_factor": "factor of a sent one, all layers",
    "fresh_factor": "factor of a fresh gradient",
    "gradient": "shorten the gradient",
    "gradient_factor": "its factor a layer",
    "stretched": "networks that stretch it",
}


def shown(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table of `ending` in words, shares in percent."""
    found = ending(tables)[list(WORDS)]
    percents = {name: found[name].map("{:.0%}".format) for name in found if not name.endswith("factor")}  # pyright: ignore[reportAttributeAccessIssue]
    factors = {name: found[name].map("{:.2f}".format) for name in found if name.endswith("factor")}  # pyright: ignore[reportAttributeAccessIssue]
    return found.assign(**percents, **factors).rename(columns=WORDS).reset_index()  # pyright: ignore[reportCallIssue]


def halves(table: pd.DataFrame) -> Evidence:
    """Mean squared factor of orthogonal weights with a ReLU, one value per seed; control: without the ReLU."""
    values, control = (of(table, column, scale=1.0) for column in ("square", "linear"))
    return Evidence(values=values.to_numpy(), control=control.to_numpy())
