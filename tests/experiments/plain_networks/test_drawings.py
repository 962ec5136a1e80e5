"""The chapter's figures of gradients and training, drawn from tables whose values are known."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from resnet_lib.experiments.plain_networks import drawings
from tests.experiments import artists


def test_mean_field_growth_is_the_ratio_of_two_integrals():
    def mean(function):
        return integrate.quad(lambda z: function(z) * stats.norm.pdf(z), 0, np.inf)[0]

    variance = mean(lambda z: z**2) - mean(lambda z: z) ** 2
    assert math.sqrt(mean(lambda z: 1.0) / variance) == pytest.approx(drawings.MEAN_FIELD, rel=1e-9)


@pytest.fixture(scope="module")
def drawn() -> dict[str, pd.DataFrame]:
    """Tables like those of QUICK, made up."""
    layers = np.arange(1, 7)
    start = pd.concat(
        pd.DataFrame(
            {"variant": v, "seed": s, "layer": layers, "width": 64, "agreement": 0.5, "gradient": 2.0**-layers}
        )
        for v in drawings.AT_START
        for s in range(2)
    )
    inside = pd.concat(
        pd.DataFrame({"variant": v, "seed": s, "epoch": e, "layer": layers, "value": 10.0**-layers})
        for v in drawings.WATCHED
        for s in range(2)
        for e in (0, 1, 2, 5, 10)
    ).assign(measure="gradient", rescaled=False)
    return {"start": start, "inside": inside}


def test_gradients_are_drawn_relative_to_the_last_layer(drawn):
    found = drawings.by_layer(drawn["start"])
    plain = found[found["variant"] == "plain"].set_index("layer")["decades"]
    np.testing.assert_allclose(plain, np.log10(2.0) * (6 - plain.index), atol=1e-4)


def test_the_chart_has_a_choice_of_all_stages(drawn):
    found = drawings.watched(drawn["inside"])
    assert sorted(set(found["stage"])) == [0, 1, 2, 3, 4]
    assert (found["place"].min(), found["place"].max()) == (0, 1)
    spec = drawings.stages(found).to_dict()
    (bound,) = [parameter for parameter in spec["params"] if "bind" in parameter]
    assert bound["bind"]["options"] == list(drawings.STAGES)


def test_errors_are_drawn_by_the_number_of_layers():
    """A family errs on as many percent as it has layers, times its factor, and on twice as many new images."""
    rows = [
        (variant, layers, seed, measure, factor * layers * times + seed - 0.5)
        for variant, factor in (("plain", 1.5), ("original", 0.5), ("pre", 0.1))
        for layers in (8, 20, 50)
        for seed in (0, 1)
        for measure, times in (("train_error", 1), ("test_error", 2), ("ratio", 9))
    ]
    table = pd.DataFrame(rows, columns=["variant", "layers", "seed", "measure", "value"])
    panels = artists.drawn(drawings.degradation, drawings.errors_by_depth(table)).axes
    assert [artists.title(axis) for axis in panels] == ["training error, %", "test error, %"]
    for axis, times in zip(panels, (1, 2), strict=True):
        assert axis.get_xlabel() == "weight layers"
        assert artists.labels(axis) == ["plain, batch norm", "residual, original unit", "residual, batch norm"]
        for label, factor in zip(artists.labels(axis), (1.5, 0.5, 0.1), strict=True):
            x, y = artists.line(axis, label)
            assert x.tolist() == [8, 20, 50]
            np.testing.assert_allclose(y, factor * times * x)
