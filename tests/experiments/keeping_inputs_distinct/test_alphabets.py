"""Information is counted as scikit-learn counts it, and blocks on an alphabet do what their kind says."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score

from resnet_lib.experiments.keeping_inputs_distinct import alphabets
from resnet_lib.experiments.keeping_inputs_distinct.alphabets import Alphabet


def test_information_is_that_of_scikit_learn():
    counts = np.random.default_rng(0).integers(0, 9, size=(5, 3))
    nats = mutual_info_score(None, None, contingency=counts)
    assert alphabets.information(counts / counts.sum()) == pytest.approx(nats / np.log(2))
    assert alphabets.information(np.eye(4) / 4) == pytest.approx(2)


def test_a_block_pushes_the_law_of_its_states():
    joint = np.array([[0.1, 0.2], [0.3, 0.4], [0.0, 0.0]])
    to = np.array([[1, 1], [1, 1], [0, 0]])
    np.testing.assert_allclose(alphabets.pushed(joint, to), [[0.0, 0.0], [0.4, 0.6], [0.0, 0.0]])


def test_branches_are_what_their_kind_says():
    rng, x = np.random.default_rng(0), np.arange(8)
    bijective = alphabets.branch(Alphabet("bijective", 8, 3), rng)
    assert sorted((x + bijective[:, 0]) % 8) == x.tolist()
    for kind in ("bijective", "drawn"):
        f = alphabets.branch(Alphabet(kind, 8, 3), rng)
        assert (f == f[:, :1]).all()
    informed = alphabets.branch(Alphabet("informed", 8, 3), rng)
    assert informed.shape == (8, 3)
    assert (informed != informed[:, :1]).any()
    with pytest.raises(ValueError, match="kind='other' is unknown"):
        alphabets.branch(Alphabet("other"), rng)


def test_information_falls_stays_or_comes_from_the_label():
    drawn, bijective, informed = (
        alphabets.trial(Alphabet(kind), (0, 1)).pivot(index="seed", columns="block", values="bits")
        for kind in ("drawn", "bijective", "informed")
    )
    assert (drawn.diff(axis=1).iloc[:, 1:] < 1e-12).all().all()
    assert (drawn[1] < drawn[0] - 0.01).all()
    np.testing.assert_allclose(bijective[8], bijective[0])
    assert informed[0].abs().max() < 1e-12
    assert (informed[1] > 0.1).all()


def test_the_measures_are_those_of_a_table_by_hand():
    bits = {"drawn": (2.0, 1.0, 1.5), "bijective": (2.0, 2.0, 2.0), "informed": (0.0, 1.0, 0.5)}
    rows = [(kind, 0, block, value) for kind, values in bits.items() for block, value in enumerate(values)]
    table = pd.DataFrame(rows, columns=["kind", "seed", "block", "bits"])
    found = alphabets.adds(table)
    assert (found.values.tolist(), found.control.tolist(), found.unit) == ([-1.0], [1.0], "bits")
    found = alphabets.keeps(table)
    assert (found.values.tolist(), found.control.tolist()) == ([-1.0], [0.0])
    found = alphabets.never(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.5, 0.0], [1.0])
