import os
from pathlib import Path

import pytest
import yaml

from resnet_lib.evidence import statements

ROOT = Path(__file__).parents[2]
GOOD = r"""
- id: shift
  chapter: eigenvalue-clustering
  title: A title
  statement: The eigenvalues of $I+J$.
  sources: [text-a]
  when: Always.
  claims:
    - id: shift.values
      statement: Every eigenvalue.
      role: as-said
      kind: drawn
      measure: distance
      holds_if: every < 1e-10
      control: {measure: another distance, must: every > 0.01}
      expected: holds
    - id: shift.size
      statement: The size.
      role: as-said
      kind: drawn
      measure: size
      holds_if: 0.9 < mean < 1.1
      control: {measure: another distance, must: median > 2}
      expected: fails
- id: other
  chapter: eigenvalue-clustering
  title: Another
  statement: Another one.
  sources: [text-a, text-b]
  places: {text-b: its second section}
  when: Always.
  claims:
    - id: other
      statement: Alone.
      role: as-said
      kind: drawn
      measure: size
      holds_if: mean > -1
      control: {measure: another distance, must: mean < -2}
      expected: open
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "claims.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_ledger_is_what_its_file_says(tmp_path: Path) -> None:
    ledger = statements.load(write(tmp_path, GOOD))
    assert list(ledger.claims) == ["shift.values", "shift.size", "other"]
    raw = yaml.safe_load(GOOD)
    assert [statement.model_dump(exclude_unset=True) for statement in ledger.statements] == raw
    assert ledger.claim("shift.size").control.must == "median > 2"


def test_the_book_has_a_ledger() -> None:
    ledger = statements.load(ROOT / "claims.yml")
    raw = yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf-8"))
    assert [claim["id"] for statement in raw for claim in statement["claims"]] == list(ledger.claims)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    before = path.stat()
    assert statements.load(path).claim("shift.values").expected == "holds"
    write(tmp_path, GOOD.replace("expected: holds", "expected: fails"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    claim = statements.load(path).claim("shift.values")
    assert (claim.expects("quick"), claim.expects("full"), claim.expectation) == ("fails", "fails", "fails")


def test_full_may_have_an_expectation_of_its_own(tmp_path):
    path = write(tmp_path, GOOD.replace("expected: holds", "expected: open\n      expected_full: holds"))
    claim = statements.load(path).claim("shift.values")
    assert (claim.expects("quick"), claim.expects("full")) == ("open", "holds")
    assert claim.expectation == "open (FULL: holds)"


def test_an_unknown_id_lists_the_closest(tmp_path: Path) -> None:
    ledger = statements.load(write(tmp_path, GOOD))
    with pytest.raises(ValueError, match=r"id='shift\.value' is not in claims\.yml; close are shift\.values"):
        ledger.claim("shift.value")
    with pytest.raises(ValueError, match=r"id='zzz' is not in claims\.yml; close are shift\.values, shift\.size"):
        ledger.claim("zzz")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "every < 1e-10",
            "every =< 1e-10",
            r"statement shift, claim shift\.values, holds_if: .*'every =< 1e-10' is no rule",
        ),
        ("median > 2", "average > 2", r"statement shift, claim shift\.size, control\.must: .*every, mean or median"),
        ("      measure: distance\n", "", r"statement shift, claim shift\.values, measure: Field required"),
        (
            "measure: distance",
            "measure: the same",
            r"claim shift\.values, measure: .*'The same', and has to stand alone",
        ),
        ("statement: Every", "statement: It is so of every", r"claim shift\.values, statement: .*begins with 'It'"),
        ("measure: another distance, must: every", "measure: those of it, must: every", r"control\.measure: .*'Those'"),
        ("      role: as-said\n", "", r"claim shift\.values, role: Field required"),
        ("role: as-said", "role: as said", r"role: Input should be 'as-said', 'condition', 'law' or 'foil'"),
        ("kind: drawn", "kind: guessed", r"kind: Input should be 'theorem', 'drawn', 'trained' or 'published'"),
        ("  when: Always.\n", "", r"statement shift, when: Field required"),
        ("when: Always", f"when: {'so ' * 25}", r"statement shift, when: .*has 26 words; say it in at most 25"),
        ("measure: distance", "measure: distance to `x`", r"claim shift\.values, measure: .*has a backtick"),
        ("measure: distance", "measure: 5", r"claim shift\.values, measure: Input should be a valid string"),
        (
            "expected: open",
            "expected: maybe",
            r"statement other, claim other, expected: .*'holds', 'fails' or 'open'",
        ),
        ("expected: fails", "expects: fails", r"claim shift\.size, expects: Extra inputs are not permitted"),
        ("sources: [text-a]", "sources: []", r"statement shift, sources: .*at least 1"),
        (
            "sources: [text-a]",
            "sources: [text-a]\n  places: {text-b: its end}",
            r"statement shift, places: text-b is none of its sources, text-a",
        ),
        (
            "  chapter: eigenvalue-clustering\n  title: Another",
            "  title: Another",
            r"statement other, chapter: Field req",
        ),
        ("id: shift.size", "id: Shift", r"statement shift, claim Shift, id: String should match pattern"),
        ("id: shift.size", "name: shift.size", r"statement shift, claim number 2, id: Field required"),
        ("id: shift.size", "id: shift.values", r"claim shift\.values, id: given 2 times; an id is never used again"),
        ("id: other\n  chapter", "id: shift\n  chapter", r"statement shift, id: given 2 times"),
        ("id: shift.size", "id: shifts.size", r"statement shift, claim shifts\.size, id: must begin with shift"),
        ("of $I+J$", "of $I+J", r"statement shift, statement: .*has a \$ that does not delimit"),
        ("measure: distance", "measure: distance\n      measure: size", r"line 14, is no YAML: measure is given twice"),
        ("- id: shift\n", "- id: [shift\n", r"is no YAML"),
        (GOOD, "shift: 1", r"the file: Input should be a valid list"),
        (GOOD, "- 3", r"statement number 1: Input should be a valid dictionary"),
        (GOOD, "", r"is empty; restore it"),
        (GOOD, "# only a comment", r"the file: Input should be a valid list"),
        ("id: shift.size", "1: shift.size", r"line 17, is no YAML: the key 1 is no text"),
        ("id: shift.size", "? [a]\n      : shift.size", r"line 17, is no YAML: the key \['a'\] is no text"),
        ("title: A title", "title: 2020-13-45", r"is no YAML: .*quote the value that is meant"),
        ("title: A title", "title: !!bool maybe", r"is no YAML: .*quote the value that is meant"),
        (
            "title: A title",
            "title: !!python/object:os.system x",
            r"line 4, is no YAML: could not determine a constructor",
        ),
        ("title: A title", "title: A \x07title", r"line 4, is no YAML: the character 7 is not allowed"),
        (
            "  title: A title",
            "<<<<<<< HEAD\n  title: A title",
            r"line 4, holds the mark of a merge conflict \(<<<<<<<\)",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=f"(?s)claims.yml.*{message}"):
        statements.load(write(tmp_path, GOOD.replace(old, new, 1)))


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("every < 1e-10", "every").replace("expected: fails", "expected: 1")
    with pytest.raises(ValueError, match=r"(?s)values, holds_if: .*\n.*size, expected: "):
        statements.load(write(tmp_path, text))


def test_a_statement_needs_a_claim_that_its_sources_make(tmp_path: Path) -> None:
    head, tail = GOOD.split("- id: other\n  chapter")
    with pytest.raises(ValueError, match=r"statement other, claims: none has role: as-said"):
        statements.load(write(tmp_path, f"{head}- id: other\n  chapter{tail.replace('as-said', 'foil')}"))


def test_words_of_formulas_count_as_one(tmp_path: Path) -> None:
    formula = r"$a + b + c$ "
    text = GOOD.replace("when: Always.", f"when: {formula * 25}", 1)
    assert statements.load(write(tmp_path, text)).statements[0].when == (formula * 25).strip()
