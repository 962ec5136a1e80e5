"""What the page tells in numbers is what a program of its own computes."""

import math
from pathlib import Path

import pandas as pd
import pytest

from resnet_lib import files
from resnet_lib.evidence import choices
from resnet_lib.experiments.gates_and_scales import digits, paces
from resnet_lib.sweep import results
from tests.experiments import chapter

NAME = "13_gates_and_scales"


def test_the_worked_numbers_of_the_page():
    words = chapter.words(NAME)
    rows = [line for line in words.split("|") if line.strip().startswith(("0.8", "0.9", "0.5", "0.1"))]
    assert len(rows) >= 5
    for bias, one, quarter, half in ((-2, 0.881, 0.042, 0.0018), (-4, 0.982, 0.635, 0.404), (-6, 0.998, 0.940, 0.884)):
        carry = 1 / (1 + math.exp(bias))
        assert (carry, carry**25, carry**50) == (
            pytest.approx(one, abs=5e-4),
            pytest.approx(quarter, abs=5e-4),
            pytest.approx(half, abs=5e-4),
        )
        assert f"| ${bias}$ | {one:.3f} | {quarter:.3f} | {half if half < 0.01 else format(half, '.3f')} |" in words
    assert (
        pytest.approx(3e-8, rel=0.01),
        pytest.approx(0.78, abs=5e-3),
        pytest.approx(0.61, abs=5e-3),
    ) == (0.5**25, 0.99**25, 0.99**50)
    t = 1 / (1 + math.exp(2))
    assert (t**2 + (1 - t) ** 2) ** 12.5 == pytest.approx(0.05, abs=5e-3)
    assert pytest.approx(2e-4, rel=0.2) == 0.5**12.5
    assert (pytest.approx(2.6, abs=0.05), pytest.approx(1e-6, rel=0.05)) == (1.08**12.5, 0.33**12.5)
    assert [round(-math.log(blocks / math.log(2)), 1) for blocks in (25, 1000)] == [-3.6, -7.3]
    assert pytest.approx(5793, abs=0.5) == 2**12.5


def test_the_measured_numbers_of_the_page():
    words = chapter.words(NAME)
    for claim, told in (("conv", "costs 2.2 points"), ("start", "and 2.8 where it starts as the identity")):
        found = chapter.quick(NAME, f"shortcut-clean.{claim}")
        assert found["effect"] == pytest.approx(float(told.split()[1]), abs=0.05)
        assert told in words
    better = chapter.quick(NAME, "highway-gate.better")
    assert better["effect"] == pytest.approx(-1.0, abs=0.05)
    assert "is ahead of the identity by 1.0 points" in words


def test_what_twice_the_epochs_leave():
    words = chapter.words(NAME)
    found = results.read("gates-longer-choices", files.root(Path(__file__).parent))
    assert found
    gaps = [measure(found.table).values.mean() for measure in (digits.conv, digits.start)]
    assert gaps == [pytest.approx(0.8, abs=0.05), pytest.approx(1.1, abs=0.05)]
    assert "0.8 and 1.1 points are left of the gap" in words
    kinds = ("identity", "matrix", "from identity")
    assert all(digits.column(found.table, "train", kind).mean() > 99.8 for kind in kinds)
    identity = digits.column(found.table, "test", "identity").mean()
    ahead = [digits.column(found.table, "test", kind, -4).mean() - identity for kind in ("gate", "highway")]
    assert ahead == [pytest.approx(0.7, abs=0.05), pytest.approx(0.8, abs=0.05)]
    assert "are 0.7 to 0.8 points ahead on test images" in words
    near = digits.column(found.table, "test", "highway", -2)
    assert (near == 0).sum() == 1
    assert near.sort_values().iloc[1] > 90
    assert "with twice the epochs one of five networks diverged" in words


def test_what_other_rates_leave():
    words = chapter.words(NAME)
    found = digits.CHOICES.results(files.root(Path(__file__).parent))
    slower, faster = (found[name].table for name in (choices.THIRD, choices.THRICE))
    assert digits.column(slower, "test", "highway", -2).mean() == pytest.approx(61, abs=0.5)
    assert "at a third of its rate it ends at 61%" in words
    identity = sorted(digits.column(faster, "test", "identity").round())
    assert identity == [0, 0, 10, 28, 76]
    assert "of five identity networks two do, one guesses, and the other two reach 28% and 76%" in words
    highways = faster[faster["kind"] == "highway"]
    assert highways["carry"].isna().any()


def test_what_gates_learn():
    words = chapter.words(NAME)
    table = pd.read_csv(files.root(Path(__file__).parent) / "figures" / "gates-bias" / "data.csv")
    carry = table[table["kind"] == "highway"].pivot(index="bias", columns="what", values="mean")
    changes = carry["carry"] - carry["carry_start"]
    assert (changes[-2], changes[-4]) == (pytest.approx(0.019, abs=5e-4), pytest.approx(-0.0003, abs=5e-5))
    assert "rises by 0.019 from $-2$, and falls by 0.0003 from $-4$" in words


def test_what_many_seeds_decide():
    words = chapter.words(NAME)
    root = files.root(Path(__file__).parent)
    drawn, many, slow = (results.read(f"gates-{name}", root) for name in ("carry", "digits", "paces"))
    assert drawn
    assert many
    assert slow
    away = drawn.table.query("weights == 1 and bias == -4")["distance"]
    assert (len(away), away.median()) == (20, pytest.approx(0.22, abs=0.005))
    assert "misses the power by 22% in the median of 20 draws" in words
    found = {name: getattr(digits, name)(many.table).values.mean() for name in ("conv", "start", "gate", "better")}
    assert found == {
        "conv": pytest.approx(2.2, abs=0.05),
        "start": pytest.approx(2.4, abs=0.05),
        "gate": pytest.approx(-0.6, abs=0.05),
        "better": pytest.approx(-1.4, abs=0.05),
    }
    assert "in FULL it is 2.2 and 2.4" in words
    assert "with 40 seeds it is 0.6 points ahead" in words
    off = chapter.quick(NAME, "highway-gate.off", "full")
    assert (off["low"], off["high"]) == (pytest.approx(-2.8, abs=0.05), pytest.approx(2.1, abs=0.05))
    assert "1.4 points ahead, and between 2.8 behind the plain twin and 2.1 ahead of it" in words
    ends = [paces.column(slow.table, kind, slow=kind != "identity") for kind in ("identity", "matrix", "from identity")]
    assert [len(end) for end in ends] == [30] * 3
    assert [end.mean() for end in ends] == [pytest.approx(94.5, abs=0.05)] * 3
    assert paces.paced(slow.table).values.mean() == pytest.approx(0.1, abs=0.05)
    assert "nothing is lost: 0.1 points in 30 other seeds" in words
