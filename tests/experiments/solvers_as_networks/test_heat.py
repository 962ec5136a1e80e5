"""Heat blocks against the matrix and numpy's transform, and the measures on tables by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib.experiments.solvers_as_networks import heat
from resnet_lib.linalg.grids import Ends, Line
from tests.experiments.verdicts import status


@pytest.mark.parametrize("ends", ["periodic", "no-flux"])
def test_a_block_is_the_identity_plus_the_kernel_of_the_line(ends: Ends):
    kernel = (0.3, -0.5, 0.1)
    step = torch.eye(6, dtype=torch.float64) + Line(6, ends).matrix(kernel)
    u = torch.randn(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(heat.stacked(kernel, ends, 3, u), u @ torch.linalg.matrix_power(step, 3).mT)


def test_the_trial_is_numpys_transform():
    table = heat.heat_trial(heat.Bar("periodic", 0.3, points=16, layers=20), (0, 1))
    assert table["difference"].max() < 1e-13
    assert table["off"].min() > 1e-3
    zigzag = np.cos(np.pi * np.arange(16))
    factors = 1 - 4 * 0.3 * np.sin(np.pi * np.arange(16) / 16) ** 2
    grown = np.fft.ifft(np.fft.fft(zigzag) * factors**20).real
    assert table["zigzag"][0] == pytest.approx(np.linalg.norm(grown) / 4)


def test_measures_by_hand():
    rows = [(0.5, 0, 1e-15, 0.1, 0.9, 1.0), (0.51, 0, 3.0, 4.0, 7.0, 1.04**10), (0.51, 1, 3.0, 4.0, 8.0, 1.04**10)]
    table = pd.DataFrame(rows, columns=["ratio", "seed", "difference", "off", "gain", "zigzag"]).assign(layers=10)
    assert heat.block(table).values.tolist() == [1e-15]
    assert heat.block(table).control.tolist() == [0.1]
    assert heat.stable(table).values.tolist() == [0.9]
    assert heat.stable(table).control.tolist() == [7, 8]
    np.testing.assert_allclose(heat.growth(table).values, [0], atol=1e-14)
    np.testing.assert_allclose(heat.growth(table).control, [(1.04 / 1.036) ** 10 - 1])


def test_a_growth_that_is_off_by_a_billionth_fails():
    table = pd.DataFrame({"ratio": [0.51], "seed": 0, "layers": 200, "zigzag": 1.04**200 * (1 + 2e-9)})
    assert status("pde-heat.growth", heat.growth(table)) == "fails"
    assert status("pde-heat.growth", heat.growth(table.assign(zigzag=1.04**200))) == "holds"


def test_what_is_shown_adds_up_to_the_bar():
    table = heat.shown_trial(heat.Shown(points=8, longest=10), (0,))
    modes = table[table["kind"] == "mode"]
    start = table[(table["kind"] == "profile") & (table["layers"] == 0) & (table["ratio"] == 0.25)]
    np.testing.assert_allclose(modes.groupby("x")["u"].sum(), start["u"], atol=1e-4)
    factor = 1 - 4 * 0.25 * np.sin(modes["ratio"] / 2) ** 2
    later = table[(table["kind"] == "profile") & (table["layers"] == 20) & (table["ratio"] == 0.25)]
    np.testing.assert_allclose((modes["u"] * factor**20).groupby(modes["x"]).sum(), later["u"], atol=1e-4)
    growth = table[(table["kind"] == "growth") & (table["ratio"] == 0.6)]
    assert float(growth["u"].iloc[0]) == pytest.approx((4 * 0.6 * np.sin(7 * np.pi / 16) ** 2 - 1) ** 10, rel=1e-4)
