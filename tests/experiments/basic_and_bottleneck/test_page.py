"""What the page tells in numbers is what was counted, what is stored, or a line of arithmetic."""

import math

import numpy as np
import pandas as pd
import pytest

from resnet_lib import nets, runtime
from resnet_lib.analysis import costs
from resnet_lib.experiments.basic_and_bottleneck import growth, published, times
from resnet_lib.experiments.published_networks import errors
from tests.experiments import chapter

NAME = "11_basic_and_bottleneck"


@pytest.fixture(scope="module")
def words() -> str:
    return chapter.words(NAME)


def test_the_page_s_arithmetic(words: str):
    c, m = 256, 64
    assert (2 * c * m, 9 * m**2, 2 * c * m + 9 * m**2) == (32_768, 36_864, 69_632)
    assert (18 * c**2, 18 * m**2) == (1_179_648, 73_728)
    assert pytest.approx(5.9, abs=0.05) == 100 * 17 / 288
    root = (math.sqrt(163) - 1) / 9
    assert (root, 2 * root + 1) == pytest.approx((1.307, 3.61), abs=5e-3)
    wide = (math.sqrt(512**2 + 4 * 9 / 32 * 69_632) - 512) / (2 * 9 / 32)
    assert round(wide) == 127
    assert 512 * 128 + 9 * 128**2 // 32 == 70_144
    assert "1.307" in words
    assert "70,144 weights" in words


def test_networks_are_told_as_the_page_counted_them(words: str):
    found = {name: chapter.quick(NAME, f"bottleneck.{name}") for name in ("network", "widths", "memory")}
    ends = found["network"]["high"], found["network"]["low"]  # the stride in the 3x3 layer, and as published
    assert f"ResNet-50 takes {100 * (ends[0] - 1):.0f}% more multiply-adds than ResNet-34" in words
    assert f"and {100 * (ends[1] - 1):.0f}% more as published" in words
    assert f"by a factor of {1 / found['widths']['high']:.0f}." in words
    assert f"keeps {found['memory']['low']:.1f} times as many numbers" in words


def test_what_makes_the_ratio_of_kept_numbers_and_the_power_of_multiply_adds(words: str):
    """The stem keeps as much in both."""
    made = {depth: nets.imagenet_resnet(depth, generator=runtime.stream(0, "costs")) for depth in (34, 50)}
    counted = {depth: costs.count(net, (3, 224, 224)).saved for depth, net in made.items()}
    stem = costs.count(made[34].stem, (3, 224, 224)).saved
    assert f"first blocks make it {(counted[50] - stem) / (counted[34] - stem):.1f}, and the stem" in words
    grown = [growth.GROWTH.trial(growth.Network(depth), (0,))["multiply_adds"].item() for depth in times.DEPTHS]
    power = np.polyfit(np.log(times.DEPTHS), np.log(grown), 1)[0]
    assert f"Multiply-adds rise by a power of {power:.2f} of the layers" in words


def test_errors_are_told_as_they_are_stored(words: str):
    table = chapter.stored(errors.ERRORS)
    grown = growth.GROWTH.trial
    prices = {depth: grown(growth.Network(depth), (0,))["parameters"].item() for depth in published_depths(table)}
    means = 100 * table[table["part"] == "test"].groupby("depth")["error"].mean()
    assert "{:.2f}, {:.2f}, {:.2f} and {:.2f}% at".format(*means) in words
    assert "{:.2f}, {:.2f}, {:.2f} and {:.2f} million parameters".format(*(p / 1e6 for p in prices.values())) in words
    test = table[table["part"] == "test"].assign(parameters=table["depth"].map(prices))
    assert f"A doubling multiplies the error by {published.pareto(test).values.mean():.2f}" in words


def published_depths(table: pd.DataFrame) -> list[int]:
    return sorted({int(depth) for depth in table["depth"]})


def test_times_are_told_as_they_are_stored(words: str):
    table = chapter.stored(times.TIMES)
    assert f"the exponent is {times.latency(table).values.mean():.2f}" in words
    assert f"the deep one takes {times.wide(table).values.mean():.1f} times as long" in words
