"""Interactive figures: what their scripts hold, that Vega can compile them, and what is refused."""

import json
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest
import vl_convert

from resnet_lib import files
from resnet_lib.evidence import charts, figures, style

TABLE = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1 / 3, 0.123456789, 4.0]})
STORED = sorted((files.root(Path(__file__).parent) / figures.FOLDER).glob(f"*/{figures.INTERACTIVE}"))


WORDS = {
    "title": "another growth",
    "caption": "Move the factor, and all points grow by it.",
    "description": "Three points that rise, and rise more with the factor.",
}


def chart(table: pd.DataFrame, **bind: Any) -> alt.Chart:
    bind = {"min": 0, "max": 2, "step": 0.1, "name": "factor of growth "} | bind
    size = alt.param(name="size", value=1, bind=alt.binding_range(**bind))
    points = alt.Chart(table).transform_calculate(z="size * datum.y").mark_point(color=style.ink("pre"))
    return said(points.encode(x="x:Q", y="z:Q").add_params(size))


def said(made: alt.Chart, **words: Any) -> alt.Chart:
    told: dict[str, Any] = WORDS | words
    return made.properties(title=alt.Title(told["title"], subtitle=told["caption"]), description=told["description"])


def specs() -> tuple[dict[str, Any], dict[str, Any]]:
    found = []
    for dark in (False, True):
        with style.style(dark=dark):
            found.append(charts.specification("growth", chart(TABLE)))
    return found[0], found[1]


def content(script: bytes) -> dict[str, Any]:
    return json.loads(script.decode().partition("] = ")[2].rstrip().removesuffix(";"))


def test_the_script_holds_both_themes_and_the_data_once():
    light, dark = specs()
    held = content(charts.script("growth", light, dark))
    assert set(held) == {"light", "dark", "datasets"}
    assert held["light"]["mark"]["color"] == "#009e73"
    assert held["dark"]["mark"]["color"] == "#35dda8"
    assert "datasets" not in held["light"]
    (rows,) = held["datasets"].values()
    assert [row["y"] for row in rows] == [0.33333, 0.12346, 4.0]


def test_it_is_the_same_however_many_charts_were_made_before():
    first = charts.script("growth", *specs())
    alt.vconcat(alt.hconcat(chart(TABLE), chart(TABLE)), chart(TABLE)).to_dict()
    assert charts.script("growth", *specs()) == first


def test_what_vega_computes_follows_the_slider():
    light, _ = specs()
    for size, expected in ((1, 4.0), (2, 8.0)):
        light["params"][0]["value"] = size
        scenegraph = json.dumps(vl_convert.vega_to_scenegraph(vl_convert.vegalite_to_vega(light)))
        assert f'"{expected:.1f}"' in scenegraph or f'"{expected:.0f}"' in scenegraph


def test_the_inputs_are_found_wherever_they_stand():
    light, _ = specs()
    assert charts.inputs({"vconcat": [{"layer": [light]}]}) == {
        "size": {"input": "range", "min": 0, "max": 2, "step": 0.1, "name": "factor of growth "}
    }


@pytest.mark.parametrize(
    ("made", "error", "match"),
    [
        ("a text", TypeError, "interactive of growth returned str; return an altair chart"),
        (alt.Chart(TABLE).mark_point(), ValueError, "interactive of growth has no input; bind a parameter"),
        (alt.Chart("https://example.org/a.csv").mark_point(), ValueError, "fetches https://example.org/a.csv"),
    ],
)
def test_what_no_page_could_show_is_refused(made: object, error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        charts.specification("growth", made)


def test_a_chart_carries_its_words_and_the_page_shows_them_instead_of_it():
    assert charts.words("growth", chart(TABLE)) == WORDS
    light, _ = specs()
    assert not {"title", "description"} & light.keys()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"caption": alt.Undefined}, r"interactive of growth has the caption None; .*subtitle='its caption'"),
        ({"description": ""}, r"interactive of growth has the description ''; .*description='...'"),
        ({"title": ""}, "interactive of growth has the title ''; say in plain words"),
        ({"caption": "Move it."}, "has the caption 'Move it.'; say in plain words, at least 6, without TeX"),
        ({"caption": "The law $x^2$ for every size of the branch."}, "without TeX"),
        ({"title": "words " * 12}, "has a title of 72 characters; 60 fit its line"),
        ({"description": WORDS["caption"]}, "has its caption as description"),
    ],
)
def test_a_chart_that_does_not_say_what_one_does_and_sees_is_refused(words: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        charts.published("growth", lambda table: said(chart(table), **words), TABLE)


@pytest.mark.parametrize(
    ("bind", "match"),
    [
        (
            {"name": alt.Undefined},
            "input size of growth has the label None; say in words what is chosen, with its unit",
        ),
        ({"name": "size "}, "input size of growth has the label 'size '"),
        ({"name": "p "}, "input size of growth has the label 'p '"),
        ({"step": alt.Undefined}, "input size of growth has no step; a slider has min, max and step"),
    ],
)
def test_an_input_that_does_not_say_what_it_sets_is_refused(bind: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        charts.specification("growth", chart(TABLE, **bind))


def test_each_option_has_a_label_or_none_has():
    choice = alt.binding_select(options=[0, 1, 2], labels=["none", "one"], name="how many layers ")
    made = alt.Chart(TABLE).mark_point().add_params(alt.param(name="size", value=0, bind=choice))
    with pytest.raises(ValueError, match="input size of growth has 2 labels for 3 options; give each one"):
        charts.specification("growth", made)


def test_a_script_that_a_phone_would_wait_for_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(charts, "LIMIT", 500)
    with pytest.raises(ValueError, match=r"interactive of growth has .* bytes, more than 500; publish a smaller table"):
        charts.script("growth", *specs())


def test_other_data_on_a_dark_page_are_refused():
    light, dark = specs()
    dark["datasets"] = {}
    with pytest.raises(
        ValueError, match="interactive of growth has other data on a dark page; only colours may differ"
    ):
        charts.script("growth", light, dark)


def transforms(compiled: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of all data of a compiled chart that make several columns at once."""
    made = [step for data in compiled["data"] for step in data.get("transform", [])]
    return [step for step in made if isinstance(step.get("as"), list)]


@pytest.mark.parametrize("path", STORED, ids=[path.parent.name for path in STORED])
def test_vega_compiles_every_stored_figure(path: Path):
    held = content(path.read_bytes())
    for theme in ("light", "dark"):
        compiled = vl_convert.vegalite_to_vega({**held[theme], "datasets": held["datasets"]})
        assert {signal["name"] for signal in compiled["signals"]} >= set(charts.inputs(held[theme]))
        for made in transforms(compiled):
            # Vega-Lite merges the aggregates of layers, and of two columns of one name one is lost.
            assert len(set(made.get("as") or [])) == len(made.get("as") or []), f"two columns have one name: {made}"
    told = json.loads((path.parent / "meta.json").read_bytes())["interactive"]
    assert set(told) == {"title", "caption", "description"}


@pytest.mark.parametrize("path", STORED, ids=[path.parent.name for path in STORED])
def test_every_input_of_a_stored_figure_is_labelled_in_words_and_begins_with_a_value_that_it_has(path: Path):
    light = content(path.read_bytes())["light"]
    begun = {parameter["name"]: parameter.get("value") for parameter in light["params"]}
    for name, bind in charts.inputs(light).items():
        assert charts.WORDED.search(bind["name"]), f"the label {bind['name']!r} of {name} has no word"
        assert bind["name"].strip() != name
        if bind["input"] == "range":
            steps = (begun[name] - bind["min"]) / bind["step"]
            assert bind["min"] <= begun[name] <= bind["max"]
            assert steps == pytest.approx(round(steps), abs=1e-6), f"{name} begins between two values of its slider"
        elif "options" in bind:
            assert begun[name] in bind["options"]
