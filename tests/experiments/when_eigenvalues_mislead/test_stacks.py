"""Stacks of matrices have the norms and eigenvalues that are said, and their products closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import linalg, runtime
from resnet_lib.experiments.when_eigenvalues_mislead import stacks
from tests.experiments.when_eigenvalues_mislead.made_tables import measured


@pytest.mark.parametrize("kind", ["aligned", "alternating", "rotation"])
def test_all_blocks_of_a_stack_have_the_norm_that_is_said(kind):
    for factor in stacks.factors(stacks.Stack(kind, 0.3, 5, 6), (0, 1, 2)):
        torch.testing.assert_close(linalg.spectral_norms(factor), torch.full((3,), 1.3, dtype=torch.float64))


def test_all_eigenvalues_of_shears_and_jordan_blocks_are_one_and_normal_blocks_are_normal():
    for kind, d in (("shears", 2), ("jordan", 5)):
        for factor in stacks.factors(stacks.Stack(kind, 0.5, 3, d), (0,)):
            torch.testing.assert_close(linalg.eigenvalues(factor), torch.ones(1, d, dtype=torch.complex128))
    for kind in ("symmetric", "skew", "orthogonal", "repeated", "symmetric-radius", "aligned"):
        d = 2 if kind == "symmetric-radius" else 4
        size = 0.0 if kind == "orthogonal" else 0.3
        for factor in stacks.factors(stacks.Stack(kind, size, 3, d), (0, 1)):
            assert linalg.departure(factor).max() < 1e-14
    for kind in ("radius", "symmetric-radius"):
        for factor in stacks.factors(stacks.Stack(kind, 0.0, 4), (0,)):
            assert linalg.spectral_radius(factor).item() == pytest.approx(math.sqrt(0.2))
    with pytest.raises(ValueError, match="kind='other' is unknown"):
        list(stacks.factors(stacks.Stack("other", 0.1, 1), (0,)))


def test_the_trial_agrees_with_multiplying_one_by_one():
    setting = stacks.Stack("gaussian", 0.5, 7, 3)
    table = stacks.stack_trial(setting, (4,))
    product, norms, radii = np.eye(3), 0.0, 0.0
    for depth, (factor,) in enumerate(stacks.factors(setting, (4,)), start=1):
        matrix = factor.numpy()
        product = matrix @ product
        norms += math.log10(np.linalg.norm(matrix, 2))
        radii += math.log10(np.abs(np.linalg.eigvals(matrix)).max())
        row = table[table["depth"] == depth].iloc[0]
        gains = np.linalg.svd(product, compute_uv=False)
        expected = [math.log10(gains[0]), math.log10(math.sqrt(np.mean(gains**2))), norms, radii]
        np.testing.assert_allclose(row[["norm", "rms", "norms", "radii"]].to_numpy(float), expected, atol=1e-10)


def test_products_are_those_of_their_closed_forms():
    table = measured([stacks.Stack("shears", 0.1, 200), stacks.Stack("jordan", 0.5, 100, 8)], (0,))
    shears, jordan = (stacks.ends(table, kind).iloc[0] for kind in ("shears", "jordan"))
    assert 10 ** shears["norm"] == pytest.approx(math.exp(200 * math.asinh(0.05)), rel=1e-9)
    power = sum(math.comb(100, k) * 0.5**k * np.eye(8, k=k) for k in range(8))
    assert 10 ** jordan["norm"] == pytest.approx(np.linalg.norm(power, 2), rel=1e-9)
    assert 10 ** jordan["norm"] == pytest.approx(1.3e8, rel=0.05)


def test_measures_tell_growth_from_none():
    kinds = [("aligned", 0.5, 10, 4), ("alternating", 0.5, 10, 4), ("gaussian", 0.3, 10, 16), ("rotation", 0.3, 10, 16)]
    kinds += [("shears", 0.5, 40, 2), ("jordan", 0.5, 30, 8), ("repeated", 0.5, 30, 8), ("symmetric", 0.3, 10, 4)]
    kinds += [
        ("skew", 0.3, 10, 4),
        ("orthogonal", 0.0, 10, 4),
        ("radius", 4.0, 10, 2),
        ("symmetric-radius", 0.0, 10, 2),
    ]
    table = measured([stacks.Stack(*kind) for kind in kinds], (0, 1))
    assert stacks.explode_aligned(table).values.max() < 1e-10 < 0.5 < stacks.explode_aligned(table).control.min()
    assert stacks.explode_forced(table).values.max() < 1e-10 < 1 < stacks.explode_forced(table).control.min()
    assert stacks.explode_random(table).values.max() < 0.8 < 0.999 < stacks.explode_random(table).control.min()
    for measure in (stacks.shear_shears, stacks.shear_jordan):
        assert measure(table).values.min() > 1 > 1e-10 > measure(table).control.max()
    assert stacks.shear_radius(table).values.min() > 0 > stacks.shear_radius(table).control.max()
    assert stacks.shear_normal(table).values.max() < 1e-10 < 1 < stacks.shear_normal(table).control.min()
    # What is not drawn counts once, what is drawn once a seed.
    assert len(stacks.shear_shears(table).values) == 1
    assert len(stacks.explode_aligned(table).values) == 2


@given(st.floats(0.05, 1), st.floats(0, 90))
def test_turning_blocks_grow_at_the_rate_of_the_closed_form(gamma, angle):
    table = stacks.turning_trial(stacks.Turning(gamma, (angle,), 300), (0,)).set_index("at")
    rate = math.acosh(max(1.0, math.cos(math.radians(angle)) * math.cosh(math.log(1 + gamma)))) / math.log(10)
    assert table["rate"].iloc[0] == pytest.approx(rate, abs=1e-7)
    measured_rate = (table["norm"][300] - table["norm"][150]) / 150
    limit = math.degrees(math.acos(1 / math.cosh(math.log(1 + gamma))))
    if abs(angle - limit) > 2:
        assert measured_rate == pytest.approx(rate, abs=0.01)


def test_a_turning_stack_is_the_product_of_turned_blocks():
    gamma, angle = 0.2, 7.0
    table = stacks.turning_trial(stacks.Turning(gamma, (angle,), 12), (0,))
    turn = math.radians(angle)
    product = np.eye(2)
    for layer in range(12):
        c, s = math.cos(layer * turn), math.sin(layer * turn)
        rotation = np.array([[c, -s], [s, c]])
        product = rotation @ np.diag([1 + gamma, 1 / (1 + gamma)]) @ rotation.T @ product
        assert table["norm"][layer] == pytest.approx(math.log10(np.linalg.norm(product, 2)), abs=1e-12)


def test_the_edge_of_a_gaussian_block_is_that_of_the_text():
    for s in (0.1, 0.3, 1.0):
        g = torch.randn(600, 600, generator=runtime.stream(0, "edge"), dtype=torch.float64) / 600**0.5
        root = math.sqrt(1 + 8 / s**2)
        edge = s * math.sqrt((root + 3) ** 3 / (8 * (root + 1)))
        norm = linalg.spectral_norms(torch.eye(600, dtype=torch.float64) + s * g).item()
        assert norm == pytest.approx(edge, rel=0.01)


def test_turning_stacks_are_read_at_400_blocks_for_five_angles_and_two_controls():
    rows = [
        {"gamma": gamma, "at": at, "angle": angle, "norm": gamma * at + angle}
        for gamma in (0.1, 0.2)
        for at in (399, 400)
        for angle in (0.0, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)
    ]
    evidence = stacks.explode_turning(pd.DataFrame(rows))
    np.testing.assert_allclose(evidence.values, [95, 110, 125, 140, 155])
    np.testing.assert_allclose(evidence.control, [80, 85])
