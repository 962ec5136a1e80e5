"""Random networks: what is built, what is measured of it, and the measures on a known table."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib.analysis import fields
from resnet_lib.experiments.what_a_unit_sees import untrained
from resnet_lib.experiments.what_a_unit_sees.untrained import Untrained
from tests.experiments.what_a_unit_sees import made_tables


def test_families_share_their_weights_and_differ_in_their_sum():
    made = {family: untrained.network(Untrained(family, 4, 9), 0) for family in untrained.FAMILIES}
    x = torch.randn(1, 16, 9, 9, generator=torch.Generator().manual_seed(0))
    branches = [block.get_submodule("branch") for block in made["residual"].blocks]
    for family in ("plain", "scaled", "strong"):
        for ours, block in zip(branches, made[family].blocks, strict=True):
            first = "weight1.weight"
            assert torch.equal(ours.get_parameter(first), block.get_parameter(f"branch.{first}"))
    for place, branch in enumerate(branches):
        added = branch(x)
        expected = {"plain": added, "residual": x + added, "scaled": x + added / 2, "strong": x + 10 * added}
        for family, y in expected.items():
            torch.testing.assert_close(made[family].blocks[place](x), y)
    norms = [layer for layer in made["batch"].modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 8 + 1


def test_the_map_is_that_of_the_blocks_alone_and_of_no_other_image():
    setting = Untrained("residual", 2, 9)
    found = untrained.energy(setting, 3)
    assert found.shape == (1, 9, 9)
    assert (found[0] > 0).sum() == 81  # two blocks reach four pixels aside, and the stem none
    assert float(found[0, 0, 0]) < 1e-3
    again = untrained.energy.__wrapped__(setting, 3)
    assert torch.equal(found, again)
    assert not torch.equal(found, untrained.energy(setting, 4))


def test_the_law_knows_what_each_family_does():
    assert untrained.shares("plain", 2) == [1, 1]
    assert untrained.shares("residual", 2) == [0.5, 0.5]
    assert untrained.shares("scaled", 3) == [0.25] * 3
    assert untrained.shares("strong", 2) == pytest.approx([100 / 101] * 2)
    left = 1 - 1 / math.pi  # of z standard normal: 2 Var(relu z)
    z = np.random.default_rng(0).standard_normal(10**6)
    assert 2 * np.maximum(z, 0).var() == pytest.approx(left, abs=5e-3)
    assert untrained.shares("batch", 2) == pytest.approx([1 / (1 + left * 2), 1 / (1 + left * (2 + left))])


def test_a_trial_measures_random_networks_as_the_law_says():
    for family, tolerance in (("plain", 0.2), ("residual", 0.2), ("scaled", 0.2), ("batch", 0.25), ("strong", 0.2)):
        table = untrained.untrained_trial(Untrained(family, 4, 31), range(6))
        assert table["variance"].mean() == pytest.approx(table["predicted"].mean(), rel=tolerance)
        law = fields.law(untrained.shares(family, 4), 31)
        assert table["centre"].mean() == pytest.approx(float(law[15, 15]), abs=0.06)


def test_maps_are_cut_out_about_the_centre():
    setting = Untrained("residual", 2, 31)
    table = untrained.maps_trial(setting, (0, 1))
    assert len(table) == 2 * (2 * untrained.REACH + 1) ** 2
    whole = untrained.energy(setting, 1)[0]
    for row, column in ((0, 0), (-3, 2), (12, -12)):
        one = table[(table["seed"] == 1) & (table["row"] == row) & (table["column"] == column)]
        assert one["energy"].item() == float(whole[15 + row, 15 + column])


def test_images_hold_the_plain_field():
    for blocks in (3, 6, 12, 24):
        size = untrained.side(blocks)
        assert size % 2 == 1
        law = fields.law(untrained.shares("plain", blocks), 4 * blocks + 1)
        assert size >= 4 * blocks + 1 or float(fields.within(law[None], size // 2)) > 0.9998
    law = fields.law(untrained.shares("scaled", 60), 241)
    assert float(fields.within(law[None], untrained.NARROW // 2)) > 0.9998


def test_measures_on_a_known_table():
    table = made_tables.untrained_table()
    found = untrained.focus_narrower(table)
    assert found.values == pytest.approx(0.5)
    assert found.control == pytest.approx(1)
    found = untrained.focus_energy(table)
    assert found.values == pytest.approx(0.5)
    assert found.control == pytest.approx(0.25)
    found = untrained.focus_centre(table)
    assert found.values == pytest.approx([0.398, 0.399, 0.4, 0.401, 0.402])
    assert found.control.mean() == pytest.approx(1 / 12)
    for measure, value, control in (
        (untrained.depth_start, 0.5, 0),
        (untrained.depth_batch, 0.25, 0),
        (untrained.depth_scaled, 0, 0.5),
    ):
        found = measure(table)
        assert found.values == pytest.approx([value] * 5)
        assert found.control == pytest.approx([control] * 5)
