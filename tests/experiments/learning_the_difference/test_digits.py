"""Networks on digits: their labels, what is measured of their blocks, and which are kept."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from resnet_lib import data, training
from resnet_lib.experiments.learning_the_difference import digits
from resnet_lib.experiments.plain_networks import families
from resnet_lib.training import zoo


def test_the_networks_with_true_labels_are_those_of_chapter_2():
    for blocks in (3, 9, 24):
        family = families.digits("pre", 2 * blocks + 2)
        assert digits.network(digits.trained(blocks)) == families.network(family)
        assert digits.trained(blocks).lr == families.BEST["pre", 2 * blocks + 2, False]
    assert tuple(range(30)) == digits.TOGETHER


def test_seeds_of_chapter_2_are_trained_together(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[int, ...]] = []
    nothing = training.Fit((), pd.DataFrame(), {}, (), nn.Identity())
    monkeypatch.setattr(zoo, "train", lambda network, seeds: asked.append(tuple(seeds)) or nothing)
    digits.fit(digits.trained(3), (0, 1))
    digits.fit(digits.trained(3), (100,))
    digits.fit(digits.Digits(3, 0.1, epochs=16), (0, 1))
    digits.fit(digits.Digits(3, 0.1, decay=0.01), (0, 1))
    assert asked == [digits.TOGETHER, (100,), (0, 1), (0, 1)]


def test_linear_labels_are_those_of_a_linear_map():
    true, linear = (digits.labelled(labels) for labels in (digits.TRUE, digits.LINEAR))
    for part in ("train", "test"):
        alike = (getattr(linear, part).y == getattr(true, part).y).double().mean().item()
        assert 0.88 < alike < 1
        assert torch.equal(getattr(linear, part).x, getattr(true, part).x)
    ones = torch.cat([linear.train.x, torch.ones(len(linear.train.y), 1)], 1).double()
    hot = nn.functional.one_hot(linear.train.y, 10).double()
    fitted = (ones @ torch.linalg.lstsq(ones, hot, driver="gelsd").solution).argmax(1)
    assert (fitted == linear.train.y).double().mean().item() > 0.95  # nearly a linear map of least squares


def test_what_is_measured_of_a_network_is_what_its_blocks_add():
    setting = digits.Digits(2, 0.0)
    net, images = digits.bare(setting, 0), data.load("digits", flat=True).test
    rows = pd.DataFrame(digits.measured(net, images, 0))
    with torch.no_grad():
        states = net.states(images.x)
    for block, row in rows.iterrows():
        added = states[int(str(block)) + 1] - states[int(str(block))]
        sizes = added.norm(dim=1) / states[int(str(block))].norm(dim=1)
        assert row["size"] == pytest.approx(sizes.median().item(), rel=1e-4)
    assert (rows[["own", "other", "another"]].abs() < 0.3).all().all()
    smaller = pd.DataFrame(digits.measured(digits.bare(digits.Digits(2, 0.0, gain=0.05), 0), images, 0))
    assert smaller["size"][0] == pytest.approx(rows["size"][0] / 20, rel=1e-4)


def test_a_trial_has_rows_before_and_after_training(monkeypatch: pytest.MonkeyPatch):
    def fit(setting: digits.Digits, seeds: tuple[int, ...]) -> training.Fit:
        recipe = training.Recipe(epochs=1, batch=500, lr=0.1)
        dataset = data.load("digits", flat=True)
        return training.fit(lambda g: digits.nets.mlp(2, 8, unit="pre", generator=g), dataset, recipe, seeds, keep=(0,))

    monkeypatch.setattr(digits, "fit", fit)
    table = digits.trial(digits.Digits(2, 0.1, epochs=1), (0, 1))
    assert table.groupby(["seed", "epoch"]).size().tolist() == [2] * 4
    assert table["right"].between(0, 1).all()


def test_single_blocks_have_the_size_of_their_turn():
    table = digits.trial(digits.Digits(0, 0.0), (0, 1))
    wanted = 2 * np.sin(np.radians([5, 45, 5, 45]))
    np.testing.assert_allclose(table["size"], wanted, rtol=1e-6)
    assert table[["own", "right"]].isna().all().all()


def test_other_choices_change_the_trained_networks_alone():
    for way in digits.CHOICES.ways.values():
        assert [each for each in way if not each.lr] == [each for each in digits.DIGITS.quick.settings if not each.lr]
    assert {each.decay for each in digits.LABELS_CHOICES.ways["weight decay 0.01"]} == {0.0, 0.01}
