"""The interactive figure: its inputs, and what its sentence computes."""

import json

import pandas as pd
import pytest

from resnet_lib.evidence import charts as evidence
from resnet_lib.evidence import style
from resnet_lib.experiments.basic_and_bottleneck import charts


def test_a_reader_moves_the_width_inside():
    rows = [
        (kind, width, cost) for width in (64, 256, 1024) for kind, cost in (("basic", 18.0), ("bottleneck", 17 / 16))
    ]
    table = pd.DataFrame(rows, columns=["kind", "width", "multiply_adds"])
    with style.style():
        spec = evidence.specification("cost-blocks", charts.inner(table))
    inputs = evidence.inputs(spec)
    assert (inputs["inner"]["min"], inputs["inner"]["max"]) == (1, 64)
    assert inputs["outer"]["options"] == [64, 256, 1024]
    assert "9 * (outer * inner / 64) * (outer * inner / 64)" in json.dumps(spec)
    dots = [row for rows in spec["datasets"].values() for row in rows if row.get("width") == 256]
    assert dots[0]["percent"] == pytest.approx(100 * 17 / 288, rel=1e-4)
