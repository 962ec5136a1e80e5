"""The chapter's measures, against tables whose answer is known, and its choices, against what they were chosen from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import runtime, sweep
from resnet_lib.experiments.eigenvalue_clustering import matrices, networks, products

ROOT = Path(__file__).parents[1]


@given(st.integers(2, 12), st.integers(0, 2**32), st.floats(0, 0.4))
def test_matching_distance_finds_the_shift_of_a_shuffled_spectrum(n, seed, shift):
    random = np.random.default_rng(seed)
    spectrum = np.arange(n) + 1j * random.integers(-3, 3, n)  # 1 apart: a shift below 0.5 matches rightly
    shuffled = random.permutation(spectrum) + shift
    assert matrices.matching_distance(spectrum, shuffled) == pytest.approx(shift, abs=1e-12)


def test_shift_trial_tells_the_true_sentences_from_their_neighbours():
    with runtime.numerics():
        table = matrices.shift_trial(matrices.Shift(dimension=16, scale=0.3), (0, 1, 2))
    for name in ("values", "vectors", "bound", "singular", "weights"):
        assert (table[name] < 1e-10).all()
        assert (table[f"{name}_control"] > 1e-2).all()


def test_disc_trial_has_the_moments_of_the_ensembles():
    with runtime.numerics():
        gaussian = matrices.disc_trial(matrices.Disc(200, 0.5), (0, 1))
        symmetric = matrices.disc_trial(matrices.Disc(200, 0.5, "symmetric"), (0, 1))
        he = matrices.disc_trial(matrices.Disc(200, 1.0, "he"), (0, 1))
    for table in (gaussian, symmetric, he):
        assert table["real"].mean() == pytest.approx(1, abs=0.05)  # the trace of J is small
    # Even disc of radius s: mean squared distance s^2/2. Semicircle of radius 2s: s^2.
    assert np.mean((gaussian["real"] - 1) ** 2 + gaussian["imag"] ** 2) == pytest.approx(0.125, rel=0.1)
    assert np.mean((symmetric["real"] - 1) ** 2) == pytest.approx(0.25, rel=0.1)
    # About half of the ReLUs are off, and so many eigenvalues of the block are exactly 1.
    exactly_one = (np.hypot(he["real"] - 1, he["imag"]) < 1e-9).mean()
    assert 0.4 < exactly_one < 0.6


def test_fraction_within_counts():
    table = pd.DataFrame({"seed": [0, 0, 0, 1], "real": [1.0, 1.3, 1.0, 2.0], "imag": [0.0, 0.0, 0.25, 0.0]})
    assert matrices.fraction_within(table, 0.25, ["seed"]).tolist() == [2 / 3, 0]


def product_table(log10_gain) -> pd.DataFrame:
    """A table like that of `product_trial` whose three gains are `log10_gain(s, depth)`."""
    rows = [
        {"seed": seed, "s": s, "depth": depth, "branch": branch, "skip": 1.0, "gain": log10_gain(s, depth)}
        for seed in (0, 1)
        for s in products.SCALES
        for depth in (10, 30, 100, 300, 1000)
        for branch in ("independent", "tied")
    ]
    table = pd.DataFrame(rows)
    return table.assign(log10_rms=table["gain"], log10_max=table["gain"], log10_min=0.0)


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


def test_near_identity_takes_the_median_over_blocks_of_fractions():
    reals = {0: [1.0, 1.0], 1: [1.0, 3.0], 2: [5.0, 5.0]}  # of three blocks; 2, 1 and 0 of 2 are near
    network = {"kind": "mlp", "variant": "plain", "blocks": 3, "lr": 0.1, "seed": 0, "epoch": 0, "imag": 0.0}
    rows = [network | {"block": block, "real": real, "branch_norm": block} for block in reals for real in reals[block]]
    (row,) = networks.near_identity(pd.DataFrame(rows)).itertuples()
    assert (row.fraction, row.branch_norm) == (0.5, 1)


def test_tuned_takes_the_best_mean_and_of_equals_the_smallest():
    rows = [("mlp", "plain", 5, lr, v) for lr, v in ((0.1, 0.5), (0.1, 0.9), (0.03, 0.7), (0.03, 0.7), (0.3, 0.2))]
    table = pd.DataFrame(rows, columns=["kind", "variant", "blocks", "lr", "validation_accuracy"])
    assert networks.tuned(table) == {("mlp", "plain", 5): 0.03}


def test_learning_rates_are_those_that_the_stored_tuning_chose():
    result = sweep.stored(networks.TUNING, ROOT)
    assert result is not None
    assert networks.tuned(result.table) == networks.BEST
