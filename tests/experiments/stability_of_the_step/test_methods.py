"""Methods compared by their largest steps, and the boundaries of their regions."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.stability_of_the_step import methods
from resnet_lib.ode import tableaus


def test_comparison_counts_stages_and_caps_the_unlimited():
    table = methods.comparison_trial(methods.Comparison("oscillation"), (0,)).set_index("method")
    assert table.loc["implicit-midpoint", "limit"] == methods.CAP
    assert table.loc["rk4", "limit"] == pytest.approx(8**0.5)
    assert table.loc["dormand-prince", "stages"] == 6
    assert "leapfrog" not in methods.comparison_trial(methods.Comparison("damped"), (0,))["method"].tolist()


def test_against_is_one_where_both_have_no_step():
    table = pd.DataFrame({"method": ["euler", "heun", "rk4"], "field": "x", "limit": [0.0, 0.0, 2.8]})
    assert methods._against(table, "euler").tolist() == [1.0, 0.0]


def test_boundaries_of_the_pictures_lie_on_the_curve():
    for name in ("euler", "rk4", "implicit-euler"):
        method = tableaus.method(name)
        assert isinstance(method, tableaus.Tableau)
        for angle in (0.3, 2.0, 4.0):
            x, y = methods._boundary(method, angle)
            assert abs(complex(method.stability(complex(x, y)))) == pytest.approx(1, abs=1e-6)


def test_methods_are_compared_with_euler_and_with_a_layer_without_shortcut():
    limits = {"euler": 2.0, "rk4": 2.8, "implicit-euler": methods.CAP}
    table = pd.DataFrame({"method": list(limits), "field": "damped", "limit": list(limits.values())})
    np.testing.assert_allclose(methods.largest(table).values, [2 / 2.8, 2 / methods.CAP])
    np.testing.assert_allclose(methods.largest(table).control, [methods.CAP / 2, methods.CAP / 2.8])
    table = pd.DataFrame(
        {
            "field": ["damped", "damped", "damped", "oscillation"],
            "at_minus_3": [2.0, 0.25, 1.375, 9.0],
            "from_identity": [0.0, 5.0, 1e-16, 7.0],
        }
    )
    assert methods.plus_one(table).values.tolist() == [0.0, 1e-16]
    assert methods.plus_one(table).control.tolist() == [1.0, 1.0]
