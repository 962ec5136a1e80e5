"""The page's tables: costs counted by hand, intervals that are paired, and seeds that decide."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from resnet_lib import sweep
from resnet_lib.evidence import claims, statements
from resnet_lib.evidence.rules import Rule
from resnet_lib.experiments.projection_shortcuts import rates, tables
from tests.experiments.projection_shortcuts.made_tables import FLAT, network_table

ROOT = Path(__file__).parents[3]


def test_tables_count_what_the_networks_cost():
    counted = tables.costs_of_variants().set_index("shortcut")
    assert counted.loc["B", "parameters"] == 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert counted.loc["2x2", "parameters"] == 4 * (16 * 32 + 32 * 64)
    assert counted.loc[["A", "B", "columns", "pool"], "rank"].tolist() == [0.5] * 4
    assert counted.loc[["2x2", "pca", "none"], "rank"].tolist() == [1, 1, 0]
    every = 9 - 2  # C projects in seven blocks more than B: 16 to 16, 32 to 32 and 64 to 64 channels
    widths = [(16, 32**2)] * 3 + [(32, 16**2)] * 2 + [(64, 8**2)] * 2
    assert len(widths) == every
    more = counted["multiply_adds"]["C"] - counted["multiply_adds"]["B"]
    assert more == sum(width**2 * pixels for width, pixels in widths)
    assert "<td>1x1 where needed (B)</td>\n      <td>0.5</td>\n      <td>+2,752</td>" in str(tables.show_costs().data)


def test_tables_show_means_and_paired_intervals():
    table = network_table({"A": FLAT, "B": [v + 1 for v in FLAT], "none": FLAT})
    table = table.assign(gradient=0.5, forward=0.25, variance=90.0, probe=80.0)
    table.loc[table["shortcut"] == "none", ["gradient", "forward", "variance", "probe"]] = np.nan
    cells = re.findall("<td>(.*)</td>", str(tables.show(table).data))
    assert cells[6:12] == ["1x1 where needed (B)", "0.50", "0.25", "90.0", "80.0", "+1.0 (+1.0 to +1.0)"]
    assert cells[12:17] == ["none where shapes differ", "–", "–", "–", "–"]


def test_seeds_to_decide_shrink_with_the_square_of_the_distance():
    def undecided(shift: float) -> claims.Check:
        values = 0.5 + shift + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        evidence = claims.Evidence(values=values, control=np.full(5, 50.0))
        claim = statements.load(ROOT / "claims.yml").claim("proj-need.learned")
        judged = claims.judge(Rule.parse(claim.holds_if), Rule.parse(claim.control.must), evidence, "test")
        stamp = sweep.stored(rates.TUNING, ROOT)
        assert stamp is not None
        return claims.Check(
            claim, "", {"quick": claims.Judgement(judged, stamp.stamp, False, evidence, 1.0, "sampled")}
        )

    near, far = (tables.seeds_to_decide(undecided(shift)) for shift in (0.25, 0.5))
    assert near is not None
    assert far is not None
    assert near / far == pytest.approx(4, rel=0.15)
    # Student's interval of that many values with that spread reaches as far as the bound.
    assert stats.t.isf(0.025, far - 1) * np.std([-2, -1, 0, 1, 2], ddof=1) / far**0.5 == pytest.approx(0.5, rel=0.15)
    assert tables.seeds_to_decide(undecided(9.0)) is None
    assert "about" in str(tables.show_seeds(undecided(0.5)).data)
    # Each line names its claim, so that another machine's sample may read otherwise; see tests/notebooks.py.
    assert tables.show_seeds(undecided(-9.0)).data == "- All of `proj-need.learned` are decided."
