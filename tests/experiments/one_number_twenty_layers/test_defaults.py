"""Random chains against multiplying one by one, and against the law of their logarithms."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from resnet_lib import runtime
from resnet_lib.experiments.one_number_twenty_layers import defaults
from tests.experiments.verdicts import status


def test_chains_are_multiplied_one_by_one():
    setting = defaults.Defaults("residual", -0.5, sizes=(0.1, 0.7), layers=3, chains=4)
    table = defaults.trial(setting, (5, 6))
    normal = torch.randn(3, 4, generator=runtime.stream(6, "defaults"), dtype=torch.float64).numpy()
    for size in (0.1, 0.7):
        row = table[(table["seed"] == 6) & (table["size"] == size)].iloc[0]
        logs = [math.log10(abs(math.prod(1 - 0.5 + size * z for z in normal[:, chain]))) for chain in range(4)]
        assert row["typical"] == pytest.approx(np.mean(logs))
        assert row["share"] == np.mean([abs(log) < 1 for log in logs])


def test_shares_follow_the_law_of_the_logarithm():
    """log|z| has the mean -(gamma + ln 2)/2 and the variance pi^2/8; a sum of twenty is nearly normal."""
    plain = defaults.trial(defaults.Defaults("plain", 0.0, sizes=(1.8,), chains=20_000), (0,))
    mean, deviation = math.log(1.8) - (np.euler_gamma + math.log(2)) / 2, math.sqrt(math.pi**2 / 8)
    assert plain["typical"][0] == pytest.approx(20 * mean / math.log(10), abs=0.06)
    law = stats.norm(20 * mean, math.sqrt(20) * deviation)
    assert plain["share"][0] == pytest.approx(law.cdf(math.log(10)) - law.cdf(-math.log(10)), abs=0.02)
    residual = defaults.trial(defaults.Defaults("residual", 0.0, sizes=(0.1,), chains=20_000), (0,))
    assert residual["typical"][0] == pytest.approx(-20 * 0.1**2 / 2 / math.log(10), abs=0.005)


def made(shares: dict[tuple[str, float], list[float]], typical: dict[tuple[str, float], list[float]]) -> pd.DataFrame:
    """Two seeds, the second with 0.01 more; the sizes 0.02, 0.2 and 0.5."""
    rows = [
        (kind, mean, seed, size, share + seed / 100, typical[kind, mean][i])
        for (kind, mean), values in shares.items()
        for seed in (0, 1)
        for i, (size, share) in enumerate(zip((0.02, 0.2, 0.5), values, strict=True))
    ]
    return pd.DataFrame(rows, columns=["kind", "mean", "seed", "size", "share", "typical"])


@pytest.fixture
def table() -> pd.DataFrame:
    shares = {
        ("residual", 0.0): [0.99, 0.95, 0.3],
        ("plain", 0.0): [0.0, 0.1, 0.4],
        ("plain", 1.0): [0.98, 0.93, 0.2],
        ("residual", -1.0): [0.001, 0.002, 0.3],
    }
    typical = {
        ("residual", 0.0): [0.0, -0.2, -1.0],
        ("plain", 0.0): [-40.0, -20.0, -5.0],
        ("plain", 1.0): [0.0, -0.2, -1.5],
        ("residual", -1.0): [-40.0, -20.0, -5.0],
    }
    return made(shares, typical)


def test_measures_by_hand(table: pd.DataFrame):
    default, never, moved = (measure(table) for measure in (defaults.default, defaults.never, defaults.moved))
    np.testing.assert_allclose(default.values, [0.95, 0.96])  # the least up to 0.2
    np.testing.assert_allclose(default.control, [0.002, 0.012])  # the largest up to 0.2
    np.testing.assert_allclose(never.values, [0.4, 0.41])  # the largest of all
    np.testing.assert_allclose(never.control, [0.93, 0.94])
    np.testing.assert_allclose(moved.values, [0.5, 0.5])
    np.testing.assert_allclose(moved.control, [19.8, 19.8])
    assert status("scal-knife.moved", moved) == "fails"


def test_moved_chains_have_the_same_gains():
    settings = [defaults.Defaults(kind, mean, chains=50) for kind, mean in (("residual", 0.0), ("plain", 1.0))]
    one, other = (defaults.trial(setting, (0,)) for setting in settings)
    np.testing.assert_allclose(one["typical"], other["typical"], atol=1e-12)
