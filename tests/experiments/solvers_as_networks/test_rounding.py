"""Whole numbers of many bits against the closed form of a ring without a hill, and against doubles over few steps."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.solvers_as_networks import rounding, waves


def test_turns_to_sixty_digits():
    cosine, sine = rounding.turn(Decimal("1.25"))
    assert float(cosine) == pytest.approx(np.cos(1.25), abs=1e-15)
    assert float(sine) == pytest.approx(np.sin(1.25), abs=1e-15)


def test_a_precise_packet_is_the_one_of_the_waves():
    q, p = rounding.precise(5.0, 1.5, 1.2)
    psi = waves.packet(waves.LINE, 5.0, 1.5, 1.2).numpy()
    unit = 2.0**rounding.BITS
    found = np.array([complex(float(a) / unit, float(b) / unit) for a, b in zip(q, p, strict=True)])
    np.testing.assert_allclose(found, psi, rtol=0, atol=1e-14)


def test_without_a_hill_it_is_the_sum_of_gaussian_modes():
    """A Gaussian around a ring has Gaussian modes, and their aliases: in closed form, small ones too."""
    momentum, width, n = 1.2, 1.3, 96
    wave = 2 * np.pi * np.fft.fftfreq(n, 1 / n) / 32
    share = np.sum([np.exp(-((width * (wave + 2 * np.pi * 3 * a - momentum)) ** 2)) for a in range(-2, 3)], axis=0) ** 2
    energy = 9 * (1 - np.cos(wave / 3))
    expected = np.log10((share * (1 + (0.03 * energy) ** 2) ** 1000).sum() / share.sum()) / 2
    q, p = rounding.precise(6.0, momentum, width)
    assert rounding.exactly(rounding.Rounded(0.0), q[None], p[None])[0] == pytest.approx(expected, abs=1e-6)


def test_few_steps_are_those_of_doubles_and_the_measure_takes_both_heights():
    table = rounding.rounding_trial(rounding.Rounded(1.0, steps=20), (0, 1))
    np.testing.assert_allclose(table["double"], table["exact"], atol=1e-9)
    made = pd.DataFrame({"height": [1.0, 1.0, 0.0], "double": [3.0, 4.0, 9.0], "exact": [2.0, 4.0, 1.0]})
    assert rounding.added(made).values.tolist() == [1, 0]
    assert rounding.added(made).control.tolist() == [8]
