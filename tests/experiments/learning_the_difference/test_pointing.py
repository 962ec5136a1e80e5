"""Cosines of branches and gradients, on a block whose vectors are known."""

import pytest
import torch

from resnet_lib.analysis.corrections import Correction
from resnet_lib.experiments.learning_the_difference.pointing import mean_cosines


def test_each_mean_is_of_the_images_that_its_name_says():
    """Branches along the three axes, gradients along the first axis before the block and along the second behind it."""
    axes = torch.eye(3)
    known = Correction(0, torch.ones(3, 3), axes, axes[[0, 0, 0]], axes[[1, 1, 1]])
    first, second = torch.tensor([0, 0, 1]), torch.tensor([1, 1, 1])
    wanted = {"own": 1 / 3, "other": 2 / 3, "another": 0, "behind": 1 / 3, "other_behind": 1 / 3}
    assert mean_cosines(known, first, second) == {name: pytest.approx(value) for name, value in wanted.items()}
