"""Stored verdicts in new words: the words change, no number and no stamp does, and another rule is refused."""

from pathlib import Path

import nbformat
import pytest

from resnet_lib.book import reword
from resnet_lib.evidence import ledger, records
from tests import books

NOTEBOOK = "chapters/01_fixture.ipynb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A good book of one claim and one figure."""
    root = books.copy(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    return root


def change(root: Path, old: str, new: str) -> None:
    text = (root / "claims.yml").read_text()
    assert text.count(old) == 1
    (root / "claims.yml").write_text(text.replace(old, new))


def record(root: Path) -> dict:
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    (found,) = (record for _, kind, record in records.records(notebook) if kind == "verdict")
    return found


def test_the_same_words_change_nothing(root: Path):
    before = (root / NOTEBOOK).read_bytes()
    reword.notebook(root / NOTEBOOK, root)
    assert reword.notebook(root / NOTEBOOK, root) == []
    assert nbformat.reads((root / NOTEBOOK).read_text(), 4) == nbformat.reads(before.decode(), 4)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("The spectral radius of a Gaussian matrix", "The largest eigenvalue of a Gaussian matrix", "statement"),
        ("at $d=64$, one value a draw", "for $d=64$, a value a draw", "measure"),
        ("of a matrix of half the size", "of half of the matrix", "control"),
        ("kind: drawn", "kind: theorem", "kind"),
    ],
)
def test_new_words_reach_the_notebook_and_no_number(root: Path, old: str, new: str, field: str):
    before = record(root)
    change(root, old, new)
    assert any("in older words" in said or "an older rule" in said for said in ledger.read(root).faults)
    assert reword.notebook(root / NOTEBOOK, root) == [root / NOTEBOOK]
    assert ledger.read(root).problems == ()
    after = record(root)
    assert after[field] != before[field]
    assert {name for name in after if after[name] != before[name]} == {field}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.8 < mean < 1.2", "0.7 < mean < 1.2", r"the rule '0\.7 < mean < 1\.2', and was judged with '0\.8 < mean"),
        ("mean < 0.7", "mean < 0.6", r"the control 'mean < 0\.6', and was judged with 'mean < 0\.7'"),
        ("expected: holds", "expected: open", r"the expected verdict 'open', and was judged with 'holds'"),
        ("- id: fixture-disc.radius", "- id: fixture-disc.other", r"id='fixture-disc.radius' is not in claims.yml"),
    ],
)
def test_more_than_words_is_refused_and_changes_nothing(root: Path, old: str, new: str, message: str):
    change(root, old, new)
    before = (root / NOTEBOOK).read_bytes()
    with pytest.raises(reword.RewordError, match=f"01_fixture.ipynb: .*{message}.*; run: resnet-lib refresh fixture"):
        reword.notebook(root / NOTEBOOK, root)
    assert (root / NOTEBOOK).read_bytes() == before


def test_figures_are_left_alone(root: Path):
    change(root, "kind: drawn", "kind: theorem")
    before = {path: path.read_bytes() for path in (root / "figures").rglob("*") if path.is_file()}
    reword.notebook(root / NOTEBOOK, root)
    assert {path: path.read_bytes() for path in (root / "figures").rglob("*") if path.is_file()} == before
    assert books.STAMP.as_dict() == record(root)["quick"]["stamp"]
