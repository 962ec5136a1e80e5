import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from resnet_lib.evidence import intervals, significance
from resnet_lib.evidence.rules import Rule


def verdict(values: np.ndarray, text: str, seed: int = 0) -> dict:
    return Rule.parse(text).judge(values, rng=np.random.default_rng(seed))._asdict()


def table(**sides: list[float]) -> pd.DataFrame:
    rows = [(name, seed, y) for name, ys in sides.items() for seed, y in enumerate(ys)]
    return pd.DataFrame(rows, columns=["variant", "seed", "y"])


# Pairs


def test_pairs_are_matched_by_seed_whatever_the_order_of_rows():
    frame = table(plain=[1.0, 2.0, 4.0], residual=[2.0, 4.0, 8.0]).sample(frac=1, random_state=3)
    assert significance.paired(frame, "y", "variant", "residual", "plain").tolist() == [1, 2, 4]
    assert significance.paired(frame, "y", "variant", "plain", "residual").tolist() == [-1, -2, -4]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table(plain=[1.0, 2.0], residual=[1.0]), r"'residual' and 'plain' have the seeds \[0\] and \[0, 1\]; .* same"),
        (table(plain=[1.0]).drop(columns="y"), r"the table has no column 'y'; it has 'variant', 'seed'"),
        (table(plain=[1.0]).rename(columns={"seed": "s"}), "the table has no column 'seed'"),
        (table(plain=[1.0]).drop(columns="variant"), "the table has no column 'variant'"),
        (table(residual=[1.0]), r"no row has variant='plain'; the column holds \['residual'\]"),
        (
            pd.concat([table(plain=[1.0], residual=[1.0])] * 2),
            "variant='residual' has several rows of seed 0; select one setting first",
        ),
    ],
)
def test_what_cannot_be_paired_is_refused(frame: pd.DataFrame, message: str):
    with pytest.raises(ValueError, match=message):
        significance.paired(frame, "y", "variant", "residual", "plain")


def test_pairs_decide_what_two_samples_leave_open():
    rng = np.random.default_rng(1)
    common = rng.normal(size=8)
    frame = table(plain=list(common), residual=list(common + 0.3 + 0.05 * rng.normal(size=8)))
    difference = significance.paired(frame, "y", "variant", "residual", "plain")
    assert verdict(difference, "mean > 0")["status"] == "holds"
    a, b = (frame.loc[frame.variant == name, "y"].to_numpy() for name in ("plain", "residual"))
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 8)
    assert stats.t.sf(abs(a.mean() - b.mean()) / pooled, 14) > 0.15


# p-values


@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=5, max_size=12),
    st.sampled_from(["mean > 0.5", "mean < -1", "-1 < mean < 1", "mean > 7"]),
)
def test_a_mean_is_decided_exactly_where_its_p_value_is_below_five_percent(values: list[float], text: str):
    found = verdict(np.array(values), text)
    p = significance.p_value(Rule.parse(text), found)
    assert p is not None
    if abs(p - 0.05) > 1e-9 and found["low"] < found["high"]:  # equal values that lie on the bound fail, and p is 1
        assert (p < 0.05) == (found["status"] != "undecided")


def test_for_many_normal_values_it_is_students_test():
    values = np.random.default_rng(5).normal(0.2, 1, 400)
    p = significance.p_value(Rule.parse("mean > 0"), verdict(values, "mean > 0"))
    assert p == pytest.approx(stats.ttest_1samp(values, 0)[1], rel=0.2)


@pytest.mark.parametrize("text", ["median > 0", "median < 0"])
def test_for_a_median_it_is_the_sign_test(text: str):
    values = np.random.default_rng(6).normal(0.5, 1, 15)
    p = significance.p_value(Rule.parse(text), verdict(values, text))
    assert p == pytest.approx(stats.binomtest(int((values > 0).sum()), 15).pvalue)


@pytest.mark.parametrize("n", [5, 9, 200])
def test_an_interval_that_reaches_its_bound_has_a_p_value_of_five_percent_whatever_the_number_of_values(n: int):
    reaching = {"effect": 2.0, "low": 1.0, "high": 3.5, "n": n, "inside": n}
    assert significance.p_value(Rule.parse("mean > 1"), reaching) == pytest.approx(0.05, rel=1e-9)
    assert significance.p_value(Rule.parse("mean < 3.5"), reaching) == pytest.approx(0.05, rel=1e-9)


def test_what_has_no_p_value():
    assert significance.p_value(Rule.parse("every > 0"), verdict(np.ones(9), "every > 0")) is None
    assert significance.p_value(Rule.parse("mean > 0"), verdict(np.ones(4), "mean > 0")) is None
    assert significance.p_value(Rule.parse("mean > 0"), verdict(np.ones(5), "mean > 0")) == 0
    assert significance.p_value(Rule.parse("mean > 1"), verdict(np.ones(5), "mean > 1")) == 1


def test_between_two_bounds_the_nearer_one_counts():
    values = np.array([0.8, 0.9, 1.0, 1.1, 1.05])
    both, upper, lower = (
        significance.p_value(Rule.parse(text), verdict(values, text))
        for text in ("0 < mean < 1.2", "mean < 1.2", "mean > 0")
    )
    assert both == pytest.approx(upper)
    assert lower is not None
    assert both is not None
    assert lower < both


# Many claims


def record(name: str, text: str, values: np.ndarray, preset: str = "quick") -> dict:
    return {"id": name, "rule": text, "quick": None, "full": None} | {preset: verdict(values, text)}


def test_the_rate_of_false_discoveries_is_what_it_should_be(capsys: pytest.CaptureFixture[str]):
    """Sixty true nulls on their bound and twenty real effects, many times over: a book of eighty claims, simulated."""
    rng, rule = np.random.default_rng(0), Rule.parse("mean > 0")
    true, real, n, books = 60, 20, 10, 40
    shift = np.r_[np.zeros(true), np.full(real, 2.0)]
    samples = rng.normal(size=(books, true + real, n)) + shift[:, None]
    low, high = intervals.interval(samples, "mean", rng=rng, resamples=999)
    effect = samples.mean(-1)
    raw, corrected, power = [], [], []
    for book in range(books):
        ps = [
            significance.p_value(
                rule, {"effect": effect[book, i], "low": low[book, i], "high": high[book, i], "n": n, "inside": 0}
            )
            for i in range(true + real)
        ]
        for decided, rates in ((np.array(ps) < 0.05, raw), (stats.false_discovery_control(ps) < 0.05, corrected)):
            rates.append(decided[:true].sum() / max(1, decided.sum()))
        power.append((stats.false_discovery_control(ps) < 0.05)[true:].mean())
    told = f"false discoveries among those decided: {np.mean(raw):.1%} uncorrected, {np.mean(corrected):.1%} corrected"
    with capsys.disabled():
        print(f"\n{told}; {np.mean(power):.0%} of the real effects are found", end="")
    assert np.mean(raw) > 0.09
    # At most 5% x 60/80, if the p-values were exact; ten values of a bootstrap interval cost a little.
    assert 0.01 < np.mean(corrected) < 0.06
    assert np.mean(power) > 0.95


def test_claims_are_corrected_together():
    rng = np.random.default_rng(7)
    records = [record(f"claim-{i}", "mean > 0", rng.normal(0.8, 1, 8)) for i in range(6)]
    records += [record("identity", "every > 0", np.ones(5)), record("few", "mean > 0", np.ones(3))]
    tested = significance.together(records)
    assert [claim.id for claim in tested] == [f"claim-{i}" for i in range(6)]
    ps = np.array([claim.p for claim in tested])
    order = ps.argsort()  # the step-up procedure, by hand
    by_hand = np.minimum.accumulate((ps[order] * 6 / np.arange(1, 7))[::-1])[::-1]
    assert [tested[i].adjusted for i in order] == pytest.approx(list(by_hand))
    assert all(claim.p <= claim.adjusted <= claim.cautious for claim in tested)
    assert {claim.seeds is None for claim in tested if claim.status == "undecided"} == {False}
    assert {claim.seeds for claim in tested if claim.status != "undecided"} == {None}
    assert significance.together([]) == []


def test_the_largest_run_counts():
    both = record("a", "mean > 0", np.ones(5)) | {"full": verdict(-np.ones(10), "mean > 0")}
    (tested,) = significance.together([both])
    assert (tested.preset, tested.status, tested.n) == ("full", "fails", 10)


# Seeds needed


@pytest.mark.parametrize("distance", [0.5, 1.0])
def test_that_many_seeds_decide_in_four_of_five_cases(distance: float, capsys: pytest.CaptureFixture[str]):
    """With effect and spread known: the spread that the interval tells is that of the normal distribution."""
    rule, n = Rule.parse("mean > 0"), 6
    half = stats.t.isf(0.025, n - 1) / np.sqrt(n)
    needed = significance.seeds_needed(
        rule, {"effect": distance, "low": distance - half, "high": distance + half, "n": n}
    )
    assert needed is not None
    rng = np.random.default_rng(9)
    low, high = intervals.interval(rng.normal(distance, 1, (800, needed)), "mean", rng=rng, resamples=999)
    decided = (rule.decide(low, high) == "holds").mean()
    with capsys.disabled():
        print(f"\n{needed} seeds at {distance} standard deviations from the bound decide in {decided:.0%}", end="")
    assert 0.76 < decided < 0.88


def test_no_number_of_seeds_decides_what_lies_on_the_bound():
    rule = Rule.parse("0 < mean < 2")
    assert significance.seeds_needed(rule, {"effect": 0.0, "low": -1.0, "high": 1.0, "n": 5}) is None
    assert significance.seeds_needed(rule, {"effect": 1e-4, "low": -1.0, "high": 1.0, "n": 5}) is None
    assert significance.seeds_needed(rule, {"effect": 1.0, "low": None, "high": None, "n": 3}) == 5
    assert significance.seeds_needed(rule, {"effect": 1.0, "low": 1.0, "high": 1.0, "n": 5}) == 5
    near, far = (
        significance.seeds_needed(rule, {"effect": x, "low": x - 1, "high": x + 1, "n": 5}) for x in (0.5, 1.9)
    )
    assert near is not None
    assert far is not None
    assert near < far
    assert significance.seeds_needed(Rule.parse("every > 0"), {"effect": 1, "low": 0, "high": 1, "n": 5}) is None


@pytest.mark.parametrize("kind", ["uint8", "uint64", "int8", "int64", "float16", "float32", "bool"])
def test_differences_do_not_wrap_around(kind):
    values = (
        [False, True, True, False] if kind == "bool" else [1, 100, 3, -100 if kind.startswith(("int", "float")) else 2]
    )
    table = pd.DataFrame({"seed": [0, 1, 0, 1], "v": list("aabb"), "x": np.array(values).astype(kind)})
    found = significance.paired(table, "x", "v", "a", "b")
    expected = [float(values[0]) - float(values[2]), float(values[1]) - float(values[3])]
    assert found.dtype == np.float64
    assert found.tolist() == expected


@pytest.mark.parametrize("values", [["a", "b"], [1j, 2j]])
def test_differences_need_real_numbers(values):
    table = pd.DataFrame({"seed": [0, 0], "v": ["a", "b"], "x": values})
    with pytest.raises(TypeError, match=r"value='x' names a column of .*; differences need real numbers"):
        significance.paired(table, "x", "v", "a", "b")
