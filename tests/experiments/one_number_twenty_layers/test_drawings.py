"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from resnet_lib.experiments.one_number_twenty_layers import drawings, steps
from tests.experiments.artists import drawn, labels, line, lines, title


def shown(axis: Axes, label: str) -> list[tuple[float, float]]:
    """The points of the line with this label, to nine digits."""
    return [(round(x, 9), round(y, 9)) for x, y in zip(*line(axis, label), strict=True)]


def test_tents_cross_zero_where_their_slope_is_one():
    rows = [
        (kind, mean, seed, size, share + seed / 10)
        for kind, mean, share in (
            ("residual", 0.0, 0.8),
            ("plain", 1.0, 0.7),
            ("plain", 0.0, 0.2),
            ("residual", -1.0, 0.1),
        )
        for seed in (0, 1)
        for size in (0.1, 1.0)
    ]
    table = drawings.shares(pd.DataFrame(rows, columns=["kind", "mean", "seed", "size", "share"]))
    plain, residual, right = drawn(drawings.tents, table).axes
    assert [title(axis) for axis in (plain, residual, right)] == [
        "plain, $a^{20}$",
        "residual, $(1+a)^{20}$",
        "random slopes",
    ]
    for axis, crossings in ((plain, (-1, 1)), (residual, (-2, 0))):
        ((slope, gain),) = lines(axis)
        np.testing.assert_allclose(np.interp(crossings, slope, gain), 0, atol=0.01)
        assert gain[np.argmin(np.abs(slope - sum(crossings) / 2))] < -20  # the cusp between them
        (hill,) = (each for each in axis.collections if len(each.get_paths()[0].vertices) > 1000)  # pyright: ignore[reportArgumentType]
        outline = np.asarray(hill.get_paths()[0].vertices)
        top = outline[outline[:, 1].argmax()]
        np.testing.assert_allclose(top, [0, -12], atol=0.01)  # the densest default is 0, in both
    assert labels(right) == ["residual, about 0", "plain, about 1", "plain, about 0"]
    assert shown(right, "residual, about 0") == [(0.1, 0.85), (1, 0.85)]
    assert shown(right, "plain, about 1") == [(0.1, 0.75), (1, 0.75)]
    assert shown(right, "plain, about 0") == [(0.1, 0.25), (1, 0.25)]


def test_gain_and_step_are_drawn_by_depth_with_their_formulas():
    rows = [
        (layers, False, slope, 3 - slope * layers, slope * layers / 2)
        for layers in (5, 10, 20, 40)
        for slope in (0.0, 0.5)
    ]
    made = pd.DataFrame(rows, columns=["layers", "divided", "slope", "step", "gain"])
    table = drawings.stable_steps(made)
    assert table.equals(steps.against_zero(made))
    left, right = drawn(drawings.price, table).axes
    assert labels(left) == labels(right) == ["10 layers", "20 layers", "40 layers"]
    assert shown(left, "20 layers") == [(0, 0), (0.5, 5)]
    assert shown(right, "40 layers") == [(0, 0), (0.5, -20)]
    assert [title(axis) for axis in (left, right)] == ["gain", "largest stable step, against slope 0"]
    formulas = [[y for x, y in lines(axis) if len(x) == 201] for axis in (left, right)]
    ends = [[round(y[-1], 6) for y in each] for each in formulas]
    assert ends[0] == [round(n * np.log10(1.5), 6) for n in (10, 20, 40)]
    assert ends[1] == [round(-(2 * n - 2) * np.log10(1.5), 6) for n in (10, 20, 40)]
    assert [text.get_text() for text in (*left.texts, *right.texts)] == ["3,325 times", "4.9 million\ntimes smaller"]


def test_products_and_sums_are_drawn_over_slope_times_layers():
    rows = [
        (kind, slope, layers, gain, uneven)
        for kind, gain in (("residual", 3.0), ("beside", 2.0), ("plain", 9.0))
        for slope in (0.001, 0.01, 0.1, 0.3)
        for layers in (10, 1000)
        for uneven in (False, True)
    ]
    table = drawings.sums(pd.DataFrame(rows, columns=["kind", "slope", "layers", "gain", "uneven"]))
    assert set(table["kind"]) == {"residual", "beside"}
    assert sorted({*table["total"].round(9)}) == [0.01, 0.1, 1, 10]
    (axis,) = drawn(drawings.additive, table).axes
    assert axis.get_xlabel() == "slope times layers, $aL$"
    assert shown(axis, "in a row, $a=0.01$") == [(0.1, 3), (10, 3)]
    assert shown(axis, "side by side, $a=0.1$") == [(1, 2)]
    for label, law in (("$e^{aL}$", np.exp), ("$1+aL$", lambda x: 1 + x)):
        x, y = line(axis, label)
        np.testing.assert_allclose(y, law(x))


def test_shares_are_drawn_through_training_and_factors_by_layer():
    rows = [
        (layers, lr, seed, epoch, layer, epoch / 10 + seed / 100, 0.5 - epoch / 20, 0.8 + layer / 100, 1.2 + seed / 10)
        for layers, lr in ((8, 0.03), (8, 0.0), (50, 0.0071))
        for seed in (0, 1)
        for epoch in (0, 8)
        for layer in (2, 3)
    ]
    names = ["layers", "lr", "seed", "epoch", "layer", "random", "gradient", "random_factor", "gradient_factor"]
    table = drawings.trained(pd.DataFrame(rows, columns=names))
    assert len(table) == 8
    left, right = drawn(drawings.contraction, table).axes
    assert labels(left) == ["a fresh direction", "the gradient"]
    assert shown(left, "a fresh direction") == [(0, 0.005), (8, 0.805)]
    assert shown(left, "the gradient") == [(0, 0.5), (8, 0.1)]
    assert shown(right, "a fresh direction") == [(2, 0.82), (3, 0.83)]
    assert shown(right, "the gradient") == [(2, 1.25), (3, 1.25)]
    assert left.get_ylabel() == "share that shrinks"
