"""Averaging networks against distributions that are convolved by hand, and their measure on a known table."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from resnet_lib.experiments.what_a_unit_sees import averages


def width(found: np.ndarray) -> float:
    """Standard deviation along an axis, from both, of a distribution over pixels."""
    rows, columns = np.indices(found.shape)
    total = [((axis - (axis * found).sum()) ** 2 * found).sum() for axis in (rows, columns)]
    return float(np.mean(total) ** 0.5)


def test_kernels_average_and_are_symmetric():
    made = averages.kernels(0, 4).numpy()
    assert made.shape == (4, 3, 3)
    assert (made > 0).all()
    assert made.sum((1, 2)) == pytest.approx(1)
    assert (made == made[:, ::-1, ::-1]).all()
    assert not np.allclose(made, made.transpose(0, 2, 1))


def test_ratios_are_those_of_kernels_that_are_convolved():
    row = averages.averages_trial(averages.Averages(3, 0.2), (7,)).iloc[0]
    delta = np.zeros((3, 3))
    delta[1, 1] = 1
    plain, residual = np.ones((1, 1)), np.ones((1, 1))
    for kernel in averages.kernels(7, 3).numpy():
        plain, residual = signal.convolve(plain, kernel), signal.convolve(residual, delta + 0.2 * kernel)
    residual = residual / residual.sum()
    assert row["amplitude"] == pytest.approx(width(residual) / width(plain))
    squares = [found**2 / (found**2).sum() for found in (residual, plain)]
    assert row["energy"] == pytest.approx(width(squares[0]) / width(squares[1]))
    assert row["predicted"] == pytest.approx((1 / 6) ** 0.5)
    assert row["amplitude"] == pytest.approx(row["predicted"])


def test_the_law_is_judged_by_the_largest_distance_and_its_control_in_few_blocks():
    rows = [(3, 0.2, 0.4, 0.2), (3, 1.0, 0.5, 0.5), (10, 0.2, 0.44, 0.1)]
    table = pd.DataFrame(rows, columns=["blocks", "gain", "amplitude", "energy"]).assign(seed=0, predicted=0.4)
    found = averages.focus_law(table)
    assert found.values == pytest.approx([0, 0.25, 0.1])
    assert found.control == pytest.approx([0.5])
