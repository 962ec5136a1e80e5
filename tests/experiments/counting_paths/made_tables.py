"""Tables of paths whose answer is known, for the tests of this chapter."""

import pandas as pd

from resnet_lib.analysis import paths


def flow_table(factor: float, kind="residual", gain=1.0, depth=16) -> pd.DataFrame:
    """A table of paths that lose `factor` in every branch: lengths have the weights of a binomial law."""
    rows = [
        {"kind": kind, "gain": gain, "blocks": depth, "seed": seed, "length": k, "count": float(count)}
        | {"path": factor**k, "exact": count * factor**k}
        for seed in range(5)
        for k, count in enumerate(paths.counts(depth))
    ]
    return pd.DataFrame(rows)
