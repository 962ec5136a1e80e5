"""Small books for the tests: the fixture book with outputs that are made, not run."""

import functools
import json
import os
import shutil
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import nbformat
import numpy as np
import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from resnet_lib.evidence import claims, figures, statements
from resnet_lib.sweep import Result, Stamp

FIXTURE = Path(__file__).parent / "book_fixture"
# A folder's name as people choose it, and as shells, globs, URLs and templates would like to read it.
ODD = "a [b] *?#ü $c %20 {d} 'e' & f"
INDEX = "searchindex.js"
CLAIM = "fixture-disc.radius"
STAMP = Stamp(
    experiment="fixture-radius",
    preset="quick",
    command="resnet-lib run fixture-radius --preset quick",
    commit="0" * 40,
    dirty=False,
    source="1" * 64,
    data={},
    settings=[{"class": "Gaussian", "dimension": 64}],
    seeds=list(range(8)),
    device="cpu",
    versions={"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "scipy": "1.17.1"},
    seconds=1.5,
    created="2025-01-01T00:00:00+00:00",
    peak_memory=1,
)
RADII = (1.01, 0.98, 1.03, 0.99, 1.02, 0.97, 1.0, 1.04)


def copy(target: Path) -> Path:
    """The fixture book in the folder `target`."""
    return Path(shutil.copytree(FIXTURE, target, ignore=shutil.ignore_patterns("__pycache__", "_build")))


def buildable(target: Path) -> Path:
    """The fixture book in the folder `target`, with what Sphinx needs to make pages of it."""
    for name in ("_config.yml", "_ext", "_templates", "_static"):
        original, there = FIXTURE.parents[1] / name, target / name
        if original.is_dir():
            shutil.copytree(original, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, there)
    return Path(shutil.copytree(FIXTURE, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True))


def command(root: Path, *arguments: str) -> tuple[list[str], dict[str, Any]]:
    """A `resnet-lib` command on a copy of the fixture book, for `subprocess`; its trials are kept beside the copy."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(FIXTURE.parents[1]), str(root)]),
        "XDG_CACHE_HOME": str(root.parent / "cache"),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),  # to look through all fonts takes seconds
    }
    return [sys.executable, "-m", "resnet_lib.cli", *arguments], {"cwd": root, "env": environment}


def pages(root: Path) -> dict[str, bytes]:
    """All files of the built pages, by their names; of the search index what it says.

    Where a page is built again, Sphinx keeps the words that were on it in the index, each with an empty list of pages.
    """
    built = root / "_build/html"
    found = {path.relative_to(built).as_posix(): path.read_bytes() for path in built.rglob("*") if path.is_file()}
    if INDEX in found:
        said = index(built)
        for name, entries in said.items():
            if isinstance(entries, dict):
                said[name] = {word: places for word, places in entries.items() if places != []}
        found[INDEX] = json.dumps(said, sort_keys=True).encode()
    return found


def index(built: Path) -> dict[str, Any]:
    """The search index of built pages."""
    text = (built / INDEX).read_text(encoding="utf-8")
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


def unindexed(built: Path) -> set[str]:
    """The pages, without suffix, that the search index of built pages does not know."""
    found = (path.relative_to(built).with_suffix("").as_posix() for path in built.rglob("*.html"))
    written = {name for name in found if not name.startswith(("_static/", "figures/", "claims/"))}
    assert {"index", "ledger", "chapters/01_fixture"} <= written
    return written - {"search", "genindex"} - set(index(built)["docnames"])


def result(radii: Sequence[float] = RADII, control: float = 0.5, **stamp: object) -> Result:
    """What the fixture's experiment might have found."""
    table = pd.DataFrame({"seed": range(len(radii)), "radius": radii, "half": control * np.array(radii)})
    return Result(table, replace(STAMP, **stamp))  # type: ignore[arg-type]


def disc(table: pd.DataFrame) -> claims.Evidence:
    """The fixture's measure."""
    return claims.Evidence(values=table["radius"].to_numpy(), control=table["half"].to_numpy())


def verdict(root: Path, found: Result | None = None, claim: str = CLAIM, **options: Any) -> NotebookNode:
    """The output of `claims.check`, with `options` of it."""
    ledger = statements.load(root / "claims.yml")
    check = claims.check(claim, disc, found or result(), ledger=ledger, **options)
    data, metadata = check._repr_mimebundle_()
    return new_output("execute_result", data, metadata=metadata, execution_count=1)


@functools.cache
def _drawn() -> tuple[TemporaryDirectory[str], NotebookNode]:
    """The fixture's figure and the output of `figures.publish`, drawn once, for that takes a second."""
    from tests.book_fixture.fixture_experiment import draw

    folder = TemporaryDirectory()
    told = {"caption": "Spectral radius.", "alt": "Eight dots about one, one a draw.", "claims": [CLAIM]}
    published = figures.publish("fixture-radius", draw, result(), root=Path(folder.name), **told)
    data, metadata = published._repr_mimebundle_()
    return folder, new_output("execute_result", data, metadata=metadata, execution_count=1)


def figure(root: Path) -> NotebookNode:
    """The output of `figures.publish`; writes the figure's files."""
    folder, output = _drawn()
    shutil.copytree(Path(folder.name) / "figures", root / "figures", dirs_exist_ok=True)
    return deepcopy(output)


def write(root: Path, *outputs: NotebookNode, name: str = "01_fixture") -> Path:
    """A chapter with these outputs, one per cell, executed from 1 to n."""
    cells = [new_markdown_cell("# A Gaussian matrix fills the unit disc", id="title")]
    for n, output in enumerate(outputs, 1):
        shown = nbformat.from_dict({**output, "execution_count": n})
        cells.append(new_code_cell("...", execution_count=n, outputs=[shown], id=f"cell-{n}"))
    path = root / "chapters" / f"{name}.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path
