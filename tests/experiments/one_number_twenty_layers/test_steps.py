"""The largest stable step against twice the reciprocal of the curvature, which torch computes as a Hessian."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib.experiments.one_number_twenty_layers import steps
from tests.experiments.verdicts import status


def curvature(slope: float, layers: int, *, divided: bool = False) -> float:
    """The largest eigenvalue of the loss's Hessian at the fit, by automatic differentiation."""
    weights = torch.full((layers,), slope, dtype=torch.float64)
    head = 1 / (1 + slope) ** layers if divided else 1.0
    target = head * (1 + weights).prod()
    hessian = torch.autograd.functional.hessian(lambda w: (head * (1 + w).prod() - target) ** 2 / 2, weights)
    assert isinstance(hessian, torch.Tensor)
    return torch.linalg.eigvalsh(hessian)[-1].item()


@pytest.mark.parametrize("divided", [False, True])
def test_the_step_is_two_over_the_curvature(divided: bool):
    setting = steps.Steps((-0.3, 0.0, 0.5), 6, divided=divided)
    table = steps.trial(setting, (0,))
    expected = [2 / curvature(slope, 6, divided=divided) for slope in setting.slopes]
    np.testing.assert_allclose(10 ** table["step"], expected, rtol=1e-4)
    np.testing.assert_allclose(table["gain"], 6 * np.log10([0.7, 1, 1.5]))


def test_a_step_below_the_limit_stays_and_one_above_it_leaves():
    slopes = np.array([0.0, 0.2])
    limit = np.array([2 / curvature(slope, 4) for slope in slopes])
    for factor, leaves in ((1e-9, False), (0.5, False), (0.999, False), (1.001, True), (10.0, True), (1e9, True)):
        found = steps.diverges(slopes, 4, factor * limit, divided=False, updates=200)
        assert found.tolist() == [leaves] * 2, factor


def made(larger, gain=lambda slope, layers: layers * np.log10(1 + slope)) -> pd.DataFrame:
    """A table whose steps are 7 decades at slope 0, and `larger(slope, layers)` more elsewhere."""
    rows = [
        (layers, divided, slope, 7 + (0 if slope == 0 else larger(slope, layers)), gain(slope, layers))
        for layers, divided in [*((layers, False) for layers in steps.LAYERS), (20, True)]
        for slope in steps.SLOPES
    ]
    return pd.DataFrame(rows, columns=["layers", "divided", "slope", "step", "gain"])


def test_steps_are_told_against_slope_zero_of_the_same_depth():
    table = made(lambda slope, layers: slope * layers)
    table["step"] += table["layers"]  # what all slopes of a depth share does not count
    found = steps.against_zero(table).set_index(["layers", "slope"])["larger"]
    assert found[20, 0.5] == pytest.approx(10)
    assert found[80, 0.0] == 0
    assert len(found) == len(steps.LAYERS) * len(steps.SLOPES)  # without the divided ones


def test_measures_by_hand():
    law = made(lambda slope, layers: -(2 * layers - 2) * np.log10(1 + slope))
    healthy, price = steps.healthy(law), steps.price(law)
    np.testing.assert_allclose(healthy.values, [-38 * np.log10(1.5)])
    np.testing.assert_allclose(healthy.control, [-1])
    np.testing.assert_allclose(price.values, 1)
    assert len(price.values) == 55
    assert sorted({*price.control.round(6)}) == [1.8, 1.9, 1.95, 1.975]
    assert status("scal-amplify.healthy", healthy) == "fails"
    assert status("scal-amplify.price", price) == "holds"
    simple = made(lambda slope, layers: -layers * np.log10(1 + slope))  # a step that is smaller by the gain
    assert status("scal-amplify.price", steps.price(simple)) == "invalid"
    alike = made(lambda slope, layers: -0.5 * slope)
    np.testing.assert_allclose(steps.divided(alike).values, [-0.25])
    assert status("scal-amplify.divided", steps.divided(alike)) == "invalid"  # its control is to lose six decades
