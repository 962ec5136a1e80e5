"""What stands on the axes of the chapter's figures, from known tables."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.basic_and_bottleneck import drawings, times
from tests.experiments import artists


def blocks() -> pd.DataFrame:
    rows = [(kind, width) for kind in ("basic", "bottleneck") for width in (16, 64, 256)]
    made = pd.DataFrame(rows, columns=["kind", "width"]).assign(bias=False)
    made["multiply_adds"] = [drawings.weights(kind, np.array([float(width)])).item() for kind, width in rows]
    made["outputs"] = [drawings.returned(kind, np.array([width])).item() for kind, width in rows]
    return pd.concat([made, made.assign(bias=True)], ignore_index=True)


def test_blocks_stand_on_their_formulas():
    table = drawings.of_blocks(blocks())
    assert len(table) == 6
    left, right = artists.drawn(drawings.by_width, table).axes
    x, y = artists.line(left, "bottleneck block")
    assert dict(zip(x, y, strict=True))[256] == 69_632
    assert any(len(x) == 3 and list(y) == [24, 96, 384] for x, y in artists.lines(right))
    assert any(list(x) == [64, 256] and y == pytest.approx([73_728, 69_632]) for x, y in artists.lines(left))
    assert drawings.weights("bottleneck", np.array([4.0]), np.array([4.0])).tolist() == [11 * 16]


def networks_table() -> pd.DataFrame:
    rows = [("18", 1e6, 2e9, 5e6), ("34", 2e6, 4e9, 8e6), ("50", 3e6, 5e9, 2e7), ("wide", 4e7, 5e10, np.nan)]
    return pd.DataFrame(rows, columns=["network", "parameters", "multiply_adds", "saved"]).assign(stride="3x3")


def test_networks_are_rows_and_what_is_not_counted_is_not_drawn():
    table = drawings.of_networks(networks_table())
    axes = artists.drawn(drawings.compared, table).axes
    points = [[(x[0], y[0]) for x, y in artists.lines(axis) if len(x) == 1] for axis in axes]
    assert sorted(points[0]) == [(1, 3), (2, 2), (3, 1), (40, 0)]
    assert [len(found) for found in points] == [4, 4, 3]
    text = str(drawings.show_networks(networks_table()).data)
    assert "<td>ResNet-50, bottlenecks</td>\n      <td>3.0</td>\n      <td>5.0</td>\n      <td>20.0</td>" in text
    assert "<td>–</td>" in text


def test_errors_stand_over_their_prices():
    rows = [(depth, seed, depth / 1000) for depth in (20, 56) for seed in range(5)]
    made = pd.DataFrame(rows, columns=["depth", "seed", "error"])
    made = made.assign(parameters=1e4 * made["depth"], multiply_adds=1e6 * made["depth"], seconds=made["depth"] / 1e3)
    axes = artists.drawn(drawings.bought, drawings.errors(made)).axes
    for axis, x in zip(axes, ([0.2, 0.56], [20, 56], [20, 56]), strict=True):
        assert any(a == pytest.approx(x) and b == pytest.approx([2, 5.6]) for a, b in artists.lines(axis))


def test_times_are_milliseconds_beside_the_line_of_proportion():
    rows = [("depth", depth, seed, depth / 1e4) for depth in times.DEPTHS for seed in range(5)]
    rows += [("wide", 20, seed, 0.004) for seed in range(5)] + [("again", 20, 0, 9.0)]
    table = drawings.of_times(pd.DataFrame(rows, columns=["role", "place", "seed", "seconds"]))
    (axis,) = artists.drawn(drawings.called, table).axes
    assert any(
        y == pytest.approx([depth / 10 for depth in times.DEPTHS]) for _, y in artists.lines(axis) if len(y) == 5
    )
    assert artists.line(axis, "in proportion")[1] == pytest.approx([2, 11])
    assert artists.labels(axis) == ["in proportion", "16 channels", "40 channels"]
