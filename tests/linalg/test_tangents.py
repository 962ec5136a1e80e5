"""Derivatives that are known by their products, against matrices by torch's older interface."""

import pytest
import torch
from drawn import gaussian
from torch import Tensor, nn

from resnet_lib import linalg


def curved(x: Tensor) -> Tensor:
    """Three numbers of a 2 x 2 matrix, none of them linear."""
    return torch.stack([x[0, 0] * x[1, 1], torch.sin(x).sum(), (x**3).sum() * x[0, 1]])


def test_products_are_those_of_the_matrix():
    x, v, u = gaussian(0, 2, 2), gaussian(1, 2, 2), gaussian(2, 3)
    matrix = torch.autograd.functional.jacobian(curved, x)
    assert isinstance(matrix, Tensor)
    found = linalg.tangent(curved, x)
    torch.testing.assert_close(found.value, curved(x))
    torch.testing.assert_close(found.push(v), torch.einsum("kij,ij->k", matrix, v))
    torch.testing.assert_close(found.pull(u), torch.einsum("kij,k->ij", matrix, u))


def test_products_may_be_taken_of_flat_vectors_and_again():
    x, v = gaussian(0, 2, 2), gaussian(1, 4)
    found = linalg.tangent(curved, x)
    first, again = found.push(v), found.push(v.reshape(2, 2))
    assert torch.equal(first, again)
    torch.testing.assert_close((found.pull(gaussian(2, 3)) * v.reshape(2, 2)).sum(), gaussian(2, 3) @ first)


@pytest.mark.parametrize("f", [torch.ones_like, lambda x: x.detach() ** 2, torch.sign])
def test_a_map_that_does_not_depend_on_its_point_has_a_derivative_of_zero(f):
    found = linalg.tangent(f, gaussian(0, 3))
    assert not found.push(torch.ones(3, dtype=torch.float64)).any()
    assert not found.pull(torch.ones(3, dtype=torch.float64)).any()


def test_the_point_stays_what_it_was_and_the_caller_may_want_no_gradients():
    x = gaussian(0, 3)
    kept = x.clone()
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            found = linalg.tangent(nn.ELU(inplace=True), x)
            torch.testing.assert_close(found.push(torch.ones_like(x)), torch.where(x > 0, 1, x.exp()))
    assert torch.equal(x, kept)
