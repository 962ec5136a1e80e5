"""Krylov iterations against dense solvers, with the residuals that they promise."""

import math

import pytest
import scipy.linalg
import torch
from drawn import CHOSEN, SEEDS, gaussian, mismatch, with_eigenvalues
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from resnet_lib import linalg, runtime
from resnet_lib.linalg import Operator


def generator() -> torch.Generator:
    return runtime.stream(0, "start")


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("LM", [3, 2 + 1j, 2 - 1j]),
        ("LR", [3, 2 + 1j, 2 - 1j]),
        ("SR", [-1.5]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_arnoldi_finds_the_chosen_eigenvalues(which, expected, dtype):
    matrix = with_eigenvalues(torch.cat([CHOSEN, torch.linspace(-1, 1, 42).to(CHOSEN.dtype) / 4]), 0)
    matrix = matrix.to(dtype)
    found = linalg.extreme_eigenvalues(
        Operator.dense(matrix), len(expected), which=which, tol=1e-6, generator=generator()
    )
    assert found.converged
    assert found.values.dtype == torch.complex128
    assert mismatch(found.values, torch.as_tensor(expected, dtype=torch.complex128)) < 1e-4
    key = {"LM": -found.values.abs(), "LR": -found.values.real, "SR": found.values.real}[which]
    assert (key.diff() >= -1e-6).all()
    assert found.residuals.max() <= 2e-6
    assert found.norm <= linalg.spectral_norms(matrix.double()) * (1 + 1e-6)


@settings(max_examples=40)
@given(SEEDS, st.integers(3, 25), st.data())
def test_arnoldi_agrees_with_the_dense_solver(seed, d, data):
    matrix = gaussian(seed, d, d) / d**0.5
    k = data.draw(st.integers(1, d - 2))
    found = linalg.extreme_eigenvalues(Operator.dense(matrix), k, generator=generator())
    dense = torch.linalg.eigvals(matrix)
    dense = dense[dense.abs().argsort(descending=True)]
    assert found.converged
    torch.testing.assert_close(found.values.abs(), dense.abs()[:k], rtol=1e-4, atol=1e-5)
    assert max((dense - v).abs().min() for v in found.values) < 1e-4


@settings(max_examples=40)
@given(SEEDS, st.integers(2, 20), st.integers(2, 20), st.data())
def test_lanczos_agrees_with_the_dense_solver(seed, m, n, data):
    matrix = gaussian(seed, m, n)
    k = data.draw(st.integers(1, min(m, n) - 1))
    found = linalg.extreme_singular_values(Operator.dense(matrix), k, generator=generator())
    assert found.converged
    expected = torch.from_numpy(scipy.linalg.svdvals(matrix.numpy())[:k])
    torch.testing.assert_close(found.values, expected, rtol=0, atol=3e-6 * float(expected[0]))


def test_residuals_bound_the_error_of_singular_values_and_certify_eigenvalues():
    matrix = gaussian(3, 60, 60)
    for restarts in (1, 2, 300):
        found = linalg.extreme_singular_values(
            Operator.dense(matrix), 3, generator=generator(), basis=8, restarts=restarts
        )
        exact = torch.linalg.svdvals(matrix)
        for value, residual in zip(found.values, found.residuals, strict=True):
            assert (exact - value).abs().min() <= residual * found.norm + 1e-12
            # From below by Kato and Temple: an eigenvalue of A^T A is no farther away than r^2 / gap.
            error, gap = (exact**2 - value**2).abs().sort().values[:2]
            assert error * gap <= (residual * found.norm * value) ** 2 + 1e-9
    assert found.converged
    rough = linalg.extreme_eigenvalues(Operator.dense(matrix), 2, tol=1e-2, generator=generator(), basis=8)
    for value, residual in zip(rough.values, rough.residuals, strict=True):
        # The smallest singular value of A - lambda is the distance to a matrix with the eigenvalue lambda.
        distance = torch.linalg.svdvals(matrix - value * torch.eye(60))[-1]
        assert distance <= residual * rough.norm + 1e-12
    assert rough.residuals.max() > 1e-10  # not so good that nothing was asked


def test_an_iteration_that_does_not_converge_says_so():
    clustered = torch.eye(200).double() + 1e-3 * gaussian(0, 200, 200) / 200**0.5
    op = Operator.dense(clustered)
    for found in (
        linalg.extreme_eigenvalues(op, 5, tol=1e-12, generator=generator(), basis=8, restarts=1),
        linalg.extreme_singular_values(op, 5, tol=1e-12, generator=generator(), basis=8, restarts=1),
    ):
        assert not found.converged
        assert len(found.values) == len(found.residuals) < 5


@pytest.mark.parametrize(
    ("matrix", "value"),
    [
        (torch.zeros(30, 30), 0.0),
        (torch.eye(30), 1.0),
        (2 * torch.eye(30), 2.0),
        (torch.diag((torch.arange(30) < 10).float()), 1.0),
    ],
    ids=["zero", "identity", "twice", "projection"],
)
def test_maps_on_which_krylov_spaces_end_early(matrix, value):
    for found in (
        linalg.extreme_eigenvalues(Operator.dense(matrix), 3, generator=generator()),
        linalg.extreme_singular_values(Operator.dense(matrix), 3, generator=generator()),
    ):
        assert found.converged
        torch.testing.assert_close(found.values.abs(), torch.full((3,), value, dtype=torch.float64), rtol=1e-6, atol=0)
        assert found.residuals.max() < 1e-6


def test_the_smaller_side_bounds_the_work():
    tall = Operator.dense(gaussian(0, 2000, 5))
    wide = Operator((5, 2000), tall.dtype, tall.device, tall.rmatvec, tall.matvec)  # pyright: ignore[reportArgumentType]
    for op in (tall, wide):
        found = linalg.extreme_singular_values(op, 2, generator=generator())
        assert found.converged
        assert found.products < 20


def test_a_rank_below_k_gives_zeros():
    matrix = gaussian(0, 30, 2) @ gaussian(1, 2, 30)
    found = linalg.extreme_singular_values(Operator.dense(matrix), 4, generator=generator())
    torch.testing.assert_close(found.values, torch.linalg.svdvals(matrix)[:4], rtol=0, atol=1e-5)
    found = linalg.extreme_eigenvalues(Operator.dense(matrix), 4, generator=generator())
    assert found.converged
    assert found.values[2:].abs().max() < 1e-6


def test_the_same_stream_gives_the_same_bits():
    values = (torch.arange(30) < 10).double()  # two eigenvalues: the Krylov space ends, and ARPACK draws a new start
    runs = []
    for _ in range(2):
        seen = []
        op = Operator((30, 30), values.dtype, values.device, lambda v, seen=seen: seen.append(v.clone()) or values * v)
        found = linalg.extreme_eigenvalues(op, 3, generator=generator())
        runs.append((found.values, found.residuals, torch.stack(seen)))
    assert [torch.equal(first, second) for first, second in zip(*runs, strict=True)] == [True] * 3


def test_products_are_counted_and_norms_seen():
    seen = []

    def matvec(v: Tensor) -> Tensor:
        seen.append(v.clone())
        return matrix @ v

    matrix = gaussian(0, 50, 50)
    op = Operator((50, 50), matrix.dtype, matrix.device, matvec)
    found = linalg.extreme_eigenvalues(op, 2, generator=generator())
    assert found.products == len(seen)
    gains = [(matrix @ v).norm() / v.norm() for v in seen if v.any()]
    assert found.norm == pytest.approx(max(gains).item(), rel=1e-12)


def test_an_operator_is_its_matrix():
    matrix = gaussian(0, 3, 5)
    op = Operator.dense(matrix)
    assert (op.shape, op.dtype, op.device) == ((3, 5), torch.float64, torch.device("cpu"))
    assert torch.equal(op.to_dense(), matrix)
    assert op.rmatvec is not None
    assert torch.equal(op.rmatvec(torch.ones(3, dtype=torch.float64)), matrix.sum(0))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda op: linalg.extreme_eigenvalues(op, 9, generator=generator()),
            r"k=9 must lie between 1 and d - 2 = 8; .*to_dense",
        ),
        (lambda op: linalg.extreme_eigenvalues(op, 0, generator=generator()), "k=0 must lie between 1"),
        (
            lambda op: linalg.extreme_singular_values(op, 10, generator=generator()),
            r"k=10 must .* min\(m, n\) - 1 = 9; for all",
        ),
        (
            lambda op: linalg.extreme_eigenvalues(
                op,
                1,
                which="LI",  # pyright: ignore[reportArgumentType]
                generator=generator(),
            ),
            "which='LI' is unknown; known: LM, LR, SR",
        ),
        (
            lambda op: linalg.extreme_eigenvalues(op, 1, basis=2, generator=generator()),
            r"basis=2 must lie between k \+ 2 = 3 and d = 10",
        ),
        (
            lambda op: linalg.extreme_singular_values(op, 1, basis=11, generator=generator()),
            "basis=11 must lie between",
        ),
    ],
)
def test_arguments_that_arpack_cannot_take_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call(Operator.dense(torch.eye(10)))


def test_operators_that_cannot_be_asked_are_named():
    wide = Operator.dense(gaussian(0, 10, 12))
    with pytest.raises(ValueError, match=r"op\.shape=\(10, 12\) is not square, .*use extreme_singular_values"):
        linalg.extreme_eigenvalues(wide, 1, generator=generator())
    cpu = torch.device("cpu")
    one_way = Operator((10, 10), torch.float32, cpu, lambda v: v)
    with pytest.raises(ValueError, match=r"op\.rmatvec is None, .*use Operator\(rmatvec="):
        linalg.extreme_singular_values(one_way, 1, generator=generator())
    for output, text in (
        (torch.full((10,), math.nan), "NaN or infinite values"),
        (torch.zeros(3), r"shape \(3,\); expected"),
    ):
        wrong = Operator((10, 10), torch.float32, cpu, lambda v, output=output: output, lambda v, output=output: output)
        with pytest.raises(ValueError, match=f"op.matvec gave {text}"):
            linalg.extreme_eigenvalues(wrong, 1, generator=generator())
        with pytest.raises(ValueError, match=f"op.matvec gave {text}"):
            linalg.extreme_singular_values(wrong, 1, generator=generator())
