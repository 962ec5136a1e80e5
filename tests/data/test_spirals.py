import numpy as np
import torch

from resnet_lib.data.spirals import two_spirals


def test_spirals_lie_on_their_curve():
    points = two_spirals(500, seed=3, turns=1.5, noise=0.0)
    x = points.x.double()
    radius = x.norm(dim=1)
    arm = torch.where(points.y == 0, 1.0, -1.0)  # arm 1 is arm 0 turned by half a turn
    curve = radius[:, None] * torch.stack([(3 * np.pi * radius).cos(), (3 * np.pi * radius).sin()], dim=1)
    assert (x - arm[:, None] * curve).abs().max() < 1e-6
    assert points.y.bincount().tolist() == [250, 250]
    # The squared radius is uniform on (0, 1): mean 1/2, standard error 1/sqrt(12 * 500).
    assert abs((radius**2).mean() - 0.5) < 4 / np.sqrt(6000)


def test_spirals_have_the_noise_that_was_asked_for():
    clean, noisy = (two_spirals(2000, seed=1, noise=noise).x for noise in (0.0, 0.05))
    assert abs((noisy - clean).std() / 0.05 - 1) < 4 / np.sqrt(2 * 4000)
