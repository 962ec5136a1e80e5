"""Networks read as flows, against their algebra, the solver and closed forms."""

# Parts of modules are reached by name, which the checker cannot follow.
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportIndexIssue=false, reportArgumentType=false

import copy
import math

import pytest
import torch
from torch import nn

from resnet_lib import nets, ode, runtime
from resnet_lib.analysis import flow
from resnet_lib.nets import Unit, dynamics
from tests.flows import INSIDE, X, net, tied


def test_one_substep_is_the_network_itself():
    torch.testing.assert_close(flow.refine(net(), 1)(X), net()(X), rtol=0, atol=1e-13)
    torch.testing.assert_close(flow.interpolate(net(), 1)(X), net()(X), rtol=0, atol=1e-13)


def test_substeps_are_a_loop_and_tend_to_the_flow():
    stack = net()
    state = stack.stem(X)
    for block in stack.blocks:
        for _ in range(3):
            state = state + 0.25 / 3 * block.branch(state)
    torch.testing.assert_close(flow.refine(stack, 3)(X), stack.head(state), rtol=0, atol=1e-13)
    exact = flow.refine(stack, 64, method="rk4")(X).detach()
    errors = [float((flow.refine(stack, k)(X) - exact).detach().norm()) for k in (8, 16, 32)]
    assert math.log2(errors[0] / errors[2]) / 2 == pytest.approx(1, abs=0.15)


def test_refining_the_tied_network_is_a_finer_euler_grid_of_one_field():
    stack = tied()
    branch = stack.blocks[0].block.branch
    grid = ode.solve(lambda t, x: branch(x), stack.stem(X), method="euler", steps=12).end
    torch.testing.assert_close(flow.refine(stack, 3)(X), stack.head(grid), rtol=0, atol=1e-12)
    torch.testing.assert_close(flow.interpolate(stack, 3)(X), stack.head(grid), rtol=0, atol=1e-12)
    assert flow.roughness(stack) == 0


def test_interpolated_weights_are_the_means_and_nothing_is_changed():
    stack = net(depth=2)
    before = copy.deepcopy(stack.state_dict())
    finer = flow.interpolate(stack, 2)
    assert len(finer.blocks) == 4
    left, right = stack.blocks[0].branch.weight1.weight, stack.blocks[1].branch.weight1.weight
    torch.testing.assert_close(finer.blocks[1].block.branch.weight1.weight, (left + right) / 2)
    torch.testing.assert_close(finer.blocks[3].block.branch.weight1.weight, right)
    assert all(torch.equal(value, stack.state_dict()[name]) for name, value in before.items())


def test_roughness_of_independent_weights_is_the_root_of_two():
    wide = nets.mlp(20, 64, unit=INSIDE, generator=runtime.stream(0, "wide"))
    assert flow.roughness(wide) == pytest.approx(math.sqrt(2), rel=0.01)


def test_path_counts_relative_moves():
    stack = net()
    with torch.no_grad():
        for block in stack.blocks:
            block.branch = nn.Identity()  # x + x/4
    found = flow.path(stack, X)
    torch.testing.assert_close(found.relative, torch.full((4,), 0.25, dtype=torch.float64))
    assert found.length == pytest.approx(1)


def test_smoothness_is_the_sum_over_neighbours_for_each_seed():
    params = {f"blocks.{l}.w": torch.full((2, 3), float(l**2)) for l in range(3)}
    params["blocks.1.w"][1] += 1
    penalty = flow.smoothness(list(params))(params)
    torch.testing.assert_close(penalty, torch.tensor([3 * 1 + 3 * 9.0, 3 * 4 + 3 * 4.0]))


def test_a_neural_ode_solves_its_linear_field_and_carries_gradients():
    field = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    with torch.no_grad():
        field.weight.copy_(torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, -0.5]]))
    module = flow.NeuralODE(field, extra=1, tol=1e-8)
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    exact = torch.linalg.matrix_exp(field.weight) @ torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    end = module(x)
    torch.testing.assert_close(end[0], exact, rtol=0, atol=1e-6)
    end.square().sum().backward()
    assert field.weight.grad.abs().sum() > 0


def test_blocks_that_are_no_steps():
    post = net(Unit(norm="none"))
    assert not any(map(flow.steps, post.blocks))
    for attempt in (lambda: flow.refine(post, 2), lambda: flow.interpolate(post, 2)):
        with pytest.raises(ValueError, match="no block of the form"):
            attempt()
    with pytest.raises(TypeError, match=r"Block is no Euler step.*order 'pre' or 'inside'"):
        flow.field(post.blocks[0])
    damped = net(Unit(order="inside", norm="none", alpha=0.5, beta=0.1))
    assert not flow.steps(damped.blocks[0])


def test_a_convolutional_network_is_refined_where_it_keeps_its_shape():
    unit = Unit(order="pre", alpha=0.5)
    stack = nets.conv_net((2, 2), (4, 8), unit=unit, in_channels=1, generator=runtime.stream(0, "conv")).eval()
    x = torch.randn(2, 1, 8, 8, generator=runtime.stream(0, "x"))
    finer = flow.refine(stack, 2)
    assert [type(block).__name__ for block in finer.blocks] == ["Flow", "Flow", "Block", "Flow"]
    assert finer(x).shape == (2, 10)
    assert len(flow.interpolate(stack, 2).blocks) == 7
    torch.testing.assert_close(flow.refine(stack, 1)(x), stack(x))
    assert len(flow.path(stack, x).relative) == 3


def test_a_flow_that_blows_up_says_so():
    block = dynamics.euler_block(nn.Linear(2, 2, bias=False), 1.0)
    with torch.no_grad():
        block.branch.weight.copy_(-1e6 * torch.eye(2))
    with pytest.raises(ode.BlowUp, match="stiff"):
        flow.Flow(block, substeps=4)(torch.ones(1, 2))


def test_a_repeated_block_is_passed_as_often_as_it_is():
    stack = tied(depth=3)
    assert flow.layers(stack) == [stack.blocks[0].block] * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: flow.interpolate(net(), 0), "factor=0 must be at least 1"),
        (lambda: flow.smoothness(["stem.weight", "blocks.0.w"]), "names holds no neighbours"),
        (lambda: flow.roughness(net(depth=1)), "no two neighbouring blocks"),
        (
            lambda: flow.path(
                nets.Stack(nn.Identity(), [nn.Linear(2, 3)], nn.Identity(), shape=(2,)), torch.ones(1, 2)
            ),
            "keeps the shape",
        ),
    ],
)
def test_what_has_no_flow_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
