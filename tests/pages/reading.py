"""What a page gives its reader to read: its paragraphs, and their words, of which a formula has as many as it shows."""

import copy
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString

MOST = 90
"""Words of a paragraph: one idea, and no more."""
PARAGRAPHS = ("p", "li", "dd", "dt", "figcaption", "summary", "blockquote")
"""What holds prose. A cell of a table does not: it holds data, such as all settings of an experiment."""
APART = (
    *(*PARAGRAPHS, "div", "ul", "ol", "dl", "table", "pre", "details", "aside", "article", "section", "figure"),
    *("script", "style", "svg", "nav"),
)
OUTCOMES = ("Otherwise", "Other choices")
"""Beside it a claim lists what comes out under other choices: numbers, in a line each or between semicolons."""
SPACED = frozenset("=≠<>≤≥≪≫≈∼≃≅≡∝∈∉⊂⊆∪∩→←↦⇒⇔⊥∥+−±∓×⋅·∘")
"""Operators that stand between spaces, as a word does."""
NARROW = frozenset(("msup", "msub", "msubsup", "mfrac", "msqrt", "mroot", "mover", "munder", "munderover", "mtable"))
"""What is set tightly, as one sign."""


def formula(math: Tag) -> int:
    r"""The words of a formula in a line: what stands between spaces, and each operator between two of its terms.

    Example:
        >>> page = "<math><mi>x</mi><mo>+</mo><mi>F</mi><mo>(</mo><mi>x</mi><mo>)</mo></math>"
        >>> formula(BeautifulSoup(page, "html.parser").math)
        3
    """
    count, term = 1, False
    for part in math.find_all(("mi", "mn", "mo", "mtext")):
        if any(around.name in NARROW for around in part.parents if math in around.parents):
            term = True
        elif part.name == "mtext":
            count += len(part.get_text().split())
        elif part.name != "mo":
            term = True
        elif (sign := part.get_text()) in SPACED:
            count, term = count + 2 * term, False  # a sign before a number is a part of it
        elif sign in (",", ";"):
            count, term = count + 1, False
        else:
            term = sign not in "([{⟨"
    return count


def words(paragraph: Tag) -> int:
    """Words of a paragraph as a reader counts them, without what stands apart in it: lists, tables, code, drawings."""
    alone = copy.copy(paragraph)
    for inner in alone.find_all(APART):
        inner.replace_with(" ")
    for button in alone.select("a.headerlink, button"):
        button.decompose()
    for break_ in alone.select("wbr"):
        break_.decompose()
    for math in alone.find_all("math"):
        math.replace_with(NavigableString("x " * formula(math) if math.get("display") != "block" else " "))
    alone.smooth()
    return len(alone.get_text().split())


def paragraphs(soup: BeautifulSoup) -> Iterator[Tag]:
    """All paragraphs of a page's article, of what unfolds too: text, captions, entries of lists, words of claims."""
    article = soup.select_one("article.bd-article") or soup.select_one("main") or soup
    for found in article.find_all(PARAGRAPHS):
        told = found.find_previous_sibling("dt") if found.name == "dd" else None
        if told is None or told.get_text().strip() not in OUTCOMES:
            yield found
