"""Measures of the networks, on a table whose values are known."""

import math

import numpy as np
import pytest

from resnet_lib.experiments.gates_and_scales import digits
from tests.experiments.gates_and_scales.made_table import TEST, table


@pytest.mark.parametrize(
    ("measure", "other"),
    [
        (digits.half, ("half", 0.0)),
        (digits.dropout, ("dropout", 0.0)),
        (digits.conv, ("matrix", 0.0)),
        (digits.start, ("from identity", 0.0)),
        (digits.gate, ("gate", -4.0)),
        (digits.gate_zero, ("gate", 0.0)),
        (digits.better, ("highway", -4.0)),
    ],
)
def test_a_shortcut_is_compared_with_the_identity_seed_by_seed(measure, other):
    found = measure(table())
    np.testing.assert_allclose(found.values, [95.0 - TEST[other]] * 3)
    assert list(found.control) == [0.0] * 3


def test_gates_that_start_shut_are_compared_with_open_ones_and_with_the_plain_network():
    np.testing.assert_allclose(digits.shut(table()).values, [90.0 - 30.0] * 3)
    np.testing.assert_allclose(digits.off(table()).values, [30.0 - 30.0] * 3)
    assert list(digits.shut(table()).control) == list(digits.off(table()).control) == [1e-12] * 3


def test_what_is_learned_is_the_largest_fall_of_the_carry():
    found = digits.learned(table())
    np.testing.assert_allclose(found.values, [-0.01] * 3)
    moved = 1 / (1 + math.exp(-2)) - 1 / (1 + math.exp(-4))
    np.testing.assert_allclose(found.control, [moved] * 3)
    assert moved == pytest.approx(-0.101, abs=5e-4)


def test_networks_of_other_seeds_are_refused():
    made = table()
    with pytest.raises(ValueError, match="were not trained with the same seeds"):
        digits.half(made[(made["kind"] != "half") | (made["seed"] > 0)])


def test_other_choices_change_what_they_name_and_nothing_else():
    base = digits.COMPARED
    assert [a.lr / b.lr for a, b in zip(digits.CHOICES.ways["three times each rate"], base, strict=True)] == (
        pytest.approx([3.0] * len(base), rel=0.05)
    )
    assert {each.epochs for each in digits.LONGER.ways["twice the epochs"]} == {16}
    assert not {(each.kind, each.bias) for each in base} & {("highway", 0.0)}
    assert set(digits.others()) == {*digits.CHOICES.ways, *digits.LONGER.ways, *digits.DIVIDED.ways}
