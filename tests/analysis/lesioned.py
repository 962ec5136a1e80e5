"""The small network that tests of lesions cut, and its forward pass written out."""

import torch

from resnet_lib import nets, runtime


def generator(*path):
    return runtime.stream(0, "test-lesion", *path)


def mlp(depth=5, unit="pre", width=8):
    """A small network in evaluation mode, its batch statistics not those of the start."""
    net = nets.mlp(depth, width, unit=unit, in_features=6, classes=3, generator=generator("mlp", unit))
    net(torch.randn(50, 6, generator=generator("warm")) * 2 + 1)
    return net.eval()


def by_hand(net, modules, x):
    """The forward pass, written out: the oracle."""
    with torch.no_grad():
        state = net.stem(x)
        for module in modules:
            state = module(state)
        return net.head(state)
