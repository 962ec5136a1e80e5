"""The list of references: each leads somewhere, says how much of it was read, and is cited by a label of its own."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

pytestmark = pytest.mark.book
# The five texts have no public address; of these four works no page with the text could be opened.
WITHOUT_ADDRESS = ("Text ", "Attila Askar", "Jan R. Magnus", "Lloyd N. Trefethen and Mark Embree", "P. B. Visscher")


def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def references(built: Path) -> list[Tag]:
    return page(built / "references.html").select("div.citation")


def test_each_reference_has_an_address_where_there_is_one(references: list[Tag]) -> None:
    assert len(references) > 40
    told = [" ".join(one.get_text().split()).partition("]")[2].strip() for one in references]
    bare = [words for one, words in zip(references, told, strict=True) if not one.select("a[href^=http]")]
    assert [words for words in bare if not words.startswith(WITHOUT_ADDRESS)] == []


def test_each_reference_says_how_much_of_it_was_read(references: list[Tag]) -> None:
    silent = [one.get_text() for one in references if not re.search(r"\bRead: \w+", one.get_text())]
    assert silent == []


def test_two_works_are_not_cited_by_one_label(built: Path) -> None:
    cited: dict[str, set[str]] = {}
    for path in (built / "chapters").glob("*.html"):
        for link in page(path).select("a[href*='references.html#id']"):
            label = " ".join(link.get_text().split())
            if not re.fullmatch(r"\d{4}[a-z]?", label):  # behind names in the sentence the year alone is a link
                cited.setdefault(label, set()).add(str(link["href"]).partition("#")[2])
    assert len(cited) > 30
    assert {label: works for label, works in cited.items() if len(works) > 1} == {}
