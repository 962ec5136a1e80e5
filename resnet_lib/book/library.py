"""The library's own pages in the book: for each room what the docstrings of its modules say.

The pages are made by Sphinx from the docstrings (autodoc); here is decided which there are. Code on the pages of
chapters links to them. No module is imported here.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

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


def pages() -> dict[str, str]:
    """The pages of the library by their paths below the book's source: what there is, and one page a room."""
    made = {
        f"{FOLDER}/{room}.md": _page(title, f"{PACKAGE.name}.{room}", modules(room)) for room, title in ROOMS.items()
    }
    return {f"{FOLDER}.md": _index()} | made


def is_listed(contents: Path) -> bool:
    """Whether a book's list of contents has the library: one without it has none of its pages."""
    return bool(re.search(rf"^\s*- file: {FOLDER}$", contents.read_text(encoding="utf-8"), re.MULTILINE))


def modules(room: str) -> list[str]:
    """The modules of a room that are shown, by their full names."""
    name = f"{PACKAGE.name}.{room}"
    return [f"{name}.{part}" for part in SHOWN[room]] if room in SHOWN else [p for p in _below(name) if _is_file(p)]


def _page(title: str, package: str, parts: list[str]) -> str:
    text = "({mark})=\n## {name}\n\n```{{eval-rst}}\n.. automodule:: {part}\n   :members:\n```\n"
    sections = (text.format(mark=_mark(part), name=_short(part), part=part) for part in parts)
    return "\n".join([f"# {title}\n", f"{_first(_path(package))}\n", *sections])


def _index() -> str:
    said = [_FRONT]
    for room, title in ROOMS.items():
        rows = [f"| [`{_short(name)}`](#{_mark(name)}) | {_first(_path(name))} |" for name in modules(room)]
        said += [f"## {title}\n", "| module | what it does |\n|---|---|", *rows, ""]
    return "\n".join(said)


_FRONT = """# The library

The chapters compute with a package, `resnet_lib`. Its public functions and classes are listed here with what they
compute, the shapes and units of what they take and return, their errors, and an example that is run with every test
of the book. In the code of a chapter, names link to these pages.

To call them, install the book's environment ([](running.md)): `make install`, then `.venv/bin/python`. What a chapter
computes with them, its settings, trials, measures and drawings, is in `resnet_lib/experiments`, in a folder of its
name.
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
