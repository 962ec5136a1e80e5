"""What the page tells in numbers is what its figures and the stored tables say."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resnet_lib import sweep
from resnet_lib.experiments.lipschitz_bounds import comparisons, stacks

ROOT = Path(__file__).parents[3]


def test_the_ladder_is_what_the_page_tells():
    rows = pd.read_csv(ROOT / "figures/lip-ladder/data.csv")
    means: Any = rows.groupby(["rule", "blocks"])[["product", "certified", "found", "at_data", "test_accuracy"]].mean()
    residual = means.loc["residual"]
    assert 10 ** ((residual["product"][20] - residual["product"][2]) / 18) == pytest.approx(2.2, abs=0.05)
    assert residual["product"][20] - residual["product"][2] == pytest.approx(6, abs=0.2)
    assert 10 ** residual["found"].loc[[2, 20]].to_numpy() == pytest.approx([63, 48], abs=0.5)
    assert residual["certified"].loc[[2, 10]].to_numpy() == pytest.approx([2.0, 2.4], abs=0.05)
    assert residual["found"].to_numpy() == pytest.approx(1.7, abs=0.11)
    assert 10 ** (residual["certified"] - residual["found"])[10] == pytest.approx(6, abs=0.2)
    assert 10 ** (residual["product"] - residual["found"])[10] == pytest.approx(19_000, rel=0.01)
    assert 10 ** (residual["found"] - residual["at_data"]).to_numpy() == pytest.approx(2, abs=0.2)
    constrained = means.loc["constrained"]
    assert 10 ** (constrained["certified"] - constrained["found"]).max() < 1.1
    assert (constrained["product"] - constrained["at_data"]).max() < 0.5
    assert 0.96 < constrained["test_accuracy"].min() <= constrained["test_accuracy"].max() < 0.97
    assert residual["test_accuracy"].to_numpy() == pytest.approx(0.945, abs=0.01)


def test_the_semidefinite_bound_grows_as_the_page_tells():
    rows = pd.read_csv(ROOT / "figures/lip-ladder/data.csv")
    rows = rows[(rows["rule"] == "residual") & (rows["blocks"] <= 10)]
    slopes = [[np.polyfit(g["blocks"], g[c], 1)[0] for c in ("certified", "product")] for _, g in rows.groupby("seed")]
    shares = np.array([certified / product for certified, product in slopes])
    assert (shares.mean(), shares.min(), shares.max()) == pytest.approx((0.14, 0.114, 0.184), abs=0.005)


def test_the_networks_under_their_rules_are_what_the_page_tells():
    stored = sweep.stored(stacks.NETWORKS, ROOT)
    assert stored is not None
    quick = stored.table[stored.table["seed"].isin(stacks.SEEDS)]  # FULL has the seeds of QUICK as well
    gradient, beta = stacks.signal_gradient(quick).values.mean(), stacks.BETA
    assert 10**-gradient == pytest.approx(171, abs=1)
    assert (1 - beta) ** -49 == pytest.approx(175, abs=0.5)
    assert (1 - 2 * beta * (1 - beta)) ** (-49 / 2) == pytest.approx(129, abs=0.5)
    assert stacks.signal_accuracy(quick).values.mean() == pytest.approx(-4.9, abs=0.05)
    assert stacks.signal_accuracy(stored.table).values.mean() == pytest.approx(-5.5, abs=0.05)
    assert quick[quick["rule"] == "free"]["test_accuracy"].mean() == pytest.approx(0.56, abs=0.005)


def test_the_comparisons_are_what_the_page_tells():
    stored = sweep.stored(comparisons.COMPARED, ROOT)
    assert stored is not None
    full, quick = stored.table, stored.table[stored.table["seed"].isin(stacks.SEEDS)]
    beta = comparisons.GENTLE
    gradient = comparisons.gentle_gradient(quick).values.mean()
    assert [10**gradient, (1 - beta) ** 49] == pytest.approx([0.37, 0.37], abs=0.005)
    assert (1 - 2 * beta * (1 - beta)) ** 25 == pytest.approx(0.37, abs=0.005)
    assert 10**-gradient == pytest.approx(2.7, abs=0.05)
    ahead = [comparisons.gentle_accuracy(table).values for table in (quick, full)]
    assert [values.mean() for values in ahead] == pytest.approx([2.3, 2.1], abs=0.05)
    assert (ahead[1] < 0).sum() == 1
    tried = comparisons.RATES.result(ROOT).table.query("rule == 'gentle'")
    assert (len(tried), tried["rate"].min(), tried["rate"].max()) == (45, 0.095, 0.95)
    assert tried.groupby("rate")["validation_accuracy"].mean().between(0.95, 0.96).all()
    assert tried["validation_accuracy"].min() > 0.9
    means = [table.groupby("rule")["test_accuracy"].mean()[["bounded", "released"]] for table in (quick, full)]
    assert [round(100 * float(x), 1) for pair in means for x in pair] == [96.9, 96.2, 97.1, 96.6]
    assert (comparisons.weights_cost(full).values < 0).sum() == 1


def test_the_comparisons_under_other_choices_are_what_the_page_tells():
    third, thrice, twice = (result.table for result in comparisons.CHOICES.results(ROOT).values())
    ahead = [comparisons.gentle_accuracy(table).values.mean() for table in (third, twice)]
    assert ahead == pytest.approx([4.1, 1.2], abs=0.05)
    accuracy: Any = thrice.groupby("rule")["test_accuracy"].apply(list)
    assert np.mean(accuracy["gentle"]) == pytest.approx(0.958, abs=0.0005)
    assert (np.array(accuracy["residual"]) < 0.2).sum() == 1
    cost = [comparisons.weights_cost(table).values.mean() for table in (third, twice)]
    assert cost == pytest.approx([1.9, -0.3], abs=0.05)
    assert (np.array(accuracy["released"]) < 0.2).sum() == 2
    behind = np.sort(comparisons.weights_cost(thrice).values)[:3]
    assert behind.tolist() == pytest.approx([-6.2, -2.7, -2.2], abs=0.05)


def test_the_ladder_under_other_choices_is_what_the_page_tells():
    third, thrice, twice = (result.table for result in stacks.CHOICES.results(ROOT).values())
    for table, decades, share, slope in ((third, 4.2, 0.82, 0.04), (twice, 4.1, 0.83, 0.02)):
        assert stacks.product_estimate(table).values.mean() == pytest.approx(decades, abs=0.05)
        assert stacks.product_slack(table).values.mean() == pytest.approx(share, abs=0.005)
        assert stacks.product_growth(table).values.mean() == pytest.approx(slope, abs=0.005)
    found: Any = third[third["rule"] == "residual"].groupby("blocks")["found"].mean()
    assert 10 ** (found[20] - found[2]) == pytest.approx(1.8, abs=0.05)
    for table, above in ((third, 4), (twice, 5)):
        deep = table[(table["rule"] == "residual") & (table["blocks"] == 20)]
        assert (deep["wrong"] > deep["found"]).sum() == above
    trained = thrice[thrice["lr"] > 0].query("rule != 'silent'")
    lost: Any = trained["growth"].isna().groupby([trained["rule"], trained["blocks"]]).sum()
    assert lost.loc["residual"].to_dict() == {2: 3, 5: 4, 10: 3, 20: 3, 50: 1}  # the first four are 13 of 20
    assert (thrice[thrice["rule"] == "guaranteed"]["test_accuracy"] < 0.11).all()
    ball = ("constrained", "bounded", "biased")
    projected, others = (lost[lost.index.get_level_values("rule").isin(ball) == inside] for inside in (True, False))
    assert (len(projected), projected.sum()) == (6, 0)
    assert (len(others), (others > 0).sum()) == (9, 6)


def test_what_the_guarantee_and_the_bounds_cost_under_other_choices_is_what_the_page_tells():
    tables = [result.table for result in stacks.CHOICES.results(ROOT).values()]
    twice = tables[-1]
    accuracy = [stacks.signal_accuracy(table).values.mean() for table in tables]
    assert accuracy == pytest.approx([-40.7, -63.8, -1.2], abs=0.05)
    free = twice[twice["rule"] == "free"]
    assert free["test_accuracy"].mean() == pytest.approx(0.79, abs=0.005)
    assert all(stacks.weights_monotone(table).values.max() < 0 for table in tables)
    grown = [stacks.weights_biases(table) for table in tables]
    assert [(evidence.values > 0).sum() for evidence in grown] == [2, 3, 2]
    assert max(evidence.values.max() for evidence in grown) == pytest.approx(0.15, abs=0.005)
    assert max(np.max(evidence.control) for evidence in grown) < 0


def test_rates_have_the_range_that_the_page_tells():
    table = stacks.RATES.result(ROOT).table
    scores: Any = table.groupby(["rule", "blocks", "rate"])["validation_accuracy"].mean()
    guaranteed, usual = scores["guaranteed", 50], scores["residual", 50]
    tried = [1.7, 2.3, 3.5, 4.0, 5.3]
    assert guaranteed.loc[tried].to_numpy() == pytest.approx([0.84, 0.89, 0.905, 0.805, 0.59], abs=0.005)
    assert usual[(usual.index > 0.017) & (usual.index < 0.11)].min() > 0.93
    assert scores["free", 10].max() < 0.58
    assert (table["rule"] == "guaranteed").sum() == 45
    lost = table[(table["rule"] == "guaranteed") & (table["rate"] == 4.0)]["validation_accuracy"]
    assert (lost < 0.5 * guaranteed.max()).sum() == 1  # one of five seeds, so that 3.5 is too near
