"""What trained networks lose when blocks are removed or change places, and by how much their last state changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, linalg, runtime
from resnet_lib.analysis import lesion, lesion_scores
from resnet_lib.evidence.choices import Choices, divisions, ways
from resnet_lib.experiments.dropping_blocks import networks
from resnet_lib.experiments.dropping_blocks.networks import BEST, MANY_SEEDS, SEEDS, STOCHASTIC, Network
from resnet_lib.nets import Block, Stack
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning


@dataclass(frozen=True)
class Lesions(Network):
    """A trained network and its lesions.

    Attributes:
        subsets: Most sets of removed blocks for each number of them; all sets where there are fewer.
        counts: The numbers of removed blocks; all of them if empty.
        swaps: Numbers of exchanged pairs.
        orders: How many orders for each number of exchanges.
        anew: Most sets of half of the blocks that are measured a second time, with all single blocks and exchanges,
            with statistics of batch normalisation that are estimated anew on the training images; 0 for none.
        change: Whether to measure the change of the last state, with its bound; for networks of linear layers alone.
    """

    subsets: int = 252
    counts: tuple[int, ...] = ()
    swaps: tuple[int, ...] = (1, 2, 4, 8)
    orders: int = 20
    anew: int = 0
    change: bool = False


def trial(setting: Lesions, seeds: Sequence[int], device: str = "cpu") -> pd.DataFrame:
    """Everything that is measured at a network; one row per measurement, and the columns say which."""
    plain = Network(**{field.name: getattr(setting, field.name) for field in fields(Network)})
    fitted = networks.fit(plain, seeds, device)
    learned, images = (getattr(networks.dataset(plain, device), split) for split in ("train", "test"))
    records = []
    for seed in seeds:
        net = fitted.net(seed)
        assert isinstance(net, Stack)
        records += [{"seed": seed} | record for record in removed(setting, seed, net, images)]
        if setting.swaps:
            records += [{"seed": seed} | record for record in exchanged(setting, seed, net, images)]
        if setting.anew:
            few = replace(setting, counts=(0, 1, len(net.blocks) // 2), subsets=setting.anew, swaps=setting.swaps[:1])
            for measured in (removed, exchanged) if setting.swaps else (removed,):
                records += [{"seed": seed} | record for record in measured(few, seed, net, images, learned.x)]
        if setting.change:
            records += [{"seed": seed} | record for record in changed(net.double(), images.x.double())]
    columns = {"seed": 0, "measure": "", "block": -1, "removed": 0, "mask": 0, "tau": 1.0, "value": np.nan}
    return pd.DataFrame([columns | record for record in records])


def removed(
    setting: Lesions, seed: int, net: Stack, images: data.Split, learned: Tensor | None = None
) -> Iterator[dict]:
    """Accuracy without some blocks: `mask` has a bit for each that is removed, `block` is the one that is alone.

    With images `learned`, statistics are estimated on these anew, and the measure is called so.
    """
    free, total = lesion.removable(net), len(net.blocks)
    chosen = []
    for count in setting.counts or range(min(len(free), total - 1) + 1):
        generator = runtime.stream(seed, "lesions", "removed", count)
        limit = len(free) if count == 1 else setting.subsets
        chosen += lesion.deletions(net, count, limit, generator=generator)
    found = lesion_scores.score([lesion.delete(net, gone) for gone in chosen], images.x, images.y, anew=learned)
    for gone, value in zip(chosen, found.accuracy.tolist(), strict=True):
        record = {"removed": len(gone), "mask": sum(1 << block for block in gone), "value": value}
        record |= {"measure": "removed" if learned is None else "removed-anew"}
        yield record | ({"block": gone[0]} if len(gone) == 1 else {})


def exchanged(
    setting: Lesions, seed: int, net: Stack, images: data.Split, learned: Tensor | None = None
) -> Iterator[dict]:
    """Accuracy after exchanges of random pairs; `removed` is the number of exchanges, `tau` Kendall's."""
    measure = "exchanged" if learned is None else "exchanged-anew"
    generator = runtime.stream(seed, "lesions", "exchanged")
    counts = [count for count in setting.swaps for _ in range(setting.orders)]
    orders = [lesion.shuffle(net, count, generator=generator) for count in counts]
    found = lesion_scores.score([lesion.reorder(net, order) for order in orders], images.x, images.y, anew=learned)
    for count, order, value in zip(counts, orders, found.accuracy.tolist(), strict=True):
        yield {"measure": measure, "removed": count, "tau": lesion.kendall_tau(order), "value": value}


def changed(net: Stack, x: Tensor) -> Iterator[dict]:
    """How the last state changes without each block: against the term removed, and against the bound.

    `ratio` is the median over images of change over term, `bound` and `naive` the largest log10 of change over bound,
    with the product and without, `slack` the median log10 of bound over change, `slope` the branch's bound K.
    """
    with torch.no_grad():
        states = net.states(x)
    slopes = [slope(block) for block in net.blocks]
    for position, without in lesion.singles(net).items():
        last = lesion_scores.outputs([without], x, head=False).values[0]
        change = (states[-1] - last).norm(dim=1)
        term = (states[position + 1] - states[position]).norm(dim=1)
        bound = term * float(np.prod([1 + later for later in slopes[position + 1 :]]))
        for measure, value in {
            "ratio": (change / term).median(),
            "bound": (change / bound).log10().max(),
            "naive": (change / term).log10().max(),
            "slack": (bound / change).log10().median(),
            "slope": slopes[position],
        }.items():
            yield {"measure": measure, "block": position, "value": float(value)}


def slope(block: nn.Module) -> float:
    """A bound of the branch's Lipschitz constant: the product of the norms of what lies between its ReLUs.

    Batch normalisations in evaluation mode are diagonal matrices, and multiplied with the linear layers beside them.
    """
    assert isinstance(block, Block)
    bound, matrix = float(getattr(block.merge, "branch", 1.0)), None
    for layer in [*block.branch, None]:  # pyright: ignore[reportGeneralTypeIssues]
        if isinstance(layer, nn.BatchNorm1d):
            assert layer.running_var is not None
            diagonal = (layer.weight / (layer.running_var + layer.eps).sqrt()).detach()
            matrix = diagonal.diag() if matrix is None else diagonal[:, None] * matrix
        elif isinstance(layer, nn.Linear):
            matrix = layer.weight.detach() if matrix is None else layer.weight.detach() @ matrix
        elif matrix is not None:  # a ReLU, whose slopes are at most 1, or the end
            bound *= linalg.spectral_norms(matrix).item()
            matrix = None
    return bound


def _digits(variant: str, blocks: int = 10, *, last: float = 1.0, decay: str = "linear", **more: object) -> Lesions:
    lr = BEST[variant, blocks, 1.0 if last == 1 else STOCHASTIC]
    return Lesions(variant, blocks, lr, last=last, decay=decay, **more)  # pyright: ignore[reportArgumentType]


SHALLOWER = (0, 2, 5, 8)  # blocks removed from networks trained with stochastic depth


def _digits_settings() -> tuple[Lesions, ...]:
    others = ("bare", "plain-bare", "plain-identity")
    return (
        _digits("residual", change=True, anew=50),
        _digits("plain", anew=50),
        _digits("scaled", change=True, subsets=20),
        *(_digits(variant, subsets=20) for variant in others),
    )


def _depth_settings(*lasts: float) -> tuple[Lesions, ...]:
    only: dict = {"counts": SHALLOWER, "swaps": (), "anew": 20}
    return (
        *(_digits("residual", last=last, **only) for last in (1.0, *lasts)),
        _digits("residual", last=0.5, decay="uniform", **only),
    )


THIRD = tuning.rounded(BEST["residual", 10, 1.0] / 3)
"""A third of the learning rate of the residual network with batch normalisation."""


def _at_rates(*factors: float) -> tuple[Lesions, ...]:
    rates = [tuning.rounded(factor * BEST["residual", 10, 1.0]) for factor in factors]
    return tuple(Lesions("residual", 10, lr, counts=(0, 1, 5), subsets=50, swaps=(), anew=50) for lr in rates)


def _cifar(variant: str, blocks: int, last: float = 1.0) -> Lesions:
    # 164 epochs, batches of 128 and weight decay 1e-4 as in he2016deep, sec. 4.2; the schedule is the book's.
    return Lesions(
        variant,
        blocks,
        0.1,
        last=last,
        dataset="cifar10",
        epochs=164,
        batch=128,
        weight_decay=1e-4,
        augment="crop-flip",
        subsets=100,
        swaps=(1, 2, 4, 8, 16, 32),
    )


# The one-cycle rate that the published schedule starts from; the plain twin of 56 layers does not train at it.
DEEP = tuple(
    _cifar(variant, blocks, last)
    for blocks in (27, 54)
    for variant, last in (("original", 1.0), ("original", 0.5), ("original", 0.2), ("plain-original", 1.0))
)

DIGITS = Experiment.repeated(
    "dropping-digits", trial, _digits_settings(), MANY_SEEDS, range(20), group=5, data=("digits",), agrees=SAMPLED
)
# More seeds, because what stochastic depth does to accuracy is as small as one seed differs from another.
DEPTH = Experiment(
    name="dropping-depth",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=_depth_settings(0.5), seeds=tuple(range(20))),
    full=Grid(settings=_depth_settings(0.8, 0.5, 0.2), seeds=tuple(range(100)), group=10),
    data=("digits",),
)
# The same lesions at a third and at three times the learning rate: are the verdicts about residual networks or a rate?
AT_RATES = Experiment(
    name="dropping-rates",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=_at_rates(1 / 3, 1, 3), seeds=MANY_SEEDS),
    full=Grid(settings=_at_rates(1 / 10, 1 / 3, 1, 3), seeds=tuple(range(40)), group=5),
    data=("digits",),
)
DIGITS_CHOICES = Choices(DIGITS, ways(DIGITS.quick.settings, same=BEST["plain", 10, 1.0]), SEEDS)
DIGITS_DIVIDED = divisions(DIGITS)
DEPTH_CHOICES = Choices(DEPTH, ways(DEPTH.quick.settings), MANY_SEEDS)
DEPTH_DIVIDED = divisions(DEPTH, seeds=range(20), group=4)
_LOW = [setting for setting in AT_RATES.quick.settings if setting.lr == THIRD]
RATES_CHOICES = Choices(AT_RATES, ways(_LOW))
RATES_DIVIDED = divisions(AT_RATES, _LOW)
# Needs CIFAR-10 and, in FULL, a GPU; no page runs it.
CIFAR10 = Experiment(
    name="dropping-cifar10",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=(replace(_cifar("original", 3), epochs=2, subsets=10, orders=5),), seeds=SEEDS, group=1),
    full=Grid(settings=(*DEEP, _cifar("plain-original", 9)), seeds=SEEDS, group=1),
    data=("cifar10",),
)
