"""What the page tells in numbers is what its figures and the stored tables say."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.eigenvalue_clustering import networks
from resnet_lib.experiments.when_eigenvalues_mislead import networks as misleading

ROOT = Path(__file__).parents[3]


def test_the_fractions_that_the_page_tells_are_those_of_the_published_figures():
    """Its words, of the unscaled MLP of 10 blocks: means over seeds before and after training."""
    table = pd.read_csv(ROOT / "figures/eig-trained-mlp/data.csv")
    rows = table[(table["blocks"] == 10) & (table["lr"] > 0)]
    means: Any = rows.groupby(["variant", "epoch"])[["fraction", "exact", "others"]].mean().to_dict("index")
    before, after = means["residual", 0], means["residual", 20]
    assert (before["fraction"], after["fraction"]) == (pytest.approx(0.77, abs=0.02), pytest.approx(0.95, abs=0.02))
    assert (before["exact"], after["exact"]) == (pytest.approx(0.53, abs=0.02), pytest.approx(0.80, abs=0.02))
    assert (before["others"], after["others"]) == (pytest.approx(1 / 2, abs=0.05), pytest.approx(3 / 4, abs=0.05))
    seen = after["fraction"] - before["fraction"]
    for exact, others in ((after["exact"], before["others"]), (before["exact"], after["others"])):  # either by itself
        alone = exact + (1 - exact) * others - before["exact"] - (1 - before["exact"]) * before["others"]
        assert alone / seen == pytest.approx(2 / 3, abs=0.08)
    norms: Any = rows[rows["variant"] == "residual"].groupby("epoch")["branch_norm"].mean()
    assert (norms[0], norms[20]) == (pytest.approx(3.0, abs=0.1), pytest.approx(2.5, abs=0.1))
    assert means["scaled", 0]["fraction"] > 0.99  # near 1 before training as after it
    assert 0.55 < means["scaled", 20]["exact"] < 2 / 3
    conv = pd.read_csv(ROOT / "figures/eig-trained-conv/data.csv").query("variant == 'residual'")
    fractions: Any = conv.groupby("epoch")["fraction"].mean()
    assert (fractions[0], fractions[6]) == (pytest.approx(0.88, abs=0.02), pytest.approx(0.91, abs=0.02))
    rows = pd.read_csv(ROOT / "figures/nonnormal-trained/data.csv")
    for scaled, epoch, norm in ((False, 0, 160), (False, 20, 40), (True, 20, 5)):
        found = rows[((rows["alpha"] < 1) == scaled) & (rows["epoch"] == epoch)]
        assert 10 ** found["product"].mean() == pytest.approx(norm, rel=0.1)


def test_the_fractions_under_other_choices_are_those_that_the_page_tells():
    third, thrice, twice = (result.table for result in networks.MLP_CHOICES.results(ROOT).values())
    for measure, *told in (
        (networks.trained_mlp, 0.91, 0.99, 0.90),
        (networks.trained_exact, 0.74, 0.89, 0.73),
        (networks.trained_others, 0.69, 0.80, 0.65),
    ):
        found = [measure(table).values.mean() for table in (third, thrice, twice)]
        np.testing.assert_allclose(found, told, atol=0.006)
    assert max(networks.trained_others(table).values.max() for table in (third, twice)) < networks.NEAR_IDENTITY
    small = networks.trained_small_branch(thrice).values
    assert small.mean() == pytest.approx(2.1, abs=0.05)
    assert np.sort(small)[:2].round(1).tolist() == [0.0, 2.5]  # one seed of five, by branches that are switched off
    last = thrice[(thrice["variant"] == "residual") & (thrice["blocks"] == 10) & (thrice["lr"] > 0)].query(
        "epoch == 20"
    )
    off: Any = (last["branch_norm"] < 1e-6).groupby(last["seed"]).sum()
    assert sorted(off) == [0, 0, 0, 0, 7]
    found = [
        networks.trained_conv(result.table).values.mean() for result in networks.CONV_CHOICES.results(ROOT).values()
    ]
    np.testing.assert_allclose(found[:2], [0.86, 0.98], atol=0.006)
    twelve = networks.CONV_CHOICES.results(ROOT)["twice the epochs"].table
    assert networks.trained_conv_zero_gamma(twelve).values.mean() == pytest.approx(0.98, abs=0.006)


def test_the_product_of_the_blocks_is_unstable_under_all_choices_that_the_page_tells():
    for result in misleading.MLP_CHOICES.results(ROOT).values():
        rows = result.table[result.table["epoch"] > 0]
        norms: Any = 10 ** rows.groupby(rows["alpha"] == 1)["product"].mean()
        assert 35.5 < norms[True] < 47.5
        assert 4 < norms[False] < 5.5


def test_rates_have_the_room_that_the_page_tells():
    table = networks.RATES.result(ROOT).table
    scores: Any = table[table["blocks"] == 10].groupby(["variant", "rate"])["validation_accuracy"].mean()
    for variant, above, told in (("residual", 0.03, (0.93, 0.50)), ("scaled", 0.3, (0.98, 0.97))):
        rate = networks.BEST["mlp", variant, 10]
        assert above / rate == pytest.approx(5, abs=0.1)
        np.testing.assert_allclose([scores[variant, rate], scores[variant, above]], told, atol=0.006)
