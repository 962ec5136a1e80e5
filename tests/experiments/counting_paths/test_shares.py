"""Members by the number of blocks that they keep, against the halves that another trial measures."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime
from resnet_lib.experiments.counting_paths import members, shares


def test_members_of_half_the_blocks_are_the_halves_and_the_average_is_that_of_all():
    setting = members.Members("residual", 0.3, epochs=1, blocks=4, halves=6)
    with runtime.numerics():
        table = shares.shares_trial(setting, (0,)).set_index("kept")
        whole = members.trial(setting, (0,))
    assert table["members"].tolist() == [4, 6, 4]
    halves = whole[(whole["group"] == "halves-anew") & (whole["size"] == 6)].iloc[0]
    assert table["average"][2] == pytest.approx(halves["accuracy"])
    assert table["whole"][2] == pytest.approx(halves["whole"])
    one = whole[(whole["group"] == "halves-anew") & (whole["size"] == 1)].iloc[0]
    assert table["single"][2] == pytest.approx(one["accuracy"], abs=0.1)  # the mean over 20 draws of one


def test_members_are_compared_by_what_they_keep():
    rows = [(seed, kept, 0.9 + kept / 100, 0.95) for seed in (1, 0) for kept in (1, 8)]
    table = pd.DataFrame(rows, columns=["seed", "kept", "average", "whole"])
    np.testing.assert_allclose(shares.ens_most(table).values, [3, 3])
    np.testing.assert_allclose(shares.ens_most(table).control, [-4, -4])
