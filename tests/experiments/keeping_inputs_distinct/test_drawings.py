"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.keeping_inputs_distinct import collapse, drawings, trained
from tests.experiments.artists import drawn, labels, line, lines, title


def test_the_cloud_is_flattened_stretched_and_mirrored():
    rows = drawings.cloud(pd.DataFrame())
    assert len(rows) == drawings.POINTS
    axes = drawn(drawings.clouds, rows).axes
    assert [title(axis) for axis in axes] == ["$P$ alone", "$I+P$", "$I-P$"]
    for axis, (across, up) in zip(axes, ((1, 0), (2, 1), (0, 1)), strict=True):
        for (x, y), (_, group) in zip(lines(axis), rows.groupby("group"), strict=True):
            np.testing.assert_allclose(x, across * group["x"])
            np.testing.assert_allclose(y, up * group["y"])


def gap_table() -> pd.DataFrame:
    rows = [
        (kind, depth, layer, seed, (1 + seed) / (layer + 1), 1.5 / (layer + 1))
        for kind in collapse.KINDS
        for depth in (30, 100)
        for layer in (0, 1, 10, depth)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows, columns=["kind", "depth", "layer", "seed", "apart", "law"])


def test_gaps_are_drawn_as_points_on_lines_of_their_laws():
    rows = drawings.gap_rows(gap_table())
    assert set(rows["layer"]) == {1, 10, 100}
    (axis,) = drawn(drawings.gaps, rows).axes
    assert labels(axis) == [label for label, _ in drawings.LINES.values()]
    for label, _ in drawings.LINES.values():
        x, y = line(axis, label)
        assert x.tolist() == [1, 10, 100]
        np.testing.assert_allclose(y, 1.5 / (x + 1))


def test_the_charts_hold_what_their_inputs_choose():
    chart = drawings.gaps_chart(drawings.gap_rows(gap_table())).to_dict()
    bound = {param["name"]: param["bind"] for param in chart["params"] if "bind" in param}
    assert bound["depth"]["options"] == [0, 1, 10, 100]
    assert len(bound["network"]["options"]) == len(drawings.LINES)
    chart = drawings.clouds_chart(drawings.cloud(pd.DataFrame())).to_dict()
    (bound,) = (param for param in chart["params"] if "bind" in param)
    assert (bound["name"], bound["bind"]["min"], bound["bind"]["max"]) == ("c", -2, 2)


def test_errors_are_drawn_beside_their_bounds():
    rows = [
        (kind, c, times, seed, c**times * (1 + seed), 10 * c**times)
        for kind in ("shrinking", "drawn")
        for c in (0.5, 0.9)
        for times in (1, 2, 4)
        for seed in (0, 1, 2)
    ]
    table = pd.DataFrame(rows, columns=["kind", "constant", "times", "seed", "error", "bound"])
    axes = drawn(drawings.errors, drawings.error_rows(table)).axes
    assert [title(axis) for axis in axes] == ["$F(x)=-cx$", "random branch"]
    for axis in axes:
        for c in (0.5, 0.9):
            x, y = line(axis, f"$c={c:g}$")
            np.testing.assert_allclose(y, 2 * c**x)
        np.testing.assert_allclose(lines(axis)[0][1], 10 * 0.5 ** np.array([1, 2, 4]))


def test_copies_are_drawn_as_pictures_and_by_block():
    rows = [
        {
            "variant": variant,
            "seed": seed,
            "epoch": epoch,
            "part": 0,
            "state": state,
            "copied": 1 - fall * state - seed / 100,
        }
        for variant, fall in (("residual", 0.02), ("plain", 0.1))
        for seed in (0, 1)
        for epoch in (0, 5)
        for state in range(4)
    ]
    rows += [
        {"variant": variant, "seed": seed, "epoch": 5, "part": 1, "image": i, "pixel": p, "value": i + p / 64}
        | {"read": factor * (i + p / 64) + seed}
        for variant, factor in (("residual", 0.5), ("plain", 0.25))
        for seed in (0, 1)
        for i in range(trained.PICTURES)
        for p in range(64)
    ]
    figure = drawn(drawings.copies, drawings.copy_rows(pd.DataFrame(rows)))
    *grid, right = figure.axes
    assert len(grid) == 3 * trained.PICTURES
    for row, factor in enumerate((1, 0.5, 0.25)):
        for i in range(trained.PICTURES):
            shown = np.asarray(grid[row * trained.PICTURES + i].images[0].get_array())
            np.testing.assert_allclose(shown.ravel(), factor * (i + np.arange(64) / 64), atol=1e-4)
    assert labels(right) == [
        f"{variant}, {when}" for variant in ("residual", "plain") for when in ("at the start", "trained")
    ]
    _, y = line(right, "residual, trained")
    np.testing.assert_allclose(y, 1 - 0.02 * np.arange(4) - 0.005)
    _, y = line(right, "plain, at the start")
    np.testing.assert_allclose(y, 1 - 0.1 * np.arange(4) - 0.005)
