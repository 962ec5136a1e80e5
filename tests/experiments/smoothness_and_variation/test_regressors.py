"""Samples, networks and their training to one loss, against other code and by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib.analysis import variation
from resnet_lib.experiments.smoothness_and_variation import regressors
from resnet_lib.experiments.smoothness_and_variation.regressors import Regressor

SHORT = Regressor("residual", 0.01, blocks=2, width=12, level=0.9, steps=400)


def test_the_networks_of_the_chapter_are_those_of_its_page():
    setting = Regressor("plain", 0.01)
    assert (setting.blocks, setting.width, setting.points, setting.level, setting.steps) == (3, 24, 16, 0.5, 400)
    assert regressors.NOISE == {"sine": 0.3, "random": 0.3, "rising": 0.1, "falling": 0.1}
    layers = [layer for layer in regressors.build(setting, 0).modules() if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == [(24, 1), *[(24, 24)] * 6, (1, 24)]


@pytest.mark.parametrize("target", ["sine", "random", "rising", "falling"])
def test_a_sample_has_one_point_an_interval_and_noise_of_the_wanted_size(target: str):
    setting = Regressor("plain", 0.01, target=target)
    drawn = regressors.sample(setting, 4)
    assert (16 * drawn.x[:, 0]).floor().tolist() == list(range(16))
    noise = drawn.y[:, 0].numpy() - regressors.target(target, 4, drawn.x[:, 0].numpy())
    assert (noise**2).mean() == pytest.approx(regressors.NOISE[target] ** 2)
    assert len(drawn.fresh) == len(drawn.grid) - 1 == regressors.MANY
    assert not torch.equal(drawn.x, regressors.sample(setting, 5).x)


def test_targets_are_what_they_are_named_after():
    x = np.array([0.0, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(regressors.target("sine", 0, x), [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(regressors.target("rising", 0, x), [0, 0.35, 0.5, 1], atol=1e-12)
    np.testing.assert_allclose(regressors.target("falling", 0, x), [0, -0.35, -0.5, -1], atol=1e-12)
    ends = [regressors.target("random", seed, np.linspace(0, 1, 6)) for seed in range(300)]
    assert np.abs(np.mean(np.diff(ends))) < 0.03  # no trend
    assert np.mean(np.var(ends, axis=0)) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", regressors.KINDS)
def test_stacked_outputs_are_those_of_the_networks(kind: str):
    setting = Regressor(kind, 0.01, gain=0.5, blocks=2, width=6)
    built = [regressors.build(setting, seed) for seed in (0, 1)]
    params = {name: torch.stack([net.state_dict()[name] for net in built]) for name in built[0].state_dict()}
    x = torch.rand(2, 9, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = regressors.outputs(setting, params, x)
    for nth in (0, 1):
        net = regressors.whole(setting, regressors.network(setting, params, nth))
        torch.testing.assert_close(found[nth], net(x[nth]))


def test_plain_and_residual_networks_start_from_equal_weights_and_the_gain_is_that_of_the_branches():
    plain, residual = (
        regressors.build(Regressor(kind, 0.01, gain=2.0), 3).state_dict() for kind in regressors.KINDS[:2]
    )
    assert all(torch.equal(value, residual[name]) for name, value in plain.items())
    usual = regressors.build(Regressor("plain", 0.01), 3).state_dict()
    for name, value in plain.items():
        torch.testing.assert_close(value, (2 if "weight2" in name and "blocks" in name else 1) * usual[name])
    again = regressors.build(Regressor("plain", 0.01, again=True), 3).state_dict()
    assert not torch.equal(again["head.weight1.weight"], usual["head.weight1.weight"])
    where = -usual["stem.weight1.bias"] / usual["stem.weight1.weight"][:, 0]
    assert 0 <= where.min() < where.max() <= 1


def test_training_ends_at_the_wanted_loss_whoever_trains_beside():
    pair, alone = (regressors.fit(SHORT, seeds) for seeds in ((0, 1, 2), (1,)))
    table = regressors.trial(SHORT, (0, 1, 2))
    assert table["reached"].all()
    np.testing.assert_allclose(table["loss"], 1, rtol=1e-4)
    assert len(set(table["taken"])) > 1
    for name, value in alone.end.items():
        torch.testing.assert_close(value[0], pair.end[name][1], rtol=1e-6, atol=1e-9)
    with torch.no_grad():
        drawn = regressors.sample(SHORT, 1)
        off = regressors.network(SHORT, pair.end, 1)(drawn.x) - drawn.y
        assert float((off**2).mean()) == pytest.approx(0.9 * 0.3**2, rel=1e-4)


def test_a_loss_that_is_not_reached_is_told():
    table = regressors.trial(Regressor("plain", 1e-5, blocks=1, width=6, steps=3), (0, 1))
    assert not table["reached"].any()
    assert table["taken"].tolist() == [3, 3]
    assert (table["loss"] > 1).all()


def test_a_shortcut_around_is_a_shift_of_what_is_trained_on():
    around, shifted = (
        regressors.trial(Regressor(kind, 0.01, blocks=1, width=8, level=0.9), (0, 1)) for kind in ("around", "shifted")
    )
    np.testing.assert_allclose(around["branch"], shifted["variation"], rtol=1e-6)
    np.testing.assert_allclose(around["error"], shifted["error"], rtol=1e-6)
    assert (around["variation"] != around["branch"]).all()


def test_the_variation_in_the_table_is_that_of_the_trained_network():
    trained = regressors.fit(SHORT, (0,))
    row = regressors.trial(SHORT, (0,)).iloc[0]
    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        y = regressors.network(SHORT, trained.end, 0)(x)[:, 0]
        first = regressors.build(SHORT, 0)(x)[:, 0]
    assert row["variation"] == pytest.approx(float(variation.total(y)), rel=1e-3)
    assert row["start"] == pytest.approx(float(variation.total(first)), rel=1e-3)
    truth = torch.sin(2 * torch.pi * x[:, 0])
    assert row["error"] == pytest.approx(float(((y - truth) ** 2).mean()) / 0.09, rel=0.02)
