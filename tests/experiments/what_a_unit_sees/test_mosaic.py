"""The border is taken away by mirror images, and the measure is that of a table by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, nets
from resnet_lib.analysis import fields
from resnet_lib.experiments.what_a_unit_sees import mosaic, published


def test_an_image_is_continued_by_its_mirror_images():
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = mosaic.continued(x)
    np.testing.assert_array_equal(found, np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4)), mode="symmetric"))


def test_a_trial_measures_the_unit_in_the_middle_of_nine_images(monkeypatch: pytest.MonkeyPatch):
    net = nets.cifar_resnet(20, width=4, generator=torch.Generator().manual_seed(0)).eval()
    made = data.Split(torch.randn(9, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.zeros(9).long())
    monkeypatch.setattr(data, "published", lambda depth: net)
    monkeypatch.setattr(published, "images", lambda part: made)
    table = mosaic.mosaic_trial(mosaic.Mosaic(20, size=3), (0, 2))
    assert table[["seed", "depth", "weights"]].to_numpy().tolist() == [[0, 20, "trained"], [2, 20, "trained"]]
    maps = published.energy(net, 9, mosaic.continued(made.x[6:9]), 4, 2)
    assert maps.shape == (3, 48, 48)
    row = table.set_index("seed").loc[2]
    assert row["variance"] == pytest.approx(float(fields.variances(maps).mean()))
    assert row["middle"] == pytest.approx(float(maps[:, 16:32, 16:32].sum((1, 2)).mean()))
    cut = published.energy(net, 9, made.x[6:9], 4, 2)
    assert row["variance"] > float(fields.variances(cut).mean())  # what the border cuts off


def test_the_measure_is_that_of_a_table_by_hand():
    rows = [
        {"seed": seed, "depth": depth, "weights": weights, "variance": (width * (1 + seed)) ** 2, "middle": 1.0}
        for seed in (0, 1)
        for weights, widths in (("trained", (6.0, 6.6)), ("redrawn", (5.0, 10.0)))
        for depth, width in zip((20, 56), widths, strict=True)
    ]
    found = mosaic.border(pd.DataFrame(rows))
    assert found.values == pytest.approx([np.log(1.1)] * 2)
    assert found.control == pytest.approx([np.log(2)] * 2)
