"""How large blocks are beside the states that they change, what each costs, and how much of the change is its term."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, training
from resnet_lib.analysis import lesion, lesion_scores
from resnet_lib.evidence.choices import Choices, ways
from resnet_lib.experiments.dropping_blocks import networks
from resnet_lib.experiments.dropping_blocks.networks import BEST, MANY_SEEDS, SEEDS, Network
from resnet_lib.nets import Stack
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning

ONE = "plain-one"
"""The network `plain-identity` whose weights start as He draws them: otherwise the same."""


@dataclass(frozen=True)
class Sizes(Network):
    """A trained network whose blocks are measured one by one; its variant is `ONE` or a key of `networks.VARIANTS`.

    Attributes:
        pairs: Whether to measure all pairs of blocks too: exchanged, and both removed.
    """

    pairs: bool = False


def make(setting: Network, generator: torch.Generator) -> nn.Module:
    """The untrained network; with 0 blocks it is a stem and a head."""
    if setting.variant == ONE:
        return nets.mlp(setting.blocks, 64, unit=networks.VARIANTS["plain-identity"], generator=generator)
    if not setting.blocks:
        one = networks.make(replace(setting, blocks=1), generator)
        assert isinstance(one, Stack)
        return Stack(one.stem, (), one.head, shape=one.shape)
    return networks.make(setting, generator)


def trial(setting: Sizes, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy without each block, and what each block does to the states; one row per measurement."""
    dataset = networks.dataset(setting)
    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    fitted = training.fit(lambda generator: make(setting, generator), dataset, recipe, seeds)
    records = []
    for seed in seeds:
        net = fitted.net(seed)
        assert isinstance(net, Stack)
        found = list(scored(net, dataset.test, pairs=setting.pairs))
        found += sized(net.double(), dataset.test.x.double()) if setting.blocks else ()
        records += [{"seed": seed} | record for record in found]
    return pd.DataFrame([{"block": -1, "other": -1, "removed": 0} | record for record in records])


def scored(net: Stack, images: data.Split, *, pairs: bool = False) -> Iterator[dict]:
    """Accuracy of the whole network, without each block, and with or without each pair of blocks."""
    blocks = range(len(net.blocks))
    lesions: list[tuple[Stack, dict]] = [(net, {"measure": "removed"})]
    lesions += [(lesion.delete(net, [k]), {"measure": "removed", "removed": 1, "block": k}) for k in blocks]
    for i, j in itertools.combinations(blocks, 2) if pairs else ():
        named = {"block": i, "other": j}
        lesions.append((lesion.delete(net, [i, j]), named | {"measure": "removed", "removed": 2}))
        lesions.append((lesion.swap(net, i, j), named | {"measure": "exchanged"}))
    found = lesion_scores.score([without for without, _ in lesions], images.x, images.y)
    for (_, record), value in zip(lesions, found.accuracy.tolist(), strict=True):
        yield record | {"value": value}


def sized(net: Stack, x: Tensor) -> Iterator[dict]:
    """For each block its size and what its deletion does to the last state, medians over images.

    `size` is the length of the term B(x) - x over that of x; `ratio` that of the change of the last state over that
    of the term, `cosine` that of the angle between the two; `rest` the length of what the later blocks add to the
    term, over that of the term.
    """
    with torch.no_grad():
        states = net.states(x)
    for position, without in lesion.singles(net).items():
        last = lesion_scores.outputs([without], x, head=False).values[0]
        change, term = states[-1] - last, states[position + 1] - states[position]
        for measure, value in {
            "size": term.norm(dim=1) / states[position].norm(dim=1),
            "ratio": change.norm(dim=1) / term.norm(dim=1),
            "rest": (change - term).norm(dim=1) / term.norm(dim=1),
            "cosine": nn.functional.cosine_similarity(change, term),
        }.items():
            yield {"measure": measure, "block": position, "value": float(value.median())}


BEST_OF = {variant: lr for (variant, blocks, last), lr in BEST.items() if blocks == 10 and last == 1}
CHOSEN = (
    *(Sizes(variant, 10, BEST_OF[variant]) for variant in ("residual", "scaled", "bare", "plain-identity")),
    Sizes(ONE, 10, BEST_OF["plain-identity"]),
)
_SLOW, _FAST = (tuning.rounded(factor * BEST_OF["residual"]) for factor in (1 / 3, 3))
MORE = (
    replace(CHOSEN[0], pairs=True),
    *CHOSEN[1:],
    Sizes("plain-bare", 10, BEST_OF["plain-bare"]),
    *(Sizes("residual", 10, lr) for lr in (_SLOW, _FAST)),
    *(Sizes("residual", 0, lr) for lr in (_SLOW, BEST_OF["residual"], _FAST)),
)
SIZES = Experiment(
    name="dropping-sizes",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=CHOSEN, seeds=SEEDS),
    full=Grid(settings=MORE, seeds=MANY_SEEDS),
    data=("digits",),
)
CHOICES = Choices(SIZES, ways(CHOSEN))
