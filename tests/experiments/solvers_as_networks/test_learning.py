"""Least squares against numpy, and the measures on tables by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib.experiments.solvers_as_networks import learning
from resnet_lib.experiments.solvers_as_networks.learning import SMOOTH, WHITE
from resnet_lib.linalg.grids import Line


def pairs(number: int, points: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(number, points, generator=generator, dtype=torch.float64) for _ in range(2))
    return x, y


@pytest.mark.parametrize("number", [3, 6, 20])
def test_dense_maps_are_those_of_least_squares(number: int):
    x, y = pairs(number)
    plain, residual = learning.dense(x, y)
    x, y = x.numpy(), y.numpy()
    expected = np.linalg.lstsq(x, y, rcond=None)[0].T
    np.testing.assert_allclose(plain, expected, atol=1e-12)
    np.testing.assert_allclose(residual, np.linalg.lstsq(x, y - x, rcond=None)[0].T + np.eye(6), atol=1e-12)


def test_a_shortcut_is_the_identity_on_what_no_pair_has_shown():
    x, y = pairs(3)
    plain, residual = learning.dense(x, y)
    unseen = torch.linalg.qr(x.mT, mode="complete").Q[:, 3:]
    torch.testing.assert_close(residual - plain, unseen @ unseen.mT)


def test_taps_find_a_kernel_and_half_of_them_its_mean():
    line, (x, _) = Line(6), pairs(4)
    y = line.apply((0.2, 0.5, 0.4), x)
    for skip in (False, True):
        torch.testing.assert_close(learning.taps(line, x, y, skip=skip), line.matrix((0.2, 0.5, 0.4)))
    symmetric = learning.taps(line, x, y, symmetric=True)
    torch.testing.assert_close(symmetric, symmetric.mT)
    rolled = np.roll(x.numpy(), 1, 1) + np.roll(x.numpy(), -1, 1)
    columns = np.stack([rolled, x.numpy()], -1).reshape(-1, 2)
    side, middle = map(float, np.linalg.lstsq(columns, y.numpy().reshape(-1), rcond=None)[0])
    torch.testing.assert_close(symmetric, line.matrix((side, middle, side)))


def test_smooth_bars_have_their_spectrum_and_both_kinds_the_mean_square_one():
    for case in (WHITE, SMOOTH):
        drawn = learning.bars(case, 4000, torch.Generator().manual_seed(0)).numpy()
        assert np.square(drawn).mean() == pytest.approx(1, rel=0.05)
        power = np.square(np.abs(np.fft.fft(drawn))).mean(0)
        expected = 1 if case is WHITE else (1 + 4) ** -4 / (1 + 9) ** -4
        assert power[4] / power[9] == pytest.approx(expected, rel=0.15)


def test_the_trial_against_numpy():
    table = learning.learned_trial(learning.Learned(0.25, "white", noise=0.0, points=8, counts=(4, 128)), (0,))
    errors = table.set_index(["pairs", "map"])["error"]
    assert errors[128, "plain"] < 1e-12
    assert errors[4, "taps"] < 1e-12
    assert 0.3 < errors[4, "plain"] < 1.2
    assert table["rollout"].notna().equals(table["pairs"] == 128)
    assert 0.5 < table["still"][0] < 1.5
    assert table.set_index("pairs")["apart"][128].max() < 1e-12


def made(rows: list[tuple], columns: str = "seed ratio spectrum pairs map error rollout apart still") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split()).assign(advection=0.0)


def test_pairs_that_are_needed_are_those_from_which_on_the_error_stays_below_one_percent():
    rows = [
        (0, r, s, n, name, error, 1.0, 0.0, 1.0)
        for r, s in ((0.25, "white"), (0.02, "smooth"))
        for name, errors in {
            "plain": (0.5, 0.009, 0.02, 0.009),
            "residual": (0.5, 0.009, 0.001, 0.001) if s == "smooth" else (0.5, 0.009, 0.02, 0.009),
            "taps": (0.001, 0.0, 0.0, 0.0),
            "taps-skip": (0.001, 0.0, 0.0, 0.0),
        }.items()
        for n, error in zip((1, 10, 100, 128), errors, strict=True)
    ]
    table = made(rows)
    np.testing.assert_allclose(learning.prior(table).values, [np.log10(128)])
    apart = table.assign(error=table["error"].where(table["ratio"] == 0.25, table["error"] / 10))
    np.testing.assert_allclose(learning.prior(apart).values, [1])  # the least of the cases, not the first
    np.testing.assert_allclose(learning.prior(table).control, [0, 0])
    np.testing.assert_allclose(learning.shortcut(table).values, [np.log10(12.8)])
    np.testing.assert_allclose(learning.shortcut(table).control, [0])
    never = table.assign(error=table["error"].where(table["map"] != "plain", 1.0))
    np.testing.assert_allclose(learning.prior(never).values, np.log10(512))


def test_errors_are_compared_draw_by_draw():
    rows = [
        (seed, 0.25, "smooth", 128, name, 0.1, rollout, 0.0, 1.0)
        for seed in (0, 1)
        for name, rollout in (("plain", 10.0), ("taps", 0.1 * 10**seed), ("taps-skip", 0.1), ("symmetric", 1.0))
    ]
    table = made(rows)
    np.testing.assert_allclose(learning.accurate(table).values, [2, 1])
    np.testing.assert_allclose(learning.accurate(table).control, [0, -1])
    drifting = pd.concat([table, table.assign(advection=0.1, rollout=table["rollout"] ** 2)])
    np.testing.assert_allclose(learning.wrong(drifting).values, [2, 0])
    np.testing.assert_allclose(learning.wrong(drifting).control, [1, 0])


def test_distances_errors_unseen_and_what_is_gained_over_nothing():
    rows = [
        (0, r, s, n, name, error, np.nan, apart, 0.01)
        for r, s in ((0.02, "smooth"), (0.25, "white"))
        for n, apart in ((1, 0.9), (16, 0.7), (96, 1e-12))
        for name, error in (("plain", 0.5), ("residual", 0.1), ("taps", 0.001))
    ]
    table = made(rows)
    assert learning.same(table).values.tolist() == [1e-12, 1e-12]
    assert learning.same(table).control.tolist() == [0.7, 0.7]
    np.testing.assert_allclose(learning.nothing(table).values, [1])
    np.testing.assert_allclose(learning.nothing(table).control, [-1])
    np.testing.assert_allclose(learning.unseen(table.assign(spectrum="white")).values[1], 0.2)  # 1 at r = 1/4
    one = table[table["ratio"] == 0.02].assign(spectrum="white")
    np.testing.assert_allclose(learning.unseen(one).values, 0.2 / np.sqrt(6 * 0.0004 / (1 - 0.08 + 0.0024)))
    np.testing.assert_allclose(learning.unseen(one).control, [0.2])


def test_a_shortcut_is_compared_where_the_whole_changes_little():
    rows = [
        (0, r, "smooth", 32, name, error, np.nan, 0.0, 0.01)
        for r, errors in ((0.4, (0.1, 1.0)), (0.02, (1.0, 0.1)))
        for name, error in zip(("plain", "residual"), errors, strict=True)
    ]
    table = pd.concat([made(rows), made([(0, 0.4, "smooth", 16, "plain", 1.0, 0.0, 0.0, 1.0)])])
    np.testing.assert_allclose(learning.change(table).values, [1])
    np.testing.assert_allclose(learning.change(table).control, [-1])


def test_pairs_needed_are_told_by_case_and_map():
    rows = []
    for case in learning._CASES:
        for count, error in ((1, 0.5), (64, 0.02), (80, 0.005), (128, 0.001)):
            for name, factor in (("plain", 1.0), ("residual", 1.0), ("taps", 0.001)):
                row = (case.ratio, case.spectrum, 0.0, 0, count, name, factor * error)
                rows.append((*row, 0.001 if case == learning.SMOOTH else 0.5))
    columns = ["ratio", "spectrum", "advection", "seed", "pairs", "map", "error", "still"]
    told = learning.pairs_needed(pd.DataFrame(rows, columns=columns))
    assert told[["dense", "with a shortcut", "three taps"]].to_numpy().tolist() == [["80", "80", "1"]] * 4
    assert told[["bars", "r", "nothing changes"]].to_numpy().tolist() == [
        ["smooth", "0.02", "0"],
        ["smooth", "0.25", "never"],
        ["white", "0.02", "never"],
        ["white", "0.25", "never"],
    ]


def test_other_choices_change_the_noise_or_the_line_of_every_case():
    ways = learning.CHOICES.ways
    assert [{case.noise for case in way} for way in ways.values()] == [{3e-4}, {3e-3}, {1e-3}, {1e-3}]
    assert [{case.points for case in way} for way in ways.values()] == [{64}, {64}, {32}, {128}]
    for way in ways.values():
        assert [(case.ratio, case.spectrum, case.counts) for case in way] == [
            (case.ratio, case.spectrum, case.counts) for case in learning.LEARNED.quick.settings
        ]
