"""One block fitted to a target, against the closed form of gradient descent and steps that are taken by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resnet_lib import training
from resnet_lib.nets.blocks import Absent, Add, Block, BranchOnly, Linear
from resnet_lib.training import regression
from tests.networks import generator

DESCENT = training.Recipe(epochs=40, lr=0.3, momentum=0.0, schedule="constant", warmup=0.0)


def block(weight: Tensor, *, residual: bool = True) -> Block:
    layer = Linear(*weight.shape, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return Block(layer, nn.Identity(), Add()) if residual else Block(layer, Absent(), BranchOnly())


def problems(count: int = 3, n: int = 12, d: int = 4) -> tuple[Tensor, Tensor]:
    x, maps = (
        torch.randn(count, *shape, generator=generator("regression"), dtype=torch.float64) for shape in ((n, d), (d, d))
    )
    return x, maps


def closed(x: np.ndarray, target: np.ndarray, start: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Weights after so many steps: the error is multiplied by I - 2 lr C / d in each, with C the second moments."""
    d = len(target)
    moments = x.T @ x / len(x)
    return target + (start - target) @ np.linalg.matrix_power(np.eye(d) - 2 * lr / d * moments, steps)


@pytest.mark.parametrize("residual", [False, True])
def test_descent_of_a_linear_block_is_that_of_its_closed_form(residual: bool):
    x, maps = problems()
    start = torch.full((4, 4), 0.1, dtype=torch.float64)
    blocks = [block(start, residual=residual) for _ in x]
    found = regression.fit(blocks, x, x @ maps.mT, DESCENT, keep=(0, 7))
    for i, wanted in enumerate(maps.numpy()):
        target = wanted - np.eye(4) if residual else wanted
        for params, steps in ((found.kept[0], 0), (found.kept[7], 7), (found.params, 40)):
            made = closed(x[i].numpy(), target, start.numpy(), 0.3, steps)
            np.testing.assert_allclose(params["branch.weight"][i].numpy(), made, atol=1e-12)
        gap = x[i].numpy() @ (closed(x[i].numpy(), target, start.numpy(), 0.3, 40) - target).T
        assert found.loss[i].item() == pytest.approx((gap**2).mean())
    assert found.reached.tolist() == [False] * 3
    assert found.steps.tolist() == [40.0] * 3
    assert torch.equal(blocks[0].branch.weight.detach(), start)  # which stays as it was  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]


def test_steps_have_a_fraction_by_the_logarithm_of_the_loss():
    """With one input of size 1 the error falls by the same factor in each step."""
    x = torch.ones(2, 1, 1, dtype=torch.float64)
    t = torch.tensor([3.0, 30.0], dtype=torch.float64).reshape(2, 1, 1)
    zero = torch.zeros(1, 1, dtype=torch.float64)
    found = regression.fit([block(zero, residual=False)] * 2, x, t, DESCENT, tolerance=0.01)
    wanted = [math.log(size / 0.1) / -math.log(1 - 0.6) for size in (3, 30)]
    np.testing.assert_allclose(found.steps, wanted, rtol=1e-9)
    assert found.reached.tolist() == [True, True]
    for i, size in enumerate((3.0, 30.0)):  # the weights are those of the first whole step behind it
        assert found.loss[i].item() == pytest.approx((size * 0.4 ** math.ceil(wanted[i])) ** 2)
        made = found.block(i)(torch.ones(1, 1, dtype=torch.float64)).item()
        assert made == pytest.approx(size * (1 - 0.4 ** math.ceil(wanted[i])))


def test_what_has_been_learned_at_the_start_takes_no_step():
    x, _ = problems()
    zero = torch.zeros(4, 4, dtype=torch.float64)
    found = regression.fit([block(zero)] * 3, x, x, DESCENT, tolerance=1e-6)
    assert found.steps.tolist() == [0.0] * 3
    assert found.loss.tolist() == [0.0] * 3
    assert not found.params["branch.weight"].any()


def test_no_problem_sees_another():
    x, maps = problems()
    zero = torch.zeros(4, 4, dtype=torch.float64)
    adam = training.Recipe(epochs=30, lr=0.1, optimizer="adam", schedule="constant", warmup=0.0)
    together = regression.fit([block(zero)] * 3, x, x @ maps.mT, adam, tolerance=0.5)
    for i in range(3):
        alone = regression.fit([block(zero)], x[i : i + 1], x[i : i + 1] @ maps[i].T, adam, tolerance=0.5)
        assert torch.allclose(alone.steps[0], together.steps[i])
        assert torch.allclose(alone.params["branch.weight"][0], together.params["branch.weight"][i], atol=1e-12)


def test_the_rate_follows_the_recipe_s_schedule():
    x, maps = problems(1)
    zero = torch.zeros(4, 4, dtype=torch.float64)
    recipe = training.Recipe(epochs=5, lr=0.3, momentum=0.0, schedule="cosine", warmup=0.0)
    found = regression.fit([block(zero, residual=False)], x, x @ maps.mT, recipe)
    weight, moments = np.zeros((4, 4)), x[0].numpy().T @ x[0].numpy() / 12
    for step in range(5):
        weight = weight - recipe.rate(step, 5) * 2 / 4 * (weight - maps[0].numpy()) @ moments
    np.testing.assert_allclose(found.params["branch.weight"][0].numpy(), weight, atol=1e-12)


def test_wrong_arguments_are_refused():
    x, _ = problems()
    one = block(torch.zeros(4, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="there are 2 blocks, 3 inputs and 3 targets; each problem has one"):
        regression.fit([one] * 2, x, x, DESCENT)
    with pytest.raises(ValueError, match=r"keep=\(41,\) names step 41; the recipe has the steps 0 to 40"):
        regression.fit([one] * 3, x, x, DESCENT, keep=(41,))
    with pytest.raises(ValueError, match=r"tolerance=-1\.0 is a mean squared error; use 0 or more"):
        regression.fit([one] * 3, x, x, DESCENT, tolerance=-1.0)
    normed = Block(nn.BatchNorm1d(4).double(), nn.Identity(), Add())
    with pytest.raises(ValueError, match=r"a block has the buffer 'branch\.running_mean'"):
        regression.fit([normed] * 3, x, x, DESCENT)
    found = regression.fit([one] * 3, x, x, DESCENT)
    with pytest.raises(ValueError, match="problem=3 does not exist; there are 3, counted from 0"):
        found.block(3)
    with pytest.raises(TypeError):
        found.block(0.5)  # pyright: ignore[reportArgumentType]
