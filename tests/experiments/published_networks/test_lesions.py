"""Lesions against networks without the blocks, and their measures on a known table."""

import itertools

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from resnet_lib import data, nets
from resnet_lib.experiments.published_networks import lesions, networks
from resnet_lib.nets import Block, Stack
from tests.experiments.published_networks.small_network import SEEDS, SIZE, parts, share, values, walked


def test_lesions_are_the_networks_without_blocks(images: data.Split, net: Stack):
    table = lesions.trial(lesions.Lesions(20, size=SIZE), SEEDS)
    assert table.groupby("seed").size().nunique() == 1
    found = table.set_index(["seed", "measure", "block"])["value"]
    blocks = parts(net)
    without: dict[tuple[str, int], list[Block]] = {
        ("removed", i): [b for j, b in enumerate(blocks) if j != i] for i in (0, 1, 3, 5)
    }
    for i in (2, 4):
        alone = Block(nn.Sequential(blocks[i].branch, Zero()), blocks[i].shortcut, blocks[i].merge)
        without["transition", i] = [alone if j == i else b for j, b in enumerate(blocks)]
    shortcuts = [Block(nn.Sequential(b.branch, Zero()), b.shortcut, b.merge) for b in blocks]
    for (measure, block), rest in {**without, ("whole", -1): blocks, ("shortcuts", -1): shortcuts}.items():
        logits = walked(net, images.x, rest)
        for seed in SEEDS:
            piece = slice(seed * SIZE, (seed + 1) * SIZE)
            assert found[seed, measure, block] == share(logits[piece], images.y[piece])


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0 * x


def test_statistics_anew_are_those_of_the_network_without_the_block(images: data.Split, net: Stack):
    table = lesions.trial(lesions.Lesions(20, size=SIZE, learned=10, statistics="anew"), SEEDS)
    assert "ratio" not in set(table["measure"])
    found = table.set_index(["seed", "measure", "block"])["value"]
    net.train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    rest = [block for i, block in enumerate(net.blocks) if i != 3]
    walked(net, images.x[:10], rest)
    logits = walked(net.eval(), images.x, rest)
    for seed in SEEDS:
        piece = slice(seed * SIZE, (seed + 1) * SIZE)
        assert found[seed, "removed", 3] == share(logits[piece], images.y[piece])


def test_a_scrambled_stage_has_its_weights_in_another_order(net: Stack):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    made = lesions.scrambled(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    for name, value in made.state_dict().items():
        last = name.startswith(("blocks.4.", "blocks.5.")) and ".weight" in name and value.ndim == 4
        assert torch.equal(value, before[name]) != last
        assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
    assert lesions.last_stage(net) == 4
    assert lesions.last_stage(nets.mlp(2, 4, generator=torch.Generator().manual_seed(0))) == 0


def test_without_the_last_block_the_change_is_the_term(images: data.Split, net: Stack):
    deeper = Stack(net.stem, [*net.blocks, net.blocks[5]], net.head, shape=net.shape).eval()
    found = {record["block"]: record["value"] for record in lesions.changed(deeper, images.x)}
    assert found.keys() == {5, 6}
    assert found[6] == 1
    with torch.no_grad():
        states = deeper.states(images.x)
        change = (deeper.blocks[6](states[5]) - states[7]).flatten(1).norm(dim=1)
        term = (states[6] - states[5]).flatten(1).norm(dim=1)
    assert found[5] == pytest.approx(float((change / term).median()), rel=1e-5)


def lesion_table() -> pd.DataFrame:
    records = []
    for depth, seed, kind in itertools.product((20, 56), (0, 1), networks.STATISTICS):
        loss = {20: 0.1, 56: 0.01}[depth] * (1 + seed)
        rows = [("whole", -1, 0.9), ("scrambled", -1, 0.1), ("transition", 2, 0.0)]
        rows += [("removed", i, 0.9 - loss * factor) for i, factor in ((0, 1), (1, 0), (3, 5))]
        rows += [("ratio", 7, 0.25 * (1 + seed)), ("ratio", 8, 1.0)]
        records += [
            {"depth": depth, "seed": seed, "statistics": kind, "measure": m, "block": b, "value": v} for m, b, v in rows
        ]
    return pd.DataFrame(records)


def test_losses_are_those_of_the_median_block_that_keeps_the_shape():
    table = lesion_table()
    assert values(lesions.graceful_deep(table)) == ([1, 2], [80, 80])
    assert values(lesions.graceful_shallow(table)) == ([10, 20], [80, 80])
    assert values(lesions.graceful_anew(table)) == ([1, 2], [80, 80])
    assert values(lesions.graceful_depth(table)) == ([9, 18], [-70, -60])
    assert lesions.lost(table, 56, over="max").round(9).tolist() == [5, 10]
    assert values(lesions.term(table)) == ([2, 1], [0, 0])
