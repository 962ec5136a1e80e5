"""Fields of a small network in the place of the published ones, and the measures on a known table."""

import numpy as np
import pytest
import torch

from resnet_lib import data, nets
from resnet_lib.analysis import jacobian
from resnet_lib.experiments.what_a_unit_sees import published
from resnet_lib.nets import Stack
from tests.experiments.what_a_unit_sees import made_tables


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> data.Split:
    """Random images in the place of CIFAR-10's."""
    draw = torch.Generator().manual_seed(1)
    made = data.Split(torch.randn(16, 3, 8, 8, generator=draw), torch.randint(10, (16,), generator=draw))
    monkeypatch.setattr(published, "images", lambda part: made)
    return made


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Stack:
    made = nets.cifar_resnet(20, width=4, generator=torch.Generator().manual_seed(0)).eval()
    monkeypatch.setattr(data, "published", lambda depth: made)
    return made


def test_groups_follow_each_other(images: data.Split):
    assert torch.equal(published.group(1, 4), images.x[4:8])
    with pytest.raises(ValueError, match="group 4 of size=4 needs 20 images; there are 16"):
        published.group(4, 4)


def test_stages_end_where_the_next_one_halves_the_image(net: Stack, images: data.Split):
    sides = [state.shape[-1] for state in net.states(images.x[:1])]
    assert published.ends(20) == (3, 6, 9)
    assert [sides[end] for end in published.ends(20)] == [8, 4, 2]
    assert all(sides[end + 1] < sides[end] for end in published.ends(20)[:-1])
    assert [published.ends(depth)[2] for depth in published.DEPTHS] == [9, 15, 21, 27]


def test_the_map_is_that_of_the_dense_jacobian(net: Stack, images: data.Split):
    net, x = net.double(), images.x[:1].double()
    found = published.energy(net, 6, x, 3000, 0)[0]
    rows = jacobian.dense(lambda v: net.states(v)[6], x).view(8, 4, 4, 3, 8, 8)[:, 2, 2]
    expected = (rows**2).sum((0, 1))
    assert float((found - expected / expected.sum()).abs().sum()) < 0.1  # random probes of all channels


def test_redrawn_networks_have_new_weights_for_each_seed_and_statistics_of_the_images(images: data.Split):
    setting = published.Fields(20, "redrawn", learned=8)
    one, other = (published.network(setting, seed) for seed in (0, 1))
    first, second = (net.stem.get_parameter("weight1.weight") for net in (one, other))
    assert not torch.equal(first, second)
    assert torch.equal(first, published.network(setting, 0).stem.get_parameter("weight1.weight"))
    read = torch.nn.functional.conv2d(images.x[:8], first, padding=1)
    torch.testing.assert_close(one.stem.get_buffer("norm1.running_mean"), read.mean((0, 2, 3)))
    assert not one.training


def test_a_trial_has_a_row_for_each_group_stage_and_part(net: Stack, images: data.Split):
    table = published.fields_trial(published.Fields(20, size=8), (0, 1))
    assert len(table) == 2 * 3 * published.PARTS
    assert table.groupby("stage").size().to_dict() == {1: 8, 2: 8, 3: 8}
    assert table["within8"].to_numpy() == pytest.approx(1)  # of 8 x 8 pixels
    maps = published.energy(net, 3, images.x[8:], 4, 1)
    pixels = torch.arange(8.0, dtype=torch.float64)
    rows = maps[2:4].sum(2)
    columns = maps[2:4].sum(1)
    found = [(one @ pixels**2 - (one @ pixels) ** 2).mean() for one in (rows, columns)]
    one = table[(table["seed"] == 1) & (table["stage"] == 1) & (table["part"] == 1)].iloc[0]
    assert one["variance"] == pytest.approx(float(sum(found)) / 2, rel=1e-5)
    assert one["within1"] == pytest.approx(float(maps[2:4, 3:6, 3:6].sum((1, 2)).mean()), rel=1e-5)
    assert one["within0"] == pytest.approx(float(maps[2:4, 4, 4].mean()), rel=1e-5)
    assert table["shuffled1"].mean() == pytest.approx(9 / 64, abs=0.1)
    assert (table["shuffled1"] != table["within1"]).all()


def test_measures_of_growth_on_a_known_table():
    table = made_tables.published_table()
    for measure, value in ((published.depth_last, 0), (published.depth_first, 0.5), (published.depth_redrawn, 0.5)):
        found = measure(table)
        assert found.values == pytest.approx([value] * 5)
        assert found.control == pytest.approx([0] * 5)
    second = published.depth_second(table)
    assert second.values == pytest.approx([0.5] * 5)
    assert second.control == pytest.approx([0.5] * 5)
    table.loc[(table["stage"] == 2) & (table["weights"] == "redrawn"), "variance"] = 4.0
    assert published.depth_second(table).control == pytest.approx([0] * 5)
    wide = published.widths(table, 1)
    assert wide[20].to_numpy() == pytest.approx((9 * np.arange(1, 6)) ** 0.5)
    found = published.depth_training(table)
    assert found.values == pytest.approx([0.5] * 5)
    assert found.control == pytest.approx(np.array([5, 1 / 2, 2 / 3, 3 / 4, 4 / 5]) ** 0.5)


def test_one_network_in_the_place_of_four_can_seem_to_grow():
    table = made_tables.published_table()
    deep = table["depth"] == 56
    table.loc[deep, "variance"] *= np.array([9.0, 15.0, 21.0, 27.0])[table.loc[deep, "part"]]
    assert published.depth_first(table).control == pytest.approx([0.5] * 5)


def test_measures_of_focus_on_a_known_table():
    table = made_tables.published_table()
    table.loc[table["depth"] != 56, ["within1", "within8"]] = 0.0
    first, last = published.focus_first(table), published.focus_last(table)
    assert first.values == pytest.approx([0.2] * 5)
    assert first.control == pytest.approx([0.01] * 5)
    assert last.values == pytest.approx([0.9] * 5)
    assert last.control == pytest.approx([0.28] * 5)
