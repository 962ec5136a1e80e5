"""Waves against scipy's exponential and closed forms; measures on tables by hand."""

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import torch

from resnet_lib.experiments.solvers_as_networks import waves
from resnet_lib.linalg.grids import Line
from resnet_lib.ode import propagators

SMALL = Line(12, "periodic", 0.5)


def test_a_packet_has_its_place_width_and_momentum():
    line = Line(400, "periodic", 0.1)
    psi = waves.packet(line, 12.0, 1.5, 1.2).numpy()
    x, density = 0.1 * np.arange(400), np.abs(psi) ** 2
    assert density.sum() == pytest.approx(1)
    assert (x * density).sum() == pytest.approx(12, abs=1e-6)
    assert ((x - 12) ** 2 * density).sum() == pytest.approx(1.2**2, rel=1e-6)
    slope = (np.roll(psi, -1) - np.roll(psi, 1)) / 0.2
    assert (psi.conj() @ slope).imag == pytest.approx(1.5, rel=0.01)


def test_a_packet_is_smooth_around_the_ring_and_tensors_make_several():
    line = Line(64, "periodic", 0.5)
    psi = waves.packet(line, torch.tensor([0.0, 5.0]), 1.0, torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(psi[1], waves.packet(line, 5.0, 1.0, 1.0))
    tail = np.abs(np.fft.fft(psi.numpy(), axis=1)) ** 2
    assert tail[:, 32].max() < 1e-12 * tail.max()


@pytest.mark.parametrize("method", [*waves.METHODS, "exact"])
def test_a_small_step_is_the_exponential_of_the_hamiltonian(method: str):
    potential = waves.hill(SMALL, 1.0)
    h = 1e-4
    exact = scipy.linalg.expm(-1j * h * waves.hamiltonian(SMALL, potential).numpy())
    psi = waves.packet(SMALL, 3.0, 1.0, 0.8)
    found = propagators.parted(waves.step_of(method, SMALL, potential, h) @ propagators.joined(psi))
    order = 2 if method in ("euler", "implicit-euler") else 3
    error = np.abs(found.numpy() - exact @ psi.numpy()).max()
    assert error < 300 * h**order + 1e-15
    assert (error > h**2) == (order == 2)


def test_the_block_of_a_step_is_the_step():
    step = waves.step_of("euler", SMALL, waves.hill(SMALL, 1.0), 0.1)
    x = torch.randn(3, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(waves.block(step)(x), x @ step.mT)
    torch.testing.assert_close(waves.block(step, skip=False)(x), x @ step.mT - x)


def test_the_trial_against_closed_forms():
    euler = waves.wave_trial(waves.Wave("euler", steps=10), (0, 1))
    np.testing.assert_allclose(euler["one_step"], np.sqrt(1 + (0.03 * euler["energy"]) ** 2), rtol=1e-12)
    assert euler["form"].max() < 1e-13
    assert euler["bare"].min() > 0.5
    np.testing.assert_allclose(euler["drift"], 10 ** euler["grown"] - 1)
    exact = waves.wave_trial(waves.Wave("exact", step=1.0, steps=10), (0,))
    assert max(exact["error"][0], exact["drift"][0]) < 1e-12


def test_measures_by_hand():
    rows = [(method, 0.03, 0.1 * i, 0.5 * i, 1.5, 2.0) for i, method in enumerate(waves.METHODS)]
    rows += [("implicit-midpoint", 1.0, 7.0, 7.0, 7.0, 7.0), ("exact", 1.0, 8.0, 8.0, 8.0, 8.0)]
    table = pd.DataFrame(rows, columns=["method", "step", "drift", "grown", "one_step", "energy"])
    table = table.assign(form=table["drift"], bare=table["grown"], error=table["drift"])
    np.testing.assert_allclose(waves.form(table).values, [0, 0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(waves.form(table).control, [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose([*waves.euler(table).values, *waves.euler(table).control], [0, 0.2])
    np.testing.assert_allclose(waves.unitary(table).values, [0.2, 0.4])
    np.testing.assert_allclose(waves.unitary(table).control, [0.1])
    law = np.sqrt(1 + 0.06**2)
    np.testing.assert_allclose(waves.growth(table).values, [1.5 - law, 1.5 - 1 / law])
    np.testing.assert_allclose(waves.growth(table).control, [1.5 - law])
    np.testing.assert_allclose([*waves.faithful(table).values, *waves.faithful(table).control], [7, 8])


def test_leapfrogs_blow_up_beyond_their_limits():
    turn = propagators.turning(torch.tensor([[2.0]], dtype=torch.float64))
    for share, grows in ((0.995, False), (1.005, True)):
        assert waves.blows_up(propagators.propagator("leapfrog", turn, share)) == grows
        assert waves.blows_up(propagators.two_step(turn, share / 2)) == grows
    table = waves.limit_trial(waves.Limit(points=4), (0,))
    assert table["staggered"][0] == pytest.approx(2, abs=0.01)
    assert table["two_step"][0] == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(waves.leapfrog(table).values, table["staggered"] / 2)
    np.testing.assert_allclose(waves.leapfrog(table).control, table["two_step"] / 2)
