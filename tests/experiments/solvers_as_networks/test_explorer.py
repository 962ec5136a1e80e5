"""What the figure of the waves shows, against the steps themselves."""

import numpy as np
import torch

from resnet_lib.experiments.solvers_as_networks import explorer, waves
from resnet_lib.ode import propagators


def test_densities_and_norms_are_those_of_the_steps():
    table = explorer.seen_trial(explorer.Seen("implicit-euler"), (0,))
    start = propagators.joined(waves.packet(waves.LINE, **explorer.START))
    step = waves.step_of("implicit-euler", waves.LINE, waves.hill(waves.LINE, 1.0), 0.06)
    end = torch.linalg.matrix_power(step, 50) @ start
    rows = table[(table["kind"] == "density") & (table["step"] == 0.06) & (table["time"] == 3)]
    density = propagators.parted(end)[::2].abs() ** 2 / waves.LINE.spacing
    np.testing.assert_allclose(rows["density"], density, atol=6e-4)
    np.testing.assert_allclose(rows["norm"], float(end.norm()), rtol=2e-3)
    np.testing.assert_allclose(rows["x"], 2 * np.arange(48) / 3, atol=1e-3)
    norms = table[table["kind"] == "norm"]
    assert norms["time"].tolist() == list(range(0, 1001, 20))
    assert norms["norm"].is_monotonic_decreasing


def test_the_exact_wave_keeps_its_norm():
    table = explorer.seen_trial(explorer.Seen("exact"), (0,))
    assert table["norm"].tolist() == [1.0] * len(table)
    assert sorted(table["time"].unique()) == list(explorer.TIMES)
