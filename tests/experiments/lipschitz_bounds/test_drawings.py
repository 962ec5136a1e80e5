"""The chapter's figures, drawn from tables whose values are known."""

from resnet_lib.experiments.lipschitz_bounds import drawings, signals
from tests.experiments.lipschitz_bounds.made_tables import measured


def test_the_chart_has_its_inputs():
    table = measured(signals.signal_trial, [signals.Signal("guaranteed", 0.1, blocks=10)], (0,), "kind", "beta")
    chart = drawings.signal_chart(drawings.signal_rows(table)).to_dict()
    assert {param["name"] for param in chart["params"] if "bind" in param} == {"beta", "scale", "aligned"}
