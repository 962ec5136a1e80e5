"""Measures of single blocks on tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.smoothness_and_variation import branches

SHARES = {"plain": 1.0, "around": 0.5, "again": 0.4, "shifted": 0.5}


def table() -> pd.DataFrame:
    """Variation of the branch: that of the plain network, 2 or 4 or 6 by target, times the share of its kind."""
    rows = []
    for size, target in ((2.0, "random"), (4.0, "rising"), (6.0, "falling")):
        for seed in range(3):
            for kind, share in SHARES.items():
                named = "around" if kind == "again" else kind
                rows.append((named, target, kind == "again", seed, size * share * (1 + seed), 99.0))
    return pd.DataFrame(rows, columns=["kind", "target", "again", "seed", "branch", "variation"]).assign(reached=True)


def test_branches_are_compared_with_the_plain_network_and_with_another_draw():
    for measure, target in (
        (branches.discouraged, "random"),
        (branches.rising, "rising"),
        (branches.falling, "falling"),
    ):
        np.testing.assert_allclose(measure(table()).values, [np.log(0.5)] * 3)
        np.testing.assert_allclose(measure(table()).control, [np.log(1.25)] * 3)
        changed = table()
        changed.loc[(changed["target"] == target) & (changed["kind"] == "plain"), "branch"] *= 2
        np.testing.assert_allclose(measure(changed).values, [np.log(0.25)] * 3)


def test_the_shift_is_a_distance_over_all_targets():
    found = branches.shift(table())
    np.testing.assert_allclose(found.values, [0] * 9, atol=1e-12)
    np.testing.assert_allclose(found.control, [np.log(2)] * 9)


def test_other_choices_leave_out_the_shifted_target():
    ways = branches.CHOICES.ways
    assert {each.kind for way in ways.values() for each in way} == {"plain", "around"}
    assert len(ways["other points and weights"]) == 9


def test_the_identity_is_judged_at_other_rates_with_the_networks_that_it_needs():
    ways = branches.SHIFTED.ways
    assert list(ways) == ["a third of each rate", "three times each rate"]
    for way in ways.values():
        assert {(each.kind, each.again) for each in way} == {("plain", False), ("around", False), ("shifted", False)}
