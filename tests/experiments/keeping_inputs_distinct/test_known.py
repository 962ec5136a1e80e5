"""It is known what a linear map reads back behind the maps that stand in for networks: a control is the difference."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.experiments.keeping_inputs_distinct import known, trained
from resnet_lib.sweep import Result, Stamp

STAMP = Stamp("distinct-known", "quick", "", "", False, "", {}, [], [], "", {}, 0.0, "", 0)


def test_leading_components_hold_the_share_and_are_a_projection():
    x = torch.randn(500, 4, generator=runtime.stream(0, "x"), dtype=torch.float64) * torch.tensor([4.0, 2.0, 1.0, 0.5])
    kept = known.leading(x)
    for share, rank in ((0.75, 1), (0.94, 2), (1.0, 4)):
        found = kept(share)
        assert torch.linalg.matrix_rank(found) == rank
        torch.testing.assert_close(found @ found, found)
        held = (x @ found).var(0).sum() / x.var(0).sum()
        assert held.item() == pytest.approx(share, abs=0.05)


def test_a_readout_gets_back_what_the_maps_keep():
    table = known.known_trial(known.Known(), (0, 1))
    assert table["little"].to_numpy() == pytest.approx([known.LITTLE] * 2, abs=0.04)
    assert table["much"].to_numpy() == pytest.approx([known.MUCH] * 2, abs=0.02)
    first = data.load("digits", flat=True).test.x
    assert len(first) > 64  # more images than a readout has coordinates


def test_the_draws_stand_below_the_networks_and_are_the_control_alone():
    table = pd.DataFrame({"part": [0, 0], "variant": "residual", "state": 1, "epoch": 4, "seed": [0, 1], "copied": 0.9})
    table = pd.concat([table, table.assign(variant="plain", copied=0.6)], ignore_index=True)
    draws = pd.DataFrame({"seed": [1, 0, 2], "little": [0.5, 0.6, 0.7], "much": [0.9, 0.9, 0.9]})
    mine, theirs = Result(table, STAMP), Result(draws, STAMP, full=Result(draws[:1], STAMP))
    found = known.beside(mine, theirs)
    assert found.full is None
    evidence = trained.linear(found.table)
    np.testing.assert_allclose(evidence.values, [0.3, 0.3])
    np.testing.assert_allclose(evidence.control, [-0.3, -0.4, -0.2])
    both = known.beside(Result(table, STAMP, full=mine), theirs)
    assert both.full is not None
    np.testing.assert_allclose(trained.linear(both.full.table).control, [-0.4])
    np.testing.assert_allclose(trained.linear(both.table).control, evidence.control)
    (under,) = known.each_beside({"other": mine}, theirs).values()
    pd.testing.assert_frame_equal(under.table, found.table)
