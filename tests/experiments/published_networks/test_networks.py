"""A seed is a group of images, and every depth is measured on images that there are."""

import dataclasses

import pytest
import torch

from resnet_lib import data
from resnet_lib.experiments.published_networks import errors, lesions, networks, spectra, steps
from tests.experiments.published_networks.small_network import SEEDS, SIZE


def test_a_seed_is_a_group_of_images(images: data.Split):
    found = networks.groups(networks.Network(20, size=SIZE), SEEDS)
    rows = [0, 1, 2, 3, 8, 9, 10, 11]
    assert torch.equal(found.x, images.x[rows])
    assert torch.equal(found.y, images.y[rows])
    with pytest.raises(ValueError, match=r"seeds=\(0, 3\) of size=4 need 16 images; there are 12"):
        networks.groups(networks.Network(20, size=SIZE), (0, 3))


def test_logits_that_are_no_numbers_are_never_right():
    logits = torch.eye(4)
    logits[1] = torch.nan
    assert networks.right(logits, torch.arange(4), 2).tolist() == [0.5, 1.0]


def test_every_depth_is_measured_on_images_that_there_are():
    for experiment in (errors.ERRORS, lesions.LESIONS, steps.STEPS, spectra.SPECTRA):
        assert {setting.depth for setting in experiment.full.settings} == set(networks.DEPTHS)
        assert set(experiment.data) == {"cifar10", *(f"published-{depth}" for depth in networks.DEPTHS)}
        for grid in (experiment.quick, experiment.full):
            assert all(setting.size * (max(grid.seeds) + 1) <= 10_000 for setting in grid.settings)
            assert all(dataclasses.is_dataclass(setting) for setting in grid.settings)
