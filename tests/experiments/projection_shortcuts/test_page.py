"""What the page tells in numbers is what the stored tables say."""

from pathlib import Path

import pytest

from resnet_lib import sweep
from resnet_lib.experiments.projection_shortcuts import networks, rates

ROOT = Path(__file__).parents[3]

NEEDS = (
    networks.need_something,
    networks.need_learned,
    networks.need_averaged,
    networks.need_everywhere,
    networks.need_orthonormal,
)


def test_the_differences_that_the_page_tells_are_those_of_the_stored_tables():
    """Its words, in points, of the twenty seeds of FULL and of ten with other choices."""
    stored = sweep.stored(networks.DIGITS, ROOT)
    assert stored is not None
    means = networks.differences(stored.table).mean()
    near, behind = means[["A", "B", "2x2", "columns", "pool"]], means[["C", "pca", "none"]]
    assert near.max() - near.min() <= 0.3  # within three tenths of each other
    assert (means[["B", "2x2", "columns", "pool"]].abs() <= 0.25).all()  # four of eight within a quarter
    assert behind.between(-0.8, -0.6).all()  # six to eight tenths
    assert means["plain"] == pytest.approx(-2, abs=0.25)
    assert means["none"] == pytest.approx(-0.75, abs=0.05)  # three quarters
    assert networks.need_everywhere(stored.table).values.mean() == pytest.approx(0.5, abs=0.05)
    found = {name: result.table for name, result in rates.CHOICES.results(ROOT).items()}
    kept = [[measure(table).values.mean() > 0 for table in (stored.table, *found.values())] for measure in NEEDS]
    assert [len(set(signs)) == 1 for signs in kept] == [True, False, False, True, False]  # two keep their sign
    assert networks.need_something(found["twice the epochs"]).values.mean() == pytest.approx(0.2, abs=0.05)
    tens = [networks.per_network(table[table["seed"] < 10]) for table in (found["twice the epochs"], stored.table)]
    twice, once = (rows.groupby("shortcut")["test"].mean() for rows in tens)
    assert (twice - once).dropna().min() > 1
