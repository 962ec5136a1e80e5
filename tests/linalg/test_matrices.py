"""Spectra of matrices against what they were made with, and against SciPy."""

import math

import pytest
import scipy.linalg
import torch
from drawn import CHOSEN, SEEDS, gaussian, mismatch, with_eigenvalues
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import linalg, runtime


@pytest.mark.parametrize("threads", [1, 2])
def test_a_matrix_has_the_eigenvalues_it_was_made_with(threads):
    matrices = torch.stack([with_eigenvalues(CHOSEN, seed) for seed in range(6)]).reshape(2, 3, 8, 8)
    with runtime.numerics(threads=threads):
        values = linalg.eigenvalues(matrices)
        assert torch.get_num_threads() == threads
    expected = CHOSEN[[3, 5, 4, 7, 6, 2, 1, 0]]  # by real part, then imaginary part
    assert values.shape == (2, 3, 8)
    # The real parts of 0.5j, -0.5j and 0 are equal but for rounding, so those three may change places.
    assert max(mismatch(v, expected) for v in values.flatten(0, 1)) < 1e-12
    torch.testing.assert_close(
        values[..., [0, 4, 5, 6, 7]], expected[[0, 4, 5, 6, 7]].expand(2, 3, 5), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(linalg.spectral_radius(matrices), torch.full((2, 3), 3.0, dtype=torch.float64))


@given(SEEDS, st.integers(1, 12), st.floats(0, 1), st.booleans())
def test_eigenvalues_of_sparse_matrices_are_those_of_the_whole(seed, d, density, symmetric):
    """Zeros are what deflation works on; the oracle is LAPACK without deflation, and the trace."""
    mask = torch.rand(d, d, generator=runtime.stream(seed, "mask")) < density
    matrix = gaussian(seed, d, d) * mask
    if symmetric:  # no Jordan blocks, so that the oracle is accurate
        matrix = matrix + matrix.T
        expected = torch.from_numpy(scipy.linalg.eigvalsh(matrix.numpy())).to(torch.complex128)
        assert mismatch(linalg.eigenvalues(matrix), expected) < 1e-12 * d
    values = linalg.eigenvalues(matrix)
    for power in (1, 2, 3):
        trace = torch.linalg.matrix_power(matrix, power).trace()
        scale = max(1.0, torch.linalg.matrix_norm(matrix).item()) ** power
        assert abs(values.pow(power).sum() - trace) < 1e-9 * d * scale


def test_what_is_decoupled_is_exact_and_not_left_to_lapack(monkeypatch):
    eigvals, sizes = torch.linalg.eigvals, []
    monkeypatch.setattr(torch.linalg, "eigvals", lambda a: sizes.append(a.shape) or eigvals(a))
    d = 40
    matrix = torch.triu(gaussian(0, d, d), 1) + torch.diag(torch.arange(d).double())
    shuffled = torch.randperm(d, generator=runtime.stream(0, "order"))
    triangular = matrix[shuffled][:, shuffled]
    assert torch.equal(linalg.eigenvalues(triangular).real, torch.arange(d).double())
    assert torch.equal(linalg.eigenvalues(triangular).imag, torch.zeros(d, dtype=torch.float64))
    block = torch.eye(d).double()
    block[:, 3:9] += gaussian(2, d, 6)
    values = linalg.eigenvalues(block.T)
    assert (values == 1).sum() == d - 6
    assert [shape for shape in sizes if shape.numel()] == [(6, 6)]
    assert mismatch(values[values != 1], torch.linalg.eigvals(block[3:9, 3:9])) < 1e-13


def test_complex_matrices_and_single_precision_are_taken():
    matrix = torch.complex(gaussian(0, 7, 7), gaussian(1, 7, 7))
    assert mismatch(linalg.eigenvalues(matrix), torch.from_numpy(scipy.linalg.eigvals(matrix.numpy()))) < 1e-12
    torch.testing.assert_close(
        linalg.singular_values(matrix), torch.from_numpy(scipy.linalg.svdvals(matrix.numpy())), rtol=1e-12, atol=0
    )
    single = linalg.eigenvalues(gaussian(0, 3, 7, 7).float())
    assert (single.dtype, single.shape) == (torch.complex64, (3, 7))
    assert linalg.eigenvalues(torch.zeros(0, 4, 4)).shape == (0, 4)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_singular_values_are_those_it_was_made_with(shape, threads):
    m, n = shape
    chosen = torch.tensor([3.0, 1.0, 0.0], dtype=torch.float64)
    left, right = (torch.linalg.qr(gaussian(s, k, k)).Q[:, :3] for s, k in ((0, m), (1, n)))
    matrices = (left * chosen) @ right.T * torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
    with runtime.numerics(threads=threads):
        values, norms = linalg.singular_values(matrices), linalg.spectral_norms(matrices)
    torch.testing.assert_close(values, torch.stack([chosen, 2 * chosen])[:, None], rtol=0, atol=1e-14)
    torch.testing.assert_close(norms, torch.tensor([[3.0], [6.0]], dtype=torch.float64), rtol=1e-14, atol=0)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_spectral_norms_neither_overflow_nor_lose_digits(scale):
    matrices = gaussian(0, 4, 6, 6, dtype=torch.float32) * scale
    expected = [scipy.linalg.svdvals(m.double().numpy())[0] for m in matrices]
    torch.testing.assert_close(
        linalg.spectral_norms(matrices).double(), torch.tensor(expected).double(), rtol=1e-6, atol=0
    )
    assert linalg.spectral_norms(torch.zeros(2, 3, 3)).tolist() == [0, 0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("matrices", "text"),
    [
        (torch.zeros(3, 4, 5), r"matrices has shape \(3, 4, 5\); expected square .*use singular_values"),
        (torch.zeros(4), r"matrices has shape \(4,\); expected square matrices"),
        (torch.zeros(2, 0, 0), r"matrices has shape \(2, 0, 0\); expected"),
        (
            torch.eye(3).half(),
            r"matrices has dtype torch\.float16; expected float32, float64 or complex: use \.float\(\)",
        ),
        (torch.ones(3, 3).long(), r"matrices has dtype torch\.int64"),
        (torch.full((3, 3), math.inf), r"matrices holds NaN or infinite values in 1 of 1 matrices; leave those out"),
    ],
)
def test_what_has_no_eigenvalues_is_refused(matrices, text):
    for function in (linalg.eigenvalues, linalg.spectral_radius):
        with pytest.raises(ValueError, match=text):
            function(matrices)


@pytest.mark.usefixtures("unchecked")
def test_bad_matrices_are_counted():
    matrices = torch.zeros(2, 3, 4, 4)
    matrices[1, 2, 0, 3] = math.nan
    matrices[1, 0, 1, 1] = math.inf
    for function in (linalg.eigenvalues, linalg.singular_values, linalg.spectral_norms, linalg.spectral_radius):
        with pytest.raises(ValueError, match=r"NaN or infinite values in 2 of 6 matrices, the first at index \(1, 0\)"):
            function(matrices)
    with pytest.raises(ValueError, match=r"matrices has shape \(4,\); expected matrices \(\.\.\., m, n\)$"):
        linalg.singular_values(torch.zeros(4))
