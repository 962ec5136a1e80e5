"""Steps of a block in parts, taken by hand, and their measures on a known table."""

import itertools

import pandas as pd
import pytest
import torch

from resnet_lib import data
from resnet_lib.experiments.published_networks import networks, steps
from resnet_lib.nets import Stack
from tests.experiments.published_networks.small_network import SEEDS, SIZE, parts, share, values, walked


def test_steps_are_projected_and_one_of_size_one_is_the_block(images: data.Split, net: Stack):
    with torch.no_grad():
        assert torch.equal(steps.stepped(net, 1, 1.0)(images.x), net(images.x))
        x = net.stem(images.x)
        for i, block in enumerate(parts(net)):
            if i in (2, 4):
                x = block(x)
                continue
            for _ in range(3):
                x = (x + block.branch(x) / 3).clamp(min=0)
        expected = net.head(x)
        torch.testing.assert_close(steps.stepped(net, 3, 1 / 3)(images.x), expected, rtol=1e-5, atol=1e-5)
    made = parts(steps.stepped(net, 2, 1.0))
    assert len(made) == 4 * 2 + 2
    assert made[0].branch is not made[1].branch


@pytest.mark.parametrize("statistics", networks.STATISTICS)
def test_a_trial_of_steps_measures_each_group(statistics: str, images: data.Split, net: Stack):
    setting = steps.Steps(20, size=SIZE, learned=10, statistics=statistics, counts=(1, 2))
    table = steps.trial(setting, SEEDS)
    assert len(table) == len(SEEDS) * 5
    found = table.set_index(["seed", "measure", "steps"])["value"]
    if statistics == "trained":
        logits = walked(net, images.x, parts(net))
        assert found[2, "whole", 1] == found[2, "divided", 1] == share(logits[8:], images.y[8:])
    with torch.no_grad():
        states = [state.flatten(1) for state in net.states(images.x[8:])]
    moves = [((states[i + 1] - states[i]).norm(dim=1) / states[i].norm(dim=1)).mean() for i in (0, 1, 3, 5)]
    assert found[2, "path", 1] == pytest.approx(float(sum(moves)), rel=1e-5)


def test_divided_steps_end_where_the_block_does_and_full_ones_go_on(
    images: data.Split, net: Stack, monkeypatch: pytest.MonkeyPatch
):
    """Few images cannot tell two flows apart by their accuracy, so that the steps themselves are looked at."""
    asked: list[tuple[int, float]] = []
    stepped = steps.stepped

    def recorded(net: Stack, count: int, size: float) -> Stack:
        asked.append((count, size))
        return stepped(net, count, size)

    monkeypatch.setattr(steps, "stepped", recorded)
    steps.trial(steps.Steps(20, size=SIZE, learned=10, counts=(1, 4)), SEEDS)
    assert asked == [(2, 1.0), (1, 1.0), (4, 0.25)]


def test_steps_are_compared_with_one_step_under_equal_statistics():
    records = []
    for depth, seed, kind in itertools.product((20, 56), (0, 1), networks.STATISTICS):
        whole = 0.9 if kind == "trained" else 0.8
        lost = {1: 0.0, 2: 0.002, 8: 0.02 if depth == 56 else 0.3}
        rows = [("divided", count, whole - loss) for count, loss in lost.items()]
        rows += [("whole", 1, whole), ("full", 2, 0.2), ("path", 1, (depth - 6) * (1 + seed))]
        records += [
            {"depth": depth, "seed": seed, "statistics": kind, "measure": m, "steps": s, "value": v} for m, s, v in rows
        ]
    table = pd.DataFrame(records)
    assert values(steps.flow_deep(table)) == ([2, 2], [70, 70])
    assert values(steps.flow_shallow(table)) == ([30, 30], [70, 70])
    assert values(steps.flow_anew(table)) == ([2, 2], [0, 0])
    assert values(steps.flow_halves(table)) == ([0.2, 0.2], [70, 70])
    assert values(steps.flow_depth(table)) == ([28, 28], [0, 0])
    # A path as long as there are blocks, 7 and 25 of them that keep the shape, has the slope 1.
    assert values(steps.lengthens(table)) == ([1, 1], [1])


def test_the_flow_of_the_deepest_network_is_followed_on_every_test_image():
    (setting,) = steps.FLOW.full.settings
    assert (setting.depth, setting.statistics, setting.counts) == (56, "trained", (2, 8))
    assert setting.size * len(steps.FLOW.full.seeds) == 10_000
