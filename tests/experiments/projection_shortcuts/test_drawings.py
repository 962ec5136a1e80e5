"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from resnet_lib.experiments.projection_shortcuts import drawings, networks
from tests.experiments.artists import bars, drawn, labels, line, lines, scattered, title
from tests.experiments.projection_shortcuts.made_tables import FLAT, network_table


def test_ratios_are_histograms_of_narrowing_and_widening():
    ways = {("orthonormal", 16): (0.7, 1.0), ("orthonormal", 32): (1.0, 0.7), ("torch", 16): (0.4, 0.55)}
    ways |= {("torch", 32): (0.55, 0.4), ("torch", 8): (9, 9)}  # the last is of another size
    rows = [
        {"shortcut": "x", "weights": weights, "rows": r, "columns": 48 - r, "size": 1, "seed": seed}
        | {"forward": forward, "gradient": gradient}
        for (weights, r), (forward, gradient) in ways.items()
        for seed in (0, 1, 2)
    ]
    table = drawings.narrowing_and_widening(pd.DataFrame(rows))
    assert set(table["rows"]) == {16, 32}
    panels = np.array(drawn(drawings.ratios, table).axes).reshape(2, 2)
    assert [axis.get_ylabel() for axis in panels[:, 0]] == ["32 to 16", "16 to 32"]
    assert [title(axis).partition(",")[0] for axis in panels[0]] == ["signal", "gradient"]
    assert {axis.get_xlabel() for axis in panels[1]} == {"ratio of norms"}
    assert [labels(axis)[1] for axis in panels[:, 0]] == ["orthonormal rows", "orthonormal columns"]
    for axis, torch, orthonormal in ((panels[0, 0], 0.4, 0.7), (panels[0, 1], 0.55, 1.0), (panels[1, 1], 0.4, 0.7)):
        for ((low, high, count),), value in zip(bars(axis), (torch, orthonormal), strict=True):
            assert low - 1e-9 <= value <= high + 1e-9
            assert count == 3


def test_the_map_of_defects_writes_the_value_of_each_square_and_frames_doubled_channels():
    rows = [
        ("matrix", c_in, c_out, seed, max(c_out - c_in, 0) ** 0.5 * (1 if seed else 0.5))
        for c_in in range(1, 5)
        for c_out in range(1, 5)
        for seed in (0, 1)
    ]
    rows += [("matrix", 16, 8, 0, 9.0), ("1x1", 2, 4, 0, 9.0)]  # too large for the map, and no matrix
    table = pd.DataFrame(rows, columns=["kind", "c_in", "c_out", "seed", "found"])
    axis, bar = drawn(drawings.feasibility, drawings.least_defects(table.assign(predicted=table["found"]))).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == (r"$d_{\rm in}$", r"$d_{\rm out}$")
    assert bar.get_ylabel() == r"least $\Vert WW^\top-I\Vert_F$ found"
    told = {text.get_position(): text.get_text() for text in axis.texts}
    assert len(told) == 16
    assert (told[4, 1], told[3, 3], told[1, 2], told[1, 4]) == ("0", "0", "1.00", "1.73")  # the largest of the draws
    frames = [patch.get_xy() for patch in axis.patches if isinstance(patch, Rectangle)]
    assert frames == [(0.5, 1.5), (1.5, 3.5)]


def test_the_ellipse_has_its_points_above_and_its_closed_forms_below():
    rows = [
        *((case, "point", np.nan, np.nan, np.nan, x, y, label) for case, x, y, label in POINTS),
        *((case, "axis", d, det, acc, np.nan, np.nan, -1) for case, d, det, acc in AXES),
    ]
    columns = ["apart_along", "part", "degrees", "det", "accuracy", "x", "y", "label"]
    figure = drawn(drawings.ellipse, drawings.axes_of_the_ellipse(pd.DataFrame(rows, columns=columns)))
    long, short, below, beside = figure.axes
    assert [title(axis) for axis in (long, short)] == [
        "classes apart along the long axis",
        "classes apart along the short axis",
    ]
    assert [each.tolist() for each in scattered(long)] == [[[-2, 0]], [[2, 0]]]  # label 0, then label 1
    assert below.get_xlabel() == "angle of the projection axis (degrees)"
    assert below.get_ylabel() == "share"
    for axis, accuracy in ((below, [0.9, 0.5]), (beside, [0.5, 0.9])):
        np.testing.assert_allclose(line(axis, "determinant / largest")[1], [1, 0.25])
        assert line(axis, "accuracy")[0].tolist() == [0, 90]
        np.testing.assert_allclose(line(axis, "accuracy")[1], accuracy)


POINTS = (("long", -2.0, 0.0, 0), ("long", 2.0, 0.0, 1), ("short", 0.0, -1.0, 0), ("short", 0.0, 1.0, 1))
AXES = (("long", 0, 4.0, 90.0), ("long", 90, 1.0, 50.0), ("short", 0, 4.0, 50.0), ("short", 90, 1.0, 90.0))


def test_what_is_kept_is_a_mean_over_draws():
    rows = [
        (way, k, seed, k + shift + seed, 90 + shift + seed)
        for shift, way in enumerate(("pca", "discriminant", "random", "other"))
        for k in (2, 10, 64)
        for seed in (-1, 1)
    ]
    table = drawings.kept_by_size(pd.DataFrame(rows, columns=["way", "k", "seed", "variance", "accuracy"]))
    variance, accuracy = drawn(drawings.kept, table).axes
    assert variance.get_ylabel() == "variance kept (%)"
    assert accuracy.get_ylabel() == "test accuracy of a linear classifier (%)"
    for axis in (variance, accuracy):
        assert axis.get_xlabel() == "coordinates kept, of 64"
        assert labels(axis) == ["principal", "Fisher's (at most 9)", "random orthonormal"]
    assert [each.tolist() for each in line(variance, "principal")] == [[2, 10, 64], [2, 10, 64]]
    assert [each.tolist() for each in line(accuracy, "random orthonormal")] == [[2, 10, 64], [92, 92, 92]]
    assert line(accuracy, "Fisher's (at most 9)")[0].tolist() == [2, 10]  # of ten classes there are no more


def test_variants_are_drawn_as_differences_of_each_seed():
    table = drawings.against_a(network_table({"A": FLAT, "B": [v + 1 for v in FLAT], "none": [v - 2 for v in FLAT]}))
    assert set(table["shortcut"]) == {"B", "none"}
    (axis,) = drawn(drawings.variants, table).axes
    assert axis.get_xlabel() == "test accuracy minus that of zero-padding, same seed (percentage points)"
    heights = {text.get_text(): place for text, place in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)}
    assert heights.keys() == {networks.TITLES["B"], networks.TITLES["none"]}
    means = {float(y[0]): float(x[0]) for x, y in lines(axis) if len(x) == 1}
    for name, difference in (("B", 1.0), ("none", -2.0)):
        height = heights[networks.TITLES[name]]
        (found,) = (seeds for seeds in scattered(axis) if seeds[0, 1] == height)
        np.testing.assert_allclose(found[:, 0], [difference] * len(FLAT))
        assert means[height] == pytest.approx(difference)
