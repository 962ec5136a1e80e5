"""What keeps a total, against sums by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.solvers_as_networks import conservation


def test_an_exchange_moves_between_neighbours_only():
    branch = conservation.Exchange(torch.Generator().manual_seed(0))
    u = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    first, second = branch.first.numpy(), branch.second.numpy()
    flux = [0.1 * np.maximum(first @ pair, 0) @ second for pair in ([1.0, 2.0], [2.0, 4.0])]
    np.testing.assert_allclose(branch(u)[0], [-flux[0], flux[0] - flux[1], flux[1]])
    leaking = conservation.Exchange(torch.Generator().manual_seed(0), outlet=0.01)
    np.testing.assert_allclose((leaking(u) - branch(u))[0], [0, 0, -0.07], atol=1e-15)


def test_the_trial_against_totals_by_hand():
    table = conservation.total_trial(conservation.Total(points=16, layers=10), (0, 1))
    np.testing.assert_allclose(table["leaking"], 1.025**10 - 1, rtol=1e-10)
    np.testing.assert_allclose(table["outlet"], 1 - 0.99**10, rtol=1e-10)
    assert table[["heat", "closed", "walls_heat", "exchange"]].to_numpy().max() < 1e-13
    assert table[["random", "walls"]].to_numpy().min() > 1e-6


def test_a_random_kernel_multiplies_the_total_by_one_plus_its_sum():
    table = conservation.total_trial(conservation.Total(points=16, layers=3), (5,))
    kernel = 0.1 * torch.randn(3, generator=runtime.stream(5, "kernel"), dtype=torch.float64)
    assert table["random"][0] == pytest.approx(abs((1 + float(kernel.sum())) ** 3 - 1))


def test_measures_that_are_columns_of_their_table():
    names = ("random", "closed", "walls", "exchange", "heat", "leaking", "walls_heat", "outlet")
    table = pd.DataFrame({name: [i, i + 0.5] for i, name in enumerate(names)})
    found = (conservation.skip, conservation.divergence, conservation.walls, conservation.flux)
    for i, measure in enumerate(found):
        assert measure(table).values.tolist() == [i, i + 0.5]
        assert measure(table).control.tolist() == [i + 4, i + 4.5]
