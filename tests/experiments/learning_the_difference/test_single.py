"""Turns, swirls and blocks, against what geometry says of them."""

import math

import numpy as np
import pytest
import torch

from resnet_lib.experiments.learning_the_difference import single
from tests.networks import generator


@pytest.mark.parametrize("degrees", [0.0, 10.0, 60.0, 135.0, 180.0])
def test_a_turn_moves_every_vector_by_the_chord_of_its_angle(degrees: float):
    turn = single.turn(degrees, single.frame(6, generator())).numpy()
    chord = 2 * math.sin(math.radians(degrees) / 2)
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), atol=1e-12)
    difference = turn - np.eye(6)
    np.testing.assert_allclose(difference @ difference.T, chord**2 * np.eye(6), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_swirl_keeps_distances_from_the_middle_and_is_odd():
    x = torch.randn(50, 2, generator=generator(), dtype=torch.float64)
    t = single.swirl(x)
    assert torch.allclose(t.norm(dim=1), x.norm(dim=1))
    assert torch.allclose(single.swirl(-x), -t)
    wanted = 90 * np.exp(-x.square().sum(1).numpy() / 2)
    ends = [np.arctan2(part[:, 1], part[:, 0]) for part in (t.numpy(), x.numpy())]
    found = np.degrees(ends[0] - ends[1]) % 360
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_blocks_of_each_kind():
    x = torch.randn(4, 3, generator=generator(), dtype=torch.float64)
    weight = torch.randn(3, 3, generator=generator("weight"), dtype=torch.float64)
    with torch.no_grad():
        plain, residual, post = (
            single.linear(kind, weight)(x) for kind in (single.PLAIN, single.RESIDUAL, single.POST)
        )
    assert torch.allclose(plain, x @ weight.T)
    assert torch.allclose(residual, x + x @ weight.T)
    assert torch.allclose(post, residual.clamp_min(0))


def test_kinds_share_their_weights_and_the_gain_is_of_the_last_ones():
    blocks = [single.mlp(kind, 3, 5, gain, generator()) for kind, gain in (("plain", 1.0), ("residual", 0.5))]
    one, other = (dict(block.named_parameters()) for block in blocks)
    assert torch.equal(one["branch.weight1.weight"], other["branch.weight1.weight"])
    assert torch.allclose(one["branch.weight2.weight"], 2 * other["branch.weight2.weight"])
    assert one["branch.weight2.weight"].dtype == torch.float64
    assert one["branch.weight1.weight"].std().item() == pytest.approx(math.sqrt(2 / 3), rel=0.5)


def test_two_layers_of_given_weights():
    first, second, bias = (
        torch.randn(*shape, generator=generator(str(shape)), dtype=torch.float64) for shape in ((5, 3), (3, 5), (5,))
    )
    x = torch.randn(4, 3, generator=generator(), dtype=torch.float64)
    with torch.no_grad():
        found = single.two_layers(first, second, bias)(x)
    assert torch.allclose(found, (x @ first.T + bias).clamp_min(0) @ second.T)
