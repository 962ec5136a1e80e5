"""Lines of points against the transforms of numpy and scipy, and against matrices written out."""

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch

from resnet_lib.linalg.grids import Ends, Line


@pytest.mark.parametrize("points", [2, 3, 8, 9])
@pytest.mark.parametrize("ends", ["periodic", "no-flux"])
def test_the_laplacian_is_the_matrix_written_out(points: int, ends: Ends):
    expected = -2 * np.eye(points) + np.eye(points, k=1) + np.eye(points, k=-1)
    if ends == "periodic":
        expected[0, -1] += 1
        expected[-1, 0] += 1
    else:
        expected[0, 0] = expected[-1, -1] = -1
    np.testing.assert_array_equal(Line(points, ends, 0.5).laplacian().numpy(), 4 * expected)


def test_a_kernel_on_a_ring_is_the_circular_correlation_of_the_transforms():
    kernel, u = np.array([0.3, -1.0, 2.0, 0.7, 0.1]), np.random.default_rng(0).standard_normal(16)
    padded = np.zeros(16)
    padded[[-2, -1, 0, 1, 2]] = kernel
    expected = np.fft.ifft(np.fft.fft(u) * np.conj(np.fft.fft(padded))).real
    np.testing.assert_allclose(Line(16).apply(tuple(kernel), torch.from_numpy(u)).numpy(), expected, atol=1e-13)
    column = Line(16).matrix(tuple(kernel))[:, 0].numpy()
    np.testing.assert_allclose(Line(16).matrix(tuple(kernel)).numpy(), scipy.linalg.circulant(column))


def test_between_walls_a_kernel_sees_the_mirrored_line():
    u = np.arange(1.0, 6.0)
    mirrored = np.pad(u, 3, mode="symmetric")
    kernel = (0.5, 1.0, -1.0, 2.0, 0.0, 3.0, 0.1)
    expected = np.correlate(mirrored, kernel, mode="valid")
    np.testing.assert_allclose(Line(5, "no-flux").apply(kernel, torch.from_numpy(u)).numpy(), expected)


@pytest.mark.parametrize("points", [7, 8])
def test_modes_on_a_ring_are_those_of_numpys_transform(points: int):
    angles, vectors = Line(points).modes()
    np.testing.assert_allclose(vectors.mT @ vectors, np.eye(points), atol=1e-14)
    assert (angles[1:] - angles[:-1] >= 0).all()
    for angle, vector in zip(angles, vectors.mT, strict=True):
        share = np.abs(np.fft.fft(vector.numpy())) ** 2
        turns = 2 * np.pi * np.abs(np.fft.fftfreq(points))
        np.testing.assert_allclose(share[~np.isclose(turns, float(angle))], 0, atol=1e-20)


def test_modes_between_walls_are_the_rows_of_the_cosine_transform():
    angles, vectors = Line(9, "no-flux").modes()
    rows = scipy.fft.dct(np.eye(9), type=2, norm="ortho", axis=0)
    np.testing.assert_allclose(vectors.mT.numpy(), rows, atol=1e-14)  # pyright: ignore[reportArgumentType, reportCallIssue]
    np.testing.assert_allclose(angles, np.pi * np.arange(9) / 9)


@pytest.mark.parametrize("ends", ["periodic", "no-flux"])
def test_a_symmetric_kernel_multiplies_each_mode_by_its_cosine_sum(ends: Ends):
    line = Line(12, ends)
    angles, vectors = line.modes()
    factors = -0.4 + 2 * (0.3 * torch.cos(angles) + 0.7 * torch.cos(2 * angles))
    torch.testing.assert_close(line.matrix((0.7, 0.3, -0.4, 0.3, 0.7)) @ vectors, vectors * factors)


def test_the_slope_is_that_of_a_sine_to_second_order_and_antisymmetric():
    errors = []
    for n in (32, 64):
        x = torch.arange(n, dtype=torch.float64) * 2 * torch.pi / n
        line = Line(n, "periodic", 2 * float(torch.pi) / n)
        assert torch.equal(line.slope(), -line.slope().mT)
        errors.append(float((line.slope() @ torch.sin(x) - torch.cos(x)).abs().max()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)


def test_heat_by_small_steps_tends_to_the_exponential_of_scipy():
    line = Line(10, "no-flux")
    exact = scipy.linalg.expm(0.7 * line.laplacian().numpy())
    errors = []
    for steps in (100, 200):
        step = np.eye(10) + 0.7 / steps * line.laplacian().numpy()
        errors.append(np.abs(np.linalg.matrix_power(step, steps) - exact).max())
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)


@pytest.mark.usefixtures("unchecked")
def test_wrong_input_is_refused():
    for arguments, message in (
        ({"points": 1}, "at least 2"),
        ({"points": 4, "ends": "open"}, "use 'periodic' or 'no-flux'"),
        ({"points": 4, "spacing": 0.0}, "positive and finite"),
    ):
        with pytest.raises(ValueError, match=message):
            Line(**arguments)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="odd number"):
        Line(4).apply((1.0, 2.0), torch.ones(4))
    with pytest.raises(ValueError, match="one for each point"):
        Line(4).apply((1.0,), torch.ones(5))
    with pytest.raises(TypeError, match="points"):
        Line(4.5)  # pyright: ignore[reportArgumentType]
