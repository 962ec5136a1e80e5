"""The chapter's figures, drawn from tables whose values are known."""

import pandas as pd

from resnet_lib.experiments.counting_paths import drawings
from tests.experiments.counting_paths.made_tables import flow_table


def test_chart_has_its_slider():
    table = drawings.by_length(pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal")]))
    spec = drawings.gain(table).to_dict()
    assert [p["name"] for p in spec["params"] if "bind" in p] == ["factor"]
