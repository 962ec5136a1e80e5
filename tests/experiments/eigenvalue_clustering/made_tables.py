"""Tables whose answer is known, for the tests of this chapter."""

import pandas as pd

from resnet_lib.experiments.eigenvalue_clustering import products


def product_table(log10_gain) -> pd.DataFrame:
    """A table like that of `product_trial` whose three gains are `log10_gain(s, depth)`."""
    rows = [
        {"seed": seed, "s": s, "depth": depth, "branch": branch, "skip": 1.0, "gain": log10_gain(s, depth)}
        for seed in (0, 1)
        for s in products.SCALES
        for depth in (10, 30, 100, 300, 1000)
        for branch in ("independent", "tied")
    ]
    table = pd.DataFrame(rows)
    return table.assign(log10_rms=table["gain"], log10_max=table["gain"], log10_min=0.0)


def trained_table() -> pd.DataFrame:
    """One block per network and five eigenvalues, of which so many as the last column says are near 1."""
    made = [
        # kind, variant, blocks, rate, epoch, near
        ("mlp", "residual", 10, 0.1, 0, 2),
        ("mlp", "residual", 10, 0.1, 20, 3),
        ("mlp", "residual", 10, 0.0, 0, 2),
        ("mlp", "residual", 10, 0.0, 20, 2),
        ("mlp", "scaled", 10, 0.1, 20, 4),
        ("mlp", "plain", 10, 0.1, 20, 1),
        ("conv", "residual", 4, 0.1, 20, 2),
        ("conv", "zero-gamma", 4, 0.1, 20, 5),
        ("conv", "plain", 4, 0.1, 20, 0),
        ("mlp", "residual", 3, 0.1, 20, 5),
    ]
    rows = [
        {"kind": kind, "variant": variant, "blocks": blocks, "lr": lr, "epoch": epoch, "seed": seed, "block": 0}
        | {"near": near / 5, "exact": 0.0, "branch_norm": near + epoch / 10 + seed}
        for kind, variant, blocks, lr, epoch, near in made
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)
