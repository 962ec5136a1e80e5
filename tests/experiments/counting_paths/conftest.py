"""The marks of an ensemble of known accuracies, for the tests of this chapter."""

import pandas as pd
import pytest


@pytest.fixture
def marks() -> pd.DataFrame:
    """A network of 95% whose halves reach 80% alone and 94% together, and networks apart that gain 1 point."""
    rows = []
    for seed in range(5):
        own = {"variant": "residual", "last": 1.0, "seed": seed, "whole": 0.95, "whole_ece": 0.03}
        for group, one, five, ece, correlation in (
            ("halves", 0.6, 0.7, 0.15, 0.4),
            ("halves-anew", 0.8, 0.94, 0.05, 0.6),
            ("copies", 0.95, 0.95, 0.03, 1.0),
            ("apart", 0.95, 0.96, 0.01, 0.5),
        ):
            more = ((50, 0.93),) if group == "halves-anew" else ((3, 0.957),)
            for size, accuracy in ((1, one), (5, five), *more):
                error = ece - 0.01 * (size == 1 and group == "halves-anew")
                row = {"group": group, "size": size, "accuracy": accuracy, "ece": error, "correlation": correlation}
                rows.append(own | row)
        for variant, curve in (("residual", (0.95, 0.94, 0.84)), ("plain", (0.95, 0.3, 0.1))):
            for size, accuracy in enumerate(curve):
                rows.append(own | {"variant": variant, "group": "removed", "size": size, "accuracy": accuracy})
    return pd.DataFrame(rows)
