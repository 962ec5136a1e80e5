"""Prices beside errors, and what a doubling of a price does, on tables by hand."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.basic_and_bottleneck import published


def test_prices_are_those_of_the_depth():
    errors = pd.DataFrame(
        {"depth": [20, 32, 20], "part": ["test", "test", "train"], "seed": 0, "error": 0.1, "permuted": 0.9}
    )
    grown = pd.DataFrame(
        {"depth": [20, 32, 20], "width": [16, 16, 8], "parameters": [5, 7, 1], "multiply_adds": [50, 70, 1]}
    )
    timed = pd.DataFrame(
        {"role": ["depth", "depth", "depth", "wide"], "place": [20, 20, 32, 20], "seconds": [1.0, 3, 4, 9]}
    )
    found = published.priced(grown, timed)(errors)
    assert found["parameters"].tolist() == [5, 7]
    assert found["multiply_adds"].tolist() == [50, 70]
    assert found["seconds"].tolist() == [2, 4]


def test_a_doubling_on_a_known_table():
    parameters = np.array([1.0, 2, 4, 8])
    one = pd.DataFrame({"depth": [20, 32, 44, 56], "parameters": parameters, "permuted": 0.9})
    table = pd.concat([one.assign(seed=0, error=0.8 ** np.arange(4)), one.assign(seed=1, error=0.5 ** np.arange(4))])
    found = published.pareto(table)
    assert found.values == pytest.approx([0.8, 0.5])
    assert found.control == pytest.approx([1, 1])
