"""Linear readings against scikit-learn, and the measure on a known table."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from resnet_lib import data, nets, sweep
from resnet_lib.experiments.what_a_unit_sees import probes, published
from tests.experiments import chapter
from tests.experiments.what_a_unit_sees import made_tables


def test_readings_are_those_of_ridge_regression():
    rng = np.random.default_rng(0)
    known, new = rng.standard_normal((200, 7)) * 3 + 1, rng.standard_normal((40, 7)) * 3 + 1
    y = (known @ rng.standard_normal((7, 10))).argmax(1)
    scaler = StandardScaler().fit(known)
    ridge = Ridge(alpha=probes.RIDGE * 200).fit(scaler.transform(known), np.eye(10)[y])
    expected = ridge.predict(scaler.transform(new)).argmax(1)
    found = probes.read(torch.from_numpy(known), torch.from_numpy(y), torch.from_numpy(new))
    assert (found.numpy() == expected).mean() > 0.97
    assert (found.numpy() == (new @ rng.standard_normal((7, 10))).argmax(1)).mean() < 0.5


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[nets.Stack, data.Split]]:
    """A narrow network and sixty random images in the place of what is published."""
    net = nets.cifar_resnet(20, width=4, generator=torch.Generator().manual_seed(0)).eval()
    draw = torch.Generator().manual_seed(1)
    made = data.Split(torch.randn(60, 3, 8, 8, generator=draw), torch.randint(10, (60,), generator=draw))
    monkeypatch.setattr(data, "published", lambda depth: net)
    monkeypatch.setattr(probes, "images", lambda part: made)
    probes.features.cache_clear()
    yield net, made
    probes.features.cache_clear()


def test_features_are_channel_means_at_the_ends_of_stages(small: tuple[nets.Stack, data.Split]):
    net, made = small
    found = probes.features(20, "test", 2, 5)
    assert [tuple(one.shape) for one in found] == [(3, 4, 2, 2), (3, 8, 2, 2), (3, 16, 2, 2)]
    with torch.no_grad():
        read = net.head.get_submodule("2")(probes.averaged(found[2], 1))  # what the head itself reads
        torch.testing.assert_close(read, net(made.x[2:5]))
        state = net.stem(made.x[2:5])
        for block in list(net.blocks)[:3]:
            state = block(state)
    torch.testing.assert_close(probes.averaged(found[0], 2)[:, 1], state[:, 0, :4, 4:].mean((1, 2)))


def right(net: nets.Stack, made: data.Split, learned: slice, asked: slice, patches: int = 1) -> float:
    """Share that is read rightly at the end of the second stage, from states that nobody has kept."""

    def states(part: slice) -> torch.Tensor:
        with torch.no_grad():
            state = net.stem(made.x[part])
            for block in list(net.blocks)[:6]:
                state = block(state)
        side = state.shape[-1] // patches
        return torch.nn.functional.avg_pool2d(state, side).flatten(1)

    found = probes.read(states(learned), made.y[learned], states(asked))
    return float((found == made.y[asked]).double().mean())


def test_a_trial_reads_each_group_at_each_stage(small: tuple[nets.Stack, data.Split]):
    table = probes.probes_trial(probes.Probes(20, size=10, learned=40), (0, 2))
    assert len(table) == 2 * 3 * len(probes.LEARNERS)
    rows = table[(table["seed"] == 2) & (table["stage"] == 2)].set_index("part")["accuracy"]
    assert rows["second half"] == pytest.approx(right(*small, slice(20, 40), slice(20, 30)))
    assert rows["all"] == pytest.approx(right(*small, slice(40), slice(20, 30)))


def test_maps_are_learned_from_other_test_images_too(small: tuple[nets.Stack, data.Split]):
    table = probes.probes_trial(probes.Probes(20, size=10, learned=30, source="test", patches=2), (1, 2))
    rows = table[(table["seed"] == 2) & (table["stage"] == 2)].set_index("part")["accuracy"]
    assert rows["first half"] == pytest.approx(right(*small, slice(30, 45), slice(20, 30), patches=2))
    with pytest.raises(ValueError, match=r"group 3 of size=10 needs 40 images; 30 are free for groups"):
        probes.probes_trial(probes.Probes(20, size=10, learned=30, source="test"), (3,))


def test_no_name_of_a_setting_hides_a_column():
    names = {field.name for field in dataclasses.fields(probes.Probes)}
    assert not names & {"seed", "stage", "part", "accuracy"}


def test_the_measure_on_a_known_table():
    for measure in (probes.richer_first, probes.richer):
        found = measure(made_tables.probes_table())
        assert found.values == pytest.approx([3.6] * 5)
        assert found.control == pytest.approx([1] * 5)
        assert found.unit == "percentage points"
    assert probes.accuracy(made_tables.probes_table(), 2, 20).mean() == pytest.approx(42)
    assert published.DEPTHS[-1] == 56


def test_maps_from_half_of_the_images_are_other_choices_of_the_same_table():
    table = chapter.stored(probes.PROBES)
    result = sweep.stored(probes.PROBES, chapter.ROOT)
    assert result is not None
    found = probes.others(result)
    for half in probes.LEARNERS[1:]:
        other = probes.richer(found[f"maps from the {half} of the images"].table)
        deep, shallow = (probes.accuracy(table, 2, depth, half) for depth in (56, 20))
        np.testing.assert_allclose(other.values, deep - shallow)
        np.testing.assert_allclose(other.control, probes.richer(table).control)  # pyright: ignore
