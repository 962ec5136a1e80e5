"""Small books for the tests: the fixture book with outputs that are made, not run."""

import functools
import shutil
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import numpy as np
import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from resnet_lib import claims, figures
from resnet_lib.provenance import Result, Stamp

FIXTURE = Path(__file__).parent / "book_fixture"
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


def result(radii: Sequence[float] = RADII, control: float = 0.5, **stamp: object) -> Result:
    """What the fixture's experiment might have found."""
    table = pd.DataFrame({"seed": range(len(radii)), "radius": radii, "half": control * np.array(radii)})
    return Result(table, replace(STAMP, **stamp))  # type: ignore[arg-type]


def disc(table: pd.DataFrame) -> claims.Evidence:
    """The fixture's measure."""
    return claims.Evidence(values=table["radius"].to_numpy(), control=table["half"].to_numpy())


def verdict(root: Path, found: Result | None = None, claim: str = CLAIM) -> NotebookNode:
    """The output of `claims.check`."""
    check = claims.check(claim, disc, found or result(), ledger=claims.load(root / "claims.yml"))
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
    """A chapter with these outputs, one a cell, executed from 1 to n."""
    cells = [new_markdown_cell("# A Gaussian matrix fills the unit disc", id="title")]
    for n, output in enumerate(outputs, 1):
        shown = nbformat.from_dict({**output, "execution_count": n})
        cells.append(new_code_cell("...", execution_count=n, outputs=[shown], id=f"cell-{n}"))
    path = root / "chapters" / f"{name}.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path
