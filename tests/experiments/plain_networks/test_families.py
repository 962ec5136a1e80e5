"""The families of networks are what they are called, and a lost network guesses."""

import numpy as np
import pandas as pd
import pytest
from torch import nn

from resnet_lib import training
from resnet_lib.experiments.plain_networks import degradation, families
from resnet_lib.experiments.plain_networks.families import Family, cifar, digits
from resnet_lib.nets import Unit
from resnet_lib.training import recipes


def test_families_are_what_they_are_called():
    assert families.network(digits("plain", 50)).depth == 24
    assert families.network(cifar("plain", 56)).depth == 56
    scaled = families.network(digits("scaled", 100)).unit
    assert isinstance(scaled, Unit)
    assert scaled.alpha == pytest.approx(1 / 7)
    usual, rescaled = (families.recipe(cifar("plain", 56, rescaled=r)) for r in (False, True))
    assert (usual.optimizer, usual.weight_decay) == ("sgd", recipes.ONE_CYCLE.weight_decay)
    assert (rescaled.optimizer, rescaled.weight_decay) == ("lars", 0)
    assert families.kept(cifar("plain", 56)) == ()
    assert families.kept(cifar("plain", 56, watched=True)) == (0, 1, 2, 30)
    for experiment in (degradation.DEGRADE, degradation.CAUSE, degradation.RESCUE):
        for setting in (*experiment.quick.settings, *experiment.full.settings):
            assert isinstance(setting, Family)
            net = families.network(setting)
            assert net.depth == (setting.layers - 2) // 2 if net.architecture == "mlp" else setting.layers
        assert {s.dataset for s in experiment.full.settings} == {"cifar10"}
        assert experiment.datasets(experiment.quick) == ("digits",)


def test_a_lost_network_has_the_error_of_a_guess():
    history = pd.DataFrame({"seed": [0, 1], "epoch": 3, "train_accuracy": [0.5, np.nan]})
    history = history.assign(validation_accuracy=[0.5, np.nan], test_accuracy=[0.4, np.nan])
    fit = training.Fit((0, 1), history, {}, (False, True), nn.Identity())
    assert families.accuracies(fit).to_numpy().tolist() == [[0.5, 0.5, 0.4], [0.1, 0.1, 0.1]]
