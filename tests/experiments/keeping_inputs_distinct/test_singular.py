"""Projections are such, and the measures are those of a table by hand."""

import pandas as pd
import pytest
import torch

from resnet_lib.experiments.keeping_inputs_distinct import singular


def test_what_is_drawn_is_an_orthogonal_projection_of_its_rank():
    for p in singular.projections(singular.Singular(7, 3), (0, 1)):
        torch.testing.assert_close(p @ p, p)
        torch.testing.assert_close(p, p.mT)
        assert p.trace().item() == pytest.approx(3)


def test_the_trial_has_the_singular_values_that_a_projection_has():
    table = singular.trial(singular.Singular(3, 1), (0, 1, 2))
    assert table["plain"].abs().max() < 1e-12
    assert table["minus"].abs().max() < 1e-12
    assert table["residual"].tolist() == pytest.approx([1, 1, 1])
    assert table["condition"].tolist() == pytest.approx([2, 2, 2])


def test_the_measures_are_those_of_a_table_by_hand():
    table = pd.DataFrame({"plain": [0.0, 0.1], "residual": [1.0, 0.75], "minus": [0.0, 0.5]})
    found = singular.plain(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.0, 0.1], [1.0, 0.75])
    found = singular.residual(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.0, 0.25], [1.0, 0.5])
    found = singular.negative(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.0, 0.5], [1.0, 0.75])
