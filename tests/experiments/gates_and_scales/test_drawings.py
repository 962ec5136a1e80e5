"""What stands on the axes of the chapter's figures, and what a reader moves."""

import json

import pytest

from resnet_lib.evidence import charts, style
from resnet_lib.experiments.gates_and_scales import drawings
from tests.experiments import artists
from tests.experiments.gates_and_scales.made_table import table


def test_accuracy_and_carry_stand_over_the_bias():
    left, right = artists.drawn(drawings.biases, drawings.by_bias(table())).axes
    assert any(list(x) == [-4, -2, 0, 2] and list(y) == [91, 71, 51, 31] for x, y in artists.lines(left))
    assert any(list(y) == [96, 96] for _, y in artists.lines(left))
    assert any(list(y) == [31, 31] for _, y in artists.lines(left))
    lines = [list(y) for _, y in artists.lines(right)]
    assert any(y == pytest.approx([0.982, 0.881, 0.5, 0.119], abs=1e-3) for y in lines)
    assert any(y == pytest.approx([0.972, 0.901, 0.5, -0.381], abs=1e-3) for y in lines)


def test_every_shortcut_is_a_row():
    (axis,) = artists.drawn(drawings.ranked, drawings.by_shortcut(table())).axes
    points = {y[0]: x[0] for x, y in artists.lines(axis) if len(x) == 1}
    assert points == {7: 96, 6: 95.5, 5: 94, 4: 96.5, 3: 11, 2: 91, 1: 11.5, 0: 12}
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "identity"


def test_a_reader_moves_the_bias():
    with style.style():
        spec = charts.specification("gates-bias", drawings.gates(drawings.by_bias(table())))
    inputs = charts.inputs(spec)
    assert (inputs["bias"]["min"], inputs["bias"]["max"], inputs["blocks"]["max"]) == (-6, 2, 100)
    assert "pow(1 / (1 + exp(bias)), blocks)" in json.dumps(spec)
    points = [row for rows in spec["datasets"].values() for row in rows if row.get("at") == -4]
    assert points[0]["accuracy"] == 91
