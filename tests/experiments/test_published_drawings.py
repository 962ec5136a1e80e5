"""The tables behind the figures of published networks by hand, the live network, and the table of everything."""

import dataclasses
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data
from resnet_lib.evidence import charts, style
from resnet_lib.experiments.published_networks import drawings, lesions, overview, small
from resnet_lib.experiments.published_networks.networks import DEPTHS, STATISTICS
from resnet_lib.nets import Stack

SEEDS = range(5)


def noise(seed: int) -> float:
    """Of mean zero over the seeds."""
    return (seed - 2) / 1000


@pytest.fixture
def error() -> pd.DataFrame:
    rows = itertools.product(DEPTHS, SEEDS, (("train", 0.001), ("test", 0.08)))
    return pd.DataFrame(
        {"depth": depth, "seed": seed, "part": part, "error": value + noise(seed) / 10 - depth / 1e5, "permuted": 0.9}
        for depth, seed, (part, value) in rows
    )


@pytest.fixture
def lesion() -> pd.DataFrame:
    records = []
    for depth, seed, kind in itertools.product(DEPTHS, SEEDS, STATISTICS):
        loss = (4.0 if kind == "trained" else 1.0) / depth
        rows = [("whole", -1, 0.9), ("transition", 3, 0.4), ("ratio", 7, 1.5), ("ratio", 8, 1.0)]
        rows += [("removed", block, 0.9 - loss * factor + noise(seed)) for block, factor in ((0, 2), (1, 1), (2, 0))]
        for measure, block, value in rows[: None if kind == "trained" else 2] + rows[4:]:
            one = {"depth": depth, "seed": seed, "statistics": kind, "measure": measure, "block": block}
            records.append(one | {"value": value})
    return pd.DataFrame(records).drop_duplicates()


@pytest.fixture
def step() -> pd.DataFrame:
    records = []
    for depth, seed, kind in itertools.product(DEPTHS, SEEDS, STATISTICS):
        rows = [("whole", 1, 0.9), ("full", 2, 0.3), ("path", 1, depth / 2 + noise(seed))]
        rows += [("divided", count, 0.9 - (count - 1) / depth + noise(seed) * (count > 1)) for count in (1, 2, 4, 8)]
        records += [
            {"depth": depth, "seed": seed, "statistics": kind, "measure": m, "steps": s, "value": v} for m, s, v in rows
        ]
    return pd.DataFrame(records)


@pytest.fixture
def spectrum() -> pd.DataFrame:
    rows = itertools.product(DEPTHS, SEEDS, ((1, 5), (2, 7), (2, 8)))
    made = {"near": 0.9, "exact": 0.6, "alone": 0.1, "norm": 2.0}
    return pd.DataFrame(
        {"depth": depth, "seed": seed, "stage": stage, "block": block, **made} for depth, seed, (stage, block) in rows
    )


def means(table: pd.DataFrame, *keys: str) -> dict:
    return table.set_index(list(keys))["mean"].round(6).to_dict()


def test_a_summary_is_the_mean_with_an_interval_around_it(error: pd.DataFrame):
    found = drawings.errors(error)
    assert means(found, "part", "depth")["test", 20] == pytest.approx(100 * (0.08 - 0.0002))
    assert (found["low"] < found["mean"]).all()
    assert (found["mean"] < found["high"]).all()


def test_losses_of_blocks_are_those_below_the_whole_network(lesion: pd.DataFrame):
    found = means(drawings.blocks(lesion), "depth", "statistics", "kind", "block")
    assert found[20, "trained", "removed", 0] == pytest.approx(40)
    assert found[56, "anew", "removed", 1] == pytest.approx(100 / 56, abs=1e-5)
    assert found[20, "trained", "transition", 3] == pytest.approx(50)
    ratios = means(drawings.ratios(lesion), "depth", "behind")
    assert ratios[44, 0] == 1
    assert ratios[44, 1] == 1.5


def test_losses_by_steps_and_lengths_of_paths(step: pd.DataFrame):
    found = means(drawings.losses(step), "depth", "statistics", "measure", "steps")
    assert found[20, "trained", "divided", 8] == pytest.approx(35)
    assert found[56, "anew", "divided", 1] == 0
    assert found[32, "trained", "full", 2] == pytest.approx(60)
    lengths = drawings.lengths(step)
    assert lengths["blocks"].tolist() == [7, 13, 19, 25]
    assert lengths["mean"].tolist() == pytest.approx([10, 16, 22, 28])


def test_every_figure_can_be_drawn(
    error: pd.DataFrame, lesion: pd.DataFrame, step: pd.DataFrame, spectrum: pd.DataFrame
):
    spectra = drawings.spectra(spectrum)
    assert set(spectra["measure"]) == {"near 1", "equal to 1", "norm"}
    for draw, table in (
        (drawings.depths, drawings.errors(error)),
        (drawings.one, drawings.blocks(lesion)),
        (drawings.change, drawings.ratios(lesion)),
        (drawings.flows, drawings.losses(step)),
        (drawings.paths, drawings.lengths(step)),
        (drawings.near, spectra),
    ):
        figure = draw(table)
        assert all(axis.has_data() for axis in figure.axes)
        plt.close(figure)


def test_a_reader_picks_a_network_and_a_block(lesion: pd.DataFrame):
    with style.style():
        inputs = charts.inputs(charts.specification("published-lesions", drawings.pick(drawings.blocks(lesion))))
    assert inputs["depth"]["options"] == list(DEPTHS)
    assert inputs["kind"]["options"] == ["as trained", "anew"]
    assert inputs["block"]["max"] == (DEPTHS[-1] - 2) // 2


def test_the_table_of_everything_has_a_row_a_quantity_and_a_column_a_depth(
    error: pd.DataFrame, lesion: pd.DataFrame, step: pd.DataFrame, spectrum: pd.DataFrame
):
    found = overview.table(error, lesion, step, spectrum).set_index("measured")
    assert list(found) == [f"ResNet-{depth}" for depth in DEPTHS]
    cells = {(row, depth): str(found.loc[row, f"ResNet-{depth}"]) for row in found.index for depth in DEPTHS}
    assert cells["points lost without the median block", 20].startswith("20.0 (")
    assert cells["points lost without the block that is missed most", 20].startswith("40.0 (")
    assert cells["points lost by 8 steps a block", 56].startswith("12.5 (")
    assert cells["spectral norm of the branch, median block of the last stage", 32] == "2.0 (2.0 to 2.0)"


def test_the_live_network_undergoes_the_same_surgery():
    setting = dataclasses.replace(small.SMALL.quick.settings[0], depth=14, width=2, epochs=1, counts=(1, 2))
    table = small.trial(setting, (3,))
    net = small.fit(setting, (3,)).net(3)
    assert isinstance(net, Stack)
    test = data.load("digits").test
    found = table.set_index(["statistics", "measure", "block", "steps"])["value"]
    with torch.no_grad():
        for (measure, block), made in lesions.lesions(net):
            share = float((made(test.x).argmax(1) == test.y).double().mean())
            assert found["trained", measure, block, -1] == pytest.approx(share, abs=1e-9)
    assert found["trained", "divided", -1, 1] == found["trained", "whole", -1, -1]
    lost = small.lost(table)
    assert set(lost["measure"]) == {"removed", "transition", "divided"}
    one = lost[(lost["statistics"] == "anew") & (lost["steps"] == 2)]["loss"].item()
    assert one == pytest.approx(100 * (found["anew", "whole", -1, -1] - found["anew", "divided", -1, 2]))
    figure = drawings.live(lost)
    assert np.all([axis.has_data() for axis in figure.axes])
    plt.close(figure)
