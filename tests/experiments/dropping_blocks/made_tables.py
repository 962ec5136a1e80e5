"""Tables like the trial's with known losses, for the tests of this chapter."""

import itertools

import pandas as pd

from resnet_lib.experiments.dropping_blocks import sizes


def table(loss, variants=("residual", "plain"), **fields) -> pd.DataFrame:
    """A table like the trial's: accuracy 0.9 as a whole and `loss(variant, block)` points less without a block."""
    rows = []
    for variant in variants:
        for seed in range(5):
            own = {"variant": variant, "seed": seed, "blocks": 10, "last": 1.0, "decay": "linear", "measure": "removed"}
            rows.append(own | {"removed": 0, "block": -1, "mask": 0, "value": 0.9})
            for block in range(10):
                value = 0.9 - loss(variant, block) / 100
                rows.append(own | {"removed": 1, "block": block, "mask": 1 << block, "value": value})
    return pd.DataFrame(rows).assign(tau=1.0, **fields)


def sized(loss, size=lambda block: block, rest=lambda block: 9 - block) -> pd.DataFrame:
    """A table of both plain networks and both residual ones, at their rates."""
    names = ("residual", "scaled", "plain-identity", sizes.ONE)
    lost = table(loss, variants=names)
    rows = [
        {"variant": name, "seed": seed, "block": block, "measure": measure, "value": of(block), "removed": 0}
        for name, seed, block in itertools.product(names, range(5), range(10))
        for measure, of in (("size", size), ("rest", rest))
    ]
    made = pd.concat([lost, pd.DataFrame(rows)]).assign(blocks=10, last=1.0, decay="linear")
    rate = {name: sizes.BEST_OF["plain-identity" if name == sizes.ONE else name] for name in names}
    return made.assign(lr=made["variant"].map(rate))
