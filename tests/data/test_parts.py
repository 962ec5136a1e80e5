import numpy as np
import pytest
import torch

from resnet_lib import data
from resnet_lib.data import Dataset, Split


def split(n=4, classes=2):
    return Split(torch.arange(2.0 * n).reshape(n, 2), torch.arange(n) % classes)


def dataset(**changes):
    parts = {"train": split(), "validation": split(), "test": split(), "classes": 2, "checksum": "0"}
    return Dataset(**{"name": "toy", **parts, **changes})


def test_subset_keeps_the_first_training_examples_and_the_other_parts(digits):
    small = digits.subset(100)
    assert torch.equal(small.train.x, digits.train.x[:100])
    assert small.test is digits.test
    assert small.checksum not in (digits.checksum, digits.subset(101).checksum)
    with pytest.raises(ValueError, match=r"n=1001 is out of range; 'digits' has 1 to 1000 training examples"):
        digits.subset(1001)


def test_moving_moves_every_part(digits, monkeypatch):
    moved = []
    monkeypatch.setattr(Split, "to", lambda self, device: moved.append((len(self), device)) or self)
    assert digits.to("cuda").checksum == digits.checksum
    assert moved == [(1000, "cuda"), (200, "cuda"), (597, "cuda")]
    monkeypatch.undo()
    assert digits.train.to("cpu").x is digits.train.x


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_split_refuses_values_that_are_not_finite(value):
    x = torch.zeros(5, 1, 2, 2)
    x[3, 0, 1, 0] = value
    with pytest.raises(ValueError, match=r"x holds NaN or infinite values in 1 of 5 examples, the first at index 3"):
        Split(x, torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        (torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64), ValueError, r"x has shape \(3, 2\) and y \(4,\)"),
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), ValueError, r"expected \(n, \.\.\.\) and \(n,\)"),
        (torch.zeros(3, 2), torch.zeros(3, 1, dtype=torch.int64), ValueError, r"one label for each example"),
        (torch.zeros(3, 2), torch.tensor([0, -1, 1]), ValueError, r"y holds the label -1; labels are counted from 0"),
        (torch.zeros(3, 2), torch.zeros(3), TypeError, r"y has dtype torch.float32; .* use y.long\(\)"),
        (torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), TypeError, r"use x.float\(\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_a_split_refuses_what_does_not_fit(x, y, error, text):
    with pytest.raises(error, match=text):
        Split(x, y)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"test": split(classes=3)}, r"test of dataset 'toy' holds the label 2; classes=2 allows 0 to 1"),
        ({"validation": Split(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))}, r"validation of .* is empty"),
        (
            {"test": Split(torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64))},
            r"examples of shape \(3,\), train has \(2,\)",
        ),
    ],
)
def test_a_dataset_refuses_parts_that_contradict_each_other(changes, text):
    assert dataset().shape == (2,)
    with pytest.raises(ValueError, match=text):
        dataset(**changes)


@pytest.mark.parametrize(("x", "y", "name"), [(np.ones((2, 3)), torch.arange(2), "x"), (torch.ones(2, 3), [0, 1], "y")])
def test_a_split_holds_tensors(unchecked, x, y, name):
    with pytest.raises(TypeError, match=rf"{name} is a (ndarray|list); a split holds tensors: use torch.as_tensor"):
        Split(x, y)


@pytest.mark.parametrize("n", [np.int64(5), torch.tensor(5)])
def test_a_subset_takes_whole_numbers_of_every_kind(n):
    assert len(data.load("spirals").subset(n).train) == 5
    with pytest.raises(TypeError, match="n holds True, a truth value"):
        data.load("spirals").subset(True)
