"""The network that the page trains live undergoes the surgery of the published ones."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from resnet_lib import data
from resnet_lib.experiments.published_networks import drawings, lesions, small
from resnet_lib.nets import Stack


def test_the_live_network_undergoes_the_same_surgery():
    setting = dataclasses.replace(small.SMALL.quick.settings[0], depth=14, width=2, epochs=1, counts=(1, 2))
    table = small.trial(setting, (3,))
    net = small.fit(setting, (3,)).net(3)
    assert isinstance(net, Stack)
    test = data.load("digits").test
    found = table.set_index(["statistics", "measure", "block", "steps"])["value"]
    with torch.no_grad():
        for (measure, block), made in lesions.lesions(net):
            share = float((made(test.x).argmax(1) == test.y).double().mean())
            assert found["trained", measure, block, -1] == pytest.approx(share, abs=1e-9)
    assert found["trained", "divided", -1, 1] == found["trained", "whole", -1, -1]
    lost = small.lost(table)
    assert set(lost["measure"]) == {"removed", "transition", "divided"}
    one = lost[(lost["statistics"] == "anew") & (lost["steps"] == 2)]["loss"].item()
    assert one == pytest.approx(100 * (found["anew", "whole", -1, -1] - found["anew", "divided", -1, 2]))
    figure = drawings.live(lost)
    assert np.all([axis.has_data() for axis in figure.axes])
    plt.close(figure)
