"""Propagators against the solver that takes the steps, scipy's exponential, and roots by hand."""

import numpy as np
import pytest
import scipy.linalg
import torch

from resnet_lib import ode
from resnet_lib.ode import propagators, tableaus

FIELD = torch.tensor([[0.1, 0.7, 0.0], [-0.4, -0.3, 0.2], [0.5, 0.0, -0.6]], dtype=torch.float64)
ENERGY = torch.tensor([[1.0, 0.3], [0.3, 2.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    "name", [name for name, each in tableaus.METHODS.items() if isinstance(each, tableaus.Tableau)]
)
def test_a_propagator_is_what_the_solver_does_in_a_step(name: str):
    step = propagators.propagator(name, FIELD, 0.3)
    for start in torch.eye(3, dtype=torch.float64):
        taken = ode.solve(lambda t, x: FIELD @ x, start, (0, 0.3), method=name, steps=1)
        np.testing.assert_allclose((step @ start).numpy(), taken.end.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["symplectic-euler", "leapfrog"])
def test_a_splitting_is_what_the_solver_does_in_a_step(name: str):
    field = ode.SplitField(lambda p: ENERGY @ p, lambda q: -ENERGY @ q)
    step = propagators.propagator(name, propagators.turning(ENERGY), 0.2)
    for start in torch.eye(4, dtype=torch.float64):
        taken = ode.solve(field, start, (0, 0.2), method=name, steps=1)
        torch.testing.assert_close(step @ start, taken.end)


def test_the_turning_field_is_the_schroedinger_equation():
    psi = torch.tensor([1 + 2j, -0.5j], dtype=torch.complex128)
    x = propagators.turning(ENERGY) @ propagators.joined(psi)
    torch.testing.assert_close(propagators.parted(x), -1j * (ENERGY.to(psi.dtype) @ psi))
    step = propagators.exponential(propagators.turning(ENERGY), 0.8) @ propagators.joined(psi)
    exact = scipy.linalg.expm(-0.8j * ENERGY.numpy()) @ psi.numpy()
    np.testing.assert_allclose(propagators.parted(step).numpy(), exact, atol=1e-14)


def test_the_cayley_step_is_the_quotient_and_keeps_the_norm():
    step = propagators.propagator("implicit-midpoint", propagators.turning(ENERGY), 0.7)
    energy, eye = ENERGY.numpy(), np.eye(2)
    quotient = np.linalg.solve(eye + 0.35j * energy, eye - 0.35j * energy)
    psi = torch.tensor([0.6, 0.8j], dtype=torch.complex128)
    found = propagators.parted(step @ propagators.joined(psi))
    np.testing.assert_allclose(found.numpy(), quotient @ psi.numpy(), atol=1e-15)
    torch.testing.assert_close(step.mT @ step, torch.eye(4, dtype=torch.float64))


def test_the_split_step_is_of_second_order():
    parts = propagators.turning(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))), propagators.turning(ENERGY)
    exact = scipy.linalg.expm((parts[0] + parts[1]).numpy())
    errors = []
    for steps in (20, 40):
        step = propagators.strang(*parts, 1 / steps).numpy()
        np.testing.assert_allclose(step.T @ step, np.eye(4), atol=1e-14)
        errors.append(np.abs(np.linalg.matrix_power(step, steps) - exact).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)


def test_both_leapfrogs_have_their_limits():
    one = torch.tensor([[1.0]], dtype=torch.float64)
    for make, limit in (
        (lambda h: propagators.propagator("leapfrog", propagators.turning(one), h), 2.0),
        (lambda h: propagators.two_step(propagators.turning(one), h), 1.0),
    ):
        for share, grows in ((0.99, False), (1.01, True)):
            roots = np.linalg.eigvals(make(share * limit).numpy())
            assert (np.abs(roots).max() > 1.01) == grows


def test_the_leapfrog_of_two_steps_is_its_recursion():
    field, first = propagators.turning(ENERGY), torch.tensor([1.0, 0, 2, 0], dtype=torch.float64)
    second = torch.tensor([0.5, 1, 0, 0], dtype=torch.float64)
    pair = propagators.two_step(field, 0.1) @ torch.cat([first, second])
    torch.testing.assert_close(pair, torch.cat([second, first + 0.2 * field @ second]))


@pytest.mark.usefixtures("unchecked")
def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="not symmetric"):
        propagators.turning(FIELD)
    with pytest.raises(ValueError, match="must be square"):
        propagators.turning(torch.ones(2, 3))
    with pytest.raises(ValueError, match="is square"):
        propagators.propagator("euler", torch.ones(2, 3), 0.1)
    with pytest.raises(ValueError, match="two halves"):
        propagators.propagator("leapfrog", FIELD, 0.1)
    with pytest.raises(ValueError, match="field that splits"):
        propagators.propagator("leapfrog", torch.eye(4), 0.1)


def test_a_chebyshev_sum_is_the_exponential_and_needs_its_terms():
    exact = scipy.linalg.expm(-3j * ENERGY.numpy())
    found = propagators.chebyshev(ENERGY, 3.0, 30, (0.5, 2.5))
    np.testing.assert_allclose(found.numpy(), exact, rtol=0, atol=1e-13)
    assert np.abs(propagators.chebyshev(ENERGY, 3.0, 3, (0.5, 2.5)).numpy() - exact).max() > 0.01


def test_a_chebyshev_sum_refuses_what_it_cannot_be():
    with pytest.raises(ValueError, match="terms"):
        propagators.chebyshev(ENERGY, 1.0, 0, (0.0, 3.0))
    with pytest.raises(ValueError, match="empty"):
        propagators.chebyshev(ENERGY, 1.0, 5, (3.0, 0.0))
