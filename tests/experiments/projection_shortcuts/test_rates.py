"""What is stored under other choices is told apart by rate and epochs."""

from pathlib import Path

import pytest

from resnet_lib import runtime
from resnet_lib.evidence import intervals
from resnet_lib.experiments.projection_shortcuts import networks, rates
from tests.experiments import chapter

ROOT = Path(__file__).parents[3]


def test_choices_are_told_apart_by_rate_and_epochs(tmp_path):
    assert rates.CHOICES.results(tmp_path) == {}  # not computed there
    found = rates.CHOICES.results(ROOT)
    assert list(found) == list(rates.CHOICES.ways)
    for name, result in found.items():
        table = result.table
        assert result.stamp.experiment == "shortcuts-choices"
        assert set(table["shortcut"]) == set(rates.COMPARED), name
        assert (table.groupby("shortcut")["seed"].nunique() == 10).all(), name
        evidence = networks.need_learned(table)
        assert len(evidence.values) == 10
    assert set(found["twice the epochs"].table["epochs"]) == {8}
    assert found["the same rate for all"].table["lr"].unique().tolist() == [networks.BEST["A"]]
    third = found["a third of each rate"].table.set_index("shortcut")["lr"].groupby("shortcut").first()
    assert third["C"] == pytest.approx(networks.BEST["C"] / 3, rel=0.05)


def test_the_page_tells_what_other_divisions_of_the_images_give():
    (found,) = rates.DIVIDED.results(ROOT).values()
    assert [len(group) for group in rates.DIVIDED.experiment.full.groups] == [2] * 5
    behind = -networks.need_learned(found.table).values
    low, high = intervals.interval(behind, "mean", rng=runtime.rng(0, "page"))
    assert f"({behind.mean():.2f}, interval {low:.1f} to {high:.1f})" in chapter.words("12_projection_shortcuts")


def test_orthonormal_rows_are_judged_beside_the_kernels_that_the_chapter_leaves_free(tmp_path):
    assert rates.beside_free(tmp_path) == {}  # not computed there
    found, others = rates.beside_free(ROOT), rates.varied(ROOT)
    assert list(found) == [*rates.CHOICES.ways, "other divisions of the images"] == list(others)
    free = networks.orth_trained(chapter.stored(networks.DIGITS)).control
    for name, result in found.items():
        evidence = networks.orth_trained(result.table)
        assert evidence.control == pytest.approx(free), name
        own = networks.per_network(others[name].table)
        assert evidence.values == pytest.approx(own[own["shortcut"] == "2x2"]["defect"].to_numpy())
        assert "pca" not in set(own["shortcut"])
        assert evidence.values.max() == pytest.approx(1.2e-6, rel=0.05)
    assert r"farther than $1.2\cdot10^{-6}$ from $WW^\top=I$" in chapter.words("12_projection_shortcuts")
