"""Small networks, their recipe, and how a plain loop measures them, for the tests of this room."""

import pytest
import torch
from torch import nn

from resnet_lib import nets, training
from resnet_lib.nets import Unit, blocks, initialisation
from resnet_lib.training import Recipe

RECIPE = Recipe(epochs=2, batch=60, lr=0.05)
COLUMNS = ["seed", "epoch", "train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"]
EVERY_POLICY = pytest.mark.parametrize("policy", [training.STACKED, training.ONE_BY_ONE], ids=["stacked", "one by one"])


def small_mlp(generator):
    return nets.mlp(2, 16, unit=Unit(norm="none"), generator=generator)


def normalised_mlp(generator):
    return nets.mlp(2, 32, unit="pre", generator=generator)


def small_conv(generator):
    return nets.digits_resnet(2, 4, unit="pre", generator=generator)


def mlp_behind(first):
    """Networks whose first layer is that one."""
    return lambda generator: initialisation.initialise(
        nn.Sequential(first(), blocks.Linear(64, 16), nn.ReLU(), blocks.Linear(16, 10)), generator
    )


@torch.no_grad()
def accuracy(net, part):
    return (net(part.x).argmax(1) == part.y).double().mean().item()
