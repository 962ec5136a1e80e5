"""The chapter's interactive figures hold what their inputs choose."""

import pandas as pd

from resnet_lib.evidence.charts import published
from resnet_lib.experiments.solvers_as_networks import charts, explorer, heat


def test_the_chart_of_the_bar_has_its_modes_and_inputs():
    table = heat.shown_trial(heat.Shown(points=8, longest=10), (0,))
    spec = charts.bar(table).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"ratio", "layers", "told"}
    (rows,) = spec["datasets"].values()
    assert len(rows) == 64
    script, words = published("pde-bar", charts.bar, table)
    assert b"sum" in script
    assert words["title"]


def test_the_chart_of_the_packet_has_all_that_can_be_chosen():
    tables = [explorer.seen_trial(explorer.Seen(m), (0,)).assign(method=m) for m in ("euler", "exact")]
    spec = charts.packet(pd.concat(tables)).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"method", "step", "time"}
    sizes = sorted(len(rows) for rows in spec["datasets"].values())
    assert sizes == [1, 20 + 4, 4 * 48, 20 * 48]
