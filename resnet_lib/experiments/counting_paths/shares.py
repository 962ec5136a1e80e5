"""Members that keep more or fewer of the blocks: how far their average is behind the network, by what they keep."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from resnet_lib import data, runtime
from resnet_lib.analysis import ensembles, lesion
from resnet_lib.evidence.choices import Choices, divisions, ways
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.counting_paths.members import BEST, MANY_SEEDS, SEEDS, Members, fit, predictions
from resnet_lib.nets import Stack
from resnet_lib.sweep import SAMPLED, Experiment

MOST = 8  # blocks of 10 that a member keeps, in claims.yml


def shares_trial(setting: Members, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy of the average of sub-networks by the number of blocks that they keep; one row per seed and number.

    All sets of that size are members, or `halves` of them where there are more; running statistics are estimated anew
    on the training images. `average` is the accuracy of all together, `single` the mean of one, `whole` the network's.
    """
    fitted = fit(setting, seeds)
    images = data.load("digits", flat=True)
    test, records = images.test, []
    for seed in seeds:
        net = fitted.net(seed)
        assert isinstance(net, Stack)
        whole = ensembles.accuracy(predictions([net], test.x)[0], test.y)
        for kept in range(1, setting.blocks):
            generator = runtime.stream(seed, "halves")  # of five blocks, the halves of `members`
            sets = lesion.deletions(net, setting.blocks - kept, setting.halves, generator=generator)
            members = predictions([lesion.delete(net, gone) for gone in sets], test.x, images.train.x)
            single = float(np.mean([ensembles.accuracy(member, test.y) for member in members]))
            record = {"seed": seed, "kept": kept, "members": len(sets), "single": single, "whole": whole}
            records.append(record | {"average": ensembles.accuracy(members.mean(0), test.y)})
    return pd.DataFrame(records)


SETTINGS = (Members("residual", BEST["residual", 1.0]),)
SHARES = Experiment.repeated(
    "paths-shares", shares_trial, SETTINGS, SEEDS, MANY_SEEDS, group=5, data=("digits",), agrees=SAMPLED
)
CHOICES = Choices(SHARES, ways(SETTINGS))
DIVIDED = divisions(SHARES)


def behind(table: pd.DataFrame, kept: int) -> np.ndarray:
    """Points of accuracy that the average of members has over the network, one value per seed."""
    rows = table[table["kept"] == kept].sort_values("seed")
    return np.round(100 * (rows["average"] - rows["whole"]).to_numpy(), 9)  # a difference of equal fractions is zero


def ens_most(table: pd.DataFrame) -> Evidence:
    """Average of members that keep 8 blocks minus the network, one value per seed; control: they keep one."""
    return Evidence(values=behind(table, MOST), control=behind(table, 1), unit="percentage points")


def _kept(kept: int) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda table: behind(table, kept)


TOLD = {f"points of members with {kept} of 10 blocks over the network": _kept(kept) for kept in (1, 3, 5, 7, 8, 9)}
"""What the page tells of members by the blocks they keep, one value per seed."""
