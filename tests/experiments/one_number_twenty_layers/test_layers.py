"""What a layer does with directions and gradients, against Jacobians that torch computes."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, nets, runtime
from resnet_lib.analysis import jacobian
from resnet_lib.data import Split
from resnet_lib.experiments.one_number_twenty_layers import layers
from resnet_lib.experiments.plain_networks import families
from tests.experiments.verdicts import status


@pytest.fixture
def images() -> Split:
    x = torch.rand(7, 64, generator=torch.Generator().manual_seed(1))
    return Split(x, torch.arange(7))


def test_factors_are_those_of_the_jacobians(images: Split):
    net = nets.mlp(2, 64, unit=layers.BARE, generator=runtime.stream(3, "init")).eval()
    found = list(layers.factors(net, images, runtime.stream(0, "v")))
    assert len(found) == 4
    linear = [m for block in net.blocks for m in block.modules() if isinstance(m, torch.nn.Linear)]
    state, generator = net.stem(images.x).detach(), runtime.stream(0, "v")
    drawn = [torch.randn(7, 64, generator=generator) for _ in range(5)]
    sent = start = torch.randn(7, 64, generator=generator)
    for i, layer in enumerate(linear):
        one = torch.nn.Sequential(layer, torch.nn.ReLU())
        behind = torch.nn.Sequential(*(step for each in linear[i + 1 :] for step in (each, torch.nn.ReLU())), net.head)
        matrices = jacobian.dense(one, state)
        v, u = drawn[i], drawn[i + 1]
        forward = torch.einsum("nij,nj->ni", matrices, v).norm(dim=1) / v.norm(dim=1)
        after = one(state).detach().requires_grad_()
        logits = behind(after)
        best = torch.stack(
            [row[[j for j in range(10) if j != y]].max() for row, y in zip(logits, images.y, strict=True)]
        )
        (g,) = torch.autograd.grad((logits[range(7), images.y] - best).sum(), after)
        backward = torch.einsum("nij,ni->nj", matrices, g).norm(dim=1) / g.norm(dim=1)
        assert found[i]["random"] == pytest.approx((forward < 1).double().mean().item())
        assert found[i]["gradient"] == pytest.approx((backward < 1).double().mean().item())
        assert found[i]["random_factor"] == pytest.approx(forward.log().mean().exp().item(), rel=1e-4)
        assert found[i]["gradient_factor"] == pytest.approx(backward.log().mean().exp().item(), rel=1e-4)
        assert found[i]["square"] == pytest.approx(forward.square().mean().item(), rel=1e-4)
        assert found[i]["gradient_square"] == pytest.approx(backward.square().mean().item(), rel=1e-4)
        fresh = torch.einsum("nij,ni->nj", matrices, u).norm(dim=1) / u.norm(dim=1)
        assert found[i]["fresh_factor"] == pytest.approx(fresh.log().mean().exp().item(), rel=1e-4)
        sent = torch.einsum("nij,nj->ni", matrices, sent)
        so_far = sent.norm(dim=1) / start.norm(dim=1)
        assert found[i]["through"] == pytest.approx(so_far.square().mean().item(), rel=1e-4)
        assert found[i]["through_factor"] == pytest.approx(so_far.log().mean().exp().item(), rel=1e-4)
        whole = (v @ layer.weight.T).norm(dim=1) / v.norm(dim=1)
        assert found[i]["linear"] == pytest.approx(whole.square().mean().item(), rel=1e-4)
        state = after.detach()


def test_a_margin_is_the_right_output_minus_the_best_of_the_others():
    logits = torch.tensor([[1.0, 4.0, 2.0], [5.0, 1.0, 7.0]])
    assert layers.margins(logits, torch.tensor([1, 0])).tolist() == [2, -2]


def test_orthogonal_weights_have_their_scale():
    for scale in (1.0, 3.0):
        net = layers.orthogonal(layers.Layers(8, 0.0, scale=scale), seed=2)
        found = [m.weight for m in net.blocks.modules() if isinstance(m, torch.nn.Linear)]
        assert len(found) == 6
        for weight in found:
            torch.testing.assert_close(weight @ weight.T, scale**2 * torch.eye(64), atol=1e-5, rtol=0)


def test_known_networks_shrink_everywhere_or_nowhere():
    table = pd.concat([layers.trial(setting, (0, 1)).assign(**vars(setting)) for setting in layers.KNOWN])
    assert layers.of(table, "random", scale=1.0).tolist() == [1, 1]
    assert layers.of(table, "gradient", scale=3.0).max() < 0.01
    halves = layers.of(table, "square", scale=1.0)
    assert halves.between(0.4, 0.6).all()  # of one seed; the claim is on their mean
    np.testing.assert_allclose(layers.of(table, "linear", scale=1.0), 1, atol=1e-4)


@pytest.mark.parametrize("setting", [layers.SHALLOW, layers.DEEP, replace(layers.SHALLOW, epochs=16, lr=0.09)])
def test_the_networks_are_those_that_chapter_2_keeps(setting: layers.Layers):
    """Same name, so that a build of the book trains each of them once."""
    family = families.Family("bare", setting.layers, setting.lr, epochs=setting.epochs)
    assert layers.network(setting) == families.network(family)
    assert families.BEST["bare", 8, False] == layers.SHALLOW.lr
    assert families.BEST["bare", 50, False] == layers.DEEP.lr


def test_epochs_and_seeds_of_trained_networks(monkeypatch: pytest.MonkeyPatch):
    made = {epoch: nets.mlp(1, 64, unit=layers.BARE, generator=runtime.stream(epoch, "init")) for epoch in (0, 1)}
    fit = type("Fit", (), {"checkpoints": made, "net": lambda self, seed, epoch: made[epoch]})()
    monkeypatch.setattr(layers.zoo, "train", lambda network, seeds, device: fit)
    table = layers.trial(layers.Layers(4, 0.1, epochs=1), (7,))
    assert table[["seed", "epoch", "layer"]].to_numpy().tolist() == [[7, 0, 2], [7, 0, 3], [7, 1, 2], [7, 1, 3]]
    test = data.load("digits", flat=True).test
    images = Split(test.x[:100], test.y[:100])
    expected = list(layers.factors(made[1].eval(), images, runtime.stream(7, "directions", 1)))
    assert table["gradient_factor"].tolist()[2:] == pytest.approx([each["gradient_factor"] for each in expected])


def made_table() -> pd.DataFrame:
    """The mean square falls from 1 by 0.1 an epoch, the gradient's by 0.3 and then rises; layer 7 has more than 6."""
    rows = []
    for seed in (0, 1):
        for epoch, square, gradient in ((0, 1.0, 1.0), (1, 0.9, 0.7), (8, 0.8, 1.3)):
            for layer, off in ((6, -0.02), (7, 0.02)):
                values = square + off, gradient + off, square + 0.01 * seed, square**0.5
                rows.append((8, 0.03, 1.0, seed, epoch, layer, *values, math.nan))
        rows.append((50, 0.0071, 1.0, seed, 8, 2, 9.0, 9.0, 9.0, 9.0, 9.0))
        rows.append((8, 0.0, 1.0, seed, 0, 7, 0.5 + seed / 100, 0.5, 0.1, 0.1, 1.0))
        rows.append((8, 0.0, 3.0, seed, 0, 7, 4.5, 4.5, 9.0, 9.0, 9.0))
    names = ["layers", "lr", "scale", "seed", "epoch", "layer", "square", "gradient_square", "through"]
    table = pd.DataFrame(rows, columns=[*names, "through_factor", "linear"]).assign(epochs=8, right=0.5)
    factors = {f"{name}_factor": table["gradient_square"] for name in ("random", "fresh", "gradient")}
    return table.assign(**factors, random=0.75, gradient=0.25)


def test_measures_by_hand():
    table = made_table()
    shortens, early, late, through = (m(table) for m in (layers.shortens, layers.early, layers.late, layers.through))
    np.testing.assert_allclose(shortens.values, [-0.15, -0.15])  # without the start, without the deep network
    np.testing.assert_allclose(early.values, [-0.3, -0.3])
    np.testing.assert_allclose(late.values, [0.3, 0.3])
    np.testing.assert_allclose(through.values, [-0.2, -0.19])  # of the last layer alone, at the end
    for each in (shortens, early, late):
        np.testing.assert_allclose(each.control, [0, 0], atol=1e-12)
    np.testing.assert_allclose(through.control, [0, 0.01])
    halves = layers.halves(table)
    np.testing.assert_allclose(halves.values, [0.5, 0.51])
    np.testing.assert_allclose(halves.control, [1, 1])
    many = pd.concat([table.assign(seed=table["seed"] + 2 * i) for i in range(3)])
    assert status("scal-common.shortens", layers.shortens(many)) == "holds"
    assert status("scal-common.early", layers.early(many)) == "holds"
    assert status("scal-common.late", layers.late(many)) == "fails"
    assert status("scal-common.through", layers.through(many)) == "fails"
    assert status("scal-common.half", layers.halves(many)) == "holds"


def test_the_end_is_told_in_geometric_means():
    table = made_table()
    table.loc[table["seed"] == 1, "gradient_factor"] = 0.5
    found = layers.ending({"a": table}).loc[("a", 8)]
    both = math.sqrt(1.28 * 1.32)
    assert found["gradient_factor"] == pytest.approx(math.sqrt(both * 0.5))  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    assert found["random_factor"] == pytest.approx(both)  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    assert found["through_factor"] == pytest.approx(math.sqrt(0.8))  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    assert found["stretched"] == found["right"] == 0.5  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    shown = layers.shown({"a": table})
    assert shown["networks that stretch it"].tolist() == ["50%", "50%"]
    assert shown["its factor"].tolist() == [f"{both:.2f}", "9.00"]
