"""The loop against SciPy, torchdiffeq, closed forms and matrix exponentials; failures by their names."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known_fields import COUPLING, SPLIT, START, reference, smooth
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from torchdiffeq import odeint

from resnet_lib import ode
from resnet_lib.ode import order as orders
from resnet_lib.ode import tableaus
from resnet_lib.ode.tableaus import METHODS, Splitting


def test_fixed_steps_agree_with_torchdiffeq_to_rounding():
    for ours, theirs in (("euler", "euler"), ("midpoint", "midpoint"), ("heun", "heun2")):
        grid = torch.linspace(0, 1, 21, dtype=torch.float64)
        states = odeint(lambda t, x: smooth(float(t), x), START, grid, method=theirs)
        torch.testing.assert_close(ode.solve(smooth, START, method=ours, steps=20).states, states, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("ours", "theirs", "scipys"), [("dormand-prince", "dopri5", "RK45"), ("bogacki-shampine", "bosh3", "RK23")]
)
def test_adaptive_pairs_agree_with_scipy_and_torchdiffeq(ours, theirs, scipys):
    exact = reference(smooth, START, (0, 5))
    solution = ode.solve(smooth, START, (0.0, 5.0), method=ours, tol=1e-8)
    ends = torch.tensor([0.0, 5.0], dtype=torch.float64)
    peer = torch.as_tensor(
        odeint(lambda t, x: smooth(float(t), x), START, ends, method=theirs, rtol=1e-8, atol=1e-8)[-1]
    )
    other = solve_ivp(
        lambda t, x: smooth(t, torch.from_numpy(x)).numpy(), (0, 5), START.numpy(), method=scipys, rtol=1e-8, atol=1e-8
    )
    error = float((solution.end - exact).abs().max())
    assert error < 1.5 * np.abs(other.y[:, -1] - exact.numpy()).max()
    assert error < 1e-7
    assert float((peer - exact).abs().max()) < 3e-6
    assert 0.3 < solution.evaluations / other.nfev < 2
    assert solution.times[-1] == 5
    assert solution.converged
    assert error < solution.error < 1e-4


@given(st.integers(0, 2**32))
def test_high_accuracy_on_linear_fields_is_the_matrix_exponential(seed):
    matrix = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 3)))
    x0 = torch.ones(3, dtype=torch.float64)
    solution = ode.solve(lambda t, x: matrix @ x, x0, method="dormand-prince", tol=1e-10)
    np.testing.assert_allclose(solution.end, expm(matrix.numpy()) @ np.ones(3), rtol=1e-6, atol=1e-6)


def test_the_implicit_midpoint_keeps_norms_and_forward_euler_grows_as_its_formula():
    turn = torch.tensor([[0.0, -3.0], [3.0, 0.0]], dtype=torch.float64)
    x0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for h in (0.1, 1.0):
        kept = ode.solve(
            lambda t, x: turn @ x, x0, (0, 500 * h), method="implicit-midpoint", steps=500, jacobian=lambda t, x: turn
        )
        assert float((kept.states.norm(dim=1) - 1).abs().max()) < 1e-12
        grown = ode.solve(lambda t, x: turn @ x, x0, (0, 100 * h), method="euler", steps=100, ceiling=math.inf)
        assert math.log(grown.end.norm()) == pytest.approx(50 * math.log(1 + 9 * h**2), rel=1e-9)


def test_leapfrog_keeps_the_energy_near_its_start_and_runs_backwards():
    energy = lambda x: x[..., 2:].cosh().sum(-1) - x[..., :2].cos().sum(-1)  # noqa: E731
    solution = ode.solve(SPLIT, START, (0.0, 200.0), method="leapfrog", steps=4000)
    assert float((energy(solution.states) - energy(START)).abs().max()) < 1e-2
    back = ode.solve(SPLIT, solution.end, (200.0, 0.0), method="leapfrog", steps=4000)
    torch.testing.assert_close(back.end, START, rtol=0, atol=1e-8)


def test_states_of_any_shape_and_complex_ones():
    x0 = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    field = lambda t, x: torch.tanh(x @ COUPLING.T)  # noqa: E731
    for name in ("rk4", "implicit-midpoint"):
        whole = ode.solve(field, x0, method=name, steps=5).end
        one = ode.solve(field, x0[1, 2], method=name, steps=5).end
        torch.testing.assert_close(whole[1, 2], one, rtol=0, atol=1e-11)
    turned = ode.solve(lambda t, x: 2j * x, torch.ones(1, dtype=torch.complex128), method="crank-nicolson", steps=50)
    assert abs(turned.end.item()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["euler", "rk4", "implicit-euler", "implicit-midpoint"])
def test_the_gradient_flows_through_the_steps(name):
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    x0 = torch.tensor([1.2, -0.4], dtype=torch.float64, requires_grad=True)

    def loss(weight, x0):
        end = ode.solve(lambda t, x: torch.tanh(weight * x.flip(0)) - x, x0, method=name, steps=4).end
        return end.square().sum()

    assert torch.autograd.gradcheck(loss, (weight, x0), atol=1e-6)


def test_implicit_euler_at_its_pole_says_so():
    with pytest.raises(
        ode.NoRoot, match=r"step 1 of implicit-euler at t=0, h=1: .*singular.*use another step"
    ) as caught:
        ode.solve(lambda t, x: 1.0 * x, torch.ones(1, dtype=torch.float64), method="implicit-euler", steps=1)
    assert not caught.value.solution.converged
    assert caught.value.solution.steps == 0


def test_an_equation_without_a_root_says_so():
    # x1 = 1 + 1 + x1^2 has no real root.
    with pytest.raises(ode.NoRoot, match=r"Newton's method .*use another step"):
        ode.solve(lambda t, x: 1 + x**2, torch.ones(1, dtype=torch.float64), method="implicit-euler", steps=1)


def test_a_stiff_field_under_an_explicit_method_is_named_with_its_limit():
    stiff = torch.diag(torch.tensor([-1000.0, -1.0, 0.5], dtype=torch.float64))
    with pytest.raises(ode.BlowUp, match=r"blew up.*eigenvalue -1000.*stable up to h=0.002; use at least 500 steps"):
        ode.solve(lambda t, x: stiff @ x, torch.ones(3, dtype=torch.float64), method="euler", steps=100)
    fine = ode.solve(lambda t, x: stiff @ x, torch.ones(3, dtype=torch.float64), method="euler", steps=500)
    assert fine.converged
    assert ode.solve(
        lambda t, x: stiff @ x, torch.ones(3, dtype=torch.float64), method="implicit-euler", steps=10
    ).converged


def test_a_solution_that_ends_is_not_called_stiff():
    with pytest.raises(ode.BlowUp, match="the solution itself may grow or end there"):
        ode.solve(lambda t, x: x**2, torch.ones(1, dtype=torch.float64), (0.0, 2.0), method="rk4", steps=100)
    with pytest.raises((ode.TooManySteps, ode.BlowUp)):
        ode.solve(lambda t, x: x**2, torch.ones(1, dtype=torch.float64), (0.0, 2.0), method="dormand-prince", tol=1e-6)


def test_a_field_of_nan_blows_up_for_every_kind_of_method():
    nan = lambda t, x: x * math.nan  # noqa: E731
    with pytest.raises(ode.BlowUp):
        ode.solve(nan, START, method="rk4", steps=2, ceiling=math.inf)
    with pytest.raises(ode.TooManySteps):
        ode.solve(nan, START, method="dormand-prince", tol=1e-3)
    with pytest.raises(ode.NoRoot):
        ode.solve(nan, START, method="implicit-euler", steps=2)


def test_a_failure_is_a_value_where_asked():
    solution = ode.solve(lambda t, x: -100 * x, START, (0.0, 10.0), method="euler", steps=100, throw=False)
    assert not solution.converged
    assert "stiff" in solution.failure
    assert len(solution.times) == len(solution.states) == solution.steps + 1 < 100


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"method": "leapfrog"}, TypeError, "needs a field that splits.*ode.SplitField.*'implicit-midpoint'"),
        ({"method": "leapfrog", "field": SPLIT, "x0": torch.ones(3)}, ValueError, "q and p of equal size"),
        ({"steps": None}, ValueError, "give one of them"),
        ({"tol": 1e-3}, ValueError, "give one of them"),
        ({"steps": None, "tol": 1e-3}, ValueError, "estimates no error.*bogacki-shampine, dormand-prince"),
        ({"steps": None, "tol": 2.0, "method": "dormand-prince"}, ValueError, "tol=2.0 must lie between 0 and 1"),
        ({"steps": 0}, ValueError, "steps=0 must be at least 1"),
        ({"span": (1.0, 1.0)}, ValueError, "two different, finite times"),
        ({"x0": torch.ones(2, dtype=torch.int64)}, TypeError, "dtype torch.int64; .*use x0.double"),
        ({"x0": torch.tensor([math.nan])}, ValueError, "NaN or infinite"),
        ({"field": lambda t, x: x[:2]}, ValueError, r"maps a state of shape \(4,\) to \(2,\)"),
        ({"method": "rk3"}, ValueError, "closest: 'rk4'"),
    ],
)
def test_wrong_input_is_named(change, error, message):
    arguments = {"field": smooth, "x0": START, "span": (0.0, 1.0), "method": "rk4", "steps": 4} | change
    with pytest.raises(error, match=message):
        ode.solve(**arguments)


def test_tableaus_are_also_taken_as_values():
    third = tableaus.Tableau("kutta3", ((0.0,) * 3, (0.5, 0.0, 0.0), (-1.0, 2.0, 0.0)), (1 / 6, 2 / 3, 1 / 6), 3)
    found = orders.observed(smooth, START, reference(smooth, START), method=third)
    assert found.order == pytest.approx(3, abs=0.1)


EXPLICIT = [m.name for m in METHODS.values() if not isinstance(m, Splitting)]


def spoiling(t: float, x: torch.Tensor) -> torch.Tensor:
    """`x' = -x`, computed in the memory of the state."""
    return x.mul_(-1.0)


def reusing():
    """The rotation, answered in one buffer."""
    buffer = torch.empty(2, dtype=torch.float64)

    def field(t: float, x: torch.Tensor) -> torch.Tensor:
        buffer[0], buffer[1] = x[1], -x[0]
        return buffer

    return field


def rotation(t: float, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[1], -x[0]])


PAIRS = {
    "writes into its state": (lambda: spoiling, lambda: lambda t, x: -x),
    "writes into its state by NumPy": (
        lambda: lambda t, x: torch.from_numpy(np.negative(x.numpy(), out=x.numpy())),
        None,
    ),
    "reuses a buffer": (reusing, lambda: rotation),
    "gives its state": (lambda: lambda t, x: x, lambda: lambda t, x: 1.0 * x),
}


@pytest.mark.parametrize("name", EXPLICIT)
@pytest.mark.parametrize("kind", PAIRS)
def test_a_field_may_write_into_its_state_and_reuse_its_answer(kind, name):
    if "NumPy" in kind and name in [m.name for m in tableaus.implicit()]:
        pytest.skip("a Jacobian by automatic differentiation needs torch")
    one, other = PAIRS[kind]
    x0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    method = METHODS[name]
    jacobian = None
    if kind == "reuses a buffer" and not (isinstance(method, tableaus.Tableau) and method.explicit):
        held = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
        jacobian = lambda t, x: held  # noqa: E731
    amounts: list[dict[str, Any]] = [{"steps": 8}]
    if isinstance(method, tableaus.Tableau) and method.embedded:
        amounts.append({"tol": 1e-6})
    for amount in amounts:
        found = ode.solve(one(), x0, method=name, jacobian=jacobian, **amount)
        expected = ode.solve(
            (other or PAIRS["writes into its state"][1])(), x0, method=name, jacobian=jacobian, **amount
        )
        torch.testing.assert_close(found.states, expected.states, rtol=1e-12, atol=1e-12)
        assert x0.tolist() == [1, 0]


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if isinstance(m, Splitting)])
def test_both_parts_of_a_split_field_may_write_and_reuse(name):
    held = torch.empty(2, dtype=torch.float64)
    field = ode.SplitField(velocity=lambda p: p.sinh_(), force=lambda q: torch.sin(q, out=held).neg_())
    start = START.clone()
    found = ode.solve(field, start, method=name, steps=8)
    assert torch.equal(found.states, ode.solve(SPLIT, START, method=name, steps=8).states)
    assert torch.equal(start, START)


def test_a_blow_up_and_its_explanation_leave_the_start_as_it_is():
    start = torch.tensor([1.0, 1.0])
    stiff = lambda t, x: x.mul_(torch.tensor([-1e6, -1.0]))  # noqa: E731
    with pytest.raises(ode.BlowUp, match="stable up to h=2e-06"):
        ode.solve(stiff, start, method="euler", steps=30)
    given: dict[str, Any] = {"jacobian": lambda t, x: torch.diag(x.fill_(-1e6))}
    with pytest.raises(ode.BlowUp, match="stable up to h=2e-06"):
        ode.solve(lambda t, x: -1e6 * x, start, method="euler", steps=30, **given)
    assert start.tolist() == [1, 1]


def test_the_gradient_of_a_field_that_writes_into_its_state_is_right():
    x0 = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    ends = [ode.solve(f, x0, method="rk4", steps=4).end.sum() for f in (spoiling, lambda t, x: -x)]
    (found,), (expected,) = (torch.autograd.grad(end, x0) for end in ends)
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("method", ["euler", "rk4", "implicit-euler"])
@pytest.mark.parametrize(
    ("field", "error", "text"),
    [
        (lambda t, x: -1.0, TypeError, r"field gives -1.0 of type float for a state of shape \(2,\); .* x.new_tensor"),
        (lambda t, x: None, TypeError, "field gives None of type NoneType"),
        (
            lambda t, x: -x.double(),
            TypeError,
            r"field maps a state of torch.float32 to torch.float64.*x0\.to\(torch.float64",
        ),
        (lambda t, x: x * 1j, TypeError, "field maps a state of torch.float32 to torch.complex64"),
        (lambda t, x: x[:1], ValueError, r"field maps a state of shape \(2,\) to \(1,\); it must keep the shape"),
        (lambda t, x: x[None], ValueError, r"to \(1, 2\); it must keep the shape"),
    ],
)
def test_what_a_field_may_not_give(unchecked, method, field, error, text):
    with pytest.raises(error, match=text):
        ode.solve(field, torch.ones(2), method=method, steps=2)


def test_a_field_of_whole_numbers_or_fewer_digits_is_taken():
    for field in (lambda t, x: torch.ones(2, dtype=torch.int64), lambda t, x: torch.ones(2, dtype=torch.float16)):
        assert ode.solve(field, torch.zeros(2), method="euler", steps=4).end.tolist() == [1, 1]


def test_arguments_of_other_kinds(unchecked):
    with pytest.raises(TypeError, match=r"x0 is a ndarray; a state is a tensor: use torch.as_tensor"):
        ode.solve(smooth, np.ones(4), steps=2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"steps holds 2\.5 of type float"):
        ode.solve(smooth, START, steps=2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="steps holds True, a truth value"):
        ode.solve(smooth, START, steps=True)
    span: Any = (np.float64(0), torch.tensor(1.0))
    found = ode.solve(smooth, START, span, steps=torch.tensor(8))
    assert torch.equal(found.states, ode.solve(smooth, START, steps=8).states)


@pytest.mark.parametrize("name", METHODS)
def test_the_evaluations_are_the_calls_of_the_field(name):
    calls = 0

    def counted(t: float, x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return smooth(t, x)

    def force(q: torch.Tensor) -> torch.Tensor:  # a splitting counts its kicks
        nonlocal calls
        calls += 1
        return -torch.sin(q)

    def jacobian(t: float, x: torch.Tensor) -> torch.Tensor:
        return (1 - torch.tanh(COUPLING @ x) ** 2)[:, None] * COUPLING * math.cos(t) - 0.2 * torch.eye(4)

    field = ode.SplitField(torch.sinh, force) if isinstance(METHODS[name], Splitting) else counted
    with torch.no_grad():
        found = ode.solve(field, START, method=name, steps=5, jacobian=jacobian)
    assert found.evaluations == calls


def test_an_error_prints_what_went_wrong_and_no_more():
    with pytest.raises(ode.BlowUp) as caught:
        ode.solve(lambda t, x: -1e6 * x, torch.ones(1), method="euler", steps=30)
    assert str(caught.value) == caught.value.solution.failure != ""
