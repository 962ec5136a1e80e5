"""The count block by block against a count of the whole, and the measures on a known table."""

from typing import Any

import pandas as pd
import pytest
import torch

from resnet_lib import nets, runtime
from resnet_lib.analysis import costs
from resnet_lib.experiments.basic_and_bottleneck import networks
from resnet_lib.nets import Unit


def test_a_network_counted_by_blocks_is_the_network_counted_as_a_whole():
    net = nets.conv_net(
        (2, 1),
        (8, 16),
        unit=Unit(shortcut="B"),
        stem_width=64,
        kernel=7,
        classes=1000,
        in_channels=3,
        generator=runtime.stream(0, "whole"),
    )
    whole = costs.count(net, (3, networks.PIXELS, networks.PIXELS), batch=1)
    assert networks.by_blocks((2, 1), (8, 16)) == (whole.parameters, whole.multiply_adds)
    assert networks.plan("34 by blocks") == ((3, 4, 6, 3), [64, 128, 256, 512])


def test_the_published_stride_is_that_of_the_first_convolution():
    net = networks.network(networks.Network("50", "1x1"))
    branch: Any = net.blocks[3].branch
    assert (branch.weight1.stride, branch.weight2.stride) == ((2, 2), (1, 1))
    with torch.no_grad():
        assert net.eval().blocks[3](torch.zeros(1, 256, 8, 8)).shape == (1, 512, 4, 4)


def table() -> pd.DataFrame:
    rows = [("18", "3x3", 2.0), ("34", "3x3", 4.0), ("50", "3x3", 5.0), ("50", "1x1", 3.0)]
    rows += [("wide", "3x3", 50.0), ("34 by blocks", "3x3", 4.0)]
    made = pd.DataFrame(rows, columns=["network", "stride", "multiply_adds"])
    return made.assign(saved=made["multiply_adds"] ** 2, outputs=made["multiply_adds"] * 3, parameters=1.0)


def test_measures_on_a_known_table():
    found = networks.cheaper(table())
    assert found.values == pytest.approx([1.25, 0.75])
    assert found.control == pytest.approx([0.5])
    found = networks.widths(table())
    assert found.values == pytest.approx([0.1, 0.06])
    assert found.control == pytest.approx([1])
    found = networks.memory(table())
    assert found.values == pytest.approx([25 / 16, 1.25])
    assert found.control == pytest.approx([0.25, 0.5])
