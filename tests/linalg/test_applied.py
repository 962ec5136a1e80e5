"""The weight that a layer applies is said by its class, or the layer is refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from resnet_lib import linalg, runtime
from resnet_lib.analysis import lipschitz
from resnet_lib.linalg.applied import applied, own_class
from resnet_lib.nets import blocks, dynamics, projections


def test_a_weight_that_a_pruned_layer_shows_is_not_what_it_applies_next():
    with pytest.raises(ValueError, match="forward hooks"):
        linalg.Convolution.of(prune.l1_unstructured(nn.Conv2d(1, 1, 3), "weight", 0.5), (4, 4))

    class Doubled(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    class Inherits(projections.Orthonormal):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    for layer in (Doubled(1, 1, 3), Inherits(4, 2, 1, kernel=1)):
        with pytest.raises(ValueError, match=r"does not say which weight it applies.*effective\(\)"):
            linalg.Convolution.of(layer, (4, 4))
        with pytest.raises(ValueError, match=r"so that it cannot be constrained; leave it out by where"):
            lipschitz.constrain(nn.Sequential(layer), 1.0, size=(4, 4))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 2),
        nn.Conv2d(2, 2, 3, padding=1),
        blocks.Linear(3, 3),
        dynamics.Antisymmetric(4, gamma=0.3, bound=0.5),
        projections.Orthonormal(4, 2, 1, kernel=1),
        projections.Patches(2, 3, 2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_weight_that_is_applied_is_that_of_forward(layer):
    """What forward does to the unit vectors is the weight, whatever the parameter is."""
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=runtime.stream(0, "weight"), dtype=torch.float64))
        weight = applied(layer).detach()
        if isinstance(layer, nn.Linear):
            eye = torch.eye(layer.in_features, dtype=torch.float64)
            torch.testing.assert_close((layer(eye) - layer(0 * eye)).mT, weight)
        else:
            x = torch.randn(1, layer.in_channels, 4, 4, generator=runtime.stream(1, "x"), dtype=torch.float64)
            expected = nn.functional.conv2d(x, weight, stride=layer.stride, padding=layer.padding)
            torch.testing.assert_close(layer(x) - layer(0 * x), expected)


def test_a_parametrised_layer_is_of_the_class_that_it_had():
    layer = lipschitz.constrain(nn.Linear(3, 3), 0.1)
    assert type(layer) is not nn.Linear
    assert own_class(layer) is nn.Linear
    assert torch.equal(applied(layer), layer.weight)


def test_what_may_apply_something_else_is_refused_with_the_way_out():
    hooked, patched = nn.Linear(3, 3), nn.Linear(3, 3)
    handle = hooked.register_forward_hook(lambda module, inputs, output: None)
    patched.forward = lambda input: input
    for layer, message in ((hooked, r"has forward hooks, .*handle\.remove"), (patched, "a forward of its own")):
        for call in (own_class, applied):
            with pytest.raises(ValueError, match=message):
                call(layer)
    handle.remove()
    assert applied(hooked) is hooked.weight
    with pytest.raises(ValueError, match=r"Bilinear does not say which weight it applies.*method effective\(\)"):
        applied(nn.Bilinear(2, 2, 2))
