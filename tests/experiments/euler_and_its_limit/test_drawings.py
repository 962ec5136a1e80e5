"""The chapter's figures, drawn from tables whose values are known."""

from resnet_lib.experiments.euler_and_its_limit import drawings, limits
from tests.experiments.euler_and_its_limit.made_tables import table_of


def test_the_chart_holds_what_its_inputs_choose():
    settings = [limits.Trajectory(p, length, depth=64) for p in (0.25, 1.0) for length in (0.0, 0.5)]
    spec = drawings.path_explorer(table_of(limits.trajectory_trial, settings, (0,))).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"p", "length"}
