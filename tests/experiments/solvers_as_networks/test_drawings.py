"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.solvers_as_networks import drawings, heat
from tests.experiments.artists import drawn, labels, line, lines


def test_the_bar_and_the_growth_of_its_fastest_mode_are_drawn():
    table = heat.shown_trial(heat.Shown(points=8, longest=10), (0,))
    left, middle, right = drawn(drawings.bar, table).axes
    for axis, ratio in ((left, 0.25), (middle, 0.51)):
        rows = table[(table["kind"] == "profile") & (table["ratio"] == ratio)]
        for layers in (0, 20, 50, 100):
            np.testing.assert_allclose(line(axis, str(layers))[1], rows[rows["layers"] == layers]["u"])
    x, y = line(right, "measured")
    np.testing.assert_allclose(y, np.interp(x, *line(right, "formula")), rtol=0.02)


def test_errors_are_drawn_by_the_number_of_pairs():
    rows = [
        (seed, r, s, n, name, (seed + 1) * n, 0.5)
        for r, s in ((0.25, "white"), (0.02, "smooth"))
        for name in ("plain", "residual", "taps", "taps-skip")
        for n in (1, 64)
        for seed in (0, 1, 2)
    ]
    columns = ["seed", "ratio", "spectrum", "pairs", "map", "error", "still"]
    table = drawings.by_pairs(pd.DataFrame(rows, columns=columns).assign(advection=0.0))
    white, smooth = drawn(drawings.pairs, table).axes
    assert [axis.get_title(loc="left") for axis in (white, smooth)] == ["white bars, $r=0.25$", "smooth bars, $r=0.02$"]
    for label in ("dense", "dense, with a shortcut", "three taps"):
        for axis in (white, smooth):
            np.testing.assert_allclose(line(axis, label), [[1, 64], [2, 128]])
    np.testing.assert_allclose(line(white, "nothing changes")[1], 0.5)


def test_norms_are_drawn_near_one_and_all_of_it():
    rows = [("norm", name, n, float(i + n)) for i, name in enumerate(drawings.METHODS) for n in (0, 20)]
    table = pd.DataFrame([*rows, ("density", "euler", 3, 9.0)], columns=["kind", "method", "time", "norm"])
    near, far = drawn(drawings.norms, table).axes
    for axis in (near, far):
        for i, (label, _) in enumerate(drawings.METHODS.values()):
            np.testing.assert_allclose(line(axis, label), [[0, 20], [i, i + 20]])
    assert far.get_yscale() == "log"


def test_errors_of_propagators_are_drawn_by_the_packets_they_are_tried_on():
    rows = [
        (potential, noise, time, test, name, seed, 10.0**-i * (1 + seed))
        for potential in ("free", "well")
        for noise, time in ((0.0, 10.0), (1e-3, 10.0), (0.0, 0.1))
        for test in ("like", "back", "fast")
        for i, name in enumerate((*drawings.LEARNED, "shuffled"))
        for seed in (0, 1, 2)
    ]
    columns = ["potential", "noise", "time", "test", "map", "seed", "error"]
    table = drawings.by_test(pd.DataFrame(rows, columns=columns))
    assert len(table) == 4 * len(drawings.LEARNED) * 3
    (axis,) = drawn(drawings.learned, table).axes
    assert labels(axis) == [label for label, _ in drawings.LEARNED.values()]
    for i, (label, _) in enumerate(drawings.LEARNED.values()):
        x, y = line(axis, label)
        np.testing.assert_allclose(x, np.arange(4) + 0.14 * (i - 2))
        np.testing.assert_allclose(y, 2 * 10.0**-i)
    assert len(lines(axis)) == 2 * len(drawings.LEARNED)
    tiny = drawings.by_test(pd.DataFrame(rows, columns=columns).assign(error=3e-13))
    assert (tiny["error"] == 1e-13).all()
