"""The whole book by plain Sphinx says what it says by Jupyter Book; `make plain` makes it, and runs this."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.pages.conftest import page_names

pytestmark = pytest.mark.book


@pytest.fixture
def plain(pytestconfig: pytest.Config) -> Path:
    told = pytestconfig.getoption("--plain", None)
    if told is None:
        pytest.skip("asked for by --plain FOLDER; `make plain` makes the pages with plain Sphinx and compares them")
    return Path(str(told))


def words(path: Path) -> list[str]:
    """The words of a page's article, without what links to its own headings."""
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article")
    assert article is not None, path
    for own in article.select("a.headerlink, button"):
        own.decompose()
    return article.get_text(" ").split()


def test_both_builders_make_the_same_pages(plain: Path, built: Path, pytestconfig: pytest.Config):
    names = page_names(pytestconfig)
    assert [name for name in names if not (plain / name).is_file()] == []
    # How signatures are set is autodoc's to say, and it changes between versions.
    told = [name for name in names if not name.startswith(("library", "search"))]
    assert [name for name in told if words(plain / name) != words(built / name)] == []
    alone = [path.relative_to(built) for folder in ("claims", "figures") for path in (built / folder).rglob("*.html")]
    assert [name for name in alone if (plain / name).read_bytes() != (built / name).read_bytes()] == []
