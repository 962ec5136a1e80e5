"""Inputs and words of interactive figures, against the specifications that Altair makes of its own calls."""

from typing import Any

import altair as alt
import pytest

from resnet_lib.evidence import charts, interactive

POINTS = alt.Chart(alt.sequence(0, 3, 1, as_="x")).mark_point().encode(x="x:Q")


def begun(parameter: alt.Parameter) -> tuple[Any, dict[str, Any]]:
    """Where an input begins, and how it is bound."""
    spec = POINTS.add_params(parameter).to_dict()
    (bound,) = charts.inputs(spec).values()
    return spec["params"][0]["value"], bound


def test_a_slider_has_span_step_and_a_label_apart_from_it():
    value, bound = begun(interactive.slider("angle", "angle (degrees)", 30, (0, 180), step=0.5))
    assert value == 30
    assert bound == {"input": "range", "min": 0, "max": 180, "step": 0.5, "name": "angle (degrees) "}


def test_a_menu_shows_its_values_or_words_for_them():
    value, bound = begun(interactive.menu("depth", "layers of the network", 20, (20, 56)))
    assert (value, bound) == (20, {"input": "select", "options": [20, 56], "name": "layers of the network "})
    _, bound = begun(interactive.menu("length", "weights", 0.0, {0.0: "independent", 0.5: "correlated"}))
    assert (bound["options"], bound["labels"]) == ([0.0, 0.5], ["independent", "correlated"])


def test_buttons_show_their_words():
    value, bound = begun(interactive.buttons("stage", "stage of training", "before", ("before", "after")))
    assert (value, bound) == (
        "before",
        {"input": "radio", "options": ["before", "after"], "name": "stage of training "},
    )


def test_the_words_of_a_chart_are_three_paragraphs_however_they_are_broken():
    text = """
        another   growth

        Move the factor,
        and all points grow by it.

        Three points that rise,
            and rise more with the factor.
        """
    found = charts.words("growth", interactive.worded(POINTS, text))
    assert found == {
        "title": "another growth",
        "caption": "Move the factor, and all points grow by it.",
        "description": "Three points that rise, and rise more with the factor.",
    }
    assert charts.words("growth", interactive.worded(alt.layer(POINTS), text)) == found
    assert "title" not in POINTS.to_dict()  # a chart of its own


@pytest.mark.parametrize(("text", "count"), [("a title\n\na caption", 2), ("one\n\ntwo\n\nthree\n\nfour", 4), ("", 1)])
def test_words_without_three_paragraphs_are_refused(text: str, count: int):
    with pytest.raises(ValueError, match=f"text has {count} paragraphs.*write three, title, caption and description"):
        interactive.worded(POINTS, text)
