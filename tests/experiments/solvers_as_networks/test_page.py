"""What the page tells in numbers is what its tables say, and what a few lines of numpy compute."""

import numpy as np
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.evidence import intervals
from resnet_lib.experiments.solvers_as_networks import learning, propagation, waves
from tests.experiments import chapter

NAME = "21_solvers_as_networks"


def values(claim: str, part: str = "values") -> np.ndarray:
    """What QUICK measured for a claim of the page."""
    found = chapter.quick(NAME, claim)[part]
    return np.array(found.split() if isinstance(found, str) else found, dtype=float)


def test_the_worked_numbers_of_the_heat_bar():
    words = chapter.words(NAME)
    assert "by $1.04^{200}\\approx 2551$" in words
    assert round(1.04**200) == 2551
    u = (-1.0) ** np.arange(64)
    for _ in range(200):
        u = u + 0.51 * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
    assert np.abs(u).max() == pytest.approx(1.04**200, rel=1e-9)
    assert "the total grows by 2.5% a block" in words
    assert sum((1, -1.9, 1)) / 4 == pytest.approx(0.025)


def test_the_worked_numbers_of_the_unseen():
    ratio = {r: np.sqrt(6 * r**2 / (1 - 4 * r + 6 * r**2)) for r in (0.02, 0.25, 0.4)}
    assert "0.05 at $r=0.02$, 1 at $r=\\tfrac14$ and 1.6 at $r=0.4$" in chapter.words(NAME)
    np.testing.assert_allclose(list(ratio.values()), [0.05, 1, 1.6], rtol=0.03)
    theta = 2 * np.pi * np.arange(64) / 64
    for r, expected in ratio.items():
        step = 1 - 4 * r * np.sin(theta / 2) ** 2
        assert np.sqrt(((step - 1) ** 2).sum() / (step**2).sum()) == pytest.approx(expected)


def test_what_a_smooth_bar_changes_by():
    sizes = (1 + np.abs(np.fft.fftfreq(64, 1 / 64))) ** -2
    step = 1 - 4 * 0.02 * np.sin(np.pi * np.arange(64) / 64) ** 2
    changed = np.sqrt((sizes**2 * (step - 1) ** 2).sum() / (sizes**2 * step**2).sum())
    assert "a smooth bar changes by 0.1% in a step" in chapter.words(NAME)
    assert 0.0005 < changed < 0.0015


def test_the_energies_behind_the_waves():
    words = chapter.words(NAME)
    x = (np.arange(96) - 48) / 3
    laplacian = (np.roll(np.eye(96), 1, 0) - 2 * np.eye(96) + np.roll(np.eye(96), -1, 0)) * 9
    energies, modes = np.linalg.eigh(np.diag(np.exp(-(x**2))) - laplacian / 2)
    assert "$hE\\approx0.55$" in words
    assert 0.03 * energies[-1] == pytest.approx(0.55, abs=0.005)
    assert 2 / energies[-1] == pytest.approx(0.108, abs=0.0005)  # what the chart says of the leapfrog
    psi = waves.packet(waves.LINE, 8.0, 1.4, 1.2).numpy()
    share = np.abs(modes.T @ psi) ** 2
    assert energies @ share == pytest.approx(1.0, abs=0.15)
    assert "grows by a factor of 1.6 in a thousand steps" in words
    assert round((1 + 0.03**2) ** 500, 1) == 1.6


def test_what_the_page_tells_of_the_packets_growth():
    words = chapter.words(NAME)
    assert "they grow alike, to 0.002 decades" in words
    assert np.abs(values("pde-schroedinger.trapped")).max() < 0.002
    assert "its energy is 18.48, the next one's 17.99" in words
    line = waves.LINE
    energies, modes = np.linalg.eigh(waves.hamiltonian(line, waves.hill(line, 1.0)).numpy())
    np.testing.assert_allclose(energies[[-1, -2]], [18.48, 17.99], atol=0.006)
    assert (modes[42:55, -1] ** 2).sum() > 0.97


def test_what_the_page_tells_of_all_draws_of_the_waves():
    words, table = chapter.words(NAME), chapter.stored(waves.WAVES)
    decades = np.log10(waves.euler(table).values)
    assert "by 39 to 52 decades in a thousand steps, over 200 draws" in words
    assert (int(decades.min()), int(decades.max())) == (39, 52)
    assert "in FULL's 200 draws by 0.34 and more" in words
    assert waves.faithful(table).values.min() == pytest.approx(0.34, abs=0.005)


def test_what_the_page_tells_of_pairs_and_of_what_is_not_noise():
    words = chapter.words(NAME)
    saved = values("pde-learn.skip")
    assert "in 3 of 20 draws" in words
    assert (saved > 1).sum() == 3
    assert "with 32 pairs a shortcut doubles the error" in words
    assert 10 ** values("pde-learn.change").mean() == pytest.approx(2.2, abs=0.2)
    assert "by 1.9 decades of pairs here" in words
    assert values("pde-learn.prior").mean() == pytest.approx(1.87, abs=0.06)
    quiet = learning.learned_trial(learning.Learned(0.02, "smooth", noise=0.0, counts=(16,)), range(20))
    rows = quiet[quiet["map"] == "residual"]
    assert "1.6 times that of changing nothing" in words
    assert (rows["error"] / rows["still"]).median() == pytest.approx(1.6, abs=0.06)


def test_what_three_taps_make_of_the_exact_flow_and_free_taps_of_one_pair():
    """With white bars the best three taps are the least squares over all modes."""
    angle = 2 * np.pi * np.arange(64) / 64
    flow = np.exp(-4 * 0.25 * np.sin(angle / 2) ** 2)
    basis = np.stack([np.ones(64), np.cos(angle)], 1)
    off = flow - basis @ np.linalg.lstsq(basis, flow, rcond=None)[0]
    assert "three taps stop at an error of 4% of its step" in chapter.words(NAME)
    assert np.linalg.norm(off) / np.linalg.norm(flow) == pytest.approx(0.041, abs=0.001)
    assert "sixty-four *free* taps that all points share also learn from one pair" in chapter.words(NAME)
    for case in learning._CASES:
        generator = torch.Generator().manual_seed(0)
        x = learning.bars(case, 1, generator)
        step = torch.eye(64, dtype=torch.float64) + case.ratio * learning.Line(64).laplacian()
        y = x @ step.mT + case.noise * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        shifts = np.stack([np.roll(x[0].numpy(), k) for k in range(64)], 1)
        kernel = np.linalg.lstsq(shifts, y[0].numpy(), rcond=None)[0]
        fresh = learning.bars(case, 64, generator)
        factors = np.fft.fft(kernel)
        found = np.fft.ifft(np.fft.fft(fresh.numpy(), axis=1) * factors, axis=1).real
        exact = (fresh @ step.mT).numpy()
        assert np.linalg.norm(found - exact) < 0.01 * np.linalg.norm(exact), case


def test_what_the_page_tells_of_totals_and_learned_maps():
    words = chapter.words(NAME)
    drift = values("pde-conserve.skip")
    assert "by 0.3% to more than sevenfold" in words
    assert drift.min() == pytest.approx(0.003, abs=0.0005)
    assert drift.max() > 7
    assert "its error is some 300 times that of the free one" in words
    assert 10 ** values("pde-learn.wrong").mean() == pytest.approx(300, rel=0.1)
    assert "some twenty times as accurate as Cayley's steps" in words
    assert 10 ** -values("pde-accelerate.step").mean() == pytest.approx(24, rel=0.2)
    assert "by $\\sqrt2$" in words
    assert 10 ** values("pde-accelerate.skip").mean() == pytest.approx(2**0.5, rel=0.02)
    faithful = values("pde-schroedinger.faithful")
    assert "off by 0.47 of its size and more" in words
    assert faithful.min() == pytest.approx(0.47, abs=0.006)
    assert "and is nine decades more accurate" in words
    assert values("pde-accelerate.chebyshev").mean() == pytest.approx(9.5, abs=0.5)
    assert values("pde-accelerate.noise").mean() > 0
    assert "a tuned plain map is about as good as the unitary one" in words
    assert abs(values("pde-accelerate.turning").mean()) < 0.3


def test_what_the_page_tells_of_the_law_without_noise():
    table = propagation.propagation_trial(propagation.Propagation("free"), propagation.DRAWS)
    medians = np.log10(table[table["test"] == "like"].groupby("map")["error"].median())
    unitary, free = medians["unitary"], min(medians["plain-tuned"], medians["residual-tuned"])
    told = f"the unitary map errs by $10^{{{unitary:.1f}}}$, free ones with tuned penalties by $10^{{{free:.1f}}}$"
    assert told in chapter.words(NAME)


def test_what_the_page_tells_of_other_choices():
    found = {name: result.table for name, result in propagation.CHOICES.results().items()}
    assert len(found) == 4
    gains = [-propagation.accelerated(table).values.mean() for table in found.values()]
    told = f"is {min(gains):.1f} to {max(gains):.1f} decades more accurate than Cayley's steps inside its data"
    assert told in chapter.words(NAME)
    assert all((propagation.transfer(table).values > 2).all() for table in found.values())


def test_what_the_page_tells_of_learned_maps_under_other_choices():
    words, found = chapter.words(NAME), {name: r.table for name, r in learning.CHOICES.results().items()}
    assert list(found) == list(learning.CHOICES.ways)
    assert all(len(set(table["seed"])) == 10 for table in found.values())
    saved = [learning.prior(table).values.mean() for table in found.values()]
    assert f"Three taps need {min(saved):.1f} to {max(saved):.1f} decades fewer pairs under all four" in words
    worse = {name: 10 ** learning.change(table).values.mean() for name, table in found.items()}
    assert f"errs {worse['twice as many points']:.2f} times as much as the one without, in place of 2.2 times" in words
    assert worse["half as many points"] == pytest.approx(1)
    least = learning.shortcut(found["a third of the noise"]).values
    low, high = intervals.interval(least, "mean", rng=runtime.rng(0, "page"))
    assert f"saves {least.mean():.1f} decades (interval {low:.1f} to {high:.1f})" in words
    for name in ("three times the noise", "twice as many points"):
        assert (learning.shortcut(found[name]).values == 0).all()
