"""Interactive figures on the built pages: inputs, reset, the state in the address; and that nothing leaves a chart."""

import re

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.pages.conftest import page_names
from tests.pages.visits import INTERACTIVE, SIZES, Visitor, come_alive, drawing

pytestmark = [pytest.mark.book, pytest.mark.browser]

STABILITY = "chapters/19_stability_of_the_step.html"
PLAIN = "chapters/02_plain_networks.html"

# Text and marks of a chart beyond its edges, but for what is clipped or invisible.
OUTSIDE = """svg => {
  const edge = svg.getBoundingClientRect();
  const seen = [...svg.querySelectorAll('text, path, line, rect')].filter(mark => {
    const style = getComputedStyle(mark), box = mark.getBoundingClientRect();
    const inked = mark.tagName === 'text' || style.stroke !== 'none' || !['none', 'transparent'].includes(style.fill);
    const shown = style.visibility !== 'hidden' && inked && box.width + box.height;
    return shown && !mark.closest('[clip-path], defs, clipPath');
  });
  const beyond = box => box.left < edge.left - 1 || box.right > edge.right + 1
    || box.top < edge.top - 1 || box.bottom > edge.bottom + 1;
  return seen.filter(mark => beyond(mark.getBoundingClientRect())).map(mark => mark.outerHTML.slice(0, 120));
}"""
# All inputs of a chart with their ends, or all their options.
STATES = """id => window.rlInteractive[id].light.params.filter(param => param.bind).flatMap(({name, bind}) => {
  const ends = bind.options ?? (bind.input === 'checkbox' ? [true, false] : [bind.min, bind.max]);
  return ends.map(end => [name, String(end)]);
})"""
# Pixels on the screen of the smallest text of a chart.
SMALLEST = """svg => Math.min(...[...svg.querySelectorAll('text')].map(
  text => parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.width.baseVal.value))"""
# Inputs and buttons that a finger misses: less than 24 pixels high or wide.
SMALL = """figure => [...figure.querySelectorAll('input, select, button')].filter(target => {
  const box = target.getBoundingClientRect();
  return box.width < 24 || box.height < 24;
}).map(target => target.outerHTML)"""


def look(figure: Locator) -> str:
    """What a figure's chart shows now."""
    return figure.locator(".rl-chart svg").evaluate("svg => svg.innerHTML")


def expect_another_look(figure: Locator, before: str) -> None:
    chart = figure.locator(".rl-chart svg").element_handle()
    try:
        figure.page.wait_for_function("([svg, before]) => svg.innerHTML !== before", arg=[chart, before])
    except TimeoutError:
        pytest.fail(f"the chart of {name_of(figure)} shows the same after one of its inputs has moved")


def chart(figure: Locator) -> Locator:
    return figure.locator(".rl-chart svg")


def name_of(figure: Locator) -> str:
    return figure.get_attribute("data-figure") or ""


def figure_of(page: Page, name: str) -> Locator:
    return come_alive(page.locator(f"{INTERACTIVE}[data-figure={name}]"))


def expect_address(page: Page, match: str) -> None:
    """The address follows an input after a pause, when the chart has been drawn."""
    page.wait_for_function("match => new RegExp(match).test(location.hash)", arg=match)


ONE_PLANE = "name => window.rlInteractive[name].light.name === 'plane'"
"""Whether a chart is one panel that keeps its proportions: it is as wide as its greatest height allows."""


@pytest.mark.parametrize("size", list(SIZES))
def test_nothing_leaves_a_chart_at_either_end_of_any_input(visit: Visitor, address: str, size: str, pytestconfig):
    wrong = []
    for page_name in page_names(pytestconfig):
        if not page_name.startswith("chapters/"):
            continue
        page = visit(size).open(address + page_name)
        for figure in map(come_alive, page.locator(INTERACTIVE).all()):
            name = name_of(figure)
            drawn = chart(figure)
            room, width = figure.evaluate("figure => figure.clientWidth"), drawn.evaluate("svg => svg.clientWidth")
            assert width <= room, f"{name} is wider than its column"
            if not page.evaluate(ONE_PLANE, name):
                assert width > room - 4, f"{name} leaves {room - width} of {room} pixels empty"
            assert drawn.evaluate(SMALLEST) >= 13 - 0.01, name
            assert figure.evaluate(SMALL) == [], name
            wrong += [f"{name} as published: {what}" for what in drawn.evaluate(OUTSIDE)]
            states = page.evaluate(STATES, name)
            assert states
            for state in states:
                told = "([id, name, value]) => { location.hash = `fig-${id}?${new URLSearchParams([[name, value]])}` }"
                page.evaluate(told, [name, *state])
                shown = "([figure, name, value]) => new URLSearchParams(figure.dataset.state).get(name) === value"
                page.wait_for_function(shown, arg=[figure.element_handle(), *state])
                wrong += [f"{name}, {'='.join(state)}: {what}" for what in drawn.evaluate(OUTSIDE)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_an_address_opens_the_chart_with_the_values_that_it_names(visit: Visitor, address: str):
    page = visit().open(f"{address}{STABILITY}#fig-stab-regions?h=2&method=rk4")
    figure = page.locator(f"{INTERACTIVE}[data-figure=stab-regions]")
    expect(figure).to_have_class(re.compile("rl-alive"))
    expect(figure).to_be_in_viewport()
    expect(figure.locator("input[type=range]")).to_have_value("2")
    expect(figure.locator("select")).to_have_value("rk4")
    assert page.evaluate("location.hash") == "#fig-stab-regions?h=2&method=rk4"


def test_what_an_address_cannot_mean_is_ignored(visit: Visitor, address: str):
    for query in ("?h=9&method=nobody&steps=3", "?h=0.3&method=", "?h=two", "?method=rk4%", "?", "?&&=&constructor=1"):
        page = visit().open(f"{address}{STABILITY}#fig-stab-regions{query}")
        figure = page.locator(f"{INTERACTIVE}[data-figure=stab-regions]")
        expect(figure).to_have_class(re.compile("rl-alive"))
        expect(figure.locator("input[type=range]")).to_have_value("1")
        expect(figure.locator("select")).to_have_value("euler")
    page = visit().open(f"{address}{STABILITY}#fig-nothing?h=2")
    expect(page.locator(INTERACTIVE)).to_be_hidden()


def test_an_input_changes_the_address_and_reset_takes_both_back(visit: Visitor, address: str):
    page = visit().open(address + STABILITY)
    figure = figure_of(page, "stab-regions")
    shapes = "svg => [...svg.querySelectorAll('g path')].map(path => path.getAttribute('d'))"
    slider, before = figure.locator("input[type=range]"), chart(figure).evaluate(shapes)
    length = page.evaluate("history.length")
    slider.press("End")
    expect_address(page, r"^#fig-stab-regions\?h=4&method=euler$")
    figure.locator("select").select_option("implicit-euler")
    expect_address(page, r"^#fig-stab-regions\?h=4&method=implicit-euler$")
    assert chart(figure).evaluate(shapes) != before
    figure.get_by_role("button", name="Reset the inputs of figure 19.1").click()
    expect_address(page, "^#fig-stab-regions$")
    expect(slider).to_have_value("1")
    expect(figure.locator("select")).to_have_value("euler")
    assert chart(figure).evaluate(shapes) == before
    assert page.evaluate("history.length") == length  # a reader's way back is not full of values


def test_a_link_on_the_page_sets_a_chart_that_is_alive(visit: Visitor, address: str):
    page = visit().open(address + STABILITY)
    figure = figure_of(page, "stab-regions")
    before = look(figure)
    page.evaluate("location.hash = '#fig-stab-regions?h=3'")
    expect_another_look(figure, before)
    expect(figure.locator("input[type=range]")).to_have_value("3")


def test_charts_on_one_page_do_not_disturb_one_another(visit: Visitor, address: str):
    page = visit().open(f"{address}{PLAIN}#fig-plain-signals?p=0.75")
    signals = page.locator(f"{INTERACTIVE}[data-figure=plain-signals]")
    expect(signals).to_have_class(re.compile("rl-alive"))
    drift, before = figure_of(page, "plain-drift"), look(signals)
    drift.locator("select").select_option("2048")
    expect_address(page, r"^#fig-plain-drift\?n=2048$")
    assert look(signals) == before
    drift.locator(".rl-reset").click()
    expect_address(page, "^#fig-plain-drift$")
    expect(signals.locator("input[type=range]")).to_have_value("0.75")


def test_a_chart_fits_its_column_again_when_the_window_changes(visit: Visitor, address: str):
    page = visit().open(address + STABILITY)
    figure = figure_of(page, "stab-regions")
    figure.locator("input[type=range]").press("End")
    page.set_viewport_size({"width": SIZES["phone"][0], "height": SIZES["phone"][1]})
    page.wait_for_function(
        "figure => figure.querySelector('svg').width.baseVal.value <= figure.clientWidth", arg=figure.element_handle()
    )
    expect(figure.locator("input[type=range]")).to_have_value("4")
    assert chart(figure).evaluate(OUTSIDE) == []


@pytest.mark.parametrize("size", list(SIZES))
def test_interactive_figures_answer_to_the_keyboard_and_to_the_mouse(
    visit: Visitor, address: str, size: str, pytestconfig
):
    seen = 0
    for page_name in page_names(pytestconfig):
        if not page_name.startswith("chapters/"):
            continue
        page = visit(size).open(address + page_name)
        for figure in map(come_alive, page.locator(INTERACTIVE).all()):
            name = figure.get_attribute("data-figure")
            for control in figure.locator(".rl-controls").locator("input, select").all():
                named = control.evaluate("control => control.ariaLabel || control.labels.length > 0")
                assert named, f"a control of {name} has no name"
                before = look(figure)
                kind = control.get_attribute("type") or "select"
                at_end = kind == "range" and control.evaluate("control => +control.value >= +control.max")
                keys = {"checkbox": "Space", "range": "ArrowLeft" if at_end else "ArrowRight"}
                control.press(keys.get(kind, "ArrowDown"))
                expect_another_look(figure, before)
            slider = figure.locator("input[type=range]").first
            if slider.count():
                before = look(figure)
                box = slider.bounding_box()
                assert box
                slider.scroll_into_view_if_needed()
                high = slider.evaluate("s => (s.value - s.min) / (s.max - s.min) > 0.5")
                slider.click(position={"x": box["width"] * (0.2 if high else 0.8), "y": box["height"] / 2})
                expect_another_look(figure, before)
            seen += 1
    assert seen, "the book has no interactive figure"


def test_an_interactive_figure_keeps_its_values_when_the_page_turns_dark(visit: Visitor, address: str):
    page = visit("wide", "light").open(address + "chapters/04_eigenvalue_clustering.html")
    figure = come_alive(page.locator(INTERACTIVE).first)
    slider = figure.locator("input[type=range]").first
    slider.press("ArrowRight")
    value, before = slider.input_value(), look(figure)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(figure.locator("input[type=range]").first).not_to_be_focused()
    expect_another_look(figure, before)
    assert figure.locator("input[type=range]").first.input_value() == value


def test_on_paper_the_drawing_stands(visit: Visitor, address: str):
    page = visit().open(address + "chapters/04_eigenvalue_clustering.html")
    figure = come_alive(page.locator(INTERACTIVE).first)
    page.emulate_media(media="print")
    expect(figure).to_be_hidden()
    expect(drawing(figure)).to_be_visible()
