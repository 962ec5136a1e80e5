"""Many lesioned networks at once against each by itself, written out, and the counts of what was computed."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesioned import by_hand, generator, mlp
from torch import nn

from resnet_lib import nets
from resnet_lib.analysis import lesion, lesion_scores


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 4), max_size=4), st.permutations(range(5)), st.integers(1, 7))
def test_mixed_lesions_equal_the_forward_pass_written_out(gone, order, at_once):
    net = mlp()
    x = torch.randn(7, 6, generator=generator("x"))
    several = [net, lesion.delete(net, sorted(gone)), lesion.reorder(net, order), lesion.swap(net, 1, 3), net]
    several.append(lesion.delete(several[2], 0))
    found = lesion_scores.outputs(several, x, at_once=at_once)
    chosen = [net.blocks[i] for i in order]
    written = (
        list(net.blocks),
        [block for i, block in enumerate(net.blocks) if i not in gone],
        chosen,
        [net.blocks[i] for i in (0, 3, 2, 1, 4)],
        list(net.blocks),
        chosen[1:],
    )
    for values, modules in zip(found.values, written, strict=True):
        expected = torch.cat([by_hand(net, modules, part) for part in x.split(at_once)])
        assert torch.equal(values, expected)
    assert found.calls <= found.alone


@pytest.mark.parametrize("depth", [2, 5, 54])
def test_single_lesions_cost_half(depth):
    # Without block k: L - 1 - k blocks of its own, behind a prefix that the intact network computes: L - 1 in all.
    net = mlp(depth)
    found = lesion_scores.outputs(list(lesion.singles(net).values()), torch.zeros(3, 6))
    assert found.calls == (depth - 1) + depth * (depth - 1) // 2
    assert found.alone == depth * (depth - 1)


def test_all_subsets_cost_the_edges_of_their_tree():
    net = mlp(4)
    subsets = [s for k in range(4) for s in itertools.combinations(range(4), k)]
    found = lesion_scores.score([lesion.delete(net, s) for s in subsets], torch.zeros(3, 6), torch.zeros(3).long())
    # Kept sets as increasing sequences: each but the empty one is reached from a shorter one by one block.
    assert found.calls == 15
    assert found.alone == sum(4 - len(s) for s in subsets)


def test_score_counts_hits_over_uneven_batches():
    net = mlp()
    x = torch.randn(10, 6, generator=generator("scores"))
    y = torch.randint(3, (10,), generator=generator("labels"))
    several = [net, *lesion.singles(net).values()]
    found = lesion_scores.score(several, x, y, at_once=4)
    logits = lesion_scores.outputs(several, x).values
    assert found.hits.tolist() == (logits.argmax(-1) == y).sum(1).tolist()
    assert found.accuracy.tolist() == [hits / 10 for hits in found.hits.tolist()]


def test_without_the_head_it_is_the_last_state():
    net, x = mlp(), torch.randn(3, 6, generator=generator("last"))
    with torch.no_grad():
        assert torch.equal(lesion_scores.outputs([net], x, head=False).values[0], net.states(x)[-1])


def test_runs_refuse_what_would_depend_on_the_batch():
    net = mlp()
    with pytest.raises(ValueError, match="networks is empty"):
        lesion_scores.outputs([], torch.zeros(1, 6))
    with pytest.raises(ValueError, match=r"expects \(batch, 6\)"):
        lesion_scores.outputs([net], torch.zeros(1, 7))
    net.blocks[1].train()
    with pytest.raises(ValueError, match=r"'branch.norm1' \(BatchNorm1d\) is in training mode"):
        lesion_scores.score([net], torch.zeros(2, 6), torch.zeros(2).long())


def test_blocks_that_work_in_place_change_neither_the_data_nor_what_others_read():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.mul_(0.5).add_(1)

    inplace = nets.Stack(
        nn.SiLU(inplace=True), [InPlace(), InPlace(), nn.Tanh()], nn.ReLU(inplace=True), shape=(6,)
    ).eval()
    pure = nets.Stack(
        nn.SiLU(), [nn.Sequential(nn.Identity(), Shifted()), Shifted(), nn.Tanh()], nn.ReLU(), shape=(6,)
    ).eval()
    x = torch.randn(7, 6, generator=generator("in place"))
    kept = x.clone()
    pairs = [(inplace, pure)] + [(lesion.delete(inplace, i), lesion.delete(pure, i)) for i in range(3)]
    for at_once in (3, 7):
        found = lesion_scores.outputs([a for a, _ in pairs], x, at_once=at_once)
        expected = lesion_scores.outputs([b for _, b in pairs], x, at_once=at_once)
        assert torch.equal(found.values, expected.values)
        y = torch.arange(7) % 6
        hits = [lesion_scores.score([pair[side] for pair in pairs], x, y, at_once=at_once).hits for side in (0, 1)]
        assert torch.equal(*hits)
        assert torch.equal(x, kept)


class Shifted(nn.Module):
    def forward(self, x):
        return x * 0.5 + 1


class Diverged(nn.Module):
    """A block whose output is no number for some examples."""

    def forward(self, x):
        return torch.where(x[:, :1] > 0, math.nan, x)


def test_a_network_of_which_no_number_is_left_labels_nothing():
    """The position of the largest of numbers that are none is 0, which would be taken for a label."""
    net, x = mlp(), torch.randn(10, 6, generator=generator("scores"))
    lost = lesion.splice(net, 1, [Diverged()])
    state = net.states(x)[1]
    good = ~(state[:, 0] > 0)
    assert 0 < good.sum() < 10
    for y in (torch.zeros(10, dtype=torch.long), lesion_scores.outputs([net], x).values[0].argmax(-1)):
        found = lesion_scores.score([net, lost], x, y)
        expected = lesion_scores.outputs([net], x).values[0].argmax(-1) == y
        assert found.hits.tolist() == [int(expected.sum()), int((expected & good).sum())]
