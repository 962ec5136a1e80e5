"""The plugin that runs the chapters: what it accepts, and what it refuses."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from resnet_lib.evidence.records import PUBLISHED
from tests.notebooks import agrees, complaints, differences, reference

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))

DECIMALS = st.decimals(min_value=-1000, max_value=1000, places=3)


@given(DECIMALS, st.integers(-50, 50))
def test_a_decimal_may_differ_by_one_in_its_last_digit_and_no_more(number: Decimal, steps: int):
    other = number + steps * Decimal("0.001")
    assert agrees(f"mean {number} of 7", f"mean {other} of 7") == (abs(steps) <= 1)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_an_integer_has_to_be_equal(a: int, b: int):
    assert agrees(f"{a} of 40 draws", f"{b} of 40 draws") == (a == b)


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("holds", "fails", False),
        ("0.25", "0.26", True),
        ("0.25", "0.250", False),  # more digits are another format
        ("0.25", "-0.25", False),
        ("-0.00", "0.00", True),
        ("0.99", "1.00", True),
        ("9.9e-16", "1.0e-15", True),
        ("9.9e-16", "1.0e-14", False),
        ("1e-3", "2e-3", True),
        ("1e-3", "3e-3", False),
        ("[0.10, 0.20].", "[0.11, 0.19].", True),
        ("[0.10, 0.20].", "[0.11, 0.22].", False),
        ("0.10 0.20", "0.10", False),
        ("version 3.11.7", "version 3.11.8", False),
        ("figure-0.5x", "figure-0.6x", False),
        ("nan", "0.1", False),
    ],
)
def test_what_agrees(stored: str, fresh: str, same: bool):
    assert agrees(stored, fresh) == same
    assert agrees(fresh, stored) == same


def chapter(*outputs: NotebookNode, count: int | None = 1, source: str = "1", tags: Sequence[str] = ()) -> NotebookNode:
    cell = new_code_cell(source, execution_count=count, outputs=list(outputs), metadata={"tags": list(tags)})
    return new_notebook(cells=[new_markdown_cell("# A title"), cell])


def html(text: str) -> NotebookNode:
    return new_output("display_data", {"text/html": text, "text/plain": "-"})


@pytest.mark.parametrize(
    ("notebook", "complaint"),
    [
        (chapter(count=None), "code cell 1: not executed, must be 1"),
        (chapter(count=2), "code cell 1: execution count 2, must be 1"),
        (chapter(new_output("error", ename="ValueError", evalue="no")), "stored error ValueError: no"),
        (chapter(new_output("stream", name="stderr", text="Warning!")), "text on stderr: 'Warning!'"),
        (chapter(html('<img src="a.svg">')), "image a.svg has no alt text"),
        (chapter(html('<img src="a.svg" alt=" ">')), "image a.svg has no alt text"),
        (chapter(new_output("display_data", {"image/png": "AAAA"})), "a bare image has no alt text"),
        (chapter(source="# NBVAL_IGNORE_OUTPUT\n1"), "a marker that keeps nbval from comparing"),
        (chapter(tags=("nbval-skip",)), "a marker that keeps nbval from comparing"),
        (chapter(tags=("raises-exception",)), "a marker that keeps nbval from comparing"),
    ],
)
def test_what_is_wrong_with_a_stored_notebook_is_said(notebook: NotebookNode, complaint: str):
    found = complaints(notebook)
    assert len(found) == 1
    assert complaint in found[0]


def test_nothing_is_wrong_with_a_good_notebook():
    good = chapter(new_output("stream", name="stdout", text="1"), html('<img src="a.svg" alt="A curve">'))
    assert complaints(good) == []


def figure(folder: Path, values: Sequence[float | str], column: str = "y") -> Path:
    folder.mkdir()
    pd.DataFrame({"x": range(len(values)), column: values}).to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


def test_a_changed_table_behind_a_figure_is_found(tmp_path: Path):
    committed = figure(tmp_path / "committed", [1.0, 2.0])
    assert differences(committed, figure(tmp_path / "same", [1.0, 2.0])) == ""
    assert differences(committed, figure(tmp_path / "near", [1.0, 2.019])) == ""
    assert "figure committed has changed" in differences(committed, figure(tmp_path / "other", [1.0, 2.021]))
    assert "figure committed has changed" in differences(committed, figure(tmp_path / "longer", [1.0, 2.0, 2.0]))
    renamed = figure(tmp_path / "renamed", [1.0, 2.0], column="z")
    assert "2 rows of x, y are now 2 of x, z" in differences(committed, renamed)
    relabelled = figure(tmp_path / "relabelled", [1.0, 2.0])
    relabelled.write_text(relabelled.read_text().replace("\n1,", "\n7,"))
    assert "x are others" in differences(committed, relabelled)


def test_rows_that_agree_in_all_but_decimals_have_no_order(tmp_path: Path):
    one, other = (tmp_path / name for name in ("one.csv", "other.csv"))
    pd.DataFrame({"block": [0, 0, 1], "real": [1.0, 2.0, 3.0]}).to_csv(one, index=False)
    pd.DataFrame({"block": [0, 0, 1], "real": [2.0, 1.0, 3.0]}).to_csv(other, index=False)
    assert differences(one, other) == ""
    pd.DataFrame({"block": [0, 0, 1], "real": [2.0, 3.0, 1.0]}).to_csv(other, index=False)
    assert "real differs by up to 2" in differences(one, other)


def test_in_a_column_of_integers_or_of_text_nothing_may_differ(tmp_path: Path):
    committed = figure(tmp_path / "committed", [0, 10_000])
    assert "has changed" in differences(committed, figure(tmp_path / "other", [1, 10_000]))
    committed = figure(tmp_path / "text", ["plain", "post"])
    assert differences(committed, figure(tmp_path / "same", ["plain", "post"])) == ""
    assert "has changed" in differences(committed, figure(tmp_path / "changed", ["plain", "pre"]))


def test_a_figure_that_is_not_drawn_or_not_committed_is_found(tmp_path: Path):
    there, nowhere = figure(tmp_path / "there", [1.0, 2.0]), tmp_path / "nowhere" / "data.csv"
    assert "the fresh figure has no nowhere/data.csv" in differences(there, nowhere)
    assert "the committed figure has no nowhere/data.csv" in differences(nowhere, there)


def test_every_chapter_is_stored_as_it_should_be():
    paths = sorted((Path(__file__).parents[1] / "chapters").glob("*.ipynb"))
    assert paths
    found = [f"{path.name}: {said}" for path in paths for said in complaints(nbformat.read(path, as_version=4))]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_on_another_machine_what_is_stored_agrees_with_itself(path: Path):
    elsewhere = replace(reference(ROOT), same_machine=False)
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) > 5
    found = [said for output in outputs for said in elsewhere.output(output, output)]
    assert not found, "\n" + "\n".join(found)


def test_a_stored_result_that_is_judged_otherwise_here_is_found():
    notebook = nbformat.read(ROOT / "chapters" / "27_published_networks.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    stored = next(one for one in outputs if one.metadata.get(PUBLISHED, {}).get("kind") == "verdict")
    assert stored.metadata[PUBLISHED].record["quick"] is None
    fresh = copy.deepcopy(stored)
    fresh.metadata[PUBLISHED].record["full"]["status"] = "undecided"
    (said,) = replace(reference(ROOT), same_machine=False).output(fresh, stored)
    assert "FULL is stored and holds, and its table, judged here, undecided" in said
