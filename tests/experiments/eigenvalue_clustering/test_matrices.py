"""One block: how its eigenvalues move, and how many of them lie near 1."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import runtime
from resnet_lib.experiments.eigenvalue_clustering import matrices


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


def test_measures_of_one_block_are_columns_and_their_controls():
    names = ("values", "vectors", "bound", "singular", "weights")
    columns = {name: [i, i + 0.5] for i, name in enumerate(names)}
    table = pd.DataFrame(columns | {f"{name}_control": [10 + i, 11 + i] for i, name in enumerate(names)})
    found = (
        matrices.shift_values,
        matrices.shift_vectors,
        matrices.cluster_bound,
        matrices.cluster_singular,
        matrices.cluster_weights,
    )
    for i, measure in enumerate(found):
        assert measure(table).values.tolist() == [i, i + 0.5]
        assert measure(table).control.tolist() == [10 + i, 11 + i]


def test_clusters_are_counted_within_a_quarter_and_the_radius_is_in_units_of_the_scale():
    rows = [
        # ensemble, dimension, scale, seed, eigenvalue
        *(("gaussian", 512, 0.5, seed, 1 + z) for seed in (0, 1) for z in (0.5j, -0.1, 0.3 + 0.4j)),
        *(("symmetric", 512, 0.5, seed, 1 + z) for seed in (0, 1) for z in (1.0, -0.2)),
        *(("gaussian", 128, 0.1, seed, 1 + z) for seed in (0, 1) for z in (0.1, 0.25j, -0.05)),
        *(("gaussian", 128, 1.0, seed, 1 + z) for seed in (0, 1) for z in (1.0, 0.2, 0.3j, 0.2 + 0.2j)),
        *(("he", 128, 1.0, seed, 1 + z) for seed in (0, 1) for z in (0.0, 2.0)),
        *(("he", 128, 0.0, seed, 1.0) for seed in (0, 1)),
    ]
    table = pd.DataFrame(rows, columns=["ensemble", "dimension", "scale", "seed", "z"])
    table = table.assign(real=table["z"].map(np.real), imag=table["z"].map(np.imag))
    np.testing.assert_allclose(matrices.cluster_radius(table).values, [1, 1])
    np.testing.assert_allclose(matrices.cluster_radius(table).control, [2, 2])
    assert matrices.cluster_small(table).values.tolist() == [1, 1]
    assert matrices.cluster_small(table).control.tolist() == [0.25, 0.25]
    assert matrices.cluster_he(table).values.tolist() == [0.5, 0.5]
    assert matrices.cluster_he(table).control.tolist() == [1, 1]
