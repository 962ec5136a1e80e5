"""Tableaus against order conditions, the exponential, published limits, and the steps that the loop really takes."""

import cmath
import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import ode
from resnet_lib.ode import tableaus
from resnet_lib.ode.tableaus import METHODS, Splitting, Tableau

RUNGE_KUTTA = [entry for entry in METHODS.values() if isinstance(entry, Tableau)]
SPLITTINGS = [entry for entry in METHODS.values() if isinstance(entry, Splitting)]


def order_conditions(a: np.ndarray, b: np.ndarray) -> dict[int, list[float]]:
    """What has to vanish for each order, by rooted trees up to order 5 (hairer1993solving, II.2)."""
    one, c = np.ones(len(b)), a.sum(1)
    trees: dict[int, list[tuple[np.ndarray, float]]] = {
        1: [(one, 1)],
        2: [(c, 1 / 2)],
        3: [(c**2, 1 / 3), (a @ c, 1 / 6)],
        4: [(c**3, 1 / 4), (c * (a @ c), 1 / 8), (a @ c**2, 1 / 12), (a @ a @ c, 1 / 24)],
        5: [
            (c**4, 1 / 5),
            (c**2 * (a @ c), 1 / 10),
            ((a @ c) ** 2, 1 / 20),
            (c * (a @ c**2), 1 / 15),
            (c * (a @ a @ c), 1 / 30),
            (a @ c**3, 1 / 20),
            (a @ (c * (a @ c)), 1 / 40),
            (a @ a @ c**2, 1 / 60),
            (a @ a @ a @ c, 1 / 120),
        ],
    }
    return {order: [float(b @ tree - value) for tree, value in found] for order, found in trees.items()}


def order_of(a: np.ndarray, b: np.ndarray) -> int:
    defects = order_conditions(a, b)
    return next((q - 1 for q in defects if np.abs(defects[q]).max() > 1e-12), 5)


@pytest.mark.parametrize("tableau", RUNGE_KUTTA, ids=lambda t: t.name)
def test_the_order_conditions_give_the_stated_order_and_no_more(tableau):
    a = np.array(tableau.a)
    assert order_of(a, np.array(tableau.b)) == tableau.order
    if tableau.embedded:
        assert order_of(a, np.array(tableau.embedded)) == tableau.embedded_order < tableau.order


@pytest.mark.parametrize("tableau", RUNGE_KUTTA, ids=lambda t: t.name)
@given(x=st.floats(-4, 4), y=st.floats(-4, 4))
def test_stability_is_what_one_step_does(tableau, x, y):
    z = complex(x, y)
    if not tableau.explicit and min(abs(z - 1), abs(z - 2)) < 1e-3:
        return  # a pole
    (step,) = ode.solve(
        lambda t, v: z * v, torch.ones(1, dtype=torch.complex128), method=tableau, steps=1, ceiling=math.inf
    ).end
    assert step.item() == pytest.approx(complex(tableau.stability(z)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("tableau", RUNGE_KUTTA, ids=lambda t: t.name)
def test_stability_agrees_with_the_exponential_to_the_order(tableau):
    errors = [abs(complex(tableau.stability(z)) - cmath.exp(z)) for z in (0.1 + 0.1j, 0.05 + 0.05j)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(tableau.order + 1, abs=0.2)


# hairer1996solving, IV.2, and closed forms: on the negative axis R(-2.785...) = 1 for RK4; 1.7321 and 2.8284 are
# sqrt 3 and sqrt 8 on the imaginary axis.
LIMITS = {
    ("euler", -1): 2,
    ("midpoint", -1): 2,
    ("heun", -1): 2,
    ("rk4", -1): 2.785293563405282,
    ("bogacki-shampine", -1): 2.512745326618334,
    ("dormand-prince", -1): 3.306567892634,
    ("euler", 1j): 0,
    ("midpoint", 1j): 0,
    ("heun", 1j): 0,
    ("rk4", 1j): math.sqrt(8),
    ("bogacki-shampine", 1j): math.sqrt(3),
    ("implicit-euler", -1): math.inf,
    ("implicit-euler", 1j): math.inf,
    ("implicit-midpoint", -1): math.inf,
    ("implicit-midpoint", 1j): math.inf,
    ("crank-nicolson", 1j): math.inf,
    ("leapfrog", 1j): 2,
    ("symplectic-euler", 1j): 2,
    ("implicit-euler", 1): 0,
    ("implicit-midpoint", 1): 0,
    ("rk4", 1): 0,
}


@pytest.mark.parametrize(("name", "eigenvalue"), LIMITS)
def test_limits_are_the_published_ones(name, eigenvalue):
    limit = tableaus.largest_step(name, eigenvalue)
    assert limit.value == pytest.approx(LIMITS[name, eigenvalue], abs=1e-9)
    assert limit.residual < 1e-9


@given(st.floats(math.pi / 2 + 0.01, math.pi), st.floats(0.1, 10))
def test_eulers_limit_is_its_formula(angle, size):
    value = size * cmath.exp(1j * angle)
    assert tableaus.largest_step("euler", value).value == pytest.approx(-2 * value.real / abs(value) ** 2, rel=1e-9)


@pytest.mark.parametrize("tableau", tableaus.explicit(), ids=lambda t: t.name)
@given(angle=st.floats(math.pi / 2 + 0.02, math.pi))
def test_the_limit_is_the_first_crossing_of_a_fine_scan(tableau, angle):
    z = cmath.exp(1j * angle)
    limit = tableaus.largest_step(tableau, z).value
    steps = np.linspace(1e-3, 5, 20_001)
    outside = np.abs(tableau.stability(steps * z)) > 1 + 1e-12
    assert limit == pytest.approx(steps[outside.argmax()], abs=1e-3)


def test_the_worst_eigenvalue_limits_the_step():
    limit = tableaus.largest_step("euler", [-1, -10, -2 + 1j, 0])
    assert limit.value == pytest.approx(0.2)
    assert limit.eigenvalue == -10
    assert tableaus.largest_step("euler", [0.0]).value == math.inf


@pytest.mark.parametrize("splitting", SPLITTINGS, ids=lambda s: s.name)
@given(z=st.floats(0.01, 3))
def test_a_splitting_keeps_areas_and_its_matrix_is_its_step(splitting, z):
    matrix = splitting.matrix(z)
    assert np.linalg.det(matrix) == pytest.approx(1)
    field = ode.SplitField(lambda p: z * p, lambda q: -z * q)
    for i in range(2):
        end = ode.solve(field, torch.eye(2, dtype=torch.float64)[i], method=splitting, steps=1).end
        np.testing.assert_allclose(end, matrix[:, i], atol=1e-12)


def test_first_same_as_last_is_recognised():
    same = {t.name for t in RUNGE_KUTTA if t.first_same_as_last}
    assert same == {"bogacki-shampine", "dormand-prince"}
    assert {t.name for t in tableaus.implicit()} == {"implicit-euler", "implicit-midpoint", "crank-nicolson"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tableaus.method("rk5"), "method='rk5' is unknown; known: euler, .*closest: 'rk4'"),
        (lambda: Tableau("x", ((0.0,),), (0.5,), 1), "b of tableau 'x' adds up to 0.5; a consistent method needs 1"),
        (lambda: Tableau("x", ((0.0,), (0.0,)), (1.0,), 1), "a must be 1 x 1"),
        (lambda: Splitting("x", (0.5,), (1.0,), 1), "splitting 'x' needs as many kicks as drifts, and each"),
        (lambda: tableaus.largest_step("rk4", math.nan), "NaN or infinite values"),
        (lambda: tableaus.largest_step("leapfrog", -1), "'leapfrog' is stable on fields that split.*Runge-Kutta"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_methods_carry_their_names():
    assert all(entry.name == name for name, entry in METHODS.items())
    assert all(abs(complex(t.stability(0)) - 1) < 1e-14 for t, _ in product(RUNGE_KUTTA, [0]))
