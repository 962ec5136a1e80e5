"""Whole numbers of every kind, and what is none."""

import numpy as np
import pytest
import torch

from resnet_lib.whole import whole, wholes

ONE = (1, np.int64(1), np.uint8(1), np.array(1), torch.tensor(1), torch.tensor([1], dtype=torch.int8))


@pytest.mark.parametrize("value", ONE, ids=repr)
def test_one_of_any_kind_is_the_int_one(value):
    assert type(whole("n", value)) is int
    assert whole("n", value) == 1
    assert wholes("n", value) == (1,)
    assert wholes("n", [value, 0]) == (1, 0)


@pytest.mark.parametrize(
    "values", [[2, 0], (2, 0), range(2, -1, -2), np.array([2, 0]), torch.tensor([2, 0]), {2: "", 0: ""}]
)
def test_several_keep_their_order(values):
    assert wholes("n", values) == (2, 0)


@pytest.mark.parametrize("mask", [True, np.bool_(True), torch.tensor(True), np.array(True)], ids=repr)
def test_a_truth_value_is_no_number(unchecked, mask):
    with pytest.raises(TypeError, match=r"blocks holds .*True.*, a truth value; .* mask\.nonzero\(\)"):
        whole("blocks", mask)
    with pytest.raises(TypeError, match=r"blocks holds .*True.*, a truth value"):
        wholes("blocks", [0, mask])


@pytest.mark.parametrize("value", [1.0, "1", None, np.float64(1), torch.tensor(1.5), torch.tensor([1, 2])], ids=repr)
def test_what_is_no_whole_number_is_named(unchecked, value):
    with pytest.raises(TypeError, match=r"seeds holds .* of type .*; it takes whole numbers"):
        whole("seeds", value)
