"""What gates leave of a gradient, on small stacks."""

import math

import pytest
import torch

from resnet_lib.experiments.gates_and_scales import carry
from resnet_lib.experiments.gates_and_scales.carry import Carry


def test_zero_weights_leave_the_power_and_drawn_ones_do_not():
    zero = carry.trial(Carry(-2.0, blocks=10, width=6), (0, 1))
    drawn = carry.trial(Carry(-2.0, 1.0, blocks=10, width=6), (0, 1))
    assert (zero["distance"] < 1e-13).all()
    assert (drawn["distance"] > 1e-2).all()
    assert zero["factor"].tolist() == pytest.approx([(1 / (1 + math.exp(-2))) ** 10] * 2)


def test_a_gradient_comes_from_the_last_state():
    given, found = carry.pulled(Carry(0.0, blocks=3, width=4), 5)
    torch.testing.assert_close(found, given / 8)
    assert carry.share(0.0) == 0.5


def test_measures_pick_their_rows():
    table = carry.trial(Carry(-4.0, blocks=50, width=4), (0, 1)).assign(bias=-4.0, weights=0.0)
    other = table.assign(weights=1.0, distance=0.2, factor=2 * carry.share(-4.0) ** 50)
    both = carry.pd.concat([table, other])
    found = carry.carry(both)
    assert found.values.tolist() == table["distance"].tolist()
    assert list(found.control) == [0.2, 0.2]
