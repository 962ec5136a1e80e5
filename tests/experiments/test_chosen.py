"""What a chapter has chosen and no formula says: the networks that it trains and how, as its page tells the reader.

A slip in such a number changes every result of a chapter a little, and no identity. So they stand here once more.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from resnet_lib import training
from resnet_lib.cli import catalogue
from resnet_lib.sweep import Experiment
from resnet_lib.training import zoo

CHOSEN = {
    "scalar-layers": {"layers of [64], 8 x 100, one-cycle, sgd"},
    "plain-degrade": {"layers of [64], 8 x 100, one-cycle, sgd"},
    "plain-cause": {
        "layers of [64], 60 x 100, one-cycle, lars",
        "layers of [64], 60 x 100, one-cycle, sgd",
        "layers of [64], 8 x 100, one-cycle, lars",
        "layers of [64], 8 x 100, one-cycle, sgd",
    },
    "plain-rescue": {"layers of [64], 1 x 100, one-cycle, sgd", "layers of [64], 8 x 100, one-cycle, sgd"},
    "difference-digits": {"layers of [64], 8 x 100, one-cycle, sgd"},
    "difference-labels": {"layers of [64], 8 x 100, one-cycle, sgd"},
    "depth-digits": {"layers of [32], 8 x 100, one-cycle, sgd"},
    "distinct-trained": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "distinct-searched": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "eigenvalues-trained-spectra": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "eigenvalues-trained-mlp": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "eigenvalues-trained-conv": {"convolutions of [8], 6 x 50, one-cycle, sgd"},
    "misleading-trained-mlp": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "misleading-turned": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "misleading-trained-conv": {"convolutions of [8], 6 x 50, one-cycle, sgd"},
    "misleading-pseudospectra": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "lipschitz-block": {"convolutions of [2], 4 x 100, one-cycle, sgd", "layers of [16], 4 x 100, one-cycle, sgd"},
    "lipschitz-networks": {"layers of [16], 20 x 100, one-cycle, sgd"},
    "lipschitz-compared": {"layers of [16], 20 x 100, one-cycle, sgd"},
    "gates-digits": {"layers of [32], 8 x 100, one-cycle, sgd"},
    "gates-paces": {"layers of [32], 8 x 100, one-cycle, sgd"},
    "shortcuts-digits": {"convolutions of [8, 16, 32], 4 x 50, one-cycle, sgd"},
    "paths-gradients": {"layers of [64], 20 x 100, one-cycle, sgd", "layers of [64], 0 x 100, one-cycle, sgd"},
    "paths-images": {"layers of [64], 20 x 100, one-cycle, sgd", "layers of [64], 0 x 100, one-cycle, sgd"},
    "paths-members": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "paths-shares": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "dropping-digits": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "dropping-depth": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "dropping-sizes": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "dropping-common": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "dropping-few": {"layers of [64], 100 x 100, one-cycle, sgd"},
    "dropping-rates": {"layers of [64], 20 x 100, one-cycle, sgd"},
    "ode-trained": {"layers of [64], 12 x 100, one-cycle, sgd"},
    "stability-contracting": {"layers of [32], 8 x 50, one-cycle, sgd"},
    "published-small": {"convolutions of [8, 16, 32], 20 x 100, one-cycle, sgd"},
}
"""By experiment: inputs of the layers behind the first, epochs x batch, schedule, optimiser; rates are tuned."""


class Asked(BaseException):
    """A trial has asked for a training: the untrained network and the recipe."""

    def __init__(self, net: nn.Module, recipe: training.Recipe):
        self.net, self.recipe = net, recipe


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial trains; it is stopped where it would."""

    def fit(make: Any, data: Any, recipe: training.Recipe, seeds: Sequence[int], **options: Any) -> None:
        raise Asked(make(torch.Generator().manual_seed(0)), recipe)

    def train(network: zoo.Network, seeds: Sequence[int], **options: Any) -> None:
        shape = (64,) if network.architecture == "mlp" else (3, 32, 32)
        raise Asked(network.make(torch.Generator().manual_seed(0), shape, 10), network.recipe)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(zoo, "train", train)


def chosen(experiment: Experiment) -> set[str]:
    """What the trainings of an experiment's QUICK are, one line each; empty where it trains nothing."""
    found = set()
    for setting in experiment.quick.settings:
        try:
            experiment.trial(setting, (0,))
        except Asked as asked:
            found.add(told(asked.net, asked.recipe))
    return found


def told(net: nn.Module, recipe: training.Recipe) -> str:
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    widths = sorted({layer.weight.shape[1] for layer in layers[1:]})
    kind = "convolutions" if isinstance(layers[0], nn.Conv2d) else "layers"
    return f"{kind} of {widths}, {recipe.epochs} x {recipe.batch}, {recipe.schedule}, {recipe.optimizer}"


def here(experiment: Experiment) -> bool:
    """Whether the experiment may train, on data that every installation has, at rates that are chosen already."""
    return bool({"digits", "spirals"} & set(experiment.data)) and not experiment.name.endswith(
        ("-tuning", "-choices", "-divided")
    )


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("experiment", list(filter(here, catalogue.find(None))), ids=lambda experiment: experiment.name)
def test_a_chapter_trains_the_networks_that_its_page_names(experiment: Experiment):
    assert chosen(experiment) == CHOSEN.get(experiment.name, set())
