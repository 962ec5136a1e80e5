"""Errors of each group of images, and their measures on a known table."""

import itertools

import pandas as pd
import pytest
import torch

from resnet_lib import data
from resnet_lib.experiments.published_networks import errors
from resnet_lib.nets import Stack
from tests.experiments.published_networks.small_network import SEEDS, SIZE, parts, share, values, walked


def expected(answers: torch.Tensor, labels: torch.Tensor) -> float:
    """The mean error over all orders of the labels: answers and labels agree as often as independent ones."""
    counts = [torch.bincount(values, minlength=10).double() for values in (answers, labels)]
    return 1 - float(counts[0] @ counts[1]) / len(labels) ** 2


def test_errors_are_those_of_each_group(images: data.Split, net: Stack):
    table = errors.trial(errors.Errors(20, size=SIZE, part="train"), SEEDS)
    logits = walked(net, images.x, parts(net))
    for seed, row, permuted in zip(SEEDS, table.itertuples(), table["permuted"].tolist(), strict=True):
        piece = slice(seed * SIZE, (seed + 1) * SIZE)
        assert row.error == 1 - share(logits[piece], images.y[piece])
        answers, labels = logits[piece].argmax(1), images.y[piece]
        possible = {float((answers != labels[list(p)]).double().mean()) for p in itertools.permutations(range(SIZE))}
        assert min(possible) <= permuted <= max(possible)
        assert permuted == pytest.approx(expected(answers, labels), abs=0.3)
    assert table["depth"].tolist() == [20, 20]


def test_labels_are_permuted_often_enough_to_be_near_the_mean_over_all_orders():
    answers, labels = torch.arange(500) % 10, torch.arange(500) // 60
    right = [
        float((answers == labels[order]).double().mean())
        for order in (torch.randperm(500, generator=torch.Generator().manual_seed(k)) for k in range(200))
    ]
    spread = torch.tensor(right).std() / errors.PERMUTATIONS**0.5
    assert 1 - sum(right) / len(right) == pytest.approx(expected(answers, labels), abs=1e-2)
    assert spread < 0.004  # of an error; the rule asks for half a point a doubling


def test_errors_by_depth_are_compared_group_by_group():
    table = pd.DataFrame(
        [
            {"seed": seed, "depth": depth, "part": part, "error": error + seed / 100, "permuted": 0.9}
            for seed in (0, 1)
            for part in ("train", "test")
            for depth, error in {20: 0.08, 40: 0.06, 56: 0.03, 80: 0.04}.items()
        ]
    )
    assert values(errors.degrade(table)) == ([-5, -5], [82, 81])
    four = table.replace({"depth": {56: 160}})
    four.loc[four["depth"] == 160, "error"] = [0.02, 0.02, 0.02, 0.02]
    four.loc[four["depth"] != 160, "error"] = [0.08, 0.06, 0.04] * 4
    assert values(errors.falls(four)) == ([-2, -2], [0, 0])  # two points less at each doubling
