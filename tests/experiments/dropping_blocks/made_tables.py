"""Tables like the trial's with known losses, for the tests of this chapter."""

import pandas as pd


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
