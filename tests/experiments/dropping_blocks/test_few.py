"""Training on a part of the images, and the gain of one network over another at their rates."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib import training
from resnet_lib.experiments.dropping_blocks import few, networks


def test_the_first_images_are_learned_and_all_of_the_others_are_tested(monkeypatch: pytest.MonkeyPatch):
    fit, asked = training.fit, []

    def watched(make, dataset, recipe, seeds):
        asked.append((dataset, recipe.epochs))
        return fit(make, dataset, recipe, seeds)

    monkeypatch.setattr(training, "fit", watched)
    setting = few.Few("residual", 2, 0.1, epochs=1)
    made, whole = few.trial(setting, [0, 1]), networks.dataset(setting)
    ((part, epochs),) = asked
    assert (len(part.train), epochs, made["seed"].tolist()) == (few.IMAGES, 1, [0, 1])
    assert (part.train.x == whole.train.x[: few.IMAGES]).all()
    assert (part.test.x == whole.test.x).all()
    assert ((made["value"] * len(whole.test)) % 1).round(6).isin((0, 1)).all()


def test_the_gain_is_that_at_the_rates_which_are_named():
    rows = [
        {"last": last, "lr": lr, "seed": seed, "value": 0.9 + base + seed / 1000}
        for last, lr, base in ((0.5, 0.1, 0.03), (0.5, 0.2, 0.02), (1.0, 0.1, 0.0), (1.0, 0.2, 0.01))
        for seed in range(3)
    ]
    table = pd.DataFrame(rows)
    np.testing.assert_allclose(few.gain(table, 0.1, 0.2), 2)
    np.testing.assert_allclose(few.gain(table, 0.2, 0.1), 2)
    np.testing.assert_allclose(few.gain(table, 0.1, 0.1), 3)
