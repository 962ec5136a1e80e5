"""The ledger as a table: one row a claim, what it is filtered by, and the downloads, held against claims.yml."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from resnet_lib.evidence import ledger, rows
from tests import books

ROOT = Path(__file__).parents[2]
COLUMNS = (
    *("id", "statement", "chapter", "page", "claim", "role", "kind", "sources", "data", "verdict", "expected"),
    *("verdict_quick", "verdict_full", "run", "effect", "low", "high", "n", "inside", "unit", "rule", "measure"),
    *("control", "control_must", "control_came_out", "same_again", "fragile", "p", "p_corrected", "seeds_to_decide"),
    *("other_choices", "turned_by", "figures", "command"),
)


@pytest.fixture(scope="module")
def book() -> rows.Table:
    """The table of the real book."""
    return rows.Table(ledger.read(ROOT))


def test_there_is_one_row_a_claim_in_the_order_of_the_book(book: rows.Table):
    ids = [row.claim.id for row in book.rows]
    assert sorted(ids) == sorted(book.book.ledger.claims)
    assert len(set(ids)) == len(ids)
    chapters = list(dict.fromkeys(row.statement.chapter for row in book.rows))
    assert chapters == [name for name, _ in book.book.by_chapter]


def test_the_downloads_agree_with_claims_yml(book: rows.Table):
    lines = list(csv.DictReader(io.StringIO(book.csv)))
    told = json.loads(book.json, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert tuple(lines[0]) == tuple(told["claims"][0]) == COLUMNS
    assert len(lines) == len(told["claims"]) == len(book.book.ledger.claims)
    for line, entry in zip(lines, told["claims"], strict=True):
        claim = book.book.ledger.claims[entry["id"]]
        record = book.book.verdicts[entry["id"]].record
        told_of_it = [entry[name] for name in ("claim", "role", "kind", "rule", "measure", "control", "control_must")]
        assert told_of_it == [
            *(claim.statement, claim.role, claim.kind, claim.holds_if, claim.measure),
            *(claim.control.measure, claim.control.must),
        ]
        assert entry["verdict"] == record["status"]
        size = "full" if record["full"] else "quick"
        assert (entry["run"], entry["effect"], entry["n"]) == (size, record[size]["effect"], record[size]["n"])
        assert entry["statement"] == entry["id"].partition(".")[0]
        for name, value in entry.items():
            text = "; ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            assert line[name] == text
    for statement, entry in zip(
        [one for _, found in book.book.by_chapter for one in found], told["statements"], strict=True
    ):
        assert (entry["id"], entry["when"], entry["sources"]) == (statement.id, statement.when, statement.sources)
        assert entry["verdict"] == book.book.verdict(statement)


def test_fragile_rows_are_those_of_the_ledger(book: rows.Table):
    assert {row.claim.id for row in book.rows if row.fragile} == {shown.record["id"] for shown, *_ in book.book.fragile}
    assert {row.claim.id for row in book.rows if row.turned} == {shown.record["id"] for shown, _ in book.book.turning}


def test_every_value_of_a_row_can_be_chosen_and_every_choice_finds_a_row(book: rows.Table):
    for facet in book.facets:
        found = {value for row in book.rows for value in row.facets[facet.name]}
        assert found == set(facet.values)
        assert all(" " not in value for value in found)  # they are a list of words in the page
        assert all(words and "$" not in words for words in facet.values.values())
    assert [facet.name for facet in book.facets] == list(book.rows[0].facets)


def test_every_question_has_an_answer(book: rows.Table):
    assert len(book.questions) == len(rows.QUESTIONS) + 2
    for query in book.questions.values():
        asked = dict(parse_qsl(query.removeprefix("?")))
        asked.pop("sort", None)
        assert any(all(value in row.facets[name] for name, value in asked.items()) for row in book.rows)


def test_a_question_without_an_answer_is_not_asked(root: Path):
    assert rows.Table(ledger.read(root)).questions == {}
    table = books.result([x + 0.25 * (-1) ** i for i, x in enumerate(books.RADII)], control=0.5)
    books.write(root, books.verdict(root, table, varied={"twice the size": table}), books.figure(root))
    asked = rows.Table(ledger.read(root)).questions
    assert asked["What is undecided, and how many seeds would decide?"] == "?verdict=undecided&sort=seeds"
    assert asked["Which hang on other choices?"] == "?sort=-choices"
    assert "What fails in trained networks?" not in asked


def test_a_claim_that_is_not_checked_has_a_row_that_says_so(root: Path):
    books.write(root, books.figure(root))
    (row,) = rows.Table(ledger.read(root)).rows
    assert row.facets["verdict"] == (rows.UNCHECKED,)
    assert row.facets["data"] == (rows.NO_DATA,)
    empty = ("page", "run", "effect", "n", "same_again", "p", "command", "verdict_quick")
    assert [row.entry[name] for name in empty] == [None] * len(empty)


def test_the_largest_run_is_the_one_that_counts(root: Path):
    full = books.result([2 * x for x in books.RADII], control=0.1, preset="full")
    books.write(root, books.verdict(root, replace(books.result(), full=full)), books.figure(root))
    (row,) = rows.Table(ledger.read(root)).rows
    entry = row.entry
    assert (row.preset, entry["verdict_quick"], entry["verdict_full"], entry["verdict"]) == (
        "full",
        "holds",
        "fails",
        "fails",
    )
    assert entry["effect"] == pytest.approx(2.01)


def test_a_book_without_claims_has_downloads_all_the_same(root: Path):
    evidence = ledger.read(root)
    empty = rows.Table(replace(evidence, ledger=replace(evidence.ledger, statements=())))
    assert (empty.csv, json.loads(empty.json)) == ("\n", {"statements": [], "claims": []})
    assert empty.questions == {}
