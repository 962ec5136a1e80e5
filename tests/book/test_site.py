"""What a static host is given: the pages, an answer to a wrong address, a map of the site."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from resnet_lib.book import site

PAGES = ("index.html", "chapters/01_fixture.html", "figures/a/index.html", "search.html", "_static/inner.html")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    for name in PAGES:
        path = tmp_path / "html" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<title>{name}</title>")
    return tmp_path / "html"


def test_a_site_holds_the_pages_and_what_a_host_needs(pages: Path, tmp_path: Path):
    target = tmp_path / "site"
    found = site.publish(pages, target)
    assert [path.as_posix() for path in found] == ["chapters/01_fixture.html", "figures/a/index.html", "index.html"]
    assert all((target / name).read_text() == f"<title>{name}</title>" for name in PAGES)
    assert (target / ".nojekyll").is_file()
    assert 'href="/ledger.html"' in (target / "404.html").read_text()
    assert "Sitemap" not in (target / "robots.txt").read_text()
    assert not (target / "sitemap.xml").exists()


def test_with_an_address_there_is_a_map(pages: Path, tmp_path: Path):
    target = tmp_path / "site"
    site.publish(pages, target)
    (target / "gone.html").write_text("")
    site.publish(pages, target, "https://example.org/book/")  # again: what is gone is gone
    assert not (target / "gone.html").exists()
    assert "Sitemap: https://example.org/book/sitemap.xml" in (target / "robots.txt").read_text()
    addresses = [element.text for element in ElementTree.parse(target / "sitemap.xml").iter() if element.text]
    assert [address.strip() for address in addresses if address.strip()] == [
        "https://example.org/book/chapters/01_fixture.html",
        "https://example.org/book/figures/a/",
        "https://example.org/book/",
    ]
    assert 'href="https://example.org/book/ledger.html"' in (target / "404.html").read_text()


def test_a_page_that_has_moved_sends_on(pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(site, "MOVED", {"old/place.html": "chapters/01_fixture.html"})
    site.publish(pages, tmp_path / "site")
    assert 'content="0; url=../chapters/01_fixture.html"' in (tmp_path / "site/old/place.html").read_text()
    monkeypatch.setattr(site, "MOVED", {"old.html": "nowhere.html"})
    with pytest.raises(ValueError, match=r"MOVED sends old.html to nowhere.html, which is no page of the book"):
        site.publish(pages, tmp_path / "site")


def test_nothing_else_is_overwritten(pages: Path, tmp_path: Path):
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds something that is no earlier site"):
        site.publish(pages, other)
    assert (other / "thesis.txt").read_text() == "years of work"
    for target in (pages, pages / "inner", tmp_path):
        with pytest.raises(ValueError, match="must lie apart"):
            site.publish(pages, target)
    with pytest.raises(ValueError, match="holds no built pages; run: resnet-lib book"):
        site.publish(tmp_path / "nothing", tmp_path / "site")


def test_every_moved_address_is_told_in_one_table():
    assert all(not old.startswith("/") and old.endswith(".html") for old in site.MOVED)
