"""The search finds collisions where they are known, keeps the distance of its pairs, and beats no proven bound."""

import pytest
import torch

from resnet_lib import runtime
from resnet_lib.analysis import collisions


def start(n: int, d: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stream = runtime.stream(0, "collisions", n, d)
    centres, directions = torch.randn(2, n, d, generator=stream, dtype=torch.float64)
    return centres, directions, torch.full((n,), 0.5, dtype=torch.float64)


def test_the_direction_that_a_matrix_shrinks_most_is_found():
    matrix = torch.diag(torch.tensor([2.0, 1.0, 0.25], dtype=torch.float64))
    found = collisions.collide(lambda x: x @ matrix, *start(4, 3), steps=300)
    assert found.ratio.min().item() == pytest.approx(0.25, rel=1e-3)
    assert (found.ratio >= 0.25 - 1e-12).all()


def test_a_fold_is_found_in_many_dimensions():
    """Of `x + F(x)` with `F = -2 relu(x_1) e_1` two inputs, mirrored in the plane `x_1 = 0`, come out the same."""
    centres, directions, reach = start(8, 10)

    def fold(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, :1] - 2 * x[:, :1].relu(), x[:, 1:]], 1)

    found = collisions.collide(fold, centres, directions, reach, steps=400)
    assert found.ratio.min() < 0.02 < found.start.min()
    best = int(found.ratio.argmin())
    assert (found.first[best, 0] + found.second[best, 0]).abs() < 0.05


def test_pairs_keep_their_distance_and_ratios_are_those_of_the_pairs():
    centres, directions, reach = start(5, 4)
    found = collisions.collide(torch.tanh, centres, directions, reach, steps=20)
    torch.testing.assert_close((found.first - found.second).norm(dim=1), reach)
    apart = (found.first.tanh() - found.second.tanh()).norm(dim=1) / reach
    torch.testing.assert_close(found.ratio, apart)
    assert (found.ratio <= found.start).all()
    assert found.evaluations == 4 * 5 * 21


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, d, r: (c, 0 * d, r), "holds a zero"),
        (lambda c, d, r: (c, d, 0 * r), "holds a zero"),
    ],
)
def test_pairs_of_one_input_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        collisions.collide(torch.tanh, *change(*start(2, 3)))
    with pytest.raises(ValueError, match="steps=0"):
        collisions.collide(torch.tanh, *start(2, 3), steps=0)


def test_steps_that_shrink_come_nearer_and_begin_where_the_others_ended():
    centres, directions, reach = start(8, 10)

    def fold(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, :1] - 2 * x[:, :1].relu(), x[:, 1:]], 1)

    once = collisions.collide(fold, centres, directions, reach, steps=100)
    found = collisions.refine(fold, centres, directions, reach, steps=100)
    assert found.ratio.min() < 1e-4 < once.ratio.min()
    assert (found.ratio <= once.ratio + 1e-12).all()
    torch.testing.assert_close(found.start, once.start)
    torch.testing.assert_close((found.first - found.second).norm(dim=1), reach)
    assert found.evaluations == 6 * once.evaluations
    with pytest.raises(ValueError, match="rates is empty"):
        collisions.refine(fold, centres, directions, reach, rates=())
