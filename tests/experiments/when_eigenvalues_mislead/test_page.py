"""What the page tells in numbers is what its figures and the stored tables say."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resnet_lib import sweep
from resnet_lib.experiments.when_eigenvalues_mislead import networks, stacks, turned
from tests.experiments.when_eigenvalues_mislead.made_tables import measured

ROOT = Path(__file__).parents[3]


def test_what_the_page_tells_of_turned_blocks_is_in_the_stored_table():
    stored = sweep.stored(turned.TURNED, ROOT)
    assert stored is not None
    table = stored.table
    assert (turned.shear_turned(table).values > 0).all()
    third, thrice, twice = (turned.shear_turned(r.table).values for r in turned.TURNED_CHOICES.results(ROOT).values())
    assert third.min() > 0 < twice.mean() - 2 * twice.std() / 5**0.5
    assert thrice.min() < 0 < thrice.max()
    assert len(turned.shear_turned(table).values) == 10
    table = table.assign(as_is=table["radii"] - table["product"], afar=table["radii"] - table["turned"])
    means: Any = table.groupby(["alpha", "epoch"])[["as_is", "afar", "overlap"]].mean().round(2)
    assert means.loc[1.0, 20].tolist() == [0.15, 0.39, 0.19]
    assert means.loc[1.0, 0].tolist() == [0.62, 0.63, 0.1]
    assert means.loc[10**-0.5, 20].tolist()[:2] == [0.26, 0.41]


def test_what_the_page_tells_of_untrained_blocks_is_in_the_stored_tables():
    def ratio(table: pd.DataFrame) -> Any:
        ratios = (table["norm"] / table["radius"]).groupby([table["alpha"], table["epoch"], table["seed"]]).median()
        return ratios.groupby(["alpha", "epoch"]).mean().round(1)

    stored = sweep.stored(networks.TRAINED_MLP, ROOT)
    assert stored is not None
    full = ratio(stored.table)
    assert (full[1.0, 0], full[1.0, 20]) == (1.8, 1.9)
    assert (full[10**-0.5, 0], full[10**-0.5, 20]) == (1.3, 1.3)
    tables = [stored.table, *(result.table for result in networks.MLP_CHOICES.results(ROOT).values())]
    over = [networks.of_products(table) for table in tables]
    excess = [(rows["norms"] - rows["product"]).groupby([rows["alpha"], rows["epoch"]]).mean() for rows in over]
    assert excess[0].round(1).tolist() == [1.5, 1.3, 3.2, 3.0]  # scaled before and after, unscaled before and after
    scaled = []
    for rows in over:
        after = rows[(rows["epoch"] > 0) & (rows["alpha"] < 1)]
        scaled.append(round(float(10 ** (after["radii"] - after["product"]).mean()), 1))
    assert scaled[0] == 1.8
    assert (min(scaled), max(scaled)) == (1.1, 2.5)
    thrice = tables[2]
    assert round(min(networks.shear_trained_mlp(thrice).values), 2) == 1.0
    conv = sweep.stored(networks.TRAINED_CONV, ROOT)
    assert conv is not None
    assert conv.table["lr"].unique().tolist() == [networks.CONV.lr]
    assert ratio(conv.table).tolist() == [1.8, 1.9]


def test_what_the_page_tells_of_gaussian_and_turning_blocks_is_what_its_draws_say():
    sizes = [setting for setting in stacks.STACKS.quick.settings if setting.kind == "gaussian"]
    table = measured(sizes, tuple(stacks.STACKS.quick.seeds))
    ends = stacks.ends(table, "gaussian")
    share = (ends["rms"] / ends["norms"]).groupby(ends["size"]).mean()
    assert share.round(3).tolist() == [0.039, 0.121]
    turning = stacks.turning_trial(stacks.Turning(0.2, (11.0,), 2000), (0,))
    assert 5.9 < 10 ** turning["norm"].max() < 6


def test_what_the_page_tells_of_trained_blocks_is_in_the_published_figure():
    """Means over test images, of QUICK: norms, radii, and what both, multiplied, say of the product."""
    table = pd.read_csv(ROOT / "figures/nonnormal-trained/data.csv")
    rows = table[table["epoch"] > 0]
    unscaled = rows[rows["alpha"] == 1]
    assert (unscaled["norm"].min().round(1), unscaled["norm"].max().round(1)) == (2.2, 3.9)
    assert (unscaled["radius"].min().round(1), unscaled["radius"].max().round(1)) == (1.3, 1.8)
    groups = rows.groupby(["alpha", "seed"])
    above: Any = (groups["norms"].sum() - groups["product"].first()).groupby("alpha").mean()
    surplus: Any = groups["radii"].sum() - groups["product"].first()
    assert above.iloc[0] > 1
    assert above.iloc[1] == pytest.approx(3, abs=0.1)
    assert surplus.abs().max() < 0.4
    factors = 10 ** surplus.groupby("alpha").mean()
    assert factors.tolist() == [pytest.approx(1.8, abs=0.05), pytest.approx(1.5, abs=0.05)]  # scaled, unscaled


def test_what_the_page_tells_of_other_choices_is_in_the_stored_tables():
    third, thrice, twice = (result.table for result in networks.MLP_CHOICES.results(ROOT).values())
    choices = (third, thrice, twice)
    full = sweep.stored(networks.TRAINED_MLP, ROOT)
    assert full is not None
    gaps = [networks.shear_trained_product(table).values.mean() for table in (full.table, *choices)]
    np.testing.assert_allclose(gaps, [0.19, 0.35, 0.41, 0.40], atol=0.006)
    assert networks.shear_trained_product(twice).values.min() > 0.3
    conv = [result.table for result in networks.CONV_CHOICES.results(ROOT).values()]
    ratios = [networks.shear_trained_mlp(table).values.mean() for table in choices]
    ratios += [networks.shear_trained_conv(table).values.mean() for table in conv]
    assert (round(min(ratios), 1), round(max(ratios), 1)) == (1.8, 2.1)
    over = [networks.explode_trained(table).values.mean() for table in choices]
    assert (round(min(over), 1), round(max(over), 1)) == (2.7, 2.9)
    signed = []
    for table in choices:
        rows = networks.of_products(table[(table["alpha"] == 1) & (table["epoch"] > 0)])
        signed.append((rows["radii"] - rows["product"]).groupby(rows["seed"]).mean())
    assert min(signed[0].mean(), signed[2].mean()) > math.log10(2)  # overstated by more than 2
    assert signed[1].max() < 0  # understated, in each seed
    last = thrice[(thrice["alpha"] == 1) & (thrice["epoch"] > 0)]
    identity = (last["norm"] - 1).abs() < 1e-6
    off: Any = identity.groupby(last["seed"]).mean()
    assert sorted(off) == [0, 0, 0, 0, pytest.approx(0.7)]
