"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.learning_the_difference import drawings, linear
from tests.experiments.artists import drawn, line, lines


def turns() -> pd.DataFrame:
    rows = [
        (scale, angle, seed, 22.0 + seed, angle / 10 + seed)
        for scale in (1.0, 2.0)
        for angle in linear.ANGLES
        for seed in (0, 2)
    ]
    return pd.DataFrame(rows, columns=["scale", "angle", "seed", "plain", "residual"])


def test_steps_of_linear_blocks_are_means_over_draws():
    (axis,) = drawn(drawings.crossing, drawings.linear(turns())).axes
    x, y = line(axis, drawings.TITLES["plain"])
    assert (x.tolist(), set(y)) == (list(linear.ANGLES), {23.0})
    np.testing.assert_allclose(line(axis, drawings.TITLES["residual"])[1], np.array(linear.ANGLES) / 10 + 1)
    assert any(set(place[0]) == {60} for place in lines(axis))


def test_steps_of_blocks_with_a_hidden_layer_are_drawn_by_seed_and_mean():
    rows = [
        (kind, angle, again, seed, 10.0 * 4**seed)
        for kind in ("plain", "residual", "shifted")
        for angle in (0, 30)
        for again in (False, True)
        for seed in range(2)
    ]
    table = drawings.turning(pd.DataFrame(rows, columns=["kind", "angle", "again", "seed", "taken"]))
    assert len(table) == 8
    (axis,) = drawn(drawings.kinds, table).axes
    np.testing.assert_allclose(line(axis, drawings.TITLES["plain"])[1], [20, 20])


@pytest.mark.parametrize(
    ("angle", "residual"), [(0, 0.0), (60, np.log(10) / -np.log(0.9)), (180, np.log(20) / -np.log(0.9))]
)
def test_the_chart_has_the_steps_of_theory(angle: int, residual: float):
    spec = drawings.arrows(pd.DataFrame()).to_dict()
    assert {p["name"] for p in spec["params"]} == {"angle", "told"}
    steps = {
        part["as"]: part["calculate"]
        for part in spec["concat"][1]["layer"][0]["transform"]
        if "as" in part and "calculate" in part
    }
    names = {"datum": type("datum", (), {"degrees": angle}), "log": np.log, "sin": np.sin, "PI": np.pi, "max": max}
    found = {name: eval(formula, names) for name, formula in steps.items()}
    assert found["plain: from 0 to t"] == pytest.approx(np.log(10) / -np.log(0.9))
    assert found["residual: from x to t"] == pytest.approx(residual)


def test_branches_are_drawn_by_their_place():
    rows = [
        (blocks, lr, 8, seed, epoch, block, 1 / blocks + seed, 0.2, 0.1)
        for blocks in (3, 9)
        for lr in (0.0, 0.1)
        for seed in (0, 1)
        for epoch in (0, 8)
        for block in range(blocks)
    ]
    columns = ["blocks", "lr", "epochs", "seed", "epoch", "block", "size", "own", "other"]
    table = drawings.sizes(pd.DataFrame(rows, columns=columns))
    assert len(table) == 12
    left, right = drawn(drawings.branches, table).axes
    x, y = line(left, "9 blocks")
    np.testing.assert_allclose(x, (np.arange(9) + 0.5) / 9)
    np.testing.assert_allclose(y, [1 / 9 + 0.5] * 9)
    np.testing.assert_allclose(line(right, "3 blocks")[1], [0.1] * 3)


def test_published_networks_are_drawn_by_their_place():
    rows = [
        (depth, seed, block, 1.0 + seed, 0.1, 0.05, 0.3, 0.1)
        for depth in drawings.DEPTHS
        for seed in (0, 1)
        for block in range(3)
    ]
    columns = ["depth", "seed", "block", "size", "own", "other", "behind", "other_behind"]
    table = drawings.published(pd.DataFrame(rows, columns=columns))
    np.testing.assert_allclose(table["behind"], 0.2)
    left, right = drawn(drawings.networks, table).axes
    np.testing.assert_allclose(line(left, "ResNet-56")[1], [1.5] * 3)
    np.testing.assert_allclose(line(right, "ResNet-20")[1], [0.05] * 3)
