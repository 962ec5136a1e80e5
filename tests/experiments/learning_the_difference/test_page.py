"""What the page tells in numbers is what a program of its own computes."""

import math
from pathlib import Path

import numpy as np
import pytest

from resnet_lib import files
from resnet_lib.experiments.learning_the_difference import turning
from resnet_lib.sweep import results
from tests.experiments import chapter

NAME = "03_learning_the_difference"


def test_the_worked_numbers_of_the_page():
    words = chapter.words(NAME)
    steps = [math.log(2 * math.sin(math.radians(angle) / 2) / 0.1) / -math.log(0.9) for angle in (30, 60, 180)]
    assert [math.ceil(each) for each in steps] == [16, 22, 29]
    assert (
        "in 22 steps at every angle; the residual one in 0, 16, 22 and 29 steps at 0, 30, 60 and 180 degrees" in words
    )
    assert math.degrees(math.acos(0.25)) == pytest.approx(75.5, abs=0.05)
    assert "equal at $\\arccos\\tfrac14$, which is 75.5 degrees" in words
    assert math.log(math.sqrt(2) / math.sqrt(3)) == pytest.approx(-0.203, abs=5e-4)
    assert "The logarithm of the ratio is $-0.203$" in words
    assert pytest.approx(0.47, abs=5e-3) == (1 + 1 / 4**2) ** (-25 / 2)
    assert "would leave a cosine of 0.47 with the first state" in words
    small, large = (2 * math.sin(math.radians(angle) / 2) for angle in (10, 90))
    assert (small, large, small / large) == (
        pytest.approx(0.17, abs=5e-3),
        pytest.approx(1.41, abs=5e-3),
        pytest.approx(0.123, abs=5e-4),
    )
    assert "Their ratio is 0.123" in words


def test_the_measured_numbers_of_the_page():
    """Those of other choices and of the start, which stand in no card."""
    words, root = chapter.words(NAME), files.root(Path(__file__).parent)
    found = [results.read(f"difference-{name}", root) for name in ("digits", "turning-choices")]
    digits, turns = (result.table for result in found if result)
    trained = digits[digits["lr"] > 0]
    for epoch, power in ((0, -0.364), (8, -0.505)):
        medians = trained[trained["epoch"] == epoch].groupby(["seed", "blocks"])["size"].median().unstack()
        slopes = [np.polyfit(np.log([3, 9, 24]), np.log(row), 1)[0] for row in medians.to_numpy()]
        assert np.mean(slopes) == pytest.approx(power, abs=1e-3)
    assert "the power is $-0.36$ at the start and $-0.50$ at the end" in words
    zeroed = turns[turns["gain"] == 0]
    ratios = {angle: np.exp(turning.log_ratio(zeroed, angle, "residual", "plain").mean()) for angle in (30, 120)}
    twins = results.read("difference-twins", root)
    assert twins
    decayed = twins.table[twins.table["decay"] > 0]
    logs = decayed.assign(log=(decayed["residual"] / decayed["plain"]).map(math.log))
    lost = 1 - logs.groupby("optimizer")["log"].mean().map(math.exp)
    assert lost.to_dict() == pytest.approx({"adam": 0.002, "sgd": 0.2, "momentum": 0.2}, abs=0.025)
    assert lost["adam"] == pytest.approx(0.002, abs=5e-4)
    assert "0.2%, and about a fifth with descent and momentum" in words
    shown = {depth: behind(root, depth) for depth in (20, 56)}
    assert "of ResNet-56 is {:.2f}, of the one before it {:.2f}, and of".format(*shown[56][:-3:-1]) in words
    assert f"ResNet-20's last {shown[20][-1]:.2f}" in words
    assert ratios == {30: pytest.approx(0.59, abs=5e-3), 120: pytest.approx(1.44, abs=5e-3)}
    assert "0.59 times the plain one's steps at 30 degrees and 1.44 times at 120" in words


def behind(root: Path, depth: int) -> np.ndarray:
    """Cosines at the states that the blocks of a published network return, less another image's."""
    found = results.read("difference-published", root)
    assert found
    rows = found.table[found.table["depth"] == depth].groupby("block")[["behind", "other_behind"]].mean()
    return (rows["behind"] - rows["other_behind"]).to_numpy()


def test_a_block_that_ends_with_a_relu_does_worse_on_the_swirl_than_none():
    """The mean of 4 sin^2(a / 2) r^2 over the plane, where the angle a falls as exp(-r^2 / 2) from 90 degrees."""
    words, r = chapter.words(NAME), np.linspace(0, 12, 200_001)
    chord = 4 * np.sin(np.pi / 4 * np.exp(-(r**2) / 2)) ** 2 * r**2
    mean = np.trapezoid(chord * r * np.exp(-(r**2) / 2), r)  # r^2 / 2 has the exponential law
    assert mean == pytest.approx(0.51, abs=5e-3)
    assert 1 - 0.5 * 2 / mean == pytest.approx(-0.96, abs=5e-3)
    assert r"On average $\lVert t-x\rVert^2$ is 0.51 there, and $\lVert t\rVert^2$ is 2" in words
    assert "so that the bound is $-0.96$" in words


def test_the_correction_is_the_shorter_way_where_the_mean_of_the_diagonal_is_above_one_half():
    rng = np.random.default_rng(0)
    for _ in range(50):
        t = rng.normal(size=(6, 6)) + rng.uniform(0, 1) * np.eye(6)
        assert (np.linalg.norm(t - np.eye(6)) < np.linalg.norm(t)) == (np.trace(t) / 6 > 0.5)


def test_the_solution_of_the_exercise_on_decay():
    """Descent with weight decay to its end, plain and residual, for a turn of two planes."""
    angle, decay = 0.7, 0.1
    plane = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn, one = np.kron(np.eye(2), plane), np.eye(4)
    plain, residual = np.zeros((4, 4)), np.zeros((4, 4))
    for _ in range(3000):
        plain = plain - 0.1 * (plain - turn + decay * plain)
        residual = residual - 0.1 * (residual - (turn - one) + decay * residual)
    np.testing.assert_allclose(plain, turn / (1 + decay), atol=1e-9)
    np.testing.assert_allclose(residual, (turn - one) / (1 + decay), atol=1e-9)
    squares = [(1 + decay) ** 2 * np.linalg.norm(each) ** 2 for each in (plain - one, residual)]
    wanted = decay**2 * 4 - 2 * decay * (np.trace(turn) - 4)
    assert squares[0] - squares[1] == pytest.approx(wanted)
