"""Lesions against networks rebuilt by hand, and against counting."""

import itertools
import math
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lesioned import by_hand, generator, mlp
from scipy import stats
from torch import nn

from resnet_lib import nets
from resnet_lib.analysis import lesion, lesion_scores
from resnet_lib.nets import Block, blocks
from resnet_lib.nets.units import UNITS


@pytest.fixture(scope="module")
def resnet20():
    net = nets.cifar_resnet(20, width=4, generator=generator("resnet20"))
    net(torch.randn(8, 3, 32, 32, generator=generator("warm20")))
    return net.eval()


def images(n=4):
    return torch.randn(n, 3, 32, 32, generator=generator("images"))


def rebuilt_without(net, gone):
    """A new network of copied weights that never had these blocks."""
    kept = [i for i in range(len(net.blocks)) if i not in gone]
    counts = tuple(sum(i // 3 == stage for i in kept) for stage in range(3))
    new = nets.conv_net(counts, (4, 8, 16), unit=UNITS["post"], stem_width=4, generator=generator("other"))
    # A's shortcut has no parameters, so that the recipes of `cifar_resnet` and `conv_net` differ in it alone.
    for place, i in enumerate(kept):
        old, new_block = net.blocks[i], cast(Block, new.blocks[place])
        new_block.branch.load_state_dict(old.branch.state_dict())
        new_block.shortcut = old.shortcut
    new.stem.load_state_dict(net.stem.state_dict())
    new.head.load_state_dict(net.head.state_dict())
    return new.eval()


def test_all_single_lesions_equal_rebuilt_networks_bit_for_bit(resnet20):
    x = images()
    singles = lesion.singles(resnet20)
    assert list(singles) == [0, 1, 2, 4, 5, 7, 8]
    found = lesion_scores.outputs(list(singles.values()), x)
    for values, i in zip(found.values, singles, strict=True):
        with torch.no_grad():
            expected = rebuilt_without(resnet20, {i})(x)
        assert torch.equal(values, expected)
    assert not torch.equal(found.values[0], found.values[1])


def test_the_network_is_untouched(resnet20):
    before = {name: value.clone() for name, value in resnet20.state_dict().items()}
    modules, mode = list(resnet20.blocks), resnet20.training
    x = images(2)
    expected = by_hand(resnet20, modules, x)
    lesion.delete(resnet20, [0, 4])
    lesion.swap(resnet20, 1, 2)
    lesion.scale(resnet20, {3: 0.5})(x)
    lesion.splice(resnet20, 1, [resnet20.blocks[2]])
    assert list(resnet20.blocks) == modules
    assert resnet20.training == mode
    assert all(torch.equal(value, before[name]) for name, value in resnet20.state_dict().items())
    assert torch.equal(resnet20(x), expected)


def test_scaling_counts_the_branch_and_zero_leaves_the_shortcut(resnet20):
    net, x = mlp(), torch.randn(3, 6, generator=generator("scale"))
    zero = lesion.scale(net, {2: 0.0})
    torch.testing.assert_close(zero(x), lesion.delete(net, 2)(x))
    state = net.states(x)[1]
    half = lesion.scale(net, {1: 0.5}).blocks[1](state)
    torch.testing.assert_close(half, state + cast(Block, net.blocks[1]).branch(state) / 2)
    transition = lesion.scale(resnet20, {3: 0.0})
    with torch.no_grad():
        state = resnet20.states(images())[3]
        # Option A: every second pixel, and zeros in the new channels.
        expected = torch.cat([state[:, :, ::2, ::2], torch.zeros_like(state[:, :, ::2, ::2])], 1)
        torch.testing.assert_close(transition.blocks[3](state), expected)


def test_splice_repeats_and_transplants():
    net, other, x = mlp(), mlp(3, "inside"), torch.randn(3, 6, generator=generator("splice"))
    twice = lesion.splice(net, 2, [net.blocks[1]])
    modules = list(net.blocks)
    assert torch.equal(twice(x), by_hand(net, [*modules[:2], modules[1], *modules[2:]], x))
    grafted = lesion.splice(net, 1, [other.blocks[0], other.blocks[2]], remove=3)
    assert torch.equal(grafted(x), by_hand(net, [modules[0], other.blocks[0], other.blocks[2], modules[4]], x))
    assert len(lesion.splice(net, 5, [other.blocks[0]]).blocks) == 6


@given(st.permutations(range(7)))
def test_kendall_tau_agrees_with_scipy(order):
    assert lesion.kendall_tau(order) == pytest.approx(stats.kendalltau(range(7), order)[0])


def test_shuffle_keeps_stages_and_swaps(resnet20):
    order = lesion.shuffle(resnet20, 40, generator=generator("shuffle"))
    assert sorted(order) == list(range(9))
    assert order[3] == 3
    assert order[6] == 6
    assert {order[i] for i in (0, 1, 2)} == {0, 1, 2}
    lesion.reorder(resnet20, order)
    once = lesion.shuffle(resnet20, 1, generator=generator("once"))
    assert sum(a != b for a, b in enumerate(once)) == 2
    assert lesion.shuffle(resnet20, 0, generator=generator("none")) == tuple(range(9))


def test_deletions_are_all_or_distinct_draws(resnet20):
    net = mlp(6)
    assert lesion.deletions(net, 2, 100, generator=generator("all")) == list(itertools.combinations(range(6), 2))
    many = lesion.deletions(resnet20, 3, 20, generator=generator("some"))
    assert len(set(many)) == 20 < math.comb(7, 3)
    assert all(len(one) == 3 and set(one) <= {0, 1, 2, 4, 5, 7, 8} for one in many)
    draws = [lesion.deletions(net, 3, 1, generator=generator("even", i))[0] for i in range(300)]
    counts = [sum(block in one for one in draws) for block in range(6)]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_shapes_are_those_of_the_states(resnet20):
    x = images(1)
    assert lesion.shapes(resnet20) == tuple(tuple(state.shape[1:]) for state in resnet20.states(x))
    net = mlp(3)
    assert lesion.removable(net) == (0, 1, 2)
    assert lesion.shapes(net) == ((8,),) * 4
    net.blocks.append(blocks.linear_block(UNITS["inside"], 8))  # a changed network is looked at again
    assert lesion.removable(net) == (0, 1, 2, 3)


def test_bad_lesions_say_which_why_and_what_else(resnet20):
    with pytest.raises(
        ValueError, match=r"block 3 maps shape \(4, 32, 32\) to \(8, 16, 16\).*delete one of \[0, 1, 2, 4"
    ):
        lesion.delete(resnet20, 3)
    with pytest.raises(ValueError, match=r"scale\(stack, \{3: 0.0\}\).*splice\(stack, 3, \[block\], remove=1\)"):
        lesion.delete(resnet20, [0, 3])
    with pytest.raises(ValueError, match=r"block 9 does not exist; this network has blocks 0 to 8"):
        lesion.delete(resnet20, 9)
    with pytest.raises(ValueError, match=r"block -1 does not exist"):
        lesion.scale(resnet20, {-1: 0.0})
    with pytest.raises(ValueError, match=r"names a block twice"):
        lesion.delete(resnet20, [1, 1])
    with pytest.raises(ValueError, match=r"are all blocks of this network; leave at least one"):
        lesion.delete(mlp(2), [0, 1])
    with pytest.raises(ValueError, match=r"order=\(0, 0, 1\) must hold each of 0 to 2 once"):
        lesion.reorder(mlp(3), (0, 0, 1))
    with pytest.raises(ValueError, match=r"puts block 3, which maps .* in the place of block 2"):
        lesion.swap(resnet20, 2, 3)
    with pytest.raises(ValueError, match=r"factors\[1\]=nan must be finite"):
        lesion.scale(resnet20, {1: math.nan})
    with pytest.raises(ValueError, match=r"at=10, remove=0: this network has blocks 0 to 8"):
        lesion.splice(resnet20, 10)
    with pytest.raises(ValueError, match=r"block 1 cannot read the state of shape"):
        lesion.splice(resnet20, 1, [nn.Linear(7, 7)])
    with pytest.raises(ValueError, match=r"the last state has shape \(5,\); the head reads \(8,\)"):
        lesion.splice(mlp(2), 2, [nn.Linear(8, 5)])
    with pytest.raises(ValueError, match=r"count=8 must lie between 0 and 7"):
        lesion.deletions(resnet20, 8, 10, generator=generator("bad"))
    with pytest.raises(ValueError, match=r"must hold at least two different numbers"):
        lesion.kendall_tau((1, 1))
    flat = nets.Stack(nn.Identity(), [nn.Linear(3, 3)], nn.Identity(), shape=(3,))
    with pytest.raises(TypeError, match=r"block 0 is a Linear and has no branch"):
        lesion.scale(flat, {0: 1.0})


def test_a_network_without_removable_blocks_says_so():
    net = nets.conv_net((1, 1), (2, 4), generator=generator("none"))
    changing = lesion.splice(net, 0, remove=1)
    with pytest.raises(ValueError, match=r"none of the 1 blocks can be deleted.*scale\(stack"):
        lesion.singles(changing)
    with pytest.raises(ValueError, match=r"no block of this network can be deleted"):
        lesion.delete(changing, 0)
    with pytest.raises(ValueError, match=r"no two of the 1 blocks map equal shapes"):
        lesion.shuffle(changing, 1, generator=generator("none"))


KINDS = {
    "list": lambda *n: list(n),
    "tensor": lambda *n: torch.tensor(n),
    "array": lambda *n: np.array(n),
    "bytes": lambda *n: np.array(n, dtype=np.uint8),
    "top": lambda *n: torch.tensor([float(i in n) for i in range(5)]).topk(len(n)).indices,
}


@pytest.mark.parametrize("kind", KINDS)
def test_positions_of_every_kind_name_the_same_blocks(kind):
    net, of = mlp(), KINDS[kind]
    expected = list(lesion.delete(net, [1, 3]).blocks)
    assert len(expected) == 3
    assert list(lesion.delete(net, of(1, 3)).blocks) == expected
    one = of(2)[0]
    assert list(lesion.delete(net, one).blocks) == list(lesion.delete(net, 2).blocks)
    assert list(lesion.swap(net, one, 0).blocks) == list(lesion.swap(net, 2, 0).blocks)
    assert list(lesion.splice(net, one, remove=of(2)[0]).blocks) == list(lesion.splice(net, 2, remove=2).blocks)
    x = torch.randn(3, 6, generator=generator("kinds"))
    with torch.no_grad():
        assert torch.equal(lesion.scale(net, {one: 0.0})(x), lesion.scale(net, {2: 0.0})(x))
        assert not torch.equal(lesion.scale(net, {one: 0.0})(x), net(x))
    if kind != "top":
        order = of(4, 0, 1, 2, 3)
        assert list(lesion.reorder(net, order).blocks) == list(lesion.reorder(net, [4, 0, 1, 2, 3]).blocks)
        assert lesion.kendall_tau(order) == lesion.kendall_tau([4, 0, 1, 2, 3])


@pytest.mark.parametrize("twice", [torch.tensor([0, 0]), np.array([2, 2]), [torch.tensor(1), 1]])
def test_a_block_that_is_named_twice_is_seen_whatever_the_kind(twice):
    with pytest.raises(ValueError, match="names a block twice"):
        lesion.delete(mlp(), twice)
    with pytest.raises(ValueError, match="different numbers, each once"):
        lesion.kendall_tau(twice)


@pytest.mark.parametrize(
    "mask", [[True, False, True, False, False], torch.tensor([True, False]), np.array([True, False])]
)
def test_a_mask_is_no_list_of_positions(unchecked, mask):
    for call in (
        lambda: lesion.delete(mlp(), mask),
        lambda: lesion.reorder(mlp(), mask),
        lambda: lesion.kendall_tau(mask),
    ):
        with pytest.raises(TypeError, match=r"a truth value; .* mask.nonzero"):
            call()


def test_nothing_is_exchanged_by_accident():
    with pytest.raises(ValueError, match="i=1 and j=1 are one block"):
        lesion.swap(mlp(), 1, 1)
    with pytest.raises(ValueError, match="swaps=-1 must be 0 or more"):
        lesion.shuffle(mlp(), -1, generator=generator("none"))
    with pytest.raises(ValueError, match="limit=0 must be at least 1"):
        lesion.deletions(mlp(), 1, 0, generator=generator("none"))


def test_shapes_are_probed_again_where_a_block_was_replaced():
    net = nets.Stack(nn.Identity(), [nn.Linear(4, 4), nn.Linear(4, 4)], nn.Identity(), shape=(4,))
    assert lesion.shapes(net) == ((4,),) * 3
    for width in (5, 6, 7, 8):  # a module that is gone may leave its place in memory to the next one
        net.blocks[1] = nn.Linear(4, width)
        assert lesion.shapes(net)[-1] == (width,)


def test_lesions_change_no_mode():
    net = mlp().train()
    net.blocks[2].branch.norm1.eval()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    modes = [module.training for module in net.modules()]
    lesion.scale(net, {2: 0.5})
    lesion.delete(net, 0)
    assert [module.training for module in net.modules()] == modes
