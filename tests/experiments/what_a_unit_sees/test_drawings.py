"""The tables behind the figures by hand, and what stands on their axes."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Circle

from resnet_lib.analysis import fields
from resnet_lib.evidence import charts, style
from resnet_lib.experiments.what_a_unit_sees import drawings, untrained
from tests.experiments import artists
from tests.experiments.what_a_unit_sees import made_tables


@pytest.fixture
def maps() -> pd.DataFrame:
    offsets = range(-1, 2)
    return pd.DataFrame(
        {"seed": seed, "family": family, "row": row, "column": column, "energy": (1 + seed) / 20}
        for seed in (0, 1)
        for family in drawings.SHOWN
        for row in offsets
        for column in offsets
    )


def test_maps_are_means_over_draws_with_a_circle_of_the_law(maps: pd.DataFrame):
    table = drawings.mean_maps(maps)
    assert table["energy"].unique() == pytest.approx([0.075])
    figure = artists.drawn(drawings.maps, table)
    panels = figure.axes[: len(drawings.SHOWN)]
    titles = [artists.title(axis).replace("\n", " ") for axis in panels]
    assert titles == [found.title for found in drawings.SHOWN.values()]
    radii = [patch.get_radius() for axis in panels for patch in axis.patches if isinstance(patch, Circle)]
    laws = [(4 / 3 * sum(untrained.shares(family, 12))) ** 0.5 for family in drawings.SHOWN]
    assert radii == pytest.approx(laws)
    for axis in panels:
        assert np.asarray(axis.collections[0].get_array()).ravel() == pytest.approx([0.075] * 9)


def test_walks_make_the_law_when_they_are_summed():
    table = drawings.walks((6,))
    p = 0.3
    weight = table["choices"] * p ** table["taken"] * (1 - p) ** (6 - table["taken"])
    found = (weight * table["chance"]).groupby(table["column"]).sum()
    law = fields.law([p] * 6, 25).sum(0).numpy()
    assert found.loc[-12:12].to_numpy() == pytest.approx(law)
    assert table[table["taken"] == 1]["chance"].max() == pytest.approx(3 / 9)


def test_a_reader_chooses_a_depth_and_a_size(maps: pd.DataFrame):
    with style.style():
        inputs = charts.inputs(charts.specification("field-maps", drawings.profile(drawings.mean_maps(maps))))
    assert inputs["length"]["options"] == list(drawings.LENGTHS)
    assert inputs["size"]["max"] == 3
    assert untrained.COMPARED in drawings.LENGTHS


def test_growth_has_the_measured_widths_beside_the_laws():
    table = drawings.depths(made_tables.untrained_table())
    assert set(table["family"]) == set(drawings.SHOWN)
    rows = table[(table["family"] == "plain") & (table["blocks"] == 6)]
    assert rows["mean"].item() == pytest.approx(24**0.5)
    (axis,) = artists.drawn(drawings.growth, table).axes
    curves = {len(x): (x, y) for x, y in artists.lines(axis) if len(x) > 3}
    assert curves
    for x, y in curves.values():
        assert any(
            y[0] == pytest.approx(fields.law_width(untrained.shares(family, int(x[0])))) for family in drawings.SHOWN
        )
    assert artists.labels(axis) == [found.title for found in drawings.SHOWN.values()]


def test_widths_and_shares_of_published_networks():
    table = drawings.seen(made_tables.published_table())
    rows = table[(table["measure"] == "width") & (table["weights"] == "trained") & (table["stage"] == 3)]
    assert rows["mean"].to_numpy() == pytest.approx([6] * 4)
    rows = table[(table["measure"] == "share") & (table["weights"] == "trained") & (table["stage"] == 1)]
    assert dict(zip(rows["radius"], rows["mean"], strict=True)) == pytest.approx(
        {0: 0.1, 1: 0.2, 2: 0.3, 4: 0.5, 8: 0.9}
    )
    figure = artists.drawn(drawings.networks, table)
    left, right = figure.axes
    level = next(y for x, y in artists.lines(left) if len(set(y)) == 1 and len(y) == 2)
    assert level[0] == pytest.approx(math.sqrt(1023 / 12))
    assert any(x.tolist() == [1, 3, 5, 9, 17] for x, _ in artists.lines(right))


def test_readings_by_stage_and_depth():
    made = made_tables.probes_table()
    table = drawings.readings(made[made["depth"].isin([20, 56])])
    rows = table[(table["stage"] == 2) & (table["depth"] == 56)]
    assert rows["mean"].item() == pytest.approx(45.6)
    (axis,) = artists.drawn(drawings.accuracies, table).axes
    found = [y for _, y in artists.lines(axis) if len(y) == 3]
    assert found[0] == pytest.approx([22, 42, 62])
    assert found[1] == pytest.approx([25.6, 45.6, 65.6])
    assert artists.labels(axis) == ["ResNet-20", "ResNet-56"]
