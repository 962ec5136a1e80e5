"""What FULL trains is measured in small, and networks that share a setting are trained once."""

import math
from dataclasses import replace

import pytest

from resnet_lib import data, runtime
from resnet_lib.experiments.plain_networks import degradation, families
from resnet_lib.experiments.plain_networks.families import cifar
from resnet_lib.training import zoo


def test_networks_that_share_a_setting_are_trained_once():
    mine = {families.network(s) for s in degradation.CAUSE.quick.settings if s.variant == "original"}
    assert mine <= {families.network(s) for s in degradation.DEGRADE.quick.settings}


FULL_VARIANTS = ("plain", "mirrored", "original", "pre", "scaled", "bare", "identity", "looks-linear", "sigmoid")


@pytest.mark.parametrize("variant", FULL_VARIANTS)
def test_full_networks_train_and_are_measured_in_small(variant, tmp_path, monkeypatch):
    """The convolutional networks of FULL on digits, two epochs: every measure comes out as a number."""
    setting = replace(cifar(variant, 8, watched=True, bent=True), epochs=2)
    images = data.load("digits")

    def fit(setting, seeds, device):
        network = replace(families.network(setting), data="digits", width=4)
        return zoo.train(network, seeds, device=device, folder=tmp_path)

    monkeypatch.setattr(families, "fit", fit)
    monkeypatch.setattr(degradation.data, "load", lambda name, flat: images)
    with runtime.numerics():
        found = degradation.trial(setting, (0,))
    assert found["value"].notna().all()
    assert set(found["measure"]) == {
        *("train_error", "validation_error", "test_error", "ratio", "gradient", "agreement", "slope")
    }
    assert set(found.loc[found["measure"] == "ratio", "epoch"]) == {0, 1, 2}
    assert found.loc[found["measure"] == "gradient", "layer"].max() == 6
    if variant == "looks-linear":
        start = found[(found["measure"] == "slope") & (found["epoch"] == 0)]["value"].item()
        assert start == pytest.approx(math.log10(1 / 4), abs=0.2)  # two strides leave a sixteenth of the pixels
