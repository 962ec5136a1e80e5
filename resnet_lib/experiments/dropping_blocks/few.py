"""What stochastic depth does to accuracy where there are fewer images to learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from resnet_lib import training
from resnet_lib.experiments.dropping_blocks import networks
from resnet_lib.experiments.dropping_blocks.networks import BEST, STOCHASTIC, Network
from resnet_lib.sweep import SAMPLED, Experiment, Grid

IMAGES, ALL = 200, 1000
"""How many of the training images are learned, and how many there are."""


@dataclass(frozen=True)
class Few(Network):
    """A network that learns the first `images` training images only."""

    images: int = IMAGES


def trial(setting: Few, seeds: Sequence[int]) -> pd.DataFrame:
    """Test accuracy of the whole network, one row per seed."""
    whole = networks.dataset(setting)
    part = replace(whole.train, x=whole.train.x[: setting.images], y=whole.train.y[: setting.images])
    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    fitted = training.fit(
        lambda generator: networks.make(setting, generator), replace(whole, train=part), recipe, seeds
    )
    records = []
    for seed in seeds:
        with torch.no_grad():
            right = fitted.net(seed)(whole.test.x).argmax(1) == whole.test.y
        records.append({"seed": seed, "value": float(right.double().mean())})
    return pd.DataFrame(records)


def gain(table: pd.DataFrame, with_: float, without: float) -> pd.Series:
    """Points of accuracy that stochastic depth gains, by seed, where the two learn at these rates."""
    found = {
        last: table[(table["last"] == last) & (table["lr"] == lr)].set_index("seed")["value"]
        for last, lr in ((STOCHASTIC, with_), (1.0, without))
    }
    return 100 * (found[STOCHASTIC] - found[1.0])


# As many steps as with all images; each of the two networks at its own best rate and at the other's.
_SETTINGS = tuple(
    Few("residual", 10, BEST["residual", 10, rate], last=last, epochs=20 * ALL // IMAGES)
    for last in (1.0, STOCHASTIC)
    for rate in (1.0, STOCHASTIC)
)
FEW = Experiment(
    name="dropping-few",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=_SETTINGS[:1], seeds=(0,)),
    full=Grid(settings=_SETTINGS, seeds=tuple(range(20)), group=10),
    data=("digits",),
)
