"""The trial's lesions are complete, its bound holds, and statistics anew are those of the training images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion, statistics
from resnet_lib.experiments.dropping_blocks import lesions, networks
from resnet_lib.nets import Block
from resnet_lib.nets.units import UNITS


@pytest.fixture(scope="module")
def small():
    """A trial of a network of three blocks, barely trained."""
    setting = lesions.Lesions("residual", 3, 0.1, epochs=1, swaps=(1,), orders=3, change=True)
    with runtime.numerics():
        return lesions.trial(setting, (0, 1))


def test_trial_has_every_lesion_once(small):
    removed = small[(small["measure"] == "removed") & (small["seed"] == 0)]
    assert sorted(removed["mask"]) == [0, 1, 2, 3, 4, 5, 6]  # all but the removal of everything
    assert (removed["mask"].map(int.bit_count) == removed["removed"]).all()
    assert removed.loc[removed["removed"] == 1, "block"].tolist() == [0, 1, 2]
    assert len(small[(small["measure"] == "exchanged") & (small["seed"] == 1)]) == 3
    assert set(small.loc[small["measure"] == "exchanged", "tau"]) <= {1 / 3, -1.0}


def test_the_bound_holds_and_is_exact_at_the_last_block(small):
    assert (small.loc[small["measure"] == "bound", "value"] < 1e-9).all()
    last = small[small["block"] == 2].groupby("measure")["value"]
    np.testing.assert_allclose(last.max()[["bound", "naive", "slack"]], 0, atol=1e-9)
    np.testing.assert_allclose(last.max()["ratio"], 1)


def test_slope_bounds_differences_and_is_exact_for_one_layer():
    net = nets.mlp(2, 6, unit="pre", in_features=4, generator=runtime.stream(0, "slope")).double()
    net(torch.randn(50, 4, generator=runtime.stream(1, "slope"), dtype=torch.float64) * 3 + 1)
    net.eval()
    block = net.blocks[0]
    assert isinstance(block, Block)
    a, b = torch.randn(2, 2000, 6, generator=runtime.stream(2, "slope"), dtype=torch.float64)
    quotients = (block.branch(a) - block.branch(b)).norm(dim=1) / (a - b).norm(dim=1)
    assert quotients.max() <= lesions.slope(block)
    unit = replace(UNITS["inside"], order="W+", norm="none", alpha=0.5)
    (one,) = nets.mlp(1, 6, unit=unit, generator=runtime.stream(3, "slope")).blocks
    assert isinstance(one, Block)
    weight = next(one.branch.parameters()).detach().numpy()
    assert lesions.slope(one) == pytest.approx(np.linalg.norm(weight, 2) / 2)


def test_what_is_measured_anew_is_measured_on_the_training_images():
    setting = lesions.Lesions("residual", 4, 0.1, epochs=1, subsets=6, swaps=(1, 2), orders=3, anew=2)
    made = lesions.trial(setting, [0])
    anew = made[made["measure"] == "removed-anew"]
    assert anew.groupby("removed").size().to_dict() == {0: 1, 1: 4, 2: 2}
    assert len(made[made["measure"] == "exchanged-anew"]) == 3
    net, images = networks.fit(setting, [0]).net(0), networks.dataset(setting)
    assert isinstance(net, nets.Stack)
    for mask, value in zip(anew["mask"], anew["value"], strict=True):
        without = lesion.delete(net, [block for block in range(4) if mask >> block & 1])
        logits = statistics.reestimated(without, images.train.x)(images.test.x)
        assert value == pytest.approx(float((logits.argmax(1) == images.test.y).double().mean()), abs=1 / 597)
    stale = made[made["measure"] == "removed"].set_index("mask")["value"]
    assert (anew["value"].to_numpy() != stale[anew["mask"]].to_numpy()).any()
