"""Blocks against torch's own counter and the formulas of the page, and their measures on a known table."""

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from resnet_lib.experiments.basic_and_bottleneck import single


def formula(kind: str, width: int) -> int:
    inner = width // 4
    return 2 * 9 * width**2 if kind == "basic" else 2 * width * inner + 9 * inner**2


@pytest.mark.parametrize("kind", single.KINDS)
@pytest.mark.parametrize("width", [16, 64])
def test_a_block_costs_what_the_formula_and_torch_say(kind: str, width: int):
    setting = single.Block(kind, width)
    row = single.trial(setting, (0,)).iloc[0]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        single.made(setting).eval()(torch.zeros(1, width, 3, 3))
    assert row["weights"] == row["multiply_adds"] == formula(kind, width) == counter.get_total_flops() / 2 / 9
    assert row["outputs"] == width * (2 if kind == "basic" else 1.5)
    assert row["parameters"] == row["weights"] + 2 * row["outputs"]  # a scale and a shift for each channel


def test_biases_are_weights_and_no_multiply_adds():
    plain, biased = (single.trial(single.Block("basic", 8, bias=bias), (0,)).iloc[0] for bias in (False, True))
    assert biased["weights"] - plain["weights"] == 16
    assert biased["multiply_adds"] == plain["multiply_adds"]


def table(**changed: float) -> pd.DataFrame:
    records = []
    for kind in single.KINDS:
        for width in (16, 128, *single.WIDTHS):
            cost = float(formula(kind, width))
            row = {
                "weights": cost,
                "multiply_adds": cost,
                "parameters": cost,
                "outputs": width * (1.5 + (kind == "basic") / 2),
            }
            for bias in (False, True):
                more = {"weights": cost + 100 * bias}
                records.append({"kind": kind, "width": width, "bias": bias, **row, **more, **changed})
    return pd.DataFrame(records)


def test_measures_on_a_known_table():
    found = single.cut(table())
    assert found.values == pytest.approx([17 / 16 / 18] * 8)
    assert found.control == pytest.approx([17 / 18] * 8)
    found = single.counted(table())
    assert found.values.tolist() == [0] * 6
    assert found.control.tolist() == [100] * 3
    assert single.counted(table(multiply_adds=0.0)).values.max() == 1_179_648
    found = single.outputs(table())
    assert found.values == pytest.approx([3] * 4)
    assert found.control == pytest.approx([0.75] * 4)
