"""The library's pages: every verb of a room that is shown has its docstring there, and code of chapters links to it."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from resnet_lib.book import build, library
from resnet_lib.evidence import manuscript
from tests import books

ROOT = Path(__file__).parents[2]
MODULE = re.compile(r"automodule:: (\S+)")


TITLES = {
    re.sub(r"^\d\d_", "", path.stem): f"Chapter {path.stem[:2]}" for path in sorted(ROOT.glob("chapters/*.ipynb"))
}


def shown(pages: dict[str, str]) -> set[str]:
    return {name for text in pages.values() for name in MODULE.findall(text)}


def test_each_room_has_a_page_with_its_modules():
    pages = library.pages({})
    assert set(pages) == {"library.md", "library/experiments.md", *(f"library/{room}.md" for room in library.ROOMS)}
    assert {"resnet_lib.nets.blocks", "resnet_lib.analysis.lipschitz.ascent"} <= shown(pages)
    assert pages["library/ode.md"].startswith("# Differential equations\n\nThis room ")
    assert (
        "## ode.order\n\n```{eval-rst}\n.. automodule:: resnet_lib.ode.order\n   :members:\n" in pages["library/ode.md"]
    )
    assert "[`analysis.lesion`](#library-analysis-lesion) | " in pages["library.md"]


def test_a_book_whose_contents_have_no_library_has_none_of_its_pages(tmp_path: Path):
    assert library.is_listed(ROOT / "_toc.yml")
    root = books.buildable(tmp_path / "book")
    assert not library.is_listed(root / "_toc.yml")
    books.write(root, books.verdict(root), books.figure(root))
    build.stage(root)
    build.collect(root / build.RUN, root / build.SOURCE)
    assert not (root / build.SOURCE / "library.md").exists()


def test_every_module_of_a_room_that_is_shown_whole_is_on_its_page():
    pages = shown(library.pages({}))
    for room in library.ROOMS.keys() - library.SHOWN.keys():
        found = pkgutil.walk_packages([str(library.PACKAGE / room)], f"resnet_lib.{room}.")
        assert {each.name for each in found if not each.ispkg} <= pages
    assert all(importlib.util.find_spec(name) for name in pages)


def test_what_rooms_hand_on_is_on_a_page():
    """A name that one types, such as `sweep.run`, is found where it is made."""
    pages = shown(library.pages({}))
    for room in ("nets", "analysis", "linalg", "ode", "training", "sweep"):
        members = inspect.getmembers(importlib.import_module(f"resnet_lib.{room}"), inspect.isroutine)
        assert {made.__module__ for _, made in members if made.__module__.startswith("resnet_lib")} <= pages, room


def test_the_list_of_pages_has_them():
    (part,) = (
        part for part in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"] if part["caption"] == "Evidence"
    )
    (entry,) = (entry for entry in part["chapters"] if entry.get("file") == "library")
    rooms = [*library.ROOMS, library.CHAPTERS]
    assert [each["file"] for each in entry["sections"]] == [f"library/{room}" for room in rooms]
    assert [each["file"] for each in entry["sections"][-1]["sections"]] == [library.page_of(name) for name in TITLES]


def test_each_chapter_has_a_page_with_the_modules_of_its_package():
    pages = library.pages(TITLES)
    for chapter, title in TITLES.items():
        page = pages[f"{library.page_of(chapter)}.md"]
        assert re.match(rf"# The code of \*{title}\*\n\n[A-Z]", page)
        folder = library.PACKAGE / "experiments" / chapter
        modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        assert {name.rpartition(".")[2] for name in MODULE.findall(page)} == modules
        assert f"[{title}](../library/experiments/{chapter}.md)" in pages["library/experiments.md"]


def test_a_chapter_leads_to_its_code():
    cells = [new_code_cell("1"), new_markdown_cell("## Limits\n\nA.\n\n## References and provenance\n\nB.")]
    notebook = new_notebook(cells=cells)
    library.lead_to_code(notebook, "dropping_blocks")
    assert "(../library/experiments/dropping_blocks.md).\n\nB." in notebook.cells[1].source
    for path in ROOT.glob("chapters/*.ipynb"):
        texts = [cell.source for cell in manuscript.notebook(path).cells if cell.cell_type == "markdown"]
        assert sum(len(library.PROVENANCE.findall(text)) for text in texts) == 1, path.name


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "_ext"))
    yield importlib.import_module("docstrings")
    del sys.modules["docstrings"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("of $x^2$ and $y$", "of :math:`x^2` and :math:`y`"),
        ("$a\nb$ over lines", ":math:`a b` over lines"),
        ("the bound |l| of `|x|`", r"the bound \|l\| of `|x|`"),
        (">>> a | b", ">>> a | b"),
        ("costs `$HOME`", "costs `$HOME`"),
    ],
)
def test_docstrings_are_read_as_they_are_written(docstrings, written: str, read: str):
    lines = written.split("\n")
    docstrings.formulas(None, "function", "f", None, None, lines)
    assert "\n".join(lines) == read


def test_a_displayed_formula_stands_alone(docstrings):
    lines = ["That is", "    $$ x", "       + y . $$", "and so on."]
    docstrings.formulas(None, "function", "f", None, None, lines)
    assert [line for line in lines if line] == ["That is", "    .. math:: x + y .", "and so on."]
