"""Paragraphs hold one idea each, in at most 90 words, formulas counted: on every page that a build makes."""

import pytest
from bs4 import BeautifulSoup

from tests.pages import reading

NAMED = "<math><mi>L</mi><mo>=</mo><mn>8</mn></math>"


@pytest.mark.parametrize(
    ("shown", "count"),
    [
        ("<mi>x</mi>", 1),
        ("<mi>x</mi><mo>+</mo><mi>F</mi><mo>(</mo><mi>x</mi><mo>)</mo>", 3),
        ("<mo>−</mo><mn>3</mn>", 1),  # a sign, and no operator between two terms
        ("<mi>s</mi><mo>≤</mo><mo>−</mo><mn>1</mn>", 3),
        ("<mo>(</mo><mn>1</mn><mo>+</mo><mi>s</mi><mo>)</mo><mo>=</mo><mn>2</mn>", 5),
        ("<msup><mi>s</mi><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow></msup><mo>=</mo><mn>1</mn>", 3),
        ("<mfrac><mrow><mn>1</mn><mo>+</mo><mi>s</mi></mrow><mn>2</mn></mfrac>", 1),
        ("<mi>x</mi><mo>,</mo><mi>y</mi>", 2),
        ("<mi>x</mi><mtext> for all </mtext><mi>y</mi>", 3),
    ],
)
def test_a_formula_has_as_many_words_as_it_shows(shown: str, count: int) -> None:
    math = BeautifulSoup(f"<math>{shown}</math>", "html.parser").math
    assert math is not None
    assert reading.formula(math) == count


@pytest.mark.parametrize(
    ("page", "count"),
    [
        (f"<p>With {NAMED} it holds.</p>", 6),
        (f"<p>So that</p><math display='block'>{NAMED}</math>", 2),
        ("<li>A list<ul><li>of more words</li></ul></li>", 2),
        ("<dd>in a row<table><tr><td>and its cells</td></tr></table></dd>", 3),
        ("<p>a.<wbr>long.<wbr>name <b>and</b> more</p>", 3),
    ],
)
def test_a_paragraph_has_the_words_that_stand_in_it_and_in_nothing_inside(page: str, count: int) -> None:
    first = next(reading.paragraphs(BeautifulSoup(page, "html.parser")))
    assert reading.words(first) == count


def test_what_is_a_table_or_lists_outcomes_is_no_paragraph() -> None:
    page = (
        "<main><table><tr><td>1</td></tr></table><dl><dt>Otherwise</dt><dd>a third: holds</dd></dl><p>One.</p></main>"
    )
    assert [one.get_text() for one in reading.paragraphs(BeautifulSoup(page, "html.parser"))] == ["Otherwise", "One."]


@pytest.mark.book
def test_no_paragraph_has_more_words_than_one_reads_in_one_go(built) -> None:
    wrong = []
    for path in sorted(built.rglob("*.html")):
        name = path.relative_to(built)
        if name.parts[0].startswith("_"):
            continue
        for paragraph in reading.paragraphs(BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")):
            if (count := reading.words(paragraph)) > reading.MOST:
                wrong.append(f"{name}: {count} words, {' '.join(paragraph.get_text().split())[:80]}")
    assert not wrong, "split where the thought turns, or shorten:\n" + "\n".join(wrong)
