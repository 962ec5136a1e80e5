"""Sphinx runs in a process of its own: what it makes lies where it should, and what it says is in the error."""

from pathlib import Path

import pytest

from resnet_lib.book import builders


def page(root: Path, text: str) -> Path:
    source = root / "source"
    source.mkdir()
    (source / "_config.yml").write_text("title: A book\nonly_build_toc_files: true\n")
    (source / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (source / "index.md").write_text(text)
    return source


def test_what_sphinx_makes_lies_in_the_target(tmp_path: Path):
    source = page(tmp_path, "# A page\n\nWith words.\n")
    builders.sphinx(source, "made", "--builder", "singlehtml")
    assert "With words." in (tmp_path / "made/_build/singlehtml/index.html").read_text()


def test_what_sphinx_says_is_in_the_error(tmp_path: Path):
    source = page(tmp_path, "# A page\n\n[nowhere](no-such-page.md)\n")
    with pytest.raises(builders.BookError, match=r"(?s)have warnings or errors:.*no-such-page"):
        builders.sphinx(source, "made", "-W", "-n", "--keep-going")
