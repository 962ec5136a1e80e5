"""Learned propagators against numpy and scipy, and the measures on tables by hand."""

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import torch

from resnet_lib.experiments.solvers_as_networks import propagation


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.complex128)


def test_ridge_is_the_penalised_least_squares():
    x, y = drawn(5, 4), drawn(2, 5, 4)
    found = propagation.ridge(x, y, 0.3)
    for mine, target in zip(found, y, strict=True):
        rows = np.concatenate([x.numpy(), np.sqrt(0.3) * np.eye(4)])
        expected = np.linalg.lstsq(rows, np.concatenate([target.numpy(), np.zeros((4, 4))]), rcond=None)[0].T
        np.testing.assert_allclose(mine, expected, atol=1e-12)


def test_a_rotation_is_found_and_otherwise_the_nearest_one():
    turn = torch.linalg.qr(drawn(4, 4)).Q
    x = drawn(6, 4)
    torch.testing.assert_close(propagation.rotation(x, x @ turn.mT), turn)
    near = propagation.rotation(x, drawn(1, 6, 4)[0])
    expected, _ = scipy.linalg.orthogonal_procrustes(x.numpy(), drawn(1, 6, 4)[0].numpy())
    np.testing.assert_allclose(near, expected.T, atol=1e-12)


@pytest.mark.parametrize("potential", ["free", "well"])
def test_known_propagators_are_as_accurate_as_they_can_be(potential: str):
    table = propagation.propagation_trial(propagation.Propagation(potential, time=0.5, packets=4), (0,))
    errors = table[table["test"] == "like"].set_index("map")["error"]
    assert errors["exponential"] < 1e-11
    assert 1e-9 < errors["cayley"] < 1e-2
    assert errors["shuffled"] > 0.1
    assert errors["chebyshev"] < 1e-11


def test_cayley_steps_cost_no_more_than_a_dense_map():
    assert 5 * propagation.LINE.points * propagation.SUBSTEPS <= propagation.LINE.points**2
    assert 5 * propagation.LINE.points * (propagation.SUBSTEPS + 1) > propagation.LINE.points**2


def test_packets_run_as_they_are_asked_to():
    for momenta, side in (((0.2, 0.5), 1), ((-0.5, -0.2), -1)):
        psi = propagation.packets(3, momenta, torch.Generator().manual_seed(0)).numpy()
        mean = ((np.abs(np.fft.fft(psi)) ** 2) @ np.fft.fftfreq(128)) * 2 * np.pi / 128
        assert (np.sign(mean) == side).all()
        assert ((np.abs(mean) > 0.19) & (np.abs(mean) < 0.51)).all()


def test_measures_by_hand():
    sizes = {"cayley": 1e-3, "exponential": 1e-12, "plain": 1e-4, "residual": 1e-5, "unitary": 1e-6}
    sizes |= {"chebyshev": 1e-8, "chebyshev-few": 10.0, "plain-tuned": 1e-7, "residual-tuned": 1e-4}
    sizes |= {"shuffled": 1.0, "unitary-shuffled": 10.0}
    rows = [
        (potential, noise, time, test, name, seed, size * factor * 10**seed)
        for potential, noise, time, factor in (
            ("free", 0.0, 10.0, 1),
            ("free", 1e-3, 10.0, 1),
            ("free", 0.0, 0.1, 1),
            ("well", 0.0, 10.0, 1),
        )
        for test in ("like", "back")
        for name, size in sizes.items()
        for seed in (1, 0)
    ]
    table = pd.DataFrame(rows, columns=["potential", "noise", "time", "test", "map", "seed", "error"])
    cases: list[tuple] = [
        (propagation.accelerated, -2, 3),
        (propagation.transfer, -2, -9),
        (propagation.well, -2, -9),
        (propagation.exponential, 7, 12),
        (propagation.shortcut, -1, -1),
        (propagation.chebyshev, 3, -6),
        (propagation.noisy, -1, -1),
        (propagation.turning, 1, 6),
    ]
    for measure, value, control in cases:
        np.testing.assert_allclose(measure(table).values, [value, value], atol=1e-12)
        np.testing.assert_allclose(measure(table).control, [control, control], atol=1e-12)
    quiet = table["error"].where(~((table["noise"] == 0) & (table["map"] == "residual-tuned")), 1.0)
    np.testing.assert_allclose(propagation.noisy(table.assign(error=quiet)).control, [3, 2])
    np.testing.assert_allclose(propagation.noisy(table.assign(error=quiet)).values, [-1, -1])
    worse = table["error"].where(~((table["potential"] == "well") & (table["map"] == "residual")), 1.0)
    np.testing.assert_allclose(propagation.well(table.assign(error=worse)).values, [3, 2])
    back = table["error"].where(~((table["test"] == "back") & (table["map"] == "residual")), 1.0)
    np.testing.assert_allclose(propagation.transfer(table.assign(error=back)).values, [3, 2])
    short = table["error"].where(~((table["time"] == 0.1) & (table["map"] == "residual")), 1.0)
    np.testing.assert_allclose(propagation.shortcut(table.assign(error=short)).control, [4, 3])


def test_tuned_penalties_are_at_most_as_bad_on_what_is_held_out_and_help_where_there_is_noise():
    table = propagation.propagation_trial(propagation.Propagation("free", noise=1e-3), (0, 1))
    errors = table[table["test"] == "like"].set_index(["map", "seed"])["error"]
    for name in ("plain", "residual"):
        assert (errors[f"{name}-tuned"] < errors[name]).all()


def test_a_chebyshev_sum_costs_no_more_than_a_dense_map():
    assert 3 * propagation.LINE.points * propagation.TERMS <= propagation.LINE.points**2
