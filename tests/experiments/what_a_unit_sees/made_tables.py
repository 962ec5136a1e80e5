"""Tables whose answer is known, for the tests of this chapter."""

import itertools

import pandas as pd

from resnet_lib.experiments.what_a_unit_sees import published

SEEDS = range(5)


def noise(seed: int) -> float:
    """Of mean zero over the seeds."""
    return (seed - 2) / 1000


def untrained_table() -> pd.DataFrame:
    """Variances in proportion to a power of the depth: 1 for unscaled and plain, 1/2 for batch, 0 for others."""
    records = []
    for seed in SEEDS:
        for blocks in (3, 6, 12):
            found = {"plain": 4.0 * blocks, "residual": 1.0 * blocks, "batch": blocks**0.5}
            for family, variance in found.items():
                one = {"family": family, "blocks": blocks, "variance": variance, "centre": 1 / blocks + noise(seed)}
                records.append(
                    {"seed": seed, **one, "predicted": {"plain": 4.0, "residual": 2.0}.get(family, 1) * blocks}
                )
        for blocks in (10, 60):
            one = {
                "family": "scaled",
                "blocks": blocks,
                "variance": 1.25,
                "centre": 0.4 + noise(seed),
                "predicted": 1.0,
            }
            records.append({"seed": seed, **one})
        records.append(
            {"seed": seed, "family": "strong", "blocks": 12, "variance": 48.0, "centre": 0.0, "predicted": 1.0}
        )
    return pd.DataFrame(records)


def published_table() -> pd.DataFrame:
    """Trained widths that do not depend on depth in the last stage and grow as its power 1/2 in the others."""
    records = []
    for depth, weights, seed, stage, part in itertools.product(
        published.DEPTHS, published.WEIGHTS, SEEDS, (1, 2, 3), range(published.PARTS)
    ):
        blocks = (depth - 2) / 2
        variance = 36.0 if stage == 3 else blocks * (4 if weights == "redrawn" else 1) * (1 + seed)
        shares = {f"within{radius}": (radius + 1) / 10 for radius in published.RADII}
        one = {"depth": depth, "weights": weights, "seed": seed, "stage": stage, "part": part}
        records.append(one | {"variance": variance, "shuffled1": 0.01, "shuffled8": 0.28} | shares)
    return pd.DataFrame(records)


def probes_table() -> pd.DataFrame:
    """Shares that are read rightly, by depth and stage; the second half of the images teaches a point less."""
    lost = {"all": 0.0, "first half": 0.02, "second half": 0.03}
    return pd.DataFrame(
        {"depth": depth, "seed": seed, "stage": stage, "part": part, "accuracy": value - lost[part]}
        for depth, seed, stage, part in itertools.product(published.DEPTHS, SEEDS, (1, 2, 3), lost)
        for value in [0.2 * stage + depth / 1000 + noise(seed)]
    )
