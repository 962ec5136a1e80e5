"""Tables of trials and tables whose answer is known, for the tests of this chapter."""

import pandas as pd


def table_of(trial, settings, seeds) -> pd.DataFrame:
    parts = []
    for setting in settings:
        fields = {k: v for k, v in vars(setting).items() if not isinstance(v, tuple)}
        parts.append(trial(setting, seeds).assign(**fields))
    return pd.concat(parts, ignore_index=True)


def rows_of(values: dict, *, seeds: int = 2) -> pd.DataFrame:
    """A table like that of `trained_trial` from values by (kind, power, depth, measure, k)."""
    rows = [
        dict(zip(("kind", "power", "depth", "measure", "k"), key, strict=True), seed=seed, value=value)
        for key, value in values.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)
