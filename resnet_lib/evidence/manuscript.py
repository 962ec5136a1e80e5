"""This module reads what authors write, notebooks, pages and bibliography, and says the place of what is wrong in them.

It knows the formats of these files; what the evidence in them says is judged in `ledger`, and claims.yml is read by
`statements`.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.validator import ValidationError
from pybtex.database import Entry, parse_string
from pybtex.exceptions import PybtexError
from pybtex.richtext import Text
from sphinx_external_toc.parsing import MalformedError, parse_toc_data

from resnet_lib.evidence import texts
from resnet_lib.evidence.texts import TextError

NAME = re.compile(r"\d+_(\w+)")
FIGURE = re.compile(r"\[[^\[\]]*\]\(#fig-([a-z0-9-]+)\)")
"""A figure that a text speaks of, `[the figure](#fig-drop-one)`: a page shows its number, a notebook these words."""


def notebooks(root: Path) -> list[Path]:
    """The notebooks of the book in `root`, in the order of their names.

    Raises:
        TextError: One has no number, or two are those of one chapter.
    """
    paths = sorted((root / "chapters").glob("*.ipynb"))
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(chapter(path), path)
        if other is not path:
            raise TextError(
                f"{other} and {path.name} are both the chapter {chapter(path)}, and only one can be shown; rename one"
            )
    return paths


def chapter(path: Path) -> str:
    """The name of a notebook's chapter, as in claims.yml: `plain-networks` for `02_plain_networks.ipynb`.

    Raises:
        TextError: The file has no such name.
    """
    if not (match := NAME.fullmatch(path.stem)):
        raise TextError(f"{path} must be named by a number and its chapter, such as 02_plain_networks.ipynb; rename it")
    return match[1].replace("_", "-")


def notebook(path: Path) -> NotebookNode:
    """A notebook in the current format.

    Raises:
        TextError: The file holds no notebook of a known format, or the marks of a merge conflict.
    """
    text = texts.read(path)
    way_out = f"restore it: git checkout -- chapters/{path.name}"
    try:
        json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise TextError(f"{path}, line {line}, is no JSON ({getattr(error, 'msg', error)}); {way_out}") from error
    except RecursionError as error:
        raise TextError(f"{path} is nested too deeply to be a notebook; {way_out}") from error
    try:
        found: Any = nbformat.from_dict(nbformat.convert(nbformat.reader.reads(text), 4))  # of older nodes, today's
        nbformat.validate(found)
    except ValidationError as error:
        raise TextError(
            f"{path}, {_place(error)}, is not what a notebook holds there ({_why(error)}); {way_out}"
        ) from error
    except Exception as error:  # nbformat takes it for granted that JSON is a notebook, and trips in many ways
        raise TextError(f"{path} is no notebook of a known format ({_why(error)}); {way_out}") from error
    for n, cell in enumerate(found.cells, 1):
        texts.refuse_conflict(cell.source, f"{path}, cell {n}")
    return found


def figures_named(notebook: NotebookNode) -> list[tuple[int, str]]:
    """The figures that the text of a notebook speaks of: the number of the cell, from 1, and the figure's id."""
    texts = [(n, cell.source) for n, cell in enumerate(notebook.cells, 1) if cell.cell_type == "markdown"]
    return [(n, name) for n, text in texts for name in FIGURE.findall(text)]


def _place(error: ValidationError) -> str:
    """A fault's place in words: `cell 3, outputs.0`."""
    path = [str(part) for part in getattr(error, "absolute_path", ())]
    if path[:1] == ["cells"] and len(path) > 1:
        return ", ".join(filter(None, (f"cell {int(path[1]) + 1}", ".".join(path[2:]))))
    return ".".join(path) or "the file"


def _why(error: Exception) -> str:
    said: Any = getattr(error, "message", None) or error
    first = next(iter(str(said).splitlines()), "") or type(error).__name__
    return first if len(first) < 120 else f"{first[:117]}..."


def page(path: Path) -> str:
    """The text of a page in Markdown, or of a configuration in YAML.

    Raises:
        TextError: It is no text, holds the marks of a merge conflict, is no YAML, or no table of contents.
    """
    text = texts.read(path)
    if path.suffix == ".yml":
        try:
            raw = yaml.safe_load(text)
            if not isinstance(raw, dict):
                raise TextError(f"{path} holds a {type(raw).__name__}, and must hold names with values: `title: ...`")
            if path.name == "_toc.yml":
                parse_toc_data(raw)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f", line {mark.line + 1}," if mark else ""
            raise TextError(f"{path}{place} is no YAML: {getattr(error, 'problem', None) or error}") from error
        except MalformedError as error:
            raise TextError(f"{path} is no table of contents: {error}") from error
    return text


def address(path: Path) -> str:
    """The address of the book, from `html: baseurl` of a `_config.yml`; empty where it has none.

    Raises:
        TextError: It is no text that begins with http.
    """
    raw = yaml.safe_load(page(path)) if path.is_file() else {}
    found = (raw.get("html") or {}).get("baseurl") or ""
    if found and not (isinstance(found, str) and re.match(r"https?://[^/\s]+", found)):
        raise TextError(f"{path} has html: baseurl: {found!r}; write the book's address, https://..., or leave it out")
    return found


def references(path: Path) -> dict[str, str]:
    """What the works of a bibliography in BibTeX are cited as, by their keys: `He et al. (2016)`, `Text A`.

    Where two would be cited alike, their titles follow.

    Raises:
        TextError: The file is missing or no BibTeX, or has a key twice.
    """
    try:
        entries = parse_string(texts.read(path), "bibtex").entries
    except PybtexError as error:
        line = getattr(error, "lineno", None)
        place = f"{path}, line {line}," if line else f"{path}"
        said = re.sub(r"^[\w ]+ in line \d+: ", "", str(error))
        raise TextError(f"{place} is no BibTeX ({said}); mend it there") from error
    names = {key: _cited(entry) for key, entry in entries.items()}
    counts = Counter(names.values())
    titles = {key: str(Text.from_latex((entry.fields or {}).get("title", key))) for key, entry in entries.items()}
    return {key: name if counts[name] == 1 else f"{name}: {titles[key]}" for key, name in names.items()}


def _cited(entry: Entry) -> str:
    """Authors and year; the `key` field or the title of a work that lacks one of them."""
    people = [
        " ".join(map(str, (*one.rich_prelast_names, *one.rich_last_names)))
        for one in (entry.persons or {}).get("author", [])
    ]
    fields = entry.fields or {}
    if not people or "year" not in fields:
        return str(Text.from_latex(fields.get("key") or fields.get("title", entry.key)))
    several = len(people) > 2 or people[-1] == "others"
    authors = f"{people[0]} et al." if several else " and ".join(people)
    return f"{authors} ({fields['year']})"
