"""Whether numbers of two machines agree: the contrast against a linear model, its false alarms, what it sees."""

import numpy as np
import pytest
from scipy import stats

from resnet_lib import sweep
from resnet_lib.sweep import Columns
from resnet_lib.sweep.agreement import blocked, correlation, distance, pooled, shifted_together


def runs(rng: np.random.Generator, books: int, k: int, n: int, *, rho: float) -> np.ndarray:
    """Columns of `k` machines and `n` seeds, normal with unit variance, seeds correlated at `rho`: books x k x n."""
    common = rng.normal(size=(books, 1, n))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.normal(size=(books, k, n))


@pytest.mark.parametrize(("k", "n"), [(1, 5), (2, 5), (4, 5), (3, 12)])
def test_the_contrast_is_that_of_a_two_way_layout(k: int, n: int):
    """Least squares with an effect of each seed and of the new machine; the floor is out of reach at correlation 0."""
    x = runs(np.random.default_rng(k), 1, k + 1, n, rho=0.0)[0]
    kept, fresh = x[:k], x[k]
    design = np.zeros(((k + 1) * n, n + 1))
    for j in range(k + 1):
        design[j * n : (j + 1) * n, :n] = np.eye(n)
    design[k * n :, n] = 1
    solution, residual, rank, _ = np.linalg.lstsq(design, x.ravel())
    freedom = (k + 1) * n - rank
    error = np.sqrt(residual[0] / freedom * np.linalg.inv(design.T @ design)[n, n])
    found = blocked(kept, fresh)
    assert found.fresh - found.kept == pytest.approx(solution[n])
    assert found.p == pytest.approx(2 * stats.t.sf(abs(solution[n]) / error, freedom))


def test_one_kept_run_gives_the_paired_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=7), rng.normal(size=7)
    assert blocked(a[None], b).p == pytest.approx(stats.ttest_rel(a, b)[1])


def test_other_seeds_are_compared_by_students_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=7), rng.normal(1.0, 1.0, size=5)
    assert pooled(a, b).p == pytest.approx(stats.ttest_ind(a, b)[1])


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_a_machine_that_changes_nothing_seldom_alarms(rho: float):
    """Of 4,000 columns at a level of 1% about 40 may alarm; the floor makes it fewer where seeds correlate."""
    columns = runs(np.random.default_rng(1), 4000, 5, 5, rho=rho)
    alarms = sum(blocked(x[:4], x[4]).p < 0.01 for x in columns)
    assert alarms < 40 + 4 * np.sqrt(40)


def test_a_shift_of_four_deviations_is_always_seen():
    """At the level of one column among 400 of a book, half of one in a thousand."""
    columns = runs(np.random.default_rng(2), 200, 5, 5, rho=0.9)
    assert all(blocked(x[:4], x[4] + 4).p < 5e-4 / 400 for x in columns)


def test_a_difference_of_rounding_in_one_direction_is_no_alarm():
    rng = np.random.default_rng(3)
    seeds = rng.normal(size=5)
    kept = np.stack([seeds, seeds, seeds, seeds])
    assert blocked(kept, seeds + 1e-6).p > 0.9
    assert blocked(kept, seeds + 1e-13).p == 1.0


def test_one_wild_seed_is_no_alarm():
    kept = runs(np.random.default_rng(4), 1, 4, 5, rho=0.99)[0]
    fresh = kept[0].copy()
    fresh[2] += 30
    assert blocked(kept, fresh).p > 1e-4


def test_a_constant_column_is_equal_or_not():
    assert blocked(np.zeros((4, 5)), np.zeros(5)).p == 1.0
    assert blocked(np.zeros((4, 5)), np.ones(5)).p == 0.0


def test_one_value_against_one_decides_nothing():
    assert blocked(np.array([[1.0]]), np.array([2.0])).p == 1.0


@pytest.mark.usefixtures("unchecked")
def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"kept has shape \(2, 3\) and fresh \(4,\); they are \(runs, seeds\)"):
        blocked(np.zeros((2, 3)), np.zeros(4))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, -2.0], [1.5, -2.0], 0.25),
        ([0.0, 0.0], [0.0, 1e-300], np.inf),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.nan, 1.0], [0.0, 1.0], np.inf),
        ([np.inf, 1.0], [np.inf, 1.1], 0.1),
        ([1.0], [1.0, 2.0], np.inf),
    ],
)
def test_distance_is_in_units_of_the_largest_value(old: list[float], new: list[float], expected: float):
    assert distance(np.array(old), np.array(new)) == pytest.approx(expected)


SMALL = [np.bool_, np.uint8, np.int8, np.int16, np.uint64, np.float16, np.float32]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dtype", SMALL)
def test_numbers_of_few_bits_are_compared_as_what_they_are(dtype: type):
    high = 1 if dtype is np.bool_ else 100
    kept = np.array([[0, high, 0, high, 0]], dtype=dtype)
    fresh = np.array([high, 0, 0, high, high], dtype=dtype)
    wide, other = kept.astype(np.float64), fresh.astype(np.float64)
    assert distance(kept[0], fresh) == distance(wide[0], other) == 1
    assert blocked(kept, fresh) == blocked(wide, other)
    assert pooled(kept[0], fresh) == pooled(wide[0], other)
    assert correlation(kept[0], fresh) == pytest.approx(correlation(wide[0], other))


def test_small_shifts_of_many_columns_are_seen_together():
    rng = np.random.default_rng(5)
    tables = [list(rng.normal(size=(6, 5)) * np.sqrt(0.2)) for _ in range(15)]
    moved = [[column + 0.5 for column in columns] for columns in tables]
    assert shifted_together(tables, rng=np.random.default_rng(0)) > 5e-4
    assert shifted_together(moved, rng=np.random.default_rng(0)) < 5e-4


def test_the_probability_of_all_columns_together_is_uniform():
    """Columns of one experiment share their seeds' signs, so they may be as dependent as they like, of any length."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(200):
        shared = [rng.normal(size=6) for _ in range(6)]
        tables = [[one[:n] + 0.1 * rng.normal(size=n) for n in (3, 6, 6, 4, 6, 3, 4, 6)] for one in shared]
        found.append(shifted_together(tables, rng=rng, flips=500))
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_correlation_of_what_does_not_vary_is_none():
    assert np.isnan(correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(correlation(np.arange(2.0), np.arange(2.0)))
    assert correlation(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)


@pytest.mark.usefixtures("unchecked")
def test_columns_have_an_agreement_each():
    columns = Columns("sampled", {"norm": "rounded"})
    assert (columns.of("norm"), columns.of("accuracy")) == ("rounded", "sampled")
    assert sweep.EXACT.of("anything") == "exact"
    with pytest.raises(ValueError, match=r"norm='close' is no agreement; use one of exact, rounded, noise, sampled"):
        Columns("exact", {"norm": "close"})  # type: ignore[dict-item]
