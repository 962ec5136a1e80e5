"""The cosine of neighbouring fields against branches whose directions are chosen."""

import math

import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import alignment
from resnet_lib.nets import Stack, Unit
from resnet_lib.nets.dynamics import Repeat, euler_block


class Turn(nn.Module):
    """A rotation of the plane by an angle."""

    def __init__(self, angle: float):
        super().__init__()
        self.matrix = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.matrix.T


def chain(*angles: float) -> Stack:
    blocks = [euler_block(Turn(angle), 0.1 * (i + 1)) for i, angle in enumerate(angles)]
    return Stack(nn.Identity(), blocks, nn.Identity(), shape=(2,)).eval()


def test_the_cosine_is_that_of_the_angle_between_neighbours():
    x = torch.randn(5, 2, generator=runtime.stream(0, "x"))
    expected = (math.cos(0.7) + math.cos(1.1)) / 2  # from 0.2 to 0.9, and to -0.2: sizes of the branches do not count
    assert alignment.alignment(chain(0.2, 0.9, -0.2), x) == pytest.approx(expected, abs=1e-6)


def test_a_repeated_block_is_its_own_neighbour_and_independent_ones_are_unrelated():
    generator = runtime.stream(0, "net")
    net = nets.mlp(8, 64, unit=Unit(order="inside", norm="none"), generator=generator).eval()
    x = torch.randn(20, 64, generator=generator)
    tied = Stack(net.stem, [Repeat(net.blocks[0], 4)], net.head, shape=net.shape).eval()
    assert alignment.alignment(tied, x) == pytest.approx(1, abs=1e-6)
    assert abs(alignment.alignment(net, x)) < 0.15


def test_a_network_without_neighbours_is_refused():
    with pytest.raises(ValueError, match="no two neighbouring blocks"):
        alignment.alignment(chain(0.2), torch.ones(1, 2))
