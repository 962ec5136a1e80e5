"""Networks on photographs are trained once, ship rounded, and are measured as what ships."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.experiments.plain_networks import families, photographs
from resnet_lib.training import nightly, shipped, tuning

TINY = photographs.PHOTOGRAPHS.quick.settings[0]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A cache and a book's folder of the test's own."""
    monkeypatch.setattr(nightly.platformdirs, "user_cache_path", lambda _: tmp_path / "cache")
    monkeypatch.setattr(photographs.files, "root", lambda: tmp_path / "book")


def test_the_night_has_both_twins_at_both_depths_and_five_seeds():
    grid = photographs.PHOTOGRAPHS.full
    assert [(each.variant, each.layers) for each in grid.settings] == [
        *(("plain", 20), ("original", 20), ("plain", 56), ("original", 56))
    ]
    assert grid.seeds == (0, 1, 2, 3, 4)
    assert not set(grid.seeds) & set(photographs.TUNING.full.seeds)
    weights = {}
    for each in grid.settings:
        net = photographs.network(replace(each, dataset="digits"), runtime.stream(0, "init"))
        convolutions = [value for name, value in net.named_parameters() if name.endswith("weight") and value.ndim == 4]
        assert len(convolutions) == each.layers - 1
        weights[each.variant, each.layers] = convolutions
    for depth in (20, 56):  # twins start from the same weights
        pairs = zip(weights["plain", depth], weights["original", depth], strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_what_ships_is_read_and_not_trained_and_measures_the_same(tmp_path, monkeypatch):
    before = photographs.trial(TINY, [0])
    assert list(photographs.ship([TINY], [0, 1], tmp_path / "book")) == [photographs.place(TINY, 0, tmp_path / "book")]
    assert not list(photographs.ship([TINY], [0, 1], tmp_path / "book"))  # it is there, and seed 1 was not trained

    def untrained(*_):
        raise AssertionError("it was trained")

    monkeypatch.setattr(nightly, "train", untrained)
    pd.testing.assert_frame_equal(photographs.trial(TINY, [0]), before)
    with pytest.raises(AssertionError, match="it was trained"):  # of another rate
        photographs.trained(replace(TINY, lr=0.2), 0)


def test_the_errors_are_those_of_the_rounded_network():
    setting, images = replace(TINY, epochs=5), data.load("digits")
    found, net = photographs.trial(setting, [0]).iloc[0], photographs.of(photographs.fit(setting, 0))
    shipped.rounded_(net)
    for part in ("train", "validation", "test"):
        split = getattr(images, part)
        with torch.no_grad():
            wrong = (net(split.x).argmax(1) != split.y).double().mean()
        assert found[f"{part}_error"] == pytest.approx(100 * wrong.item(), abs=1e-9)
    assert found["train_error"] < 80  # it has learned something


def test_the_tuning_labels_all_validation_images_at_the_rates_that_a_search_tries(monkeypatch):
    monkeypatch.setattr(photographs, "RATES", 3)
    table = photographs.tuning_trial(TINY, [100])
    assert sorted(table[tuning.TRIED]) == [0.032, 0.1, 0.32]
    net, images = photographs.of(photographs.fit(replace(TINY, lr=0.1), 100)), data.load("digits").validation
    with torch.no_grad():
        right = (net(images.x).argmax(1) == images.y).double().mean().item()
    assert table.set_index(tuning.TRIED)[tuning.SCORE][0.1] == pytest.approx(right, abs=1e-9)


def test_the_rates_are_those_of_the_families_until_they_are_tuned():
    assert {(v, n): families.BEST_CIFAR[v, False] for v, n in photographs.BEST} == photographs.BEST
