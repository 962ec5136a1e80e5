"""The pages by plain Sphinx: told the same as Jupyter Book tells it, with the locked Sphinx and with Sphinx 9."""

import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_book.config import get_final_config

from resnet_lib.book import build, plain
from resnet_lib.book.builders import BookError
from tests import books

ROOT = Path(__file__).parents[2]
NEWER = ROOT / ".sphinx9"
"""Where `make plain` puts Sphinx 9 and what of it depends on it."""
MEANT_ELSEWHERE = {
    *("comments_config", "html_logo", "latex_engine", "use_jupyterbook_latex", "use_multitoc_numbering"),
    *("nb_execution_allow_errors", "nb_execution_cache_path", "nb_execution_excludepatterns"),
    *("nb_execution_in_temp", "nb_execution_timeout", "nb_output_stderr"),
}
"""What Jupyter Book says of comments, of LaTeX and of how notebooks are run: here there are none of these."""


def test_sphinx_is_told_what_jupyter_book_tells_it():
    found: Any = get_final_config(
        user_yaml=ROOT / "_config.yml",
        cli_config={"latex_individualpages": False, "external_toc_path": "_toc.yml"},
        sourcedir=ROOT,
    )
    theirs = found[0]
    ours = plain.settings(ROOT)
    extensions = [name for name in theirs.pop("extensions") if name not in plain.OF_JUPYTER_BOOK]
    assert ours.pop("extensions") == extensions
    assert ours == {key: value for key, value in theirs.items() if key not in MEANT_ELSEWHERE}


def test_what_sphinx_is_not_told_is_named(tmp_path: Path):
    (tmp_path / "_config.yml").write_text("title: A book\nlaunch_buttons:\n  thebe: true\n")
    with pytest.raises(ValueError, match=r"plain Sphinx is not told what launch_buttons.thebe: True is"):
        plain.settings(tmp_path)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = books.buildable(tmp_path_factory.mktemp("plain") / "book")
    books.write(root, books.verdict(root), books.figure(root))
    build.stage(root)
    build.collect(root / build.RUN, root / build.SOURCE)
    return root / build.SOURCE


@pytest.mark.parametrize("packages", [None, NEWER], ids=["locked", "sphinx9"])
def test_plain_sphinx_makes_the_pages(source: Path, tmp_path: Path, packages: Path | None):
    if packages and not packages.is_dir():
        pytest.skip("no Sphinx 9 here; `make plain` fetches it, and makes the whole book with it")
    front = plain.render(source, tmp_path / "plain", packages=packages)
    pages = {path.relative_to(front.parent).as_posix() for path in front.parent.rglob("*.html")}
    claim, figure = "claims/fixture-disc.radius/index.html", "figures/fixture-radius/index.html"
    assert {"index.html", "ledger.html", "figure-index.html", "chapters/01_fixture.html", claim, figure} <= pages
    chapter = (front.parent / "chapters/01_fixture.html").read_text()
    for part in ('id="claim-fixture-disc.radius"', 'id="fig-fixture-radius"', "<math", 'class="svg-inline--fa"'):
        assert part in chapter
    assert not re.search(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css)', chapter)
    options = (front.parent / ".buildinfo").is_file(), (front.parent / "searchindex.js").is_file()
    assert options == (True, True)


def test_what_sphinx_says_is_in_the_error(source: Path, tmp_path: Path):
    page = source / "index.md"
    kept = page.read_text()
    page.write_text(f"{kept}\n[nowhere](no-such-page.md)\n")
    try:
        with pytest.raises(BookError, match=r"(?s)have warnings or errors:.*no-such-page"):
            plain.render(source, tmp_path / "plain")
    finally:
        page.write_text(kept)
