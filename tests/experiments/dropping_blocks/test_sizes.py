"""Blocks whose size and whose effect are known, and the twins that the experiment trains."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion
from resnet_lib.experiments.dropping_blocks import networks, sizes


class Scaling(nn.Module):
    """A block that multiplies the state by a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


def test_sizes_of_blocks_that_multiply():
    """Without the first of x -> 3x -> 6x the last state is 2x: the term is 2x, the change 4x, and the rest as long."""
    net = nets.Stack(nn.Identity(), [Scaling(3), Scaling(2)], nn.Identity(), shape=(4,))
    found = pd.DataFrame(sizes.sized(net, torch.randn(7, 4, generator=runtime.stream(0, "sized"))))
    by = found.pivot(index="block", columns="measure", values="value")
    np.testing.assert_allclose(by.loc[0, ["size", "ratio", "rest", "cosine"]], [2, 2, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(by.loc[1, ["size", "ratio", "rest", "cosine"]], [1, 1, 0, 1], rtol=1e-5, atol=1e-6)


def test_a_change_across_the_term_has_its_length_and_is_not_the_term():
    """A quarter turn behind the term: as long as the term, at a right angle to it."""
    first, turn = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(2 * torch.eye(2))
        first.bias.zero_()
        turn.weight.copy_(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))
    net = nets.Stack(nn.Identity(), [first, turn], nn.Identity(), shape=(2,))
    found = pd.DataFrame(sizes.sized(net, torch.randn(7, 2, generator=runtime.stream(0, "turned"))))
    by = found[found["block"] == 0].set_index("measure")["value"]
    np.testing.assert_allclose(by[["ratio", "cosine", "rest"]], [1, 0, 2**0.5], atol=1e-5)


def test_pairs_are_scored_as_lesions_are():
    with runtime.numerics():
        made = sizes.trial(sizes.Sizes("residual", 3, 0.1, epochs=1, pairs=True), [0])
        net = networks.fit(networks.Network("residual", 3, 0.1, epochs=1), [0]).net(0)
    assert isinstance(net, nets.Stack)
    images = networks.dataset(networks.Network("residual", 3, 0.1)).test
    accuracy = lambda without: float((without(images.x).argmax(1) == images.y).double().mean())  # noqa: E731
    for measure, removed, of in (
        ("removed", 2, lambda i, j: lesion.delete(net, [i, j])),
        ("exchanged", 0, lambda i, j: lesion.swap(net, i, j)),
    ):
        rows = made[(made["measure"] == measure) & (made["other"] >= 0) & (made["removed"] == removed)]
        assert rows[["block", "other"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 2]]
        for block, other, value in rows[["block", "other", "value"]].itertuples(index=False):
            assert value == pytest.approx(accuracy(of(block, other)), abs=1 / 597)


def test_the_twin_of_the_network_that_starts_as_the_identity_differs_in_its_start_alone():
    one, identity = (
        sizes.make(sizes.Sizes(variant, 3, 0.1), runtime.stream(0, "twin")) for variant in (sizes.ONE, "plain-identity")
    )
    assert str(one) == str(identity)
    assert isinstance(one, nets.Stack)
    weight = next(iter(one.blocks.parameters()))
    assert weight.detach().std() == pytest.approx((2 / 64) ** 0.5, rel=0.1)  # He's
    empty = sizes.make(sizes.Sizes("residual", 0, 0.1), runtime.stream(0, "empty"))
    assert isinstance(empty, nets.Stack)
    assert (len(empty.blocks), tuple(empty(torch.ones(2, 64)).shape)) == (0, (2, 10))
