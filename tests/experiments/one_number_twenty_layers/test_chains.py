"""Chains of scalar layers against products that are multiplied one by one, and each measure on a table by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.one_number_twenty_layers import chains
from tests.experiments.verdicts import status


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The experiment's own table, with the settings in columns as a sweep has them."""
    return pd.concat(
        [
            chains.trial(setting, (0,)).assign(kind=setting.kind, uneven=setting.uneven)
            for setting in chains.CHAINS.quick.settings
        ],
        ignore_index=True,
    )


def gain(table: pd.DataFrame, kind: str, slope: float, layers: int, *, uneven: bool = False) -> float:
    rows = table[(table["kind"] == kind) & (table["uneven"] == uneven)]
    return rows.set_index(["slope", "layers"])["gain"][slope, layers]


def test_a_chain_is_followed_layer_by_layer():
    x, slopes = torch.tensor([1.0, 2.0]), torch.tensor([[0.5, 1.0], [3.0, -1.0]])
    assert chains.forward("plain", x, slopes).tolist() == [1.5, -2]
    assert chains.forward("residual", x, slopes).tolist() == [6, 0]
    assert chains.forward("beside", x, slopes).tolist() == [4.5, 2]
    with pytest.raises(ValueError, match="kind='plane' is unknown"):
        chains.forward("plane", x, slopes)


def test_the_gains_are_the_numbers_of_the_texts(table: pd.DataFrame):
    assert gain(table, "plain", 0.5, 20) == 1 / 2**20
    assert gain(table, "plain", 0.9, 20) == pytest.approx(0.12157665459056935)
    assert gain(table, "residual", 0.5, 20) == pytest.approx(3**20 / 2**20)
    assert gain(table, "residual", 0.1, 20) == pytest.approx(6.727499949325611)
    assert gain(table, "plain", 0.99, 100) == pytest.approx(0.36603, abs=1e-5)
    assert gain(table, "residual", 0.01, 100) == pytest.approx(2.70481, abs=1e-5)
    assert gain(table, "plain", 1.01, 100) == pytest.approx(2.70481, abs=1e-5)
    assert gain(table, "residual", -0.01, 1000) == pytest.approx(math.exp(1000 * math.log(0.99)))
    assert gain(table, "beside", 0.1, 20) == pytest.approx(3)


def test_uneven_slopes_have_the_same_mean_and_a_smaller_product(table: pd.DataFrame):
    assert gain(table, "plain", 0.5, 20, uneven=True) == pytest.approx((0.25 * 0.75) ** 10)
    assert gain(table, "residual", 0.1, 20, uneven=True) == pytest.approx((1.05 * 1.15) ** 10)


def test_the_formulas():
    slopes = np.array([0.5, -0.5])
    np.testing.assert_allclose(chains.formula("plain", slopes, 3), [0.125, -0.125])
    np.testing.assert_allclose(chains.formula("residual", slopes, 3), [3.375, 0.125])
    np.testing.assert_allclose(chains.formula("beside", slopes, 3), [2.5, -0.5])


def test_products_are_compared_with_alternating_slopes(table: pd.DataFrame):
    plain, residual = chains.vanish_product(table), chains.amplify_product(table)
    assert plain.values.max() < 1e-12
    assert residual.values.max() < 1e-12
    np.testing.assert_allclose(plain.control, 1 - 0.75**10)
    expected = [1 - ((1 + a / 2) * (1 + 1.5 * a) / (1 + a) ** 2) ** 10 for a in (-0.5, -0.1, 0.1, 0.2, 0.3, 0.5)]
    np.testing.assert_allclose(residual.control, expected)
    assert status("scal-vanish.product", plain) == status("scal-amplify.product", residual) == "holds"


def test_single_gains_are_read_at_twenty_layers(table: pd.DataFrame):
    few, yardstick = chains.vanish_millionth(table), chains.amplify_yardstick(table)
    assert few.values.tolist() == [1 / 2**20]
    np.testing.assert_allclose(few.control, [0.9**20])
    np.testing.assert_allclose(yardstick.values, [1.5**20])
    assert yardstick.control.tolist() == [1]
    longer = table.assign(gain=table["gain"].where(table["layers"] != 20, 1.0))
    assert status("scal-vanish.millionth", chains.vanish_millionth(longer)) == "invalid"
    assert status("scal-amplify.yardstick", chains.amplify_yardstick(longer)) == "holds"


def test_slopes_of_a_hundredth_are_read_at_a_thousand_layers(table: pd.DataFrame):
    evidence = chains.knife_stable(table)
    np.testing.assert_allclose(evidence.values, [0.99**1000, 1.01**1000])
    np.testing.assert_allclose(evidence.control, [0.999**1000, 1.001**1000])
    assert status("scal-knife.stable", evidence) == "fails"


def test_plain_and_residual_chains_are_held_to_one_yardstick(table: pd.DataFrame):
    residual, plain = chains.knife_hundred(table), chains.knife_unstable(table)
    np.testing.assert_allclose(residual.values, [0.99**100, 1.01**100])
    np.testing.assert_allclose(residual.control, [1.1**100])
    np.testing.assert_allclose(plain.values, [-100 * math.log10(0.99), 100 * math.log10(1.01)])
    np.testing.assert_allclose(plain.control, [-20 * math.log10(0.9), 20 * math.log10(1.1)])
    assert status("scal-knife.hundred", residual) == "holds"
    assert status("scal-knife.unstable", plain) == "fails"


def test_a_product_grows_by_its_logarithm_and_a_sum_does_not(table: pd.DataFrame):
    evidence = chains.additive(table)
    np.testing.assert_allclose(evidence.values, 1)
    slopes = np.array([0.1, 0.2, 0.3])
    growth = np.log((1 + 200 * slopes) / (1 + 100 * slopes)) / 100 / np.log(1 + slopes)
    np.testing.assert_allclose(evidence.control, growth)
    swapped = table.assign(kind=table["kind"].map({"residual": "beside", "beside": "residual", "plain": "plain"}))
    assert status("mult-add.additive", chains.additive(swapped)) == "invalid"


def test_short_chains_are_nearly_sums(table: pd.DataFrame):
    evidence = chains.additive_short(table)
    np.testing.assert_allclose(evidence.values, [1.0001**1000 / 1.1 - 1, 1.001**100 / 1.1 - 1, 1.01**10 / 1.1 - 1])
    np.testing.assert_allclose(evidence.control, [1.001**1000 / 2 - 1, 1.01**100 / 2 - 1, 1.1**10 / 2 - 1])


def test_the_sum_over_paths_is_the_product():
    setting = chains.Paths(layers=5, largest=0.4)
    table = chains.paths_trial(setting, (3, 4))
    drawn = torch.rand(5, 1, generator=runtime.stream(3, "paths"), dtype=torch.float64).flatten().numpy() * 0.4
    product = math.prod(1 + drawn)
    every = sum(math.prod(taken) for n in range(6) for taken in itertools.combinations(drawn, n))
    assert every == pytest.approx(product)
    assert table["short"][0] == pytest.approx(1 - (1 + drawn.sum()) / product)
    states, total = [1.0], 1.0
    for slope in drawn:
        total += slope * states[-1]
        states.append(states[-1] * (1 + slope))
    assert total == pytest.approx(states[-1])
    updates = chains.additive_updates(table)
    assert updates.values.tolist() == table["updates"].tolist()
    assert updates.values.max() < 1e-14
    assert updates.control.tolist() == table["short"].tolist()
    evidence = chains.additive_paths(table)
    assert evidence.values.max() < 1e-14
    assert evidence.control.tolist() == table["short"].tolist()
