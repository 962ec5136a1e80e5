"""The page's numbers of trained networks, read off a table whose values are known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.euler_and_its_limit import readings, trained
from tests.experiments.euler_and_its_limit.made_tables import rows_of


@pytest.fixture
def table() -> pd.DataFrame:
    """Every network labels 90% rightly; the changes cost 1, 2, 3, 4 and 5 points, and distances grow as the depth."""
    values = {}
    for kind, power, depth in readings.TITLES:
        network = (kind, power, depth)
        values[*network, "substeps", 1] = 0.9
        values |= {(*network, *change): 0.9 - (i + 1) / 100 for i, change in enumerate(readings.LOSSES.values())}
        values |= {(*network, *other): (i + 1) / 8 for i, other in enumerate(readings.OTHERS.values())}
    for depth in trained.DEPTHS:
        for power, (measure, k), value in (
            (0.0, ("path", 1), depth**0.5),
            (0.0, ("start-path", 1), depth**0.25),
            (0.0, readings.OTHERS["distance from the flow"], depth**-1.0),
            (0.0, ("start-distance", readings.FINEST), depth**-2.0),
            (1.0, ("path", 1), 3 * depth**-0.5),
        ):
            values["mlp", power, depth, measure, k] = value
    return rows_of(values)


def test_every_network_has_a_row_of_what_changes_cost(table):
    found = readings.networks(table).set_index("network")
    assert list(found.index) == list(readings.TITLES.values())
    assert list(found) == ["accuracy", *readings.LOSSES, *readings.OTHERS]
    assert found.T["scaled by 1/L"].tolist() == [
        *("90.0", "1.00", "2.00", "3.00", "4.00", "5.00"),
        *("0.125", "0.250", "0.375", "0.500", "0.625"),
    ]
    assert found.loc["unscaled", "distance from the flow"] == "0.062"  # one sixteenth


def test_what_the_page_tells_is_one_value_a_seed(table):
    told = {name: measure(table) for name, measure in readings.TOLD.items()}
    assert {len(values) for values in told.values()} == {2}
    np.testing.assert_allclose(told["points lost by 8 sub-steps, unscaled"], 1)
    np.testing.assert_allclose(told["points lost by RK4, scaled by L^(-1/4)"], 2)
    for name, exponent in (
        ("exponent of the path, unscaled", 0.5),
        ("before training", 0.25),
        ("exponent of the distance, unscaled", -1),
        ("that before training", -2),
        ("exponent of the path, scaled by 1/L", -0.5),
    ):
        np.testing.assert_allclose(told[name], exponent, err_msg=name)
    np.testing.assert_allclose(told["length of the path, scaled by 1/L, 4 blocks"], 1.5)
