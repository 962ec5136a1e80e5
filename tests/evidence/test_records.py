"""Records behind outputs of notebooks: an edit by hand is found, and a run that changes nothing keeps the older one."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

from resnet_lib.evidence import ledger, records
from resnet_lib.evidence.texts import TextError
from tests import books
from tests.notebooks import complaints

V, F = "verdict fixture-disc.radius", "figure fixture-radius"


Edit = Callable[[nbformat.NotebookNode], object]


def put(*path: str, to: object) -> Edit:
    """Set a field of the record behind an output."""

    def edit(output: nbformat.NotebookNode) -> None:
        inner = output.metadata["resnet_lib"]["record"]
        for step in path[:-1]:
            inner = inner[step]
        assert inner[path[-1]] != to
        inner[path[-1]] = to

    return edit


@pytest.mark.parametrize(
    ("output", "edit", "said"),
    [
        (
            1,
            put("quick", "effect", to=1.19),
            f"code cell 1: the text/html of {V} is not what its record says",
        ),
        (
            1,
            put("quick", "effect", to=1.19),
            f"code cell 1: the text/plain of {V} is not what its record says",
        ),
        (
            1,
            put("quick", "n", to=20),
            f"code cell 1: the text/html of {V} is not what its record says",
        ),
        (
            1,
            put("quick", "effect", to=1.0049),
            f"code cell 1: the record of {V} has no hash, or was edited",
        ),
        (
            1,
            put("quick", "low", to=0.99),
            f"code cell 1: the record of {V} has no hash, or was edited",
        ),
        (
            1,
            put("quick", "stamp", "seconds", to=0.1),
            f"the record of {V} has no hash, or was edited",
        ),
        (1, lambda out: out.metadata["resnet_lib"].pop("sha256"), "verdict fixture-disc.radius has no hash"),
        (1, lambda out: out.data.update({"text/html": "<b>holds</b>"}), "the text/html of verdict fixture-disc.radius"),
        (1, lambda out: out.data.update({"text/plain": "holds"}), "the text/plain of verdict fixture-disc.radius"),
        (1, lambda out: out.data.pop("text/html"), "the text/html of verdict fixture-disc.radius is not what"),
        (
            2,
            put("caption", to="Another."),
            f"code cell 2: the text/html of {F} is not what its record",
        ),
        (2, put("rows", to=80), f"code cell 2: the record of {F} has no hash, or was edited"),
        (2, put("rows", to=80), "figure fixture-radius is shown otherwise than meta.json of its folder says"),
        (
            2,
            lambda out: out.data.update({"text/html": "<img alt='A picture'>"}),
            f"the text/html of {F}",
        ),
    ],
)
def test_evidence_that_was_edited_by_hand_is_found(root: Path, output: int, edit: Edit, said: str):
    path = root / "chapters/01_fixture.ipynb"
    notebook = nbformat.read(path, as_version=4)
    edit(notebook.cells[output].outputs[0])
    nbformat.write(notebook, path)
    problems = ledger.read(root).problems
    assert any(said in problem for problem in problems), problems
    if "meta.json" not in said:
        assert any(said in complaint for complaint in complaints(notebook))


def test_a_record_that_was_edited_is_not_taken_over(root: Path):
    """A run that finds the same keeps the older record, except where that is not as it was written."""
    path = books.write(root, books.verdict(root))
    before, fresh = nbformat.read(path, as_version=4), nbformat.read(path, as_version=4)
    put("quick", "stamp", "seconds", to=0.1)(before.cells[1].outputs[0])
    kept = deepcopy(fresh)
    records.keep_older_stamps(kept, before)
    assert kept == fresh
    for output in (before.cells[1].outputs[0], fresh.cells[1].outputs[0]):
        output.metadata["resnet_lib"].pop("sha256")
    put("quick", "stamp", "seconds", to=9.0)(fresh.cells[1].outputs[0])
    records.keep_older_stamps(fresh, before)  # older versions wrote no hash
    record = fresh.cells[1].outputs[0].metadata["resnet_lib"]
    assert record["record"]["quick"]["stamp"]["seconds"] == 0.1
    books.write(root, fresh.cells[1].outputs[0], books.figure(root))
    assert ledger.read(root).problems == ()


def test_a_record_that_says_the_same_keeps_its_older_stamp(root: Path):
    def run(**stamp: object) -> nbformat.NotebookNode:
        path = books.write(root, books.verdict(root, books.result(**stamp)))  # type: ignore[arg-type]
        return nbformat.read(path, as_version=4)

    def kept(new: dict, old: dict) -> bool:
        notebook, before = run(**new), run(**old)
        fresh = nbformat.from_dict(notebook)
        records.keep_older_stamps(notebook, before)
        assert notebook in (before, fresh)
        return notebook == before

    assert kept({"created": "2025-02-02T00:00:00+00:00", "seconds": 3.0, "commit": "2" * 40}, {})
    assert kept({"dirty": True}, {})
    assert not kept({"seconds": 3.0}, {"dirty": True})
    assert not kept({"source": "2" * 64}, {})
    assert not kept({"radii": [1.001 * x for x in books.RADII]}, {})


def test_the_outputs_that_publish_are_found_with_their_kinds(root: Path):
    notebook = nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    found = [(kind, record["id"]) for _, kind, record in records.records(notebook)]
    assert found == [("verdict", "fixture-disc.radius"), ("figure", "fixture-radius")]
    assert list(records.contradictions(notebook)) == []


def test_a_record_from_which_no_page_can_be_made_is_refused(root: Path):
    notebook = nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    del notebook.cells[2].outputs[0].metadata["resnet_lib"]["record"]["caption"]
    with pytest.raises(
        TextError, match=r"code cell 2: the record behind its output is not whole \((?s:.*)`make refresh`"
    ):
        list(records.contradictions(notebook))


def test_circumstances_are_left_out_at_every_depth():
    record = {"a": [{"commit": "1", "kept": 1}, 2], "stamp": {"seconds": 1.0, "source": "s"}, "device": "cpu"}
    assert records.without_circumstances(record) == {"a": [{"kept": 1}, 2], "stamp": {"source": "s"}}
