"""The lengths along which gradient flows: the binomial law, and branches that lose nothing."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime
from resnet_lib.experiments.counting_paths import gradients
from resnet_lib.experiments.counting_paths.gradients import Flow
from tests.experiments.counting_paths.made_tables import flow_table


def test_lengths_follow_the_binomial_law_of_the_factor():
    # Weights C(L, k) g^k are a binomial law with p = g / (1 + g): mean L g / (1 + g).
    table = pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal"), flow_table(0.01, "orthogonal", 0.01)])
    for measure in (gradients.short_effective, gradients.short_exact):
        np.testing.assert_allclose(measure(table).values, 0.2)
        np.testing.assert_allclose(measure(table).control, 0.5)
    np.testing.assert_allclose(gradients.short_decay(table).values, np.log10(0.25))
    np.testing.assert_allclose(gradients.short_decay(table).control, 0, atol=1e-12)
    many = gradients.short_many(table)
    np.testing.assert_allclose(many.control, 1 / 1.01**16)
    assert (many.values < 0.5).all()


def test_counts_are_veit_s():
    evidence = gradients.short_count(pd.DataFrame())
    assert evidence.values[0] == pytest.approx(0.980, abs=5e-4)
    assert evidence.control[0] == pytest.approx(0.0045, abs=5e-5)


def test_orthogonal_branches_lose_nothing_and_need_no_training():
    with runtime.numerics():
        table = gradients.trial(Flow("orthogonal", blocks=6, images=5, paths=10), (0, 1))
        small = gradients.trial(Flow("orthogonal", blocks=6, gain=0.1, images=5, paths=10), (0,))
    start = table[table["length"] == 0].set_index("seed")["path"]
    np.testing.assert_allclose(table["path"] / table["seed"].map(start), 1, rtol=1e-12)
    ratio = small["path"] / small.loc[small["length"] == 0, "path"].iloc[0]
    np.testing.assert_allclose(ratio, 0.1 ** small["length"], rtol=1e-9)
