"""Costs of small networks by a sum over their layers, and the measure on a known table."""

import pandas as pd
import pytest

from resnet_lib.experiments.basic_and_bottleneck import growth


def test_a_network_costs_the_sum_over_its_layers():
    row = growth.trial(growth.Network(8, 4), (0,)).iloc[0]
    # (channels in, channels out, kernel, pixels out) of all layers with weights.
    convolutions = [(3, 4, 3, 1024), (4, 4, 3, 1024), (4, 4, 3, 1024), (4, 8, 3, 256), (8, 8, 3, 256)]
    convolutions += [(8, 16, 3, 64), (16, 16, 3, 64)]
    weights = [a * b * k**2 for a, b, k, _ in convolutions]
    scales = sum(2 * b for _, b, _, _ in convolutions)
    assert row["parameters"] == sum(weights) + scales + 16 * 10 + 10
    assert row["multiply_adds"] == sum(w * each[3] for w, each in zip(weights, convolutions, strict=True)) + 160


def test_the_measure_on_a_known_table():
    rows = [(depth, 16, float(depth)) for depth in growth.DEPTHS]
    rows += [(20, width, float(width**2)) for width in growth.WIDTHS if width != 16]
    made = pd.DataFrame(rows, columns=["depth", "width", "parameters"])
    made.loc[made["depth"] > 20, "parameters"] += 236  # so that the line passes 16 squared
    made.loc[(made["depth"] == 20) & (made["width"] == 16), "parameters"] = 256
    made = made.assign(multiply_adds=made["parameters"], saved=2 * made["parameters"])
    found = growth.linear(made)
    assert found.values == pytest.approx([0] * 6)
    assert found.control == pytest.approx([128 / 192, 128 / 320] * 2)
