"""The signal through blocks with a guarantee, against its laws."""

import math

import numpy as np
import pytest

from resnet_lib.experiments.lipschitz_bounds import signals
from tests.experiments.lipschitz_bounds.made_tables import measured


def test_the_signal_follows_its_laws():
    settings = [signals.Signal(kind, 0.1, blocks=60, dimension=32) for kind in ("guaranteed", "aligned", "preserving")]
    table = measured(signals.signal_trial, settings, (0, 1, 2), "kind", "beta")
    rows = table[table["depth"] == 50].groupby("kind")["gain"].mean()
    assert rows["guaranteed"] == pytest.approx(25 * math.log10(0.82), abs=0.1)
    assert rows["preserving"] == pytest.approx(0, abs=0.15)
    evidence = signals.signal_gain(table)
    assert evidence.values.max() < -2
    np.testing.assert_allclose(evidence.control, 0, atol=1e-12)
