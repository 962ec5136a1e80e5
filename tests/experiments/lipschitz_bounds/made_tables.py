"""Tables of trials and a table of known bounds, for the tests of this chapter."""

import math

import pandas as pd

from resnet_lib.experiments.lipschitz_bounds import stacks


def measured(trial, settings, seeds, *columns: str) -> pd.DataFrame:
    return pd.concat(
        [trial(s, seeds).assign(**{c: getattr(s, c) for c in columns}) for s in settings], ignore_index=True
    )


def networks_table() -> pd.DataFrame:
    rows = []
    for rule, blocks in (*stacks.BEST, ("silent", 50), ("silent", 10), *(("scalar", d) for d in (2, 5, 10, 20))):
        for seed in (0, 1):
            bounds = rule in ("residual", "constrained", "plain", "scalar") and blocks <= 20
            row = {"rule": rule, "blocks": blocks, "seed": seed, "test_accuracy": 0.1 if rule == "silent" else 0.9}
            row |= {"gradient": -3.0 if rule == "guaranteed" else 0.0, "growth": 0.5 if rule == "free" else -0.1}
            row |= {
                "excess": -0.2,
                "product": 0.4 * blocks if bounds else math.nan,
                "wrong": 0.1,
                "found": 0.2 * blocks,
            }
            row |= {"certified": 0.25 * blocks, "linear_product": 3.0, "linear_certified": 1.0, "linear_found": 1.0}
            rows.append(row | {"at_data": 0.1})
    return pd.DataFrame(rows)
