"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.smoothness_and_variation import drawings, functions
from tests.experiments.artists import drawn, line, lines


def pairs() -> pd.DataFrame:
    rows = [(family, 1.0 + i / 10, 2.0 - i / 10) for i, family in enumerate(drawings.FAMILIES)]
    return pd.DataFrame([*rows, ("waves", 50.0, 50.0)], columns=["family", "alone", "added"])


def test_functions_are_drawn_in_the_band():
    (axis,) = drawn(drawings.band, pairs()).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("total variation of $F$", "total variation of $x+F$")
    for i, (title, _) in enumerate(drawings.FAMILIES.values()):
        x, y = line(axis, title)
        assert (x.tolist(), y.tolist()) == ([1 + i / 10], [2 - i / 10])
    corners = np.vstack([path.vertices for path in axis.collections[0].get_paths()])
    assert {(0, 1), (1, 0), (5, 4), (5, 6)} <= {tuple(corner) for corner in corners.tolist()}


def test_the_chart_knows_the_variation_of_a_wave_with_the_identity():
    """Its formula, as Vega has it, against a fine grid."""
    spec = drawings.wave(pairs()).to_dict()
    assert {p["name"] for p in spec["params"]} == {"a", "k", "told"}
    formula = next(part["calculate"] for part in spec["concat"][1]["layer"][1]["transform"] if part["as"] == "low")
    x = np.linspace(0, 1, 400_001)
    for a, k in ((0.1, 2), (0.05, 1), (0.4, 10), (0.5, 3)):
        size = type("datum", (), {"s": max(1.0, 2 * np.pi * a * k)})
        names = {"datum": size, "sqrt": np.sqrt, "acos": np.arccos, "PI": np.pi}
        found = eval(formula, names)
        assert found == np.float64(np.abs(np.diff(x + a * np.sin(2 * np.pi * k * x))).sum()).round(12) or np.isclose(
            found, np.abs(np.diff(x + a * np.sin(2 * np.pi * k * x))).sum(), rtol=1e-6
        )


def test_stacks_are_drawn_by_their_depth():
    rows = [(s, depth, value + seed, 2.0, seed) for s, depth, value in STACKS for seed in (-0.5, 0.5)]
    table = drawings.stacks(pd.DataFrame(rows, columns=["strength", "depth", "variation", "branch", "seed"]))
    (axis,) = drawn(drawings.depths, table).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("number of blocks", "total variation")
    x, y = line(axis, "blocks that are tents")
    assert (x.tolist(), y.tolist()) == ([1, 2], [2, 4])
    assert line(axis, "branches of slopes up to 0.9")[1].tolist() == [1, 1.5]
    assert line(axis, "one tent's branch")[1].tolist() == [2, 2]
    assert line(axis, "Lipschitz bound $4^L$")[1].tolist() == [4, 16]


STACKS = ((1.0, 1, 2.0), (1.0, 2, 4.0), (functions.SMALL, 1, 1.0), (functions.SMALL, 2, 1.5))


def test_ratios_at_one_loss_are_drawn_with_their_geometric_means():
    rows = [
        (kind, gain, again, seed, size)
        for gain in drawings.SIZES
        for seed in (0, 1)
        for kind, again, size in (("plain", False, 2.0), ("residual", False, 1.0 + 3 * seed), ("residual", True, 9.0))
    ]
    table = pd.DataFrame(rows, columns=["kind", "gain", "again", "seed", "variation"]).assign(reached=True)
    shown = drawings.networks(table)
    assert shown["ratio"].tolist() == [0.5, 2.0] * 3
    (axis,) = drawn(drawings.matched, shown).axes
    assert axis.get_ylabel() == "residual / plain variation"
    level, *found = lines(axis)
    assert set(level[1]) == {1}
    for place in range(3):
        (x, y), (_, mean) = found[2 * place : 2 * place + 2]
        np.testing.assert_allclose(x, [place - 0.25, place + 0.25])
        np.testing.assert_allclose(y, [0.5, 2.0])
        np.testing.assert_allclose(mean, 1)


def test_branches_are_drawn_by_the_trend_of_their_target():
    rows = [
        (kind, target, again, seed, size)
        for i, target in enumerate(drawings.TRENDS)
        for seed in (0, 1)
        for kind, again, size in (
            ("plain", False, 1.0),
            ("around", False, 2.0**i),
            ("around", True, 9),
            ("shifted", False, 5),
        )
    ]
    table = pd.DataFrame(rows, columns=["kind", "target", "again", "seed", "branch"]).assign(reached=True)
    table.loc[(table["kind"] == "plain") & (table["target"] == "falling") & (table["seed"] == 1), "reached"] = False
    shown = drawings.blocks(table)
    assert len(shown) == 5
    (axis,) = drawn(drawings.branches, shown).axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["no trend", "rising", "falling"]
    assert axis.get_xlabel() == "trend of the target"
    means = [y[0] for _, y in lines(axis)[2::2]]
    np.testing.assert_allclose(means, [1, 2, 4])
