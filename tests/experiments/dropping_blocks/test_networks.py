"""The chapter's networks have the branches, scales and blocks that their names say."""

import pytest
import torch

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion
from resnet_lib.experiments.dropping_blocks import networks


def test_plain_identity_starts_as_the_identity_on_states():
    net = networks.make(networks.Network("plain-identity", 3, 0.1), runtime.stream(0, "identity"))
    assert isinstance(net, nets.Stack)
    x = torch.randn(5, 64, generator=runtime.stream(0, "identity-x"))
    states = net.states(x)
    assert torch.equal(states[0], states[-1])
    assert torch.equal(lesion.delete(net, [0, 2])(x), net(x))


def test_scaled_branches_are_divided_by_the_root_of_the_depth():
    """In a network of four blocks the first is x + F(x) / 2, where F is that of the bare sum."""
    x = torch.randn(5, 64, generator=runtime.stream(0, "scaled-x"))
    found = {}
    for variant in ("scaled", "bare"):
        net = networks.make(networks.Network(variant, 4, 0.1), runtime.stream(0, "scaled"))
        assert isinstance(net, nets.Stack)
        found[variant] = net.blocks[0](x) - x
    torch.testing.assert_close(found["scaled"], found["bare"] / 2)
    assert found["bare"].norm() > 0.1 * x.norm()


@pytest.mark.parametrize("blocks", [3, 9])
def test_networks_for_cifar_have_the_blocks_that_the_setting_says(blocks):
    for variant in ("residual", "scaled", "plain", "original"):
        setting = networks.Network(variant, blocks, 0.1, dataset="cifar10")
        net = networks.make(setting, runtime.stream(0, "cifar"))
        assert isinstance(net, nets.Stack)
        assert len(net.blocks) == blocks
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
