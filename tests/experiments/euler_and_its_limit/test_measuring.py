"""What is measured of one network is what following its flow alone gives."""

import numpy as np
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.analysis import flow
from resnet_lib.experiments.euler_and_its_limit import measuring, trained


def test_a_network_whose_flow_blows_up_labels_nothing():
    net = trained.network(trained.Network("mlp", 0.0, 2, 0.01, width=8), runtime.stream(0, "net"))
    with torch.no_grad():
        for block in net.blocks:
            for weight in block.parameters():
                weight.mul_(1e6)
    assert measuring.accuracy(flow.refine(net, 4), data.load("digits", flat=True).test) == 0
    assert measuring.distance(net, data.load("digits", flat=True).test.x[:2]) == np.inf


def test_a_network_without_blocks_and_one_in_another_order():
    net = trained.network(trained.Network("mlp", 0.0, 4, 0.01, width=8), runtime.stream(0, "net"))
    x = data.load("digits", flat=True).test.x[:5]
    torch.testing.assert_close(measuring.without(net)(x), net.head(net.stem(x)))
    orders = [[id(block) for block in measuring.shuffled(net, nth).blocks] for nth in range(measuring.ORDERS)]
    blocks = [id(block) for block in net.blocks]
    assert all(sorted(order) == sorted(blocks) for order in orders)
    assert len({tuple(order) for order in orders} | {tuple(blocks)}) > 3
    changing = trained.network(trained.RESNETS[0], runtime.stream(0, "net"))
    kinds = [type(block.shortcut).__name__ for block in changing.blocks]
    assert [type(block.shortcut).__name__ for block in measuring.shuffled(changing, 0).blocks] == kinds
    assert len(measuring.without(changing).blocks) == 2  # those that change the shape


def test_what_shares_the_flow_s_last_states_is_what_it_is_alone():
    net = trained.network(trained.Network("mlp", 0.0, 3, 0.01, width=16), runtime.stream(0, "net")).eval()
    samples = data.load("digits", flat=True)
    x = samples.test.x[: measuring.EXAMPLES]
    found = {key: measuring.MEASURES[key](net, samples) for key in measuring._followed(net, samples)}
    assert found["distance", measuring.FINEST] == pytest.approx(measuring.distance(net, x), rel=1e-4)
    finest = flow.refine(net, measuring.FINEST)
    assert found["flow", measuring.FINEST] == pytest.approx(measuring.accuracy(finest, samples.test))
    with torch.no_grad():
        ends = [
            each.states(x)[-1] for each in (flow.refine(net, measuring.RULE), flow.refine(net, 1, method="rk4"), finest)
        ]
    far = [float(((end - ends[2]).norm(dim=1) / ends[2].norm(dim=1)).mean()) for end in ends[:2]]
    told = [found["distance-substeps", measuring.RULE], found["distance-rk4", 1]]
    assert told == pytest.approx(far, rel=1e-3)
    assert told[1] < told[0] < found["distance", measuring.FINEST]
