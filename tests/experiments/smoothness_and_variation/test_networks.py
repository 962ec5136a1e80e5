"""Measures of the networks on tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.smoothness_and_variation import networks

FACTORS = {0.25: 1.0, 1.0: 2.0, 2.0: 4.0}


def table() -> pd.DataFrame:
    """Variation: plain 10 times the gain's factor, residual half of it on even seeds, again a third of plain's."""
    rows = []
    for gain, factor in FACTORS.items():
        for seed in range(4):
            for kind, again, share in (
                ("plain", False, 1.0),
                ("residual", False, 0.5 + seed),
                ("residual", True, 1 / 3),
            ):
                rows.append((kind, gain, again, seed, 10 * factor * share, 7 * share**2))
    return pd.DataFrame(rows, columns=["kind", "gain", "again", "seed", "variation", "error"]).assign(reached=True)


def test_ratios_are_logs_paired_by_seed():
    wanted = np.log(0.5 + np.arange(4))
    for measure in (networks.smoother, networks.smoother_small, networks.smoother_large):
        np.testing.assert_allclose(measure(table()).values, wanted)
        np.testing.assert_allclose(measure(table()).control, wanted + np.log(3))
    for measure in (networks.generalises, networks.generalises_small, networks.generalises_large):
        np.testing.assert_allclose(measure(table()).values, 2 * wanted)


def test_a_seed_counts_where_both_networks_reach_the_loss():
    missed = table()
    rows = (missed["gain"] == 1) & (missed["seed"] == 2) & (missed["kind"] == "plain")
    missed["reached"] = ~rows
    missed.loc[rows, "variation"] = 0.0  # of a network that has died, which has no logarithm
    np.testing.assert_allclose(networks.smoother(missed).values, np.log([0.5, 1.5, 3.5]))
    assert len(networks.smoother(missed).control) == 4  # both draws of the residual network reach it
    assert len(networks.smoother_small(missed).values) == 4


def test_a_gain_is_compared_with_itself():
    changed = table()
    changed.loc[(changed["gain"] == 2) & (changed["kind"] == "plain"), "variation"] *= 10
    np.testing.assert_allclose(networks.smoother_large(changed).values, np.log(0.05 + np.arange(4) / 10))
    np.testing.assert_allclose(networks.smoother(changed).values, np.log(0.5 + np.arange(4)))


def test_variation_and_error_are_correlated_within_a_seed():
    rows = table()
    plain = rows["kind"] == "plain"
    rows["error"] = np.where(plain, rows["variation"], rows["variation"] ** 2)  # any rising function: ranks
    rows["error"] = rows["variation"] ** 3 + 1000 * rows["seed"]
    found = networks.linked(rows)
    np.testing.assert_allclose(found.values, 1)
    assert np.abs(found.control).max() < 0.25
    rows["error"] = -rows["error"]
    np.testing.assert_allclose(networks.linked(rows).values, -1)


def test_the_start_is_a_mean_over_both_kinds():
    np.testing.assert_allclose(networks.start(table()).values, np.log(4))
    np.testing.assert_allclose(networks.start(table()).control, -np.log(3 * (0.5 + np.arange(4))))


def test_other_choices_change_what_they_say():
    settings = networks.NETWORKS.quick.settings
    found = networks.CHOICES.ways
    assert found["other points and weights"] == settings
    assert not {*networks.CHOICES.experiment.full.seeds} & {*networks.SEEDS, *networks.MANY_SEEDS}
    for way, times in (("a third of each rate", 3), ("twice the steps", 2), ("four times the steps", 4)):
        assert all(b.steps == times * a.steps for a, b in zip(settings, found[way], strict=True))
    assert all(
        np.isclose(b.lr, 3 * a.lr, rtol=0.05) for a, b in zip(settings, found["three times each rate"], strict=True)
    )
    assert {each.lr for each in found["the same rate for all"]} == {0.005}
    assert {each.level for each in found["less of the noise fitted"]} == {0.8}
