"""What people write and git merges: each kind of file, damaged in each way, gives one sentence with file and place."""

import json
import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from resnet_lib import sweep
from resnet_lib.cli import catalogue, command
from resnet_lib.evidence import texts
from tests import books
from tests.book_fixture import fixture_experiment

ROOT = Path(__file__).parents[2]
CHAPTER, RESULT = "chapters/01_fixture.ipynb", "results/fixture-radius/full.json"
COMMANDS = {  # what reads each kind of file, as the fastest command that does
    "claims.yml": ["ledger"],
    "references.bib": ["ledger"],
    CHAPTER: ["ledger"],
    "figures/fixture-radius/meta.json": ["ledger"],
    RESULT: ["verify"],
    "results/fixture-radius/full.csv": ["verify"],
    "_toc.yml": ["book", "collect"],
    "_config.yml": ["book", "collect"],
    "index.md": ["book", "collect"],
    "references.md": ["book", "collect"],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with a chapter, a figure and a stored result."""
    folder = tmp_path_factory.mktemp("whole")
    root = books.copy(folder / books.ODD)
    books.write(root, books.verdict(root), books.figure(root))
    shutil.copyfile(ROOT / "_config.yml", root / "_config.yml")
    result = sweep.run(fixture_experiment.FIXTURE, "full", workers=1, cache=folder / "cache", progress=False)
    sweep.store(result, root)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the working folder."""
    copy = shutil.copytree(whole, tmp_path / whole.name)
    monkeypatch.chdir(copy)
    monkeypatch.setattr(catalogue, "known", lambda: {"fixture": fixture_experiment.EXPERIMENTS})
    return copy


def conflict(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    ours = [b"<<<<<<< HEAD\n", *lines[1:2], b"=======\n", *lines[1:2], b">>>>>>> theirs\n"]
    return b"".join([*lines[:1], *ours, *lines[2:]])


def middle(data: bytes, added: bytes) -> bytes:
    half = data.index(b"\n", len(data) // 2) if b"\n" in data[len(data) // 2 :] else len(data) // 2
    return data[:half] + added + data[half:]


Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "of another encoding": lambda data: middle(data, "Universität".encode("latin-1")),
    "in UTF-16": lambda data: data.decode().encode("utf-16"),
    "with a conflict": conflict,
    "emptied": lambda data: b"",
    "of blanks": lambda data: b" \n\n",
    "cut off": lambda data: data.rstrip()[: len(data) // 2],
    "with a zero byte": lambda data: middle(data, b"\0"),
    "random": lambda data: bytes(range(256)),
}
HARMLESS = {  # half a page is a page, and half of a list is a list; Sphinx then misses what is gone
    (name, "cut off") for name in ("_toc.yml", "_config.yml", "index.md", "references.md")
}
PLACED = ("of another encoding", "with a conflict", "with a zero byte")


def refused(root: Path, name: str) -> str:
    """What the command that reads the file says, in one sentence: no traceback, status 1."""
    if COMMANDS[name][0] == "book":
        staged = CliRunner().invoke(command.main, ["book", "stage"])
        assert staged.exit_code == 0, staged.output
    done = CliRunner().invoke(command.main, COMMANDS[name])
    assert isinstance(done.exception, SystemExit), f"{done.exception!r}\n{done.output}"
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    said = [line for line in done.output.splitlines() if Path(name).name in line or Path(name).stem in line]
    assert said, done.output
    return said[0]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_damaged_file_is_named_with_the_place_of_the_damage(root: Path, name: str, damage: str):
    before = (root / name).read_bytes()
    (root / name).write_bytes(DAMAGES[damage](before))
    if (name, damage) in HARMLESS:
        return
    said = refused(root, name)
    if damage in PLACED and not name.startswith(("results/", "figures/")):
        assert re.search(r", line \d+", said), said
    (root / name).write_bytes(before)
    assert CliRunner().invoke(command.main, ["ledger"]).exit_code == 0


@pytest.mark.parametrize("instead", ["nothing", "a folder"])
@pytest.mark.parametrize("name", [name for name in COMMANDS if not name.endswith(".md")])
def test_a_missing_file_is_named(root: Path, name: str, instead: str):
    (root / name).unlink()
    if instead == "a folder":
        (root / name).mkdir()
    if name in ("_toc.yml", "claims.yml"):  # without them a folder is no book
        done = CliRunner().invoke(command.main, ["book", "stage"])
        assert done.exit_code == 1
        assert re.search(r"no (_toc|claims).yml", done.output)
    elif name == "_config.yml":
        pytest.skip("Jupyter Book has a configuration of its own where there is none")
    elif name == CHAPTER and instead == "nothing":
        done = CliRunner().invoke(command.main, ["ledger"])
        assert done.exit_code == 1
        assert "claim fixture-disc.radius is checked in no chapter" in done.output
    elif name.startswith("figures/") and instead == "nothing":
        done = CliRunner().invoke(command.main, ["ledger"])
        assert done.exit_code == 1
        assert "figures/fixture-radius does not exist" in done.output
    else:
        refused(root, name)


def parts(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all fields in a record, of dictionaries in lists only the first."""
    found = []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += [(*path, key), *parts(inner, (*path, key))]
    elif isinstance(value, list) and value:
        found += parts(value[0], (*path, 0))
    return found


def output_of(kind: str, root: Path, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The output of a chapter that publishes a verdict or a figure."""
    outputs = [cell.outputs[0] for cell in notebook.cells if cell.cell_type == "code"]
    return next(output for output in outputs if output.metadata["resnet_lib"]["kind"] == kind)


@pytest.mark.parametrize("change", ["removed", "of another type", "none", "renamed"])
@pytest.mark.parametrize("kind", ["verdict", "figure"])
def test_a_record_whose_field_is_wrong_is_refused(root: Path, kind: str, change: str):
    """Every field, at every depth: a sentence, or one of the ledger's problems, and never a traceback."""
    path, silent = root / CHAPTER, []
    good = nbformat.read(path, as_version=4)
    for place in parts(output_of(kind, root, good).metadata["resnet_lib"]):
        notebook = deepcopy(good)
        inner = output_of(kind, root, notebook).metadata["resnet_lib"]
        for step in place[:-1]:
            inner = inner[step]
        last = place[-1]
        if change == "removed":
            del inner[last]
        elif change == "renamed":
            inner[f"{last}_"] = inner.pop(last)
        else:
            if inner[last] is None and change == "none":
                continue
            inner[last] = None if change == "none" else [[{"a": 1}]]
        nbformat.write(notebook, path)
        done = CliRunner().invoke(command.main, ["ledger"])
        assert isinstance(done.exception, SystemExit | None), f"{place}: {done.exception!r}"
        if done.exit_code != 1:
            silent.append(".".join(map(str, place)))
    assert silent == []


NOTEBOOKS = {
    "[]": "is no notebook of a known format",
    "null": "is no notebook of a known format",
    "{}": "is not what a notebook holds there",
    '{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}': "Unsupported nbformat version 99",
    '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}': "missing an expected key: cells",
    '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": {}}': "cells, is not what a notebook holds there",
    '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}': "is no notebook of a known format",
    '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}': "has no title",
    '{"nbformat": 4,\n "nbformat_minor": 5,\n "cells": [,]}': "line 3, is no JSON",
    "[" * 100_000: "is nested too deeply",
}


@pytest.mark.parametrize("text", NOTEBOOKS, ids=range(len(NOTEBOOKS)))
def test_what_is_no_notebook_is_refused(root: Path, text: str):
    (root / CHAPTER).write_text(text)
    assert NOTEBOOKS[text] in refused(root, CHAPTER)


def test_a_mark_that_a_merge_tool_left_inside_a_cell_is_found(root: Path):
    path = root / CHAPTER
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "a = 1\n<<<<<<< local\nb = 2\n=======\nb = 3\n>>>>>>> remote"
    nbformat.write(notebook, path)
    assert f"{CHAPTER}, cell 2, line 2, holds the mark of a merge conflict (<<<<<<<)" in refused(root, CHAPTER)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@article{a,\n  title = {x}", ", line 2, is no BibTeX (premature end of file)"),
        ("@article{a,\n  title {x}}", ", line 2, is no BibTeX ('=' expected)"),
        ("@article{a, title = {x}}\n@article{a, title = {y}}", "is no BibTeX (repeated bibliography entry: a)"),
        ("@article{a,\n title = nobody}", ", line 2, is no BibTeX (nobody)"),
        ("no entries", "references.bib does not have"),
    ],
)
def test_what_is_no_bibliography_is_refused(root: Path, text: str, said: str):
    (root / "references.bib").write_text(text)
    assert said in refused(root, "references.bib")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("_toc.yml", "chapters2: 3", "_toc.yml is no table of contents: Unknown keys found: {'chapters2'}"),
        ("_toc.yml", "  - nonsense: 1", "_toc.yml is no table of contents: entry does not contain one of"),
        ("_toc.yml", "\t- x", ", is no YAML: "),
        ("_config.yml", "- x", "is no YAML"),
    ],
)
def test_what_is_no_configuration_is_refused(root: Path, name: str, text: str, said: str):
    with (root / name).open("a") as file:
        file.write(f"{text}\n")
    assert said in refused(root, name)
    (root / name).write_text("- a list\n")
    assert f"{name} holds a list, and must hold names with values" in refused(root, name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "it holds"),
        ({"stamp_sha256": None}, "the stamp was altered"),
        ({"columns": {}}, "the stamp was altered"),
        ({"sha256": None}, "full.csv"),
        ({"stamp": {}}, "missing or unknown"),
        ({"stamp": None}, "full.csv"),
    ],
)
def test_a_result_of_another_version_is_refused(root: Path, change: dict[str, object], said: str):
    path = root / RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert said in refused(root, RESULT)


def test_two_notebooks_of_one_chapter_are_refused(root: Path):
    shutil.copyfile(root / CHAPTER, root / "chapters/02_fixture.ipynb")
    said = refused(root, CHAPTER)
    assert "01_fixture.ipynb and 02_fixture.ipynb are both the chapter fixture, and only one can be shown" in said
    done = CliRunner().invoke(command.main, ["book", "stage"])
    assert done.exit_code == 0
    done = CliRunner().invoke(command.main, ["book", "execute"])
    assert done.exit_code == 1
    assert "are both the chapter fixture" in done.output


def test_a_good_text_is_read_whatever_system_wrote_it(tmp_path: Path):
    path = tmp_path / "text.md"
    for data in ("# Ä\n\ntext\n".encode(), "\ufeff# Ä\r\n\r\ntext\r\n".encode()):
        path.write_bytes(data)
        assert texts.read(path) == "# Ä\n\ntext\n"
    path.write_text("Heading\n=======\n\n<<<<<<<< eight, >>>>>>>inside\n")
    assert texts.read(path).startswith("Heading")
