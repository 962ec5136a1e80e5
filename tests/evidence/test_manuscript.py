"""Notebooks, pages and bibliographies as their authors leave them: read, or refused with the place of what is wrong."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from resnet_lib.evidence import manuscript
from resnet_lib.evidence.texts import TextError


@pytest.mark.parametrize("name", ["fixture", "01-fixture", "1_", "_fixture", "01_a b"])
def test_a_notebook_is_named_by_its_number_and_its_chapter(tmp_path: Path, name: str):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / f"{name}.ipynb").touch()
    with pytest.raises(TextError, match=r"must be named by a number and its chapter, such as 02_plain_networks\.ipynb"):
        manuscript.notebooks(tmp_path)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_notebooks_come_in_the_order_of_their_numbers(tmp_path: Path):
    for name in ("10_last", "02_plain_networks", "01_first"):
        written(tmp_path, f"chapters/{name}.ipynb", "{}")
    paths = manuscript.notebooks(tmp_path)
    assert [path.stem for path in paths] == ["01_first", "02_plain_networks", "10_last"]
    assert [manuscript.chapter(path) for path in paths] == ["first", "plain-networks", "last"]
    written(tmp_path, "chapters/11_last.ipynb", "{}")
    with pytest.raises(TextError, match=r"10_last\.ipynb and 11_last\.ipynb are both the chapter last"):
        manuscript.notebooks(tmp_path)


def test_a_notebook_of_an_older_format_is_read_as_one_of_today(tmp_path: Path):
    cells = [new_markdown_cell("# A title", id="a"), new_code_cell("1 + 1", id="b")]
    path = written(tmp_path, "chapters/01_a.ipynb", nbformat.writes(new_notebook(cells=cells)))
    assert [cell.source for cell in manuscript.notebook(path).cells] == ["# A title", "1 + 1"]
    older = nbformat.convert(new_notebook(cells=cells), 3)
    path.write_text(nbformat.writes(older, version=3))  # pyright: ignore[reportArgumentType]
    assert [cell.source for cell in manuscript.notebook(path).cells] == ["# A title", "1 + 1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n]", "line 2, is no JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ("3", "is no notebook of a known format"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": {}}', "cells, is not what a notebook holds"),
    ],
    ids=["json", "depth", "number", "cells"],
)
def test_what_is_no_notebook_is_refused_with_the_way_out(tmp_path: Path, text: str, said: str):
    path = written(tmp_path, "chapters/01_a.ipynb", text)
    with pytest.raises(TextError, match=rf"{said}.*; restore it: git checkout -- chapters/01_a\.ipynb"):
        manuscript.notebook(path)


def test_a_conflict_inside_a_cell_is_named_by_cell_and_line(tmp_path: Path):
    cells = [new_markdown_cell("# T", id="a"), new_code_cell("a\n>>>>>>> theirs", id="b")]
    path = written(tmp_path, "01_a.ipynb", nbformat.writes(new_notebook(cells=cells)))
    with pytest.raises(TextError, match=r"01_a\.ipynb, cell 2, line 2, holds the mark of a merge conflict"):
        manuscript.notebook(path)


def test_pages_are_texts_and_configurations_are_names_with_values(tmp_path: Path):
    assert manuscript.page(written(tmp_path, "index.md", "# A page\n")) == "# A page\n"
    toc = written(tmp_path, "_toc.yml", "format: jb-book\nroot: index\n")
    assert manuscript.page(toc).startswith("format")
    for name, text, said in (
        ("_config.yml", "title: [", r"_config\.yml, line 1, is no YAML"),
        ("_config.yml", "- a", r"_config\.yml holds a list, and must hold names with values"),
        ("_toc.yml", "root: index\nnonsense: 1\n", r"_toc\.yml is no table of contents"),
    ):
        with pytest.raises(TextError, match=said):
            manuscript.page(written(tmp_path, name, text))


def test_a_work_is_cited_by_authors_and_year_or_by_its_name(tmp_path: Path):
    path = written(
        tmp_path,
        "references.bib",
        "@book{one, title = {x}}\n@misc{two, key = {Text A}, title = {y}}\n"
        '@book{three, author = {Doe, J. and M{\\"u}ller, K.}, year = 2001, title = {z}}\n'
        "@book{four, author = {van Loan, C. and others}, year = 2002, title = {The {ResNet}}}\n"
        "@book{five, author = {van Loan, C. and A, B. and C, D.}, year = 2002, title = {Another}}\n",
    )
    assert manuscript.references(path) == {
        "one": "x",
        "two": "Text A",
        "three": "Doe and Müller (2001)",
        "four": "van Loan et al. (2002): The ResNet",
        "five": "van Loan et al. (2002): Another",
    }
    path.write_text("@book{one,\n  title {x}}")
    with pytest.raises(TextError, match=r"references\.bib, line 2, is no BibTeX \('=' expected\); mend it there"):
        manuscript.references(path)
