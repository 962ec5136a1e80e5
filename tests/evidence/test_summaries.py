"""Means with their intervals, as a table and as points with whiskers."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from resnet_lib import runtime
from resnet_lib.evidence import intervals
from resnet_lib.evidence.summaries import summary, whiskers

VALUES = {20: [1.0, 2.0, 4.0, 2.0, 2.5], 56: [0.5, 0.25, 1.0, 0.75, 0.5]}
TABLE = pd.DataFrame(
    [(depth, seed, value) for depth, values in VALUES.items() for seed, value in enumerate(values)],
    columns=["depth", "seed", "loss"],
)


def test_a_group_has_its_mean_and_its_interval_whatever_the_order_of_its_rows():
    found = summary(TABLE.sample(frac=1, random_state=0), ["depth"], "loss", stream="test")
    assert found["depth"].tolist() == [20, 56]
    for row, values in zip(found.itertuples(), VALUES.values(), strict=True):
        interval = intervals.interval(np.array(values), "mean", rng=runtime.rng(0, "test", "drawing"))
        assert row.mean == pytest.approx(np.mean(values))
        assert (row.low, row.high) == tuple(interval)


def test_another_stream_moves_the_ends_a_little_and_no_mean():
    one, other = (summary(TABLE, ["depth"], "loss", stream=name) for name in ("fields", "costs"))
    assert one["mean"].equals(other["mean"])
    np.testing.assert_allclose(one[["low", "high"]], other[["low", "high"]], rtol=0.05)


def test_whiskers_reach_from_one_end_to_the_other_and_never_backwards():
    rows = pd.DataFrame({"mean": [1.0, 2.0], "low": [0.5, 2.1], "high": [1.25, 2.5]})
    axis = Figure().subplots()
    whiskers(axis, np.array([3.0, 4.0]), rows, color="C0")
    (_, _, (bars,)) = axis.containers[0]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[0.5, 1.25], [2.0, 2.5]]
