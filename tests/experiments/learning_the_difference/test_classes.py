"""Identities between blocks, and their measures on a table by hand."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.learning_the_difference import classes

SMALL = classes.Classes(width=4, hidden=8, examples=200)


def test_units_make_and_undo_a_shortcut():
    table = classes.trial(SMALL, (0, 1, 2))
    assert table["seed"].tolist() == [0, 1, 2]
    assert (table[["made", "undone", "mirrored"]] < 1e-12).all().all()
    assert (table[["bare", "turned"]] > 0.1).all().all()
    np.testing.assert_allclose(table["matched"], table["residual"])


def test_distances_from_the_identity_are_those_of_the_drawn_weights():
    """The branch has about twice the mean square of the input, on which no ReLU acts, and is about orthogonal to it."""
    table = classes.trial(classes.Classes(), range(10))
    branch = table["residual"] ** 2  # |F|^2 / |x|^2
    assert branch.mean() == pytest.approx(2, rel=0.2)
    np.testing.assert_allclose((table["plain"] ** 2).mean(), 1 + branch.mean(), rtol=0.15)


def test_measures():
    table = pd.DataFrame(
        {
            "made": [1e-15, 2e-15],
            "undone": [3e-15, 4e-15],
            "bare": [1.0, 2.0],
            "mirrored": [0.0, 1e-16],
            "turned": [1.3, 1.4],
            "plain": [2.0, 4.0],
            "residual": [1.0, 1.0],
            "matched": [1.0, 1.0],
        }
    )
    found = classes.same_class(table)
    assert found.values.tolist() == [1e-15, 3e-15, 2e-15, 4e-15]
    assert found.control.tolist() == [1, 2]
    found = classes.mirrored(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0, 1e-16], [1.3, 1.4])
    found = classes.start(table)
    np.testing.assert_allclose(found.values, np.log([0.5, 0.25]))
    assert found.control.tolist() == [0, 0]
