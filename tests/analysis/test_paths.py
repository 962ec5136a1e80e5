"""Paths against Jacobians written out, autograd and counting."""

import itertools
import math
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import jacobian, paths
from resnet_lib.nets import Block, Unit, blocks, initialisation
from resnet_lib.nets.units import UNITS


def generator(*path):
    return runtime.stream(0, "test-paths", *path)


def net(depth=4, unit: str | Unit = "pre", width=5):
    made = nets.mlp(depth, width, unit=unit, in_features=6, classes=3, generator=generator(str(unit), depth)).double()
    made(torch.randn(40, 6, generator=generator("warm"), dtype=torch.float64) + 1)
    return made.eval()


def inputs(n=3):
    x = torch.randn(n, 6, generator=generator("x"), dtype=torch.float64)
    return x, torch.arange(n) % 3


def linear_stack(depth, width=5, alpha=1.0):
    """Blocks x + alpha W x."""
    unit = Unit(order="W+", norm="none", alpha=alpha)
    made = [blocks.linear_block(unit, width) for _ in range(depth)]
    return [initialisation.initialise(b, generator("linear", i), "lecun").double() for i, b in enumerate(made)]


def test_counts_are_the_binomial_law_and_veit_s_shares():
    assert paths.counts(4) == (1, 4, 6, 4, 1)
    law = stats.binom(54, 0.5)
    assert paths.share(54, 19, 35) == pytest.approx(law.cdf(35) - law.cdf(18))
    assert paths.share(54, 19, 35) == pytest.approx(0.980, abs=5e-4)  # veit2016residual says more than 95%
    assert paths.share(54, 5, 17) == pytest.approx(0.0045, abs=5e-5)  # and 0.45%
    assert sum(paths.counts(0)) == 1
    with pytest.raises(ValueError, match="depth=-1"):
        paths.counts(-1)


def test_terms_of_linear_branches_are_products_of_their_matrices():
    made = linear_stack(4, alpha=0.5)
    state = torch.randn(2, 5, generator=generator("state"), dtype=torch.float64)
    found = paths.expand(made, state)
    assert found.residual < 1e-14
    assert torch.bincount(found.lengths).tolist() == [1, 4, 6, 4, 1]
    for term, entered in zip(found.terms, found.entered, strict=True):
        expected = state
        for block, enters in zip(made, entered, strict=True):
            if enters:
                expected = 0.5 * expected @ next(block.branch.parameters()).detach().T
        torch.testing.assert_close(term, expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.floats(-1, 1))
def test_the_sum_is_exact_for_linear_branches_of_any_gain(depth, alpha):
    state = torch.randn(3, 5, generator=generator("any"), dtype=torch.float64)
    assert paths.expand(linear_stack(depth, alpha=alpha), state).residual < 1e-12


@pytest.mark.parametrize("unit", ["inside", Unit(order="pre", norm="none"), UNITS["post"]])
def test_it_is_not_for_others(unit):
    made = net(5, unit)
    with torch.no_grad():
        state = made.stem(inputs()[0])
    assert paths.expand(made.blocks, state).residual > 0.01


def test_gradients_by_length_add_up_to_autograd():
    for unit in ("pre", "inside", "post", Unit(order="pre", norm="none", alpha=0.3, beta=0.1), "plain-pre"):
        made, (x, y) = net(unit=unit), inputs()
        with torch.no_grad():
            first = made.stem(x)
        state = first.clone().requires_grad_()
        out = state
        for block in made.blocks:
            out = block(out)
        nn.functional.cross_entropy(made.head(out), y, reduction="sum").backward()
        sums = paths.gradients_by_length(paths.linearise(made, x, y))
        assert sums.shape == (5, 3, 5)
        torch.testing.assert_close(sums.sum(0), state.grad)
        if unit == "plain-pre":  # one path, through everything
            assert not sums[:-1].any()


def test_a_path_s_gradient_is_the_product_of_the_jacobians_it_enters():
    made, (x, y) = net(3), inputs(1)
    tape = paths.linearise(made, x, y)
    with torch.no_grad():
        states = made.states(x)
    branch = [jacobian.dense(cast(Block, block).branch, s)[0] for block, s in zip(made.blocks, states, strict=False)]
    by_choice = {}
    for entered in itertools.product((False, True), repeat=3):
        flow = tape.start[0]
        for block in (2, 1, 0):
            flow = branch[block].T @ flow if entered[block] else flow
        by_choice[entered] = flow
    for length in range(4):
        expected = [flow for entered, flow in by_choice.items() if sum(entered) == length]
        torch.testing.assert_close(paths.gradients_by_length(tape)[length, 0], torch.stack(expected).sum(0))
        drawn = paths.path_gradients(tape, length, 60, generator=generator("paths", length))[:, 0]
        distance = (drawn[:, None] - torch.stack(expected)).norm(dim=-1)
        assert distance.min(1).values.max() < 1e-12  # every drawn path is one of them
        assert set(distance.argmin(1).tolist()) == set(range(math.comb(3, length)))  # and every one is drawn


def test_sampled_paths_average_to_the_exact_sum():
    made, (x, y) = net(6), inputs(2)
    tape = paths.linearise(made, x, y)
    drawn = paths.path_gradients(tape, 2, 4000, generator=generator("many"))
    mean, error = drawn.mean(0), drawn.std(0) / 4000**0.5
    exact = paths.gradients_by_length(tape)[2] / math.comb(6, 2)
    assert ((mean - exact).abs() <= 4.5 * error + 1e-12).all()


def test_transitions_are_paths_too():
    made = nets.conv_net((1, 2), (2, 4), unit="pre", generator=generator("conv"))
    made(torch.randn(4, 3, 8, 8, generator=generator("conv-warm")))
    x, y = torch.randn(2, 3, 8, 8, generator=generator("conv-x")), torch.tensor([0, 1])
    tape = paths.linearise(made.eval(), x, y)
    sums = paths.gradients_by_length(tape)
    assert sums.shape == (4, 2, 2, 8, 8)
    state = made.stem(x).detach().requires_grad_()
    out = state
    for block in made.blocks:
        out = block(out)
    nn.functional.cross_entropy(made.head(out), y, reduction="sum").backward()
    torch.testing.assert_close(sums.sum(0), state.grad, rtol=1e-4, atol=1e-6)


def test_bad_input_is_refused():
    made, (x, y) = net(), inputs()
    tape = paths.linearise(made, x, y)
    with pytest.raises(ValueError, match=r"length=5 must lie between 0 and 4"):
        paths.path_gradients(tape, 5, 1, generator=generator("bad"))
    with pytest.raises(ValueError, match=r"15 blocks have 2\*\*15 paths; at most 14"):
        paths.expand(linear_stack(15), torch.zeros(1, 5))
    with pytest.raises(TypeError, match=r"block 0 is a Linear; paths are those of blocks.Block"):
        paths.expand([nn.Linear(2, 2)], torch.zeros(1, 2))
    made.blocks[0].train()
    with pytest.raises(ValueError, match=r"'blocks.0.branch.norm1' \(BatchNorm1d\) is in training mode"):
        paths.linearise(made, x, y)
