"""Turned blocks keep their norms and eigenvalues, and the trial leaves what turning leaves."""

import math

import numpy as np
import pytest
import torch

from resnet_lib import linalg, runtime
from resnet_lib.experiments.when_eigenvalues_mislead import networks, turned


def test_turning_a_block_keeps_its_norm_and_its_eigenvalues():
    matrices = torch.randn(5, 3, 8, 8, generator=runtime.stream(0), dtype=torch.float64)
    q = turned.rotations(matrices.shape[:-1], runtime.stream(1))
    torch.testing.assert_close(q.mT @ q, torch.eye(8, dtype=torch.float64).expand_as(q))
    rotated = q.mT @ matrices @ q
    torch.testing.assert_close(linalg.spectral_norms(rotated), linalg.spectral_norms(matrices))
    torch.testing.assert_close(linalg.spectral_radius(rotated), linalg.spectral_radius(matrices))
    many = turned.rotations((4000, 3), runtime.stream(2))
    assert many.mean(0).abs().max() < 0.05  # each direction as likely as any other, and its opposite
    assert many.square().mean(0).sub(1 / 3).abs().max() < 0.03


def test_the_overlap_is_one_in_line_and_that_of_chance_where_directions_are_random():
    matrices = torch.randn(6, 2, 5, 5, generator=runtime.stream(0), dtype=torch.float64)
    torch.testing.assert_close(turned.overlap(networks.in_line(matrices)), torch.ones(2, dtype=torch.float64))
    assert turned.overlap(matrices).max() < 0.9
    chance = math.gamma(32) / (math.sqrt(math.pi) * math.gamma(32.5))  # mean of |cos| in 64 dimensions
    assert chance == pytest.approx(0.10, abs=0.001)


def test_the_turned_trial_leaves_what_turning_leaves():
    setting = turned.Turned("mlp", blocks=3, lr=0.01, images=2, epochs=1)
    table, known = turned.turned_trial(setting, (0,)), networks.trained_trial(setting, (0,))
    assert len(table) == 2 * 2
    np.testing.assert_allclose(table["common"], table["product"], atol=1e-9)
    sums = networks.of_products(known.assign(kind="mlp", alpha=1.0))
    for column in ("norms", "radii", "product"):
        np.testing.assert_allclose(table[column], sums[column], atol=1e-9)
    assert ((table["turned"] <= table["norms"]) & ((table["turned"] - table["product"]).abs() > 1e-6)).all()
    evidence = turned.shear_turned(table.assign(alpha=1.0))
    rows = table[table["epoch"] == 1]
    off = [(rows[name] - rows["radii"]).abs().mean() for name in ("turned", "product")]
    np.testing.assert_allclose(evidence.values, [off[0] - off[1]])
    assert evidence.control.max() < 1e-9
