"""The picture of a verdict against positions that are computed by hand."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st
from judged import measure, result

from resnet_lib.evidence import claims, pictures, statements

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


def drawn(check: claims.Check) -> Tag:
    found = BeautifulSoup(pictures.picture(check.record), "html.parser").find("svg")
    assert isinstance(found, Tag)
    return found


def dots(picture: Tag) -> dict[str, tuple[float, float]]:
    """The place of each bar's dot, by its kind."""
    return {
        str(bar["class"][1]).removeprefix("rl-"): (float(str(dot["cx"])), float(str(dot["cy"])))
        for bar in picture.find_all("g")
        for dot in bar.find_all("circle")
    }


def test_what_is_measured_stands_where_its_number_is(ledger: statements.Ledger) -> None:
    """`every < 1` of values from 0 to 0.5: an axis from 0 to 1, longer by 6% at both ends, 148 pixels behind 6."""
    picture = drawn(claims.check("shift.values", measure, result(value=[0.5, 0.0], control=[1.0, 0.9]), ledger=ledger))

    def at(x: float) -> Any:
        return pytest.approx(6 + 148 * (x + 0.06) / 1.12, abs=0.06)

    assert dots(picture) == {"quick": (at(0.5), 7), "control": (at(0.9), 24)}
    bars = [[float(str(line[end])) for end in ("x1", "x2")] for line in picture.select(".rl-bar line")]
    assert bars == [[at(0.0), at(0.5)], [at(0.9), at(1.0)]]
    (bound,) = picture.select("line.rl-bound")
    assert float(str(bound["x1"])) == at(1.0)
    (allowed,) = picture.select("rect.rl-allowed")
    assert (float(str(allowed["x"])), float(str(allowed["width"]))) == (0, at(1.0))
    assert picture["aria-hidden"] == "true"


def test_what_is_allowed_lies_between_the_bounds_and_full_above_quick(ledger: statements.Ledger) -> None:
    quick = result(value=[1.0, 1.01, 0.99, 1.02, 0.98], control=[3.0] * 5)
    full = replace(result("full", value=[1.05, 1.04, 1.06, 1.05, 1.05], control=[2.9] * 5), stale=False)
    picture = drawn(claims.check("shift.size", measure, replace(quick, full=full), ledger=ledger))
    low, high = (float(str(line["x1"])) for line in picture.select("line.rl-bound"))
    (allowed,) = picture.select("rect.rl-allowed")
    assert float(str(allowed["x"])) == low
    assert float(str(allowed["width"])) == pytest.approx(high - low, abs=0.06)
    assert dots(picture)["full"][1] < dots(picture)["quick"][1] < pictures.HEIGHT
    assert low < dots(picture)["quick"][0] < dots(picture)["full"][0] < high


@pytest.mark.parametrize(("control", "way"), [(100.0, 1), (-100.0, -1)])
def test_a_control_far_beyond_is_an_arrow_at_the_end(ledger: statements.Ledger, control: float, way: int) -> None:
    picture = drawn(claims.check("shift.values", measure, result(value=[0.1], control=[control]), ledger=ledger))
    assert "control" not in dots(picture)
    (arrow,) = picture.select(".rl-control path")
    head = float(re.findall(r"h(-?[0-9.]+)", str(arrow["d"]))[0])
    assert np.sign(head) == way


def test_numbers_that_are_all_the_same_have_no_picture(ledger: statements.Ledger) -> None:
    check = claims.check("shift.values", measure, result(value=[1.0], control=[1.0]), ledger=ledger)
    assert pictures.picture(check.record) == ""


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.lists(NUMBERS, min_size=1, max_size=6))
def test_nothing_stands_outside_of_the_picture(values: list[float], control: list[float]) -> None:
    rule = {"statistic": "every", "effect": values[0], "low": min(values), "high": max(values)}
    run = rule | {"control_effect": control[0], "control_low": min(control), "control_high": max(control)}
    text = pictures.picture({"rule": "every < 1", "quick": run, "full": None})
    found = [float(x) for x in re.findall(r'(?:x1|x2|cx)="([^"]*)"', text)]
    assert all(0 <= x <= pictures.WIDTH for x in found)
