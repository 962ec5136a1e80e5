"""The chart turns an axis over the published table."""

import pandas as pd

from resnet_lib.evidence import charts as interactive
from resnet_lib.evidence import style
from resnet_lib.experiments.projection_shortcuts import charts, determinants, drawings


def test_the_chart_turns_an_axis_over_the_published_table():
    table = drawings.axes_of_the_ellipse(
        pd.concat(
            [
                determinants.ellipse_trial(determinants.Ellipse(case), (0,)).assign(apart_along=case)
                for case in charts.CASES
            ]
        )
    )
    with style.style():
        spec = interactive.specification("test", charts.turning_axis(table))
    assert set(interactive.inputs(spec)) == {"angle", "scale", "apart"}
    assert len(drawings.ellipse(table).axes) == 4
