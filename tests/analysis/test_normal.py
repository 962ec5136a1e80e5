"""The normal form of a network is the network."""

import pytest
import torch
from bounded import UNITS, drawn, gaussian, with_statistics
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.nets import Unit


def test_the_normal_form_is_the_network():
    for order in UNITS:
        net = with_statistics(
            nets.mlp(2, 3, unit=Unit(order=order, alpha=0.7, beta=0.2), in_features=3, generator=runtime.stream(0)), 0
        )
        form = lipschitz.normal_form(net, 3)
        x = gaussian(1, 3)
        jacobian = torch.autograd.functional.jacobian(net, x[None])
        assert isinstance(jacobian, Tensor)
        inputs: list[Tensor] = []
        caught = inputs.append
        hooks = [
            m.register_forward_hook(lambda m, a, y, caught=caught: caught(a[0]))
            for m in net.modules()
            if isinstance(m, nn.ReLU)
        ]
        net(x[None])
        for hook in hooks:
            hook.remove()
        slopes = (torch.cat([v[0] for v in inputs]) > 0).double()
        torch.testing.assert_close(form.jacobian(slopes), jacobian.reshape(-1, 3))


def test_slopes_at_the_ends_are_allowed_and_beyond_are_not():
    """A leaky ReLU of slope 1 is the identity, and its bound the norm of the product."""
    for act in (nn.LeakyReLU(1.0), nn.LeakyReLU(0.0), nn.ELU(1.0), nn.ELU(0.0)):
        net = drawn(nn.Sequential(nn.Linear(3, 4), act, nn.Linear(4, 2)), 1)
        proven = lipschitz.semidefinite(lipschitz.normal_form(net, 3)).value
        exact = float(torch.linalg.matrix_norm((net[2].weight @ net[0].weight).detach(), 2))  # pyright: ignore
        assert proven >= exact * (1 - 1e-9) if isinstance(act, nn.LeakyReLU) and act.negative_slope else proven > 0
    for act in (nn.LeakyReLU(1.1), nn.LeakyReLU(-0.1), nn.ELU(1.1), nn.ELU(-0.1), nn.Softplus(threshold=2.0)):
        with pytest.raises(ValueError, match="no linear layer, activation with slopes"):
            lipschitz.normal_form(act, 3)
