"""The chapter on networks that nobody here trained: trials on a small random network, and measures on small tables."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from resnet_lib import data, nets
from resnet_lib.analysis import jacobian
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.published_networks import errors, lesions, networks, spectra, steps
from resnet_lib.nets import Block, Stack, Unit

SIZE, SEEDS = 4, (0, 2)


@pytest.fixture
def net() -> Stack:
    """Three stages of two original units, as the published ones, with norms whose statistics are not those of birth."""
    draw = torch.Generator().manual_seed(0)
    made = nets.conv_net((2, 2, 2), (4, 8, 16), unit=Unit(shortcut="A"), generator=draw).train()
    for _ in range(30):
        made(torch.randn(16, 3, 8, 8, generator=draw))
    return made.eval()


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, net: Stack) -> data.Split:
    """Random images that take the place of CIFAR-10's, and the small network that of all published ones."""
    draw = torch.Generator().manual_seed(1)
    made = data.Split(torch.randn(12, 3, 8, 8, generator=draw), torch.randint(10, (12,), generator=draw))
    monkeypatch.setattr(networks, "_images", lambda part: made)
    monkeypatch.setattr(networks, "network", lambda setting: net)
    return made


def walked(net: Stack, x: Tensor, blocks: Sequence[nn.Module]) -> Tensor:
    with torch.no_grad():
        x = net.stem(x)
        for block in blocks:
            x = block(x)
        return net.head(x)


def parts(net: Stack) -> list[Block]:
    return [block for block in net.blocks if isinstance(block, Block)]


def share(logits: Tensor, y: Tensor) -> float:
    return float((logits.argmax(1) == y).double().mean())


def test_a_seed_is_a_group_of_images(images: data.Split):
    found = networks.groups(networks.Network(20, size=SIZE), SEEDS)
    rows = [0, 1, 2, 3, 8, 9, 10, 11]
    assert torch.equal(found.x, images.x[rows])
    assert torch.equal(found.y, images.y[rows])
    with pytest.raises(ValueError, match=r"seeds=\(0, 3\) of size=4 need 16 images; there are 12"):
        networks.groups(networks.Network(20, size=SIZE), (0, 3))


def test_logits_that_are_no_numbers_are_never_right():
    logits = torch.eye(4)
    logits[1] = torch.nan
    assert networks.right(logits, torch.arange(4), 2).tolist() == [0.5, 1.0]


def test_errors_are_those_of_each_group(images: data.Split, net: Stack):
    table = errors.trial(errors.Errors(20, size=SIZE, part="train"), SEEDS)
    logits = walked(net, images.x, parts(net))
    for seed, row in zip(SEEDS, table.itertuples(), strict=True):
        piece = slice(seed * SIZE, (seed + 1) * SIZE)
        assert row.error == 1 - share(logits[piece], images.y[piece])
        answers, labels = logits[piece].argmax(1), images.y[piece]
        possible = {float((answers != labels[list(p)]).double().mean()) for p in itertools.permutations(range(SIZE))}
        assert row.permuted in possible
    assert table["depth"].tolist() == [20, 20]


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


def test_a_spectrum_is_that_of_the_dense_jacobian(images: data.Split, net: Stack):
    net = net.double()
    with torch.no_grad():
        states = net.states(images.x.double())
    assert list(spectra.chosen(net, (0, 2))) == [(0, 0), (0, 1), (2, 5)]
    block, x = parts(net)[5], states[5][:1]
    dense = jacobian.dense(block.branch, x)[0]
    values = torch.linalg.eigvals(dense)
    found = spectra.measured(block, x, 0)
    size = x.numel()
    assert found["near"] == float((values.abs() < 0.5).sum()) / size
    assert found["exact"] == float((values.abs() < 1e-4).sum()) / size
    assert found["alone"] == float(((values - 1).abs() < 0.5).sum()) / size
    assert found["radius"] == pytest.approx(float((1 + values).abs().max()), rel=1e-6)
    assert found["norm"] == pytest.approx(float(torch.linalg.matrix_norm(dense, 2)), rel=1e-2)
    assert found["identity"] == pytest.approx(1)
    matrix = spectra.hidden(block, x)
    largest = torch.linalg.eigvals(matrix).abs().max()
    assert float(largest) == pytest.approx(float(values.abs().max()), rel=1e-6)


def test_a_branch_that_is_off_has_no_eigenvalue_but_zero(net: Stack):
    block = parts(net)[0]
    block.branch.get_parameter("norm1.bias").data.fill_(-1e6)
    assert spectra.hidden(block, torch.zeros(1, 4, 8, 8)).shape == (0, 0)
    (pre,) = parts(nets.mlp(1, 4, unit="pre", generator=torch.Generator().manual_seed(0)).eval())
    with pytest.raises(ValueError, match="the branch is not of the form affine, ReLU, affine"):
        spectra.hidden(pre, torch.zeros(1, 4))


def test_a_trial_of_spectra_has_a_row_for_each_block_and_image(images: data.Split):
    table = spectra.trial(spectra.Spectra(20, stages=(2,)), (0, 3))
    assert table[["seed", "stage", "block"]].to_numpy().tolist() == [[0, 2, 5], [3, 2, 5]]


def values(found: Evidence) -> tuple[list[float], list[float]]:
    return np.round(found.values, 9).tolist(), np.round(found.control, 9).tolist()


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


def test_spectra_are_those_of_the_median_block():
    rows = [(56, 0, 0.9, 0.7, 0.1, 2.0), (56, 0, 0.8, 0.6, 0.3, 1.0), (56, 0, 0.7, 0.5, 0.2, 3.0), (20, 0, 0, 0, 0, 0)]
    last = pd.DataFrame(rows, columns=["depth", "seed", "near", "exact", "alone", "norm"]).assign(identity=1.0, stage=2)
    table = pd.concat([last, last.assign(stage=1, near=0.0, exact=0.0, norm=0.0)])
    assert values(spectra.near(table)) == ([0.8], [0.2])
    assert values(spectra.exact(table)) == ([0.6], [0.2])
    assert values(spectra.small(table)) == ([2.0], [1.0])


def test_every_depth_is_measured_on_images_that_there_are():
    for experiment in (errors.ERRORS, lesions.LESIONS, steps.STEPS, spectra.SPECTRA):
        assert {setting.depth for setting in experiment.full.settings} == set(networks.DEPTHS)
        assert set(experiment.data) == {"cifar10", *(f"published-{depth}" for depth in networks.DEPTHS)}
        for grid in (experiment.quick, experiment.full):
            assert all(setting.size * (max(grid.seeds) + 1) <= 10_000 for setting in grid.settings)
            assert all(dataclasses.is_dataclass(setting) for setting in grid.settings)
