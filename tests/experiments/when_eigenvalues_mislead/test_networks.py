"""Jacobians of trained networks: products in line, the measures on a known table, the rates."""

import math

import numpy as np
import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import linalg, runtime
from resnet_lib.experiments.eigenvalue_clustering import networks as clustering
from resnet_lib.experiments.when_eigenvalues_mislead import networks


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4))
def test_in_line_blocks_multiply_their_norms(seed, blocks, d):
    matrices = torch.randn(blocks, 2, d, d, generator=runtime.stream(seed), dtype=torch.float64)
    turned = networks.in_line(matrices)
    torch.testing.assert_close(linalg.singular_values(turned), linalg.singular_values(matrices))
    product = linalg.spectral_norms(networks.chained(turned))
    torch.testing.assert_close(product, linalg.spectral_norms(matrices).prod(0))
    first_last = networks.chained(matrices)
    expected = matrices[0]
    for matrix in matrices[1:]:
        expected = matrix @ expected
    torch.testing.assert_close(first_last, expected)


def trained_table(norm: float, radius: float, product: float) -> pd.DataFrame:
    row = {"alpha": 1.0, "norm": norm, "radius": radius, "symmetric": 2.0, "symmetric_radius": 2.0, "product": product}
    row |= {"in_line": 4 * math.log10(norm), "repeated": 0.0, "departure": 0.1, "branch_departure": 0.2}
    rows = [
        row | {"kind": kind, "seed": seed, "epoch": epoch, "block": block, "image": image}
        for kind in ("mlp", "conv") for seed in (0, 1) for epoch in (0, 20) for block in range(4) for image in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_trained_measures_say_what_is_in_the_table():
    table = trained_table(norm=4.0, radius=2.0, product=1.5)
    table.loc[table["epoch"] == 0, "norm"] = 100.0  # before training does not count
    for measure in (networks.shear_trained_mlp, networks.shear_trained_conv):
        np.testing.assert_allclose(measure(table).values, [2, 2])
        np.testing.assert_allclose(measure(table).control, [1, 1])
    slack = networks.explode_trained(table)
    np.testing.assert_allclose(slack.values, [4 * math.log10(4) - 1.5] * 2)
    np.testing.assert_allclose(slack.control, [0, 0], atol=1e-12)
    np.testing.assert_allclose(networks.shear_trained_product(table).values, [abs(1.5 - 4 * math.log10(2))] * 2)


def test_the_trained_trial_measures_the_jacobians_of_the_network():
    setting = networks.Trained("mlp", blocks=2, lr=0.01, images=2, epochs=1)
    table = networks.trained_trial(setting, (0,))
    assert len(table) == 2 * 2 * 2
    assert (table["norm"] >= table["radius"] * (1 - 1e-9)).all()
    assert (
        table.groupby(["epoch", "image"])["norm"].prod() >= 10 ** table.groupby(["epoch", "image"])["product"].first()
    ).all()
    np.testing.assert_allclose(table["symmetric"], table["symmetric_radius"])


def test_learning_rates_are_those_of_the_chapter_that_tuned_the_same_networks():
    assert networks.MLP.lr == clustering.BEST["mlp", "residual", 10]
    assert networks.SCALED.lr == clustering.BEST["mlp", "scaled", 10]
    assert networks.CONV.lr == clustering.BEST["conv", "residual", 4]
    assert (networks.CONV.epochs, networks.CONV.batch) == (clustering.CONV["epochs"], clustering.CONV["batch"])
