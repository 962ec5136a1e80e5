"""Each change that must turn `make test` red is made to a small book, and does: on the message, not only on the colour.

The book is the fixture, executed here once. The mutants that need a kernel run side by side in one call of pytest; the
untouched book runs among them and stays green. Claims that flip and controls that stop failing are also in test_ledger.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pytest

from resnet_lib import runtime
from resnet_lib.book import build
from resnet_lib.evidence import ledger, markup, records
from resnet_lib.sweep import provenance
from tests import books
from tests.pages.test_built_files import Pages

ROOT = Path(__file__).parents[2]
NOTEBOOK = "chapters/01_fixture.ipynb"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """Kernels that find the fixture's experiment, and keep its trials away from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(books.FIXTURE))
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def good(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture book as it would be committed: executed, with its figures."""
    root = books.copy(tmp_path_factory.mktemp("good") / "a book")
    run = build.stage(root)
    assert build.execute(build.notebooks(run)) == []
    build.refresh(root, run)
    assert ledger.read(root).problems == ()
    return root


def replace(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert old in text, f"{file} no longer has {old!r}, so that this mutation would test nothing"
    (root / file).write_text(text.replace(old, new))


def cell(root: Path, n: int, change: Callable[[nbformat.NotebookNode], None]) -> None:
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    change([cell for cell in notebook.cells if cell.cell_type == "code"][n - 1])
    nbformat.write(notebook, root / NOTEBOOK)


def changed_number(root: Path) -> None:
    printed = re.search(r"mean radius (\d\.\d{3})", (root / NOTEBOOK).read_text())
    assert printed
    replace(root, NOTEBOOK, f"mean radius {printed[1]}", f"mean radius {float(printed[1]) + 0.01:.3f}")


def changed_count(root: Path) -> None:
    replace(root, NOTEBOOK, "8 draws", "9 draws")


def flipped_claim(root: Path) -> None:
    replace(root, NOTEBOOK, "fixture-disc.radius: holds", "fixture-disc.radius: fails")


def tame_control(root: Path) -> None:
    replace(root, "claims.yml", "must: mean < 0.7", "must: mean < 0.3")


def changed_figure(root: Path) -> None:
    table = root / "figures/fixture-radius/data.csv"
    frame = pd.read_csv(table)
    frame.loc[0, "radius"] = 2 * frame["radius"].max()
    frame.to_csv(table, index=False)


def unexecuted(root: Path) -> None:
    def forget(cell: nbformat.NotebookNode) -> None:
        cell.execution_count, cell.outputs = None, []

    cell(root, 3, forget)


def silent_figure(root: Path) -> None:
    def hush(cell: nbformat.NotebookNode) -> None:
        data = cell.outputs[0].data
        data["text/html"] = re.sub(r'alt="[^"]*"', 'alt=""', data["text/html"])

    cell(root, 5, hush)


def other_machine(root: Path) -> None:
    """As if another kind of processor had computed what is stored."""
    for file in (NOTEBOOK, "figures/fixture-radius/meta.json"):
        replace(root, file, f'"{runtime.processor()}"', '"Other CPU (1, 2), x86_64, AVX2"')
    sealed(root)


def sealed(root: Path) -> None:
    """Give the records of the notebook the hashes that they would have if they had come out like that."""
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    for output, kind, record in records.records(notebook):
        output.metadata[records.PUBLISHED] = provenance.sealed(kind, record)
    nbformat.write(notebook, root / NOTEBOOK)


def other_values(root: Path) -> None:
    """The stored values of the claim, which are exact, and its figure's, as if another formula had given them."""

    def move(cell: nbformat.NotebookNode) -> None:
        run = cell.outputs[0].metadata["resnet_lib"]["record"]["quick"]
        run["values"] = markup.listed(1.01 * markup.numbers(run["values"]))

    cell(root, 4, move)
    sealed(root)
    changed_figure(root)


def other_text(root: Path) -> None:
    replace(root, NOTEBOOK, "mean radius 1", "median radius 1")


# Mutations that touch different cells share a kernel, which takes seconds to start.
BOOKS = {
    "untouched": (),
    "foreign": (other_machine, changed_number),
    "wrong-elsewhere": (other_machine, other_values, other_text),
    "printed": (changed_number, changed_count, flipped_claim, changed_figure),
    "silenced": (tame_control, unexecuted, silent_figure),
}
# Cells are counted from 0, by nbval.
RED = [
    ("printed", "Cell 1", "mismatch 'stdout'"),
    ("printed", "Cell 2", "mismatch 'stdout'"),
    ("printed", "Cell 3", r"\+ .*radius: fails"),
    ("printed", "figures", "figure fixture-radius has changed"),
    ("printed", "stored", "code cell 4: the text/plain of verdict fixture-disc.radius is not what its record says"),
    ("wrong-elsewhere", "Cell 1", "text differs in more than its numbers"),
    ("wrong-elsewhere", "Cell 3", r"claim fixture-disc.radius: its values are off by 9.9e-03 of the largest"),
    ("wrong-elsewhere", "figures", "figure fixture-radius: radius is off by"),
    ("silenced", "Cell 3", "fixture-disc.radius: invalid"),
    ("silenced", "stored", "code cell 3: not executed, must be 3"),
    ("silenced", "stored", "code cell 5: image .*fixture-radius.svg has no alt text"),
]


def nbval(folders: list[Path], report: Path) -> dict[str, dict[str, str]]:
    """Failures of the notebooks below each folder: the text by the test's name."""
    plugins = ["-p", "tests.notebooks", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadscope"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, f"--junitxml={report}", *map(str, folders)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, dict[str, str]] = {folder.name: {} for folder in folders}
    tests = list(ElementTree.parse(report).iter("testcase"))
    assert len(tests) == 7 * len(folders), done.stdout
    for test in tests:
        folder = next(name for name in found if name in re.split(r"[./]", test.get("classname", "")))
        failed = [*test.iter("failure"), *test.iter("error")]
        if failed:
            found[folder][test.get("name", "")] = "\n".join(part.text or "" for part in failed)
    return found


@pytest.fixture(scope="module")
def reports(good: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("mutants")
    roots = []
    for name, mutations in BOOKS.items():
        root = Path(copytree(good, folder / name, ignore=ignore_patterns("_build")))
        for mutate in mutations:
            mutate(root)
        roots.append(root)
    return nbval(roots, folder / "report.xml")


def test_the_untouched_book_is_green(reports: dict[str, dict[str, str]]):
    assert reports["untouched"] == {}


def test_on_another_machine_a_number_that_is_only_printed_may_differ(reports: dict[str, dict[str, str]]):
    assert reports["foreign"] == {}


@pytest.mark.parametrize(("name", "test", "message"), RED)
def test_a_mutant_is_red(reports: dict[str, dict[str, str]], name: str, test: str, message: str):
    assert test in reports[name], reports[name]
    assert re.search(message, reports[name][test])


def test_nothing_else_is_red(reports: dict[str, dict[str, str]]):
    expected = {(name, test) for name, test, _ in RED} | {("silenced", "Cell 4")}  # the cell of the silent figure
    assert {(name, test) for name, failures in reports.items() for test in failures} == expected


def test_a_changed_formula_is_computed_again(good: Path, environment: pytest.MonkeyPatch, tmp_path: Path):
    """The trial is in the cache, and the package changes: neither an output nor a figure may be the old one."""
    library = Path(copytree(ROOT / "resnet_lib", tmp_path / "lib/resnet_lib", ignore=ignore_patterns("__pycache__")))
    replace(library, "linalg/matrices.py", ".abs().amax(-1)", ".abs().amax(-1) * 1.05")
    environment.setenv("PYTHONPATH", os.pathsep.join([str(library.parent), str(books.FIXTURE)]))
    before = (good / "figures/fixture-radius/data.csv").read_text()
    printed = re.search(r"mean radius (\d\.\d{3})", (good / NOTEBOOK).read_text())
    run = build.stage(good, tmp_path / "run")
    assert build.execute(build.notebooks(run)) == []
    again = re.search(r"mean radius (\d\.\d{3})", (run / NOTEBOOK).read_text())
    assert printed
    assert again
    assert float(again[1]) == pytest.approx(1.05 * float(printed[1]), abs=1e-3)
    assert (run / "figures/fixture-radius/data.csv").read_text() != before
    environment.setenv("PYTHONPATH", str(books.FIXTURE))


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("nowhere.html", "index.html: nowhere.html leads to no file"),
        ("index.html#nowhere", "index.html: index.html#nowhere leads to no anchor"),
        ("#nowhere", "index.html: #nowhere leads to no anchor"),
        ("#here", ""),
        ("index.html#here", ""),
        ("https://example.org/", ""),
    ],
)
def test_a_link_to_nowhere_is_red(tmp_path: Path, link: str, complaint: str):
    (tmp_path / "index.html").write_text('<p id="here">.</p>')
    assert Pages(tmp_path).complaint("index.html", link) == complaint
