"""Images that go on beyond their border keep their middle, and the measures are those of a table by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, nets
from resnet_lib.experiments.what_a_unit_sees import border, published


def test_a_continued_image_is_the_image_in_the_middle_and_its_mirror_around():
    x = torch.arange(2 * 3 * 32 * 32.0).view(2, 3, 32, 32)
    found = border.continued(x)
    assert found.shape == (2, 3, 64, 64)
    assert found[..., 16:48, 16:48].equal(x)
    assert found[..., 32, 32].equal(x[..., 16, 16])  # the central pixel of either
    assert found[..., 15, 16:48].equal(x[..., 1, :])
    assert found[..., 16:48, 48].equal(x[..., :, 30])


def test_a_trial_has_a_row_a_group_and_place(monkeypatch: pytest.MonkeyPatch):
    draw = torch.Generator().manual_seed(1)
    made = data.Split(torch.randn(8, 3, 32, 32, generator=draw), torch.randint(10, (8,), generator=draw))
    net = nets.cifar_resnet(20, width=4, generator=torch.Generator().manual_seed(0)).eval()
    monkeypatch.setattr(published, "images", lambda part: made)
    monkeypatch.setattr(data, "published", lambda depth: net)
    table = border.border_trial(published.Fields(20, size=4), (0, 1))
    assert table[["seed", "place"]].to_numpy().tolist() == [list(each) for each in itertools.product((0, 1), PLACES)]
    widths = [border.widths(table, place)[20] for place in PLACES]
    assert (widths[1] > widths[0]).all()  # untrained, the field is cut by the border
    assert (widths[0] < (32**2 / 12) ** 0.5).all()


PLACES = ("image", "continued")


def test_the_measures_on_a_known_table():
    rows = [
        (seed, place, depth, weights, ((depth - 2) / 2) ** (power if place == "continued" else 0) * (1 + seed))
        for seed, place, depth in itertools.product(range(3), PLACES, published.DEPTHS)
        for weights, power in (("trained", 0.0), ("redrawn", 0.5))
    ]
    table = pd.DataFrame(rows, columns=["seed", "place", "depth", "weights", "variance"])
    found = border.growth(table)
    np.testing.assert_allclose(found.values, 0, atol=1e-12)
    np.testing.assert_allclose(found.control, 0.25)  # pyright: ignore[reportArgumentType, reportCallIssue]
    np.testing.assert_allclose(border.wider(table), 1)
    redrawn = np.mean([((depth - 2) / 2) ** 0.25 for depth in published.DEPTHS])
    np.testing.assert_allclose(border.wider(table, "redrawn"), redrawn)
