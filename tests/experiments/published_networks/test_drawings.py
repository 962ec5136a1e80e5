"""The tables behind the figures of published networks by hand, and the figures."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from resnet_lib.evidence import charts, style
from resnet_lib.experiments.published_networks import drawings
from resnet_lib.experiments.published_networks.networks import DEPTHS


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
