"""What the page tells in numbers is what its figures and the stored tables say, or a line of arithmetic."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resnet_lib.evidence import choices
from resnet_lib.experiments.one_number_twenty_layers import layers
from tests.experiments.chapter import words

ROOT = Path(__file__).parents[3]
PAGE = "01_one_number_twenty_layers"


def figure(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "figures" / name / "data.csv")


def test_the_page_s_arithmetic():
    assert 2**20 == 1_048_576
    assert pytest.approx(0.056, abs=5e-4) == 0.75**10
    assert pytest.approx(2217, abs=0.5) == 1.5**19
    assert pytest.approx(3325, abs=0.5) == 1.5**20
    assert pytest.approx(4_914_370, abs=0.5) == 1.5**38
    assert pytest.approx(0.062, abs=0.0005) == 10 ** (1 / 38) - 1
    assert pytest.approx(11.4, abs=0.05) == -38 * math.log10(0.5)
    assert pytest.approx(0.41, abs=0.005) == math.log(3 / 2) / 100 / math.log(1.01)
    edge = 10 ** (1 / 20)
    assert (1 / edge, edge, edge - 1 / edge) == pytest.approx((0.891, 1.122, 0.231), abs=5e-4)
    assert (edge - 1 / edge) * 20 == pytest.approx(4.6, abs=0.05)
    assert (-np.euler_gamma - math.log(2)) / 2 == pytest.approx(-0.635, abs=5e-4)
    assert math.sqrt(20 * math.pi**2 / 8) == pytest.approx(5.0, abs=0.05)
    assert math.sqrt(20 * math.pi**2 / 8) / math.log(10) == pytest.approx(2.2, abs=0.05)
    assert math.sqrt(20) * 0.2 / math.log(10) == pytest.approx(0.4, abs=0.02)
    assert math.exp(0.635) == pytest.approx(1.9, abs=0.05)
    assert math.log(10) / -math.log(0.99) == pytest.approx(229, abs=0.2)
    assert math.sqrt(0.5) ** 20 == pytest.approx(1 / 1000, rel=0.03)


def test_the_price_that_the_page_tells_is_that_of_the_figure():
    larger = figure("scal-price").set_index(["layers", "slope"])["larger"]
    assert 10 ** -larger[20, 0.5] == pytest.approx(4_914_370, rel=1e-3)
    assert "4{,}914{,}370" in words(PAGE)


def test_the_shares_of_random_chains_are_those_of_the_figure():
    shares = figure("scal-tents").set_index(["kind", "mean", "size"])["share"]
    assert shares["plain", 0.0].max() == pytest.approx(0.36, abs=0.006)
    assert shares["residual", 0.0, 0.2] == pytest.approx(0.97, abs=0.006)
    assert shares["residual", 0.0, 0.1] == 1
    assert shares["residual", 0.0, 0.5] == pytest.approx(0.37, abs=0.006)
    assert shares["plain", 0.0, 1.8] == pytest.approx(0.36, abs=0.006)
    assert shares["residual", 0.0, 1.8] == pytest.approx(0.32, abs=0.006)
    edge = 10 ** (1 / 20)
    law = stats.norm(1, 0.2)
    assert law.cdf(edge) - law.cdf(1 / edge) == pytest.approx(0.44, abs=0.006)
    assert shares["residual", -1.0][:4].max() == 0  # up to 0.2
    np.testing.assert_allclose(shares["plain", 1.0], shares["residual", 0.0], atol=1e-9)


def test_shares_at_other_depths_and_bands():
    sizes, rng = (1.2, 1.4, 1.6, 1.8, 2.0, 2.2), np.random.default_rng(1)
    for layers_, band, plain, residual in (
        (10, 1, 0.50, 1.00),
        (20, 1, 0.36, 0.97),
        (20, 2, 0.65, 1.00),
        (50, 1, 0.23, 0.79),
        (100, 1, 0.16, 0.52),
    ):
        z = rng.standard_normal((20_000, layers_))
        logs = np.log10(np.abs(z)).sum(1)
        found = max((np.abs(logs + layers_ * np.log10(size)) < band).mean() for size in sizes)
        assert found == pytest.approx(plain, abs=0.012)
        assert (np.abs(np.log10(np.abs(1 + 0.2 * z)).sum(1)) < band).mean() == pytest.approx(residual, abs=0.012)


def test_sums_and_products_are_those_of_the_figure():
    table = figure("mult-add-growth").round({"total": 9})
    gains = table.pivot(index=["slope", "total"], columns="kind", values="gain")
    ratio = gains["residual"] / gains["beside"] - 1
    assert ratio[ratio.index.get_level_values("total") <= 0.1].max() < 0.005
    at_one, at_ten = (gains.xs(total, level="total") for total in (1, 10))
    np.testing.assert_allclose(at_one["residual"], 2.7, atol=0.13)
    assert at_ten["residual"].min() > 10_000
    np.testing.assert_allclose(at_ten["beside"], 11)


def told(table: pd.DataFrame, column: str, epoch: int, depth: int = 8) -> float:
    return layers.of(table, column, layers=depth).xs(epoch, level="epoch").mean()


def test_the_trained_layers_are_those_of_the_stored_table():
    table: Any = pd.read_csv(ROOT / "results/scalar-layers/full.csv")
    for column, epoch, share in (
        ("random", 0, 0.54),
        ("random", 8, 0.69),
        ("gradient", 0, 0.50),
        ("gradient", 1, 0.68),
        ("gradient", 2, 0.46),
        ("gradient", 4, 0.25),
        ("gradient", 8, 0.19),
        ("square", 0, 1.0),
    ):
        assert told(table, column, epoch) == pytest.approx(share, abs=0.006), (column, epoch)
    assert layers.shortens(table).values.mean() == pytest.approx(-0.1, abs=0.02)
    ending = layers.ending({"": table})
    few, deep = ending.loc[("", 8)], ending.loc[("", 50)]
    assert few[["random_factor", "fresh_factor", "gradient_factor", "through_factor"]].tolist() == pytest.approx(  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
        [0.92, 0.92, 1.13, 1.11], abs=0.006
    )
    assert few["gradient_factor"] ** 6 == pytest.approx(2.1, abs=0.05)  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOperatorIssue, reportOptionalSubscript]
    assert few["random_factor"] ** 6 == pytest.approx(0.6, abs=0.01)  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOperatorIssue, reportOptionalSubscript]
    assert deep["gradient_factor"] == pytest.approx(0.96, abs=0.006)  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    assert deep["gradient_factor"] ** -48 == pytest.approx(7.5, abs=0.5)  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOperatorIssue, reportOptionalSubscript]
    last = table[(table["lr"] > 0) & (table["epoch"] == 8) & (table["layers"] == 8)]
    so_far = np.exp(np.log(last["through_factor"]).groupby(last["layer"]).mean())
    assert so_far.min() == pytest.approx(0.91, abs=0.006)
    assert so_far.diff()[5:].min() > 0  # the later layers stretch


def test_the_other_choices_are_those_of_the_stored_tables():
    results = layers.CHOICES.results(ROOT)
    assert list(results) == [choices.THIRD, choices.THRICE, "twice the epochs"]
    ending = layers.ending({name: result.table for name, result in results.items()}).droplevel("layers")
    assert ending["stretched"].drop(choices.THRICE).min() == 1
    assert ending.loc[choices.THRICE, "stretched"] == 13 / 20
    assert ending.loc[choices.THRICE, "gradient_factor"] == pytest.approx(1.00, abs=0.006)
    assert ending.loc[choices.THRICE, "right"] < ending["right"].drop(choices.THRICE).min()


def test_chapter_2_tells_what_the_two_networks_have_learned():
    error = figure("plain-rescaled").query("~rescaled").groupby("network")["value"].mean()
    assert error["plain, He, 8 layers"] == pytest.approx(2, abs=0.5)
    assert error["plain, He, 50 layers"] == pytest.approx(80, abs=3)
