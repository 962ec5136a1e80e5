"""What the page tells in numbers is what it measured, and what a program of its own computes."""

import numpy as np
import pytest
from scipy.optimize import brentq, lsq_linear

from resnet_lib import runtime
from resnet_lib.evidence import intervals
from resnet_lib.experiments.smoothness_and_variation import branches, depth, networks, penalised, regressors
from resnet_lib.files import root
from tests.experiments import chapter

NAME = "22_smoothness_and_variation"


def on_a_grid(values: np.ndarray) -> float:
    return float(np.abs(np.diff(values)).sum())


def test_the_worked_numbers_of_the_page():
    words, x = chapter.words(NAME), np.linspace(0, 1, 1_000_001)
    wave = np.sin(20 * np.pi * x)
    assert on_a_grid(np.sin(2 * np.pi * x)) == pytest.approx(4)
    assert on_a_grid(wave) == pytest.approx(40)
    assert on_a_grid(x + wave) == pytest.approx(40.005, abs=5e-4)
    assert "the variation is 40, and that of $x+F$ is 40.005" in words
    assert on_a_grid(0.01 * wave) == pytest.approx(0.4)
    assert on_a_grid(x + 0.01 * wave) == pytest.approx(1)
    turns = int((np.diff(np.sign(np.diff(wave))) != 0).sum())
    assert turns == 20
    assert "the variation goes from 0.4 to 1, which is more, but the twenty turning points are gone" in words
    s = 2.26
    wave = s / (2 * np.pi * 3) * np.sin(6 * np.pi * x)
    assert (on_a_grid(wave), on_a_grid(x + wave)) == (pytest.approx(1.44, abs=5e-3), pytest.approx(1.58, abs=5e-3))


def test_teeth_of_unequal_slopes_lose_variation():
    x, tooth = np.linspace(0, 1, 2_000_001), np.array([0.0, -1.0, 0.0])
    fall = np.interp(x, [0, 0.9, 1], 0.9 * tooth)
    assert (on_a_grid(fall), on_a_grid(x + fall)) == (pytest.approx(1.8), pytest.approx(1.0))
    teeth = np.interp((20 * x) % 1, [0, 0.9, 1], tooth)
    assert (on_a_grid(teeth), on_a_grid(x + teeth)) == (pytest.approx(40), pytest.approx(39.2))
    words = chapter.words(NAME)
    assert "$\\mathrm{TV}(F)=1.8$, and $\\mathrm{TV}(x+F)=1$" in words
    assert "Twenty teeth of height 1 of that shape have 40, and 39.2 with the identity" in words
    rise = np.where(x < 0.5, 0, 20.0 * (x - 0.5) / 0.01).clip(0, 20)
    jump = rise + 0.9 * np.sin(100 * np.pi * x) / (100 * np.pi)
    assert on_a_grid(jump) > 10
    assert (np.diff(x + jump) > 0).all()


def least_variation(y: np.ndarray, loss: float) -> float:
    """The least variation of values whose mean squared distance from y is the loss, by the dual of its penalty."""
    differences = np.diff(np.eye(len(y)), axis=0)

    def values(penalty: float) -> np.ndarray:
        return y - differences.T @ lsq_linear(differences.T, y, bounds=(-penalty, penalty)).x

    found = brentq(lambda log: float(((values(np.exp(log)) - y) ** 2).mean()) - loss, -8, 3, xtol=1e-6)
    return on_a_grid(values(np.exp(found)))  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_the_least_variation_at_this_loss():
    setting = regressors.Regressor("plain", 0.01)
    points = [regressors.sample(setting, seed).y[:, 0].numpy() for seed in range(32)]
    found = np.log([least_variation(y, 0.5 * 0.3**2) for y in points]).mean()
    assert np.exp(found) == pytest.approx(2.5, abs=0.05)
    assert found - np.log(3.685) == pytest.approx(-0.39, abs=5e-3)
    assert "have 2.5 on average" in chapter.words(NAME)


def test_what_the_page_tells_of_trained_networks_is_what_it_measured():
    words = chapter.words(NAME)
    for name in ("smoother", "smoother-small", "smoother-large"):
        found = chapter.quick(NAME, f"tv-general.{name}")
        assert found["effect"] == pytest.approx(0.02 if name == "smoother-small" else 0.012, abs=3e-3)
        wide = 0.06 if name == "smoother-large" else 0.03
        assert (found["high"] - found["low"]) / 2 == pytest.approx(wide, abs=6e-3)
    assert "intervals of $\\pm0.03$, $\\pm0.03$ and $\\pm0.06$" in words
    for name, less, most, least in (("", 0.08, 0.17, -0.01),):
        error = chapter.quick(NAME, f"tv-general.generalises{name}")
        assert 1 - np.exp(error["effect"]) == pytest.approx(less, abs=0.01)
        assert 1 - np.exp(error["low"]) == pytest.approx(most, abs=0.015)
        assert 1 - np.exp(error["high"]) == pytest.approx(least, abs=0.015)
    assert 1 - np.exp(chapter.quick(NAME, "tv-general.generalises-small")["effect"]) == pytest.approx(0.18, abs=0.01)
    assert np.exp(chapter.quick(NAME, "tv-general.start")["effect"]) == pytest.approx(8 / 7, abs=0.01)
    assert chapter.quick(NAME, "tv-discourage.shift")["high"] < 1e-13
    for found in branches.SHIFTED.results().values():
        assert 0 < branches.shift(found.table).values.max() < 1e-12
    assert np.exp(chapter.quick(NAME, "tv-discourage.rising")["effect"]) == pytest.approx(0.6, abs=0.05)
    assert np.exp(chapter.quick(NAME, "tv-discourage.falling")["effect"]) == pytest.approx(1.83, abs=0.1)
    assert abs(chapter.quick(NAME, "tv-discourage.branch")["effect"]) < 0.05


def test_what_the_page_tells_of_twelve_blocks():
    words = chapter.words(NAME)
    deep = chapter.quick(NAME, "tv-general.rougher-twelve")
    full = depth.rougher(chapter.stored(depth.DEPTH)).values
    assert (np.exp(deep["effect"]), np.exp(full.mean())) == (
        pytest.approx(1.04, abs=6e-3),
        pytest.approx(1.16, abs=6e-3),
    )
    assert (deep["n"], len(full)) == (5, 31)
    assert "4% rougher at the same loss by the five seeds that count here, and 16% by the 31 of FULL" in words
    found = {way: depth.rougher(result.table).values.mean() for way, result in depth.CHOICES.results().items()}
    for way in ("a third of each rate", "the same rate for all"):
        assert np.exp(found[way]) == pytest.approx(1.73, abs=0.05)
    for way in ("other points and weights", "twice the steps", "four times the steps", "less of the noise fitted"):
        assert np.exp(found[way]) == pytest.approx(7 / 6, abs=0.03)
    more = {way: depth.rougher(result.table).values for way, result in depth.MORE.results().items()}
    rate, start = (100 * (np.exp(more[way].mean()) - 1) for way in depth.MORE.ways)
    assert f"they are rougher by {rate:.0f}% (interval 13% to 65%)" in words
    assert f"vary by {-start:.0f}% less than plain ones (from 8% less to 6% more, nine of twelve seeds)" in words
    assert [len(values) for values in more.values()] == [12, 9]
    for values, ends in zip(more.values(), ((13, 65), (-8, 6)), strict=True):
        interval = intervals.interval(values, "mean", rng=runtime.rng(0, "page"))
        assert 100 * (np.exp(interval) - 1) == pytest.approx(ends, abs=1.5)


def test_what_the_page_tells_of_penalised_networks():
    words, full = chapter.words(NAME), chapter.stored(penalised.PENALISED)
    assert np.exp(chapter.quick(NAME, "tv-general.penalised")["effect"]) == pytest.approx(0.72, abs=5e-3)
    assert np.exp(penalised.seen(full).values.mean()) == pytest.approx(0.73, abs=5e-3)
    assert "takes 28% of the variation away, and 27% with the seeds of FULL" in words
    held, free = (full[~full["again"] & (full["penalty"] == penalty)].set_index("seed") for penalty in (0.03, 0))
    assert int((~held["reached"]).sum()) == 12
    errors = [each.loc[held["reached"] & free["reached"], "error"].mean() for each in (held, free)]
    assert errors == [pytest.approx(0.57, abs=5e-3), pytest.approx(0.60, abs=5e-3)]
    half = penalised.seen(penalised.CHOICES.results()["half of the penalty"].table).values.mean()
    assert np.exp(half) == pytest.approx(6 / 7, abs=0.01)


def test_what_the_page_tells_of_errors_in_full():
    found = networks.generalises(chapter.stored(networks.NETWORKS)).values
    assert (len(found), 1 - np.exp(found.mean())) == (95, pytest.approx(0.065, abs=5e-3))
    assert "The 95 pairs of FULL say 6% less" in chapter.words(NAME)


def test_what_the_page_tells_of_one_rate_for_both():
    same = networks.CHOICES.results()["the same rate for all"].table
    assert np.exp(networks.generalises_small(same).values.mean()) == pytest.approx(1.01, abs=5e-3)
    assert "1% more, with an interval from 20% less to 27% more" in chapter.words(NAME)


def test_each_figure_of_the_page_is_published():
    assert all((root() / "figures" / name / "data.csv").exists() for name in ("tv-band", "tv-tents", "tv-matched"))
