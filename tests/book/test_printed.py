"""The book in one file: what is left out on paper, and that both forms come out for a small book."""

import shutil
import zipfile
from pathlib import Path

import pytest

from resnet_lib.book import build, builders, printed
from tests import books

PDF = shutil.which(next((name for name in printed.BROWSERS if shutil.which(name)), "none"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source of the fixture book with outputs."""
    root = books.buildable(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    build.stage(root)
    build.collect(root / build.RUN, root / build.SOURCE)
    return root / build.SOURCE


def test_on_paper_drawings_stand_where_the_pages_have_charts():
    chart = '<details class="rl-details rl-try"><summary>Try it</summary><div data-figure="a"></div></details>'
    page = (
        f'<head></head><img src="../figures/a/a.svg" loading="lazy"><a href="../../figures/a/">a</a>{chart}<p>end</p>'
    )
    made = printed.for_paper(page)
    assert 'src="figures/a/a.svg"' in made
    assert 'href="figures/a/"' in made
    assert "Try it" not in made
    assert "lazy" not in made
    assert made.endswith("<p>end</p>")
    assert made.index("@page") < made.index("</head>")


def test_an_epub_holds_the_chapters_and_their_drawings(source: Path):
    made = printed.epub(source)
    assert made.name == f"{printed.NAME}.epub"
    with zipfile.ZipFile(made) as file:
        names = file.namelist()
        assert file.read("mimetype") == b"application/epub+zip"
        assert "chapters/01_fixture.xhtml" in names
        assert "figures/fixture-radius/fixture-radius.svg" in names
        assert "Residual Networks, Tested" in file.read("content.opf").decode()


@pytest.mark.skipif(PDF is None, reason="no Chromium or Chrome is installed, which prints the PDF")
def test_a_pdf_is_printed(source: Path):
    made = printed.pdf(source)
    assert made.read_bytes().startswith(b"%PDF-")
    assert made.stat().st_size > 20_000


def test_without_a_browser_there_is_no_pdf(source: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(builders.BookError, match=r"printed by a browser, and none of chromium, .* is here"):
        printed.pdf(source)
