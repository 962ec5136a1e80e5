"""The normal form of a network is the network."""

import torch
from bounded import UNITS, gaussian, with_statistics
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
