"""A slow matrix is at first the matrix that it stands for, and steps as far as its pace says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.gates_and_scales import networks, paces
from resnet_lib.experiments.gates_and_scales.networks import IDENTITY, MATRIX, START


@pytest.mark.parametrize("kind", [MATRIX, START])
def test_a_slow_network_starts_as_the_one_at_one_rate(kind):
    x = torch.randn(5, 64, generator=runtime.stream(0, "x"))
    slow = paces.build(paces.Paced(kind, 0.1, 0.05), runtime.stream(0, "init"))
    same = networks.build(networks.Network(kind, 0.1), runtime.stream(0, "init"))
    assert torch.allclose(slow(x), same(x), rtol=1e-4, atol=1e-4)


def test_a_step_is_as_far_as_the_pace_says():
    pace, x = 0.25, torch.randn(7, 3, generator=runtime.stream(0, "x"))
    layer = paces.Slowed(torch.eye(3), pace)
    layer(x).square().sum().backward()
    gradient = layer.raw.grad
    assert gradient is not None
    moved = (layer.factor * (layer.raw - 0.1 * gradient) - torch.eye(3)).detach()
    torch.testing.assert_close(moved, -0.1 * pace * 2 * x.T @ x)


def test_the_differences_are_taken_seed_by_seed():
    tests = {(IDENTITY, 1.0): [90.0, 80.0], (START, 0.05): [89.0, 79.5], (START, 1.0): [85.0, 78.0]}
    rows = [
        {"kind": kind, "pace": pace, "seed": seed, "test": value}
        for (kind, pace), values in tests.items()
        for seed, value in enumerate(values)
    ]
    found = paces.paced(pd.DataFrame(rows[::-1]))
    np.testing.assert_allclose(found.values, [1.0, 0.5])
    assert found.control is not None
    np.testing.assert_allclose(found.control, [5.0, 2.0])


def test_the_seeds_are_new_and_the_rate_of_the_branches_is_that_of_the_identity():
    used = {*range(20), *range(100, 105), *range(200, 240)}
    assert not used & {*paces.SEEDS, *paces.MANY_SEEDS}
    assert {each.lr for each in paces.BOTH if each.pace < 1} == {paces.BEST[IDENTITY, 0.0]}
    tiny = replace(paces.JUDGED[1], epochs=1)
    assert paces.trial(tiny, [20])["test"].between(5, 100).all()
