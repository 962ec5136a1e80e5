"""The words of the book: what a reader cannot know is in the glossary, and chapters lead there where they use it."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.book
# What a reader of the first chapters missed.
ASKED = (
    *("original unit", "pre-activation unit", "stem", "head", "decade", "octave", "tied", "neutral network", "field"),
    *("tableau", "zero-gamma", "looks-linear", "lesion", "signal", "gain", "twin", "shortcut", "branch"),
)


def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def meanings(built: Path) -> dict[str, str]:
    """What stands in the glossary, by the anchors of its words."""
    found = page(built / "glossary.html").select("dl.glossary dt")
    return {str(term["id"]): term.get_text(" ") for term in found}


@pytest.mark.parametrize("word", ASKED)
def test_a_word_that_readers_asked_for_is_explained(meanings: dict[str, str], word: str) -> None:
    assert any(word in term.replace("#", "").replace(",", " ").split() or word in term for term in meanings.values())


def test_a_chapter_explains_a_word_where_it_first_uses_it(built: Path, meanings: dict[str, str]) -> None:
    count = 0
    for path in sorted((built / "chapters").glob("*.html")):
        links = page(path).select("a.rl-word")
        anchors = [str(link["href"]).partition("glossary.html#")[2] for link in links]
        assert len(anchors) == len(set(anchors)), f"{path.name} explains a word twice"
        assert set(anchors) <= set(meanings), path.name
        assert all(len(str(link["title"])) > 20 and "\\" not in str(link["title"]) for link in links), path.name
        count += len(anchors)
    assert count > 50
