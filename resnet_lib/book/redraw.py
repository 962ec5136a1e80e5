"""Published figures, drawn again from their own data: for another colour, caption or size. Computes no result."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbformat import NotebookNode

from resnet_lib.evidence import figures, manuscript
from resnet_lib.files import write_atomically
from resnet_lib.sweep import Result, Stamp, agreement

PUBLISH = "figures.publish"
DATA = "data.csv"
DEFINITIONS = ast.Import | ast.ImportFrom | ast.FunctionDef


class RedrawError(ValueError):
    """A figure that cannot be drawn from what is published of it."""


def notebook(path: Path, root: Path) -> list[Path]:
    """Draw the figures of a chapter again, each from its data.csv and with its stamp; return the files that changed.

    The chapter's imports and functions are run, and the calls of `figures.publish` with the published table in place
    of their result; no other line is. What the notebook shows of the figure is renewed with its files.

    Args:
        path: The notebook.
        root: The book's folder.

    Raises:
        RedrawError: Where a call is not written out (an id that is no text, a drawing that is computed), the
            figure has not been published, its table cannot be read back to the same bytes, or drawing it fails, as
            where the drawing reads a column that the table does not have. Then `resnet-lib refresh` computes it.
    """
    content, names = manuscript.notebook(path), dict[str, Any]()
    changed: list[Path] = []
    for number, cell in enumerate(content.cells, 1):
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        known: list[ast.stmt] = [part for part in tree.body if isinstance(part, DEFINITIONS)]
        exec(compile(ast.Module(known, []), str(path), "exec"), names)  # of a chapter that `refresh` runs as a whole
        for call in calls(tree):
            try:
                published = _drawn(call, names, root)
            except Exception as error:
                raise RedrawError(
                    f"{path.name}, cell {number}: the figure cannot be drawn again from its data "
                    f"({type(error).__name__}: {error}); run: resnet-lib refresh {manuscript.chapter(path)}"
                ) from error
            changed += [published.folder / name for name in published.written]
            _shown(cell, published)
    text = (nbformat.writes(content) + "\n").encode()
    if text != path.read_bytes():
        write_atomically(path, text)
        changed.append(path)
    return changed


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls of `figures.publish` in a cell, in their order."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Call) and ast.unparse(part.func) == PUBLISH:
            yield part


def _drawn(call: ast.Call, names: dict[str, Any], root: Path) -> figures.Published:
    def value(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), PUBLISH, "eval"), dict(names))

    name, draw = map(value, call.args[:2])
    result = published(root / figures.FOLDER / name)
    options = {part.arg: value(part.value) for part in call.keywords if part.arg}
    return figures.publish(name, draw, result, root=root, **options)


def published(folder: Path) -> Result:
    """The table behind a figure and its stamp, as they were published.

    Raises:
        ValueError: Where there is none, or it is not written again as it stands there: a column has lost its kind.
    """
    meta = figures.read(folder / "meta.json")
    if meta is None:
        raise ValueError(f"{folder} has no meta.json, the figure has not been published")
    # Words stay words: "NA" and "none" are names of variants, and only an empty cell is no number.
    table = pd.read_csv(folder / DATA, keep_default_na=False, na_values=[""])
    if table.to_csv(index=False, lineterminator="\n").encode() != (folder / DATA).read_bytes():
        raise ValueError(f"{folder / DATA} is not the same when it is read and written")
    agrees = agreement.Columns("exact", meta.get("agrees", {}))
    return Result(table, Stamp.from_dict(meta["stamp"]), agrees=agrees)


def _shown(cell: NotebookNode, published: figures.Published) -> None:
    """Renew what a cell shows of a figure.

    Raises:
        RedrawError: Where it shows nothing of it.
    """
    data, metadata = published._repr_mimebundle_()
    name = published.meta["id"]
    sealed = [(output, output.get("metadata", {}).get("resnet_lib", {})) for output in cell.outputs]
    found = [output for output, seal in sealed if seal.get("kind") == "figure" and seal["record"].get("id") == name]
    if not found:
        raise RedrawError(f"the stored outputs do not show the figure {name}; run `resnet-lib refresh`")
    for output in found:
        output.data, output.metadata = nbformat.from_dict(data), nbformat.from_dict(metadata)
