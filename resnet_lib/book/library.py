"""The library's own pages in the book: for each room, and for the code of each chapter, what the docstrings say.

The pages are made by Sphinx from the docstrings (autodoc); here is decided which there are. Code on the pages of
chapters links to them. No module is imported here.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nbformat import NotebookNode

PACKAGE = Path(__file__).parents[1]
ROOMS = {
    "nets": "Networks",
    "analysis": "Measures of networks",
    "linalg": "Linear algebra",
    "ode": "Differential equations",
    "data": "Data",
    "training": "Training",
    "sweep": "Experiments and their runs",
    "evidence": "Claims, intervals and figures",
}
"""Rooms whose verbs chapters and readers call, and what their pages are headed by; the rest makes the book."""
SHOWN = {
    "data": ("datasets", "augmentation", "parts", "pretrained", "spirals"),
    "training": (
        *("loop", "regression", "recipes", "optimizers", "fits", "stacked", "tuning", "zoo"),
        *("nightly", "precision", "shipped"),
    ),
    "sweep": ("experiment", "runner", "table", "results"),
    "evidence": ("claims", "rules", "intervals", "significance", "choices", "figures", "markup"),
}
"""Of these rooms, the modules that are shown; of all others every module."""
FOLDER = "library"
CHAPTERS = "experiments"
"""The room with a package for each chapter, and the page that lists them."""

PROVENANCE = re.compile("^## References and provenance$", re.MULTILINE)
_LED = "What the settings, trials, measures and drawings of this chapter do is said beside [its code](../{}.md)."


def pages(titles: Mapping[str, str]) -> dict[str, str]:
    """The pages of the library by their paths below the book's source: what there is, one page a room and a chapter.

    Args:
        titles: Of the chapters, by the names of their packages, such as `dropping_blocks`, in the order of the book.
    """
    made = {
        f"{FOLDER}/{room}.md": _page(title, f"{PACKAGE.name}.{room}", modules(room)) for room, title in ROOMS.items()
    }
    for chapter, title in titles.items():
        package = _of(chapter)
        parts = [name for name in _below(package) if _is_file(name)]
        made[f"{page_of(chapter)}.md"] = _page(f"The code of *{title}*", package, parts, _about(package))
    return {f"{FOLDER}.md": _index(), f"{FOLDER}/{CHAPTERS}.md": _chapters(titles)} | made


def page_of(chapter: str) -> str:
    """The page of a chapter's code, by the name of its package; without the ending of the file.

    Example:
        >>> page_of("dropping_blocks")
        'library/experiments/dropping_blocks'
    """
    return f"{FOLDER}/{CHAPTERS}/{chapter}"


def lead_to_code(notebook: NotebookNode, chapter: str) -> None:
    """Have a chapter's part on references and provenance begin with where its code is told.

    Args:
        notebook: The chapter; one without that part stays as it is.
        chapter: The name of its package.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = PROVENANCE.sub(rf"\g<0>\n\n{_LED.format(page_of(chapter))}", cell.source)


def is_listed(contents: Path) -> bool:
    """Whether a book's list of contents has the library: one without it has none of its pages."""
    return bool(re.search(rf"^\s*- file: {FOLDER}$", contents.read_text(encoding="utf-8"), re.MULTILINE))


def modules(room: str) -> list[str]:
    """The modules of a room that are shown, by their full names."""
    name = f"{PACKAGE.name}.{room}"
    return [f"{name}.{part}" for part in SHOWN[room]] if room in SHOWN else [p for p in _below(name) if _is_file(p)]


def _page(title: str, package: str, parts: list[str], about: str = "") -> str:
    text = "({mark})=\n## {name}\n\n```{{eval-rst}}\n.. automodule:: {part}\n   :members:\n```\n"
    outer = f"{package}." if CHAPTERS in package else f"{PACKAGE.name}."
    sections = (text.format(mark=_mark(part), name=part.removeprefix(outer) or part, part=part) for part in parts)
    return "\n".join([f"# {title}\n", f"{about or _first(_path(package))}\n", *sections])


def _index() -> str:
    said = [_FRONT]
    for room, title in ROOMS.items():
        rows = [f"| [`{_short(name)}`](#{_mark(name)}) | {_first(_path(name))} |" for name in modules(room)]
        said += [f"## {title}\n", "| module | what it does |\n|---|---|", *rows, ""]
    return "\n".join(said)


def _chapters(titles: Mapping[str, str]) -> str:
    rows = [f"| [{title}](../{page_of(name)}.md) | {_about(_of(name))} |" for name, title in titles.items()]
    return "\n".join([_CODE, "| chapter | its code |\n|---|---|", *rows, ""])


def _of(chapter: str) -> str:
    return f"{PACKAGE.name}.{CHAPTERS}.{chapter}"


def _about(package: str) -> str:
    """What a chapter's package is about, without the chapter's name, which stands beside it."""
    said = re.sub(r'^Chapter "[^"]*": ', "", _first(_path(package)))
    return said[:1].upper() + said[1:]


_CODE = """# The code of the chapters

Each chapter has a package of its own in `resnet_lib/experiments`. It holds the settings and trials of its experiments,
the measures that its claims name, and its drawings; it calls [the library](../library.md), and no other chapter's code.
"""

_FRONT = """# The library

The chapters compute with a package, `resnet_lib`. Its public functions and classes are listed here with what they
compute, the shapes and units of what they take and return, their errors, and an example that is run with every test
of the book. In the code of a chapter, names link to these pages.

To call them, install the book's environment ([](running.md)): `make install`, then `.venv/bin/python`. What a chapter
computes with them, its settings, trials, measures and drawings, is on [a page of its own](library/experiments.md).
"""


def _below(name: str) -> Iterator[str]:
    """A module and those below it that are no private ones, by their full names."""
    yield name
    path = _path(name)
    for part in sorted(path.parent.iterdir()) if path.name == "__init__.py" else ():
        if not part.stem.startswith("_") and (part.suffix == ".py" or (part / "__init__.py").is_file()):
            yield from _below(f"{name}.{part.stem}")


def _path(name: str) -> Path:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_file(name: str) -> bool:
    return _path(name).name != "__init__.py"


def _short(name: str) -> str:
    return name.removeprefix(f"{PACKAGE.name}.")


def _mark(name: str) -> str:
    return re.sub(r"[\W_]", "-", f"{FOLDER}-{_short(name)}")


def _first(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())
