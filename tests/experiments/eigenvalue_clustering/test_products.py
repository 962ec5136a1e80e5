"""Products of blocks against their laws, and against multiplying one by one."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.eigenvalue_clustering import products
from tests.experiments.eigenvalue_clustering.made_tables import product_table


def test_growth_is_one_for_the_law_itself_and_two_for_its_square():
    law = products.product_growth(product_table(lambda s, depth: depth / 2 * np.log10(1 + s**2)))
    np.testing.assert_allclose(law.values, 1)
    np.testing.assert_allclose(products.product_growth(product_table(lambda s, d: d * np.log10(1 + s**2))).control, 2)


def test_boundary_finds_a_known_edge():
    table = product_table(lambda s, depth: 1 + np.log(s * depth**0.5))  # reaches 1 at s = L^-1/2
    edge = products.boundary(table[table["branch"] == "tied"])
    np.testing.assert_allclose(edge["s"], edge["depth"] ** -0.5, rtol=1e-9)
    np.testing.assert_allclose(products.product_boundary(table).values, -0.5, atol=1e-9)


def test_product_trial_agrees_with_multiplying_one_by_one():
    setting = products.Product(dimension=4, depths=(3, 25), scales=(0.1, 0.2), branch="tied")
    with runtime.numerics():
        table = products.product_trial(setting, (7,))
    j = torch.randn(4, 4, generator=runtime.stream(7, "product", 4), dtype=torch.float64).numpy() / 2
    for s, depth in ((0.1, 3), (0.2, 25)):
        sigma = np.linalg.svd(np.linalg.matrix_power(np.eye(4) + s * j, depth), compute_uv=False)
        row = table[(table["s"] == s) & (table["depth"] == depth)].iloc[0]
        np.testing.assert_allclose([row["log10_max"], row["log10_min"]], np.log10(sigma[[0, -1]]), atol=1e-9)
        assert row["log10_rms"] == pytest.approx(np.log10(np.sqrt(np.mean(sigma**2))))


def test_contracting_blocks_decay_as_their_formula():
    setting = products.Product(dimension=3, depths=(200,), scales=(0.0, 0.1), branch="contracting")
    with runtime.numerics():
        table = products.product_trial(setting, (0,))
    np.testing.assert_allclose(table["log10_max"], [0, 200 * np.log10(0.9)], atol=1e-10)


def test_formula_holds_for_shared_eigenvectors_only():
    with runtime.numerics():
        evidence = products.commute_formula(products.formula_trial(products.Formula(dimension=8, depth=6), (0, 1)))
    assert evidence.values.max() < 1e-10
    assert evidence.control.min() > 0.1


def test_spreads_of_products_are_read_at_100_blocks():
    table = product_table(lambda s, depth: s * depth)
    np.testing.assert_allclose(products.product_short(table).values, 5)
    np.testing.assert_allclose(products.product_short(table).control, 50)
    np.testing.assert_allclose(products.product_deep(table).values, 50)
    np.testing.assert_allclose(products.product_deep(table).control, 5)
    shrinking = table.assign(log10_max=0.0, log10_min=-3 * table["gain"])  # a factor either way counts
    np.testing.assert_allclose(products.product_deep(shrinking).values, 150)


def test_contracting_blocks_are_compared_with_the_identity():
    rows = [("contracting", seed, s, -10 * s - seed) for seed in (0, 1) for s in (0.0, 0.05, 0.1, 0.2)]
    table = pd.DataFrame(rows, columns=["branch", "seed", "s", "log10_max"])
    np.testing.assert_allclose(products.product_no_decay(table).values, [-0.5, -1, -2])
    assert products.product_no_decay(table).control.tolist() == [0]


def test_gains_of_commuting_branches_by_hand():
    rows = [
        # law, depth, scale, and by coordinate: log10 of the gain with the skip and without it
        ("constant", 100, 1.0, [0.5, -2.0, 3.0, 0.0], [-50.0, -10.0, -30.0, -20.0]),
        ("sign", 100, 1.0, [30.0, 30.0, -300.0, 30.0], [0.0, 0.0, 0.0, 0.0]),
        ("independent", 100, 0.01, [0.1, 0.9, -0.5, 0.0], [-200.0] * 4),
        ("independent", 1000, 0.1, [-3.0, -1.0, -2.0, -4.0], [-900.0] * 4),
        ("gaussian", 1000, 0.1, [2.0, 2.5, 1.5, 2.0], [np.nan] * 4),
    ]
    typical = {"independent": -2.5, "gaussian": 0.25}
    table = pd.concat(
        pd.DataFrame(
            {"law": law, "depth": depth, "scale": scale, "seed": 0, "log10_residual": r, "log10_plain": p}
        ).assign(log10_typical=typical.get(law, 7.0))
        for law, depth, scale, r, p in rows
    )
    assert products.commute_plain(table[table["depth"] == 100]).values.tolist() == [-25]
    assert products.commute_plain(table[table["depth"] == 100]).control.tolist() == [0]
    assert products.commute_stable(table).values.tolist() == [0.5]
    assert products.commute_stable(table).control.tolist() == [1]
    law = -5 / np.log(10)  # decades of exp(-L s^2 / 2)
    np.testing.assert_allclose(products.commute_typical(table).values, [-2.5 / law])
    np.testing.assert_allclose(products.commute_typical(table).control, [0.25 / law])


def test_the_typical_gain_is_that_of_the_eigenvalues_of_the_product():
    """Of Gaussian branches against the eigenvalues of the product itself; of those that commute, the coordinates'."""
    setting = products.Gains("gaussian", depth=5, scale=0.1, coordinates=8)
    found = products.gains_trial(setting, (3, 4)).groupby("seed")["log10_typical"].unique()
    for seed in (3, 4):
        stream, product = runtime.stream(seed, "gains", "gaussian"), torch.eye(8, dtype=torch.float64)
        for _ in range(5):
            j = torch.randn(8, 8, generator=stream, dtype=torch.float64) / 8**0.5
            product = (torch.eye(8) + 0.1 * j) @ product
        expected = torch.linalg.eigvals(product).abs().log10().mean().item()
        assert found[seed] == pytest.approx([expected], abs=1e-12)
    shared = products.gains_trial(products.Gains("independent", depth=7, scale=0.1, coordinates=8), (3,))
    assert shared["log10_typical"].unique() == pytest.approx([shared["log10_residual"].mean()])
