"""The ledger: the real book's evidence is as claims.yml expects, and each way in which it could not be is found."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from resnet_lib.evidence import figures, ledger
from resnet_lib.sweep import provenance
from tests import books

ROOT = Path(__file__).parents[2]


def test_the_book_says_what_claims_yml_expects():
    evidence = ledger.read(ROOT)
    assert not evidence.problems, "\n" + "\n".join(evidence.problems)
    assert set(evidence.verdicts) == set(evidence.ledger.claims)


SECONDS = ("param-cost.latency", "param-cost.wide", "param-cost.twice")


def test_every_expected_verdict_of_the_book_was_reached_with_a_control_that_broke():
    for name, shown in ledger.read(ROOT).verdicts.items():
        for preset in ("quick", "full"):
            run = shown.record[preset]
            assert run is None or run["control_fails"], name
        # Published networks are fetched, and seconds are those of one machine: a page shows what is stored of them.
        stored = shown.record["kind"] == "published" or name in SECONDS
        assert shown.record["full" if stored else "quick"], f"{name} was never judged"


def replace(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))


def test_nothing_is_wrong_with_a_good_book(root: Path):
    evidence = ledger.read(root)
    assert evidence.problems == ()
    assert evidence.summary == "1 claims checked, 1 figures; statements: 1 confirmed"


def unchecked(root: Path) -> None:
    books.write(root, books.figure(root))


def unknown(root: Path) -> None:
    replace(root, "claims.yml", "fixture-disc.radius", "fixture-disc.other")


def twice(root: Path) -> None:
    books.write(root, books.verdict(root), books.verdict(root), books.figure(root))


def no_source(root: Path) -> None:
    replace(root, "references.bib", "ginibre1965statistical", "ginibre1966")


def flipped(root: Path) -> None:
    books.write(root, books.verdict(root, books.result([2 * x for x in books.RADII], control=0.1)), books.figure(root))


def other_expectation(root: Path) -> None:
    replace(root, "claims.yml", "expected: holds", "expected: fails")


def tame_control(root: Path) -> None:
    books.write(root, books.verdict(root, books.result(control=0.99)), books.figure(root))


def stale_full(root: Path) -> None:
    found = books.result()
    full = books.result([2 * x for x in books.RADII], control=0.1, preset="full")
    books.write(root, books.verdict(root, books.Result(found.table, found.stamp, full)), books.figure(root))


def test_full_is_held_to_its_own_expectation(root: Path) -> None:
    replace(root, "claims.yml", "expected: holds", "expected: holds\n      expected_full: fails")
    stale_full(root)
    assert not [problem for problem in ledger.read(root).problems if "expected" in problem]
    replace(root, "claims.yml", "expected_full: fails", "expected_full: holds")
    assert any("(FULL): expected holds, got fails" in problem for problem in ledger.read(root).problems)


def other_rule(root: Path) -> None:
    replace(root, "claims.yml", "0.8 < mean < 1.2", "0.9 < mean < 1.1")


def other_words(root: Path) -> None:
    replace(root, "claims.yml", "close to one", "about one")


def other_chapter(root: Path) -> None:
    (root / "chapters/01_fixture.ipynb").rename(root / "chapters/02_other.ipynb")


def figure_twice(root: Path) -> None:
    books.write(root, books.verdict(root), books.figure(root), books.figure(root))


def figure_gone(root: Path) -> None:
    (root / "figures/fixture-radius").rename(root / "figures/fixture-other")


def figure_that_is_none(root: Path) -> None:
    path = root / "chapters/01_fixture.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "\n\nSee [the figure](#fig-fixture-other) and [the figure](#fig-fixture-radius)."
    nbformat.write(notebook, path)


def figure_of_unknown_claim(root: Path) -> None:
    output = books.figure(root)
    output.metadata["resnet_lib"]["record"]["claims"] = ["fixture-disc.nothing"]
    books.write(root, books.verdict(root), output)


@pytest.mark.parametrize(
    ("mutate", "problem"),
    [
        (unchecked, "claim fixture-disc.radius is checked in no chapter; chapter fixture has to check it"),
        (unknown, "claim fixture-disc.radius is checked, but claims.yml does not have it"),
        (twice, "claim fixture-disc.radius is checked 2 times"),
        (no_source, "statement fixture-disc has the source ginibre1965statistical, which references.bib does not have"),
        (flipped, r"claim fixture-disc.radius \(QUICK\): expected holds, got fails"),
        (other_expectation, r"claim fixture-disc.radius \(QUICK\): expected fails, got holds"),
        (tame_control, r"claim fixture-disc.radius \(QUICK\) is invalid: .*mean < 0.7"),
        (stale_full, r"claim fixture-disc.radius \(FULL\): expected holds, got fails"),
        (other_rule, "claim fixture-disc.radius was judged by '0.8 < mean < 1.2', an older rule than claims.yml has"),
        (other_words, "claim fixture-disc.radius is shown in older words than claims.yml has"),
        (other_chapter, "claim fixture-disc.radius is checked in other, and claims.yml has it in fixture"),
        (figure_twice, "figure fixture-radius is published 2 times"),
        (figure_gone, "figure fixture-radius is published, but figures/fixture-radius does not exist"),
        (figure_gone, "figures/fixture-other is published by no chapter"),
        (figure_that_is_none, "01_fixture.ipynb, cell 1 names the figure fixture-other, which no chapter has"),
        (figure_of_unknown_claim, "figure fixture-radius names the claim fixture-disc.nothing"),
    ],
)
def test_what_is_wrong_is_found(root: Path, mutate: Callable[[Path], None], problem: str):
    mutate(root)
    problems = ledger.read(root).problems
    assert any(re.search(problem, found) for found in problems), problems


FILES = ("data.csv", "fixture-radius.svg", "fixture-radius-dark.svg", "fixture-radius.pdf", "fixture-radius.png")


def one_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("name", [*FILES, "cite.bib"])
@pytest.mark.parametrize("change", [one_byte, lambda content: content + b"\n", None], ids=["byte", "longer", "gone"])
def test_a_file_of_a_figure_that_was_edited_by_hand_is_found(root: Path, name: str, change: Callable | None):
    """Also where the change is within what a fresh run may differ by."""
    path = root / "figures/fixture-radius" / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    (problem,) = ledger.read(root).problems
    assert problem == (
        f"figures/fixture-radius/{name} is not as it was published; restore it (git checkout -- "
        "figures/fixture-radius), or run `make refresh`"
    )


def test_hashes_that_were_edited_along_with_a_table_are_found(root: Path):
    """The notebook holds them as well, under a hash of its own."""
    folder = root / "figures/fixture-radius"
    before = hashlib.sha256((folder / "data.csv").read_bytes()).hexdigest()
    (folder / "data.csv").write_bytes((folder / "data.csv").read_bytes().replace(b"1.01", b"1.011", 1))
    after = hashlib.sha256((folder / "data.csv").read_bytes()).hexdigest()
    assert before != after
    replace(root, "figures/fixture-radius/meta.json", before, after)
    (problem,) = ledger.read(root).problems
    assert problem.startswith("figure fixture-radius is shown otherwise than meta.json of its folder says")
    replace(root, "chapters/01_fixture.ipynb", before, after)
    (problem,) = ledger.read(root).problems
    assert problem.endswith(
        "the record of figure fixture-radius has no hash, or was edited since it was written; run `make refresh`"
    )


def test_a_figure_of_an_older_version_has_no_hashes_and_says_so(root: Path):
    meta = root / "figures/fixture-radius/meta.json"
    record = json.loads(meta.read_text())
    assert sorted(record.pop("sha256")) == sorted(FILES)
    meta.write_text(json.dumps(record))
    path = root / "chapters/01_fixture.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].outputs[0].metadata["resnet_lib"] = provenance.sealed("figure", record)
    nbformat.write(notebook, path)
    (problem,) = ledger.read(root).problems
    assert problem.startswith("figures/fixture-radius/data.csv is not as it was published")


def test_every_file_of_a_figure_of_the_book_has_its_hash():
    for folder in (ROOT / "figures").iterdir():
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        there = {path.name for path in folder.iterdir()}
        assert set(meta["sha256"]) == there - {"meta.json", "cite.bib"}
        assert set(figures.DOWNLOADS.values()) <= {name.replace(folder.name, "{}") for name in there}


def test_a_chapter_without_a_title_is_refused(root: Path):
    path = root / "chapters/01_fixture.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "no title"
    nbformat.write(notebook, path)
    with pytest.raises(ValueError, match=r"01_fixture.ipynb has no title; its first Markdown cell must have a line"):
        ledger.read(root)


def test_the_table_of_the_command_names_each_verdict(root: Path):
    lines = ledger.table(ledger.read(root)).splitlines()
    assert lines[0] == "fixture-disc: CONFIRMED"
    assert re.search(r"fixture-disc.radius +QUICK holds +FULL - +expected holds +0.8 < mean < 1.2", lines[1])


def test_chapters_come_in_the_order_of_the_book_whatever_that_of_claims_yml(root: Path):
    text = (root / "claims.yml").read_text()
    (root / "claims.yml").write_text(
        text.replace("chapter: fixture", "chapter: later") + "\n" + text.replace("fixture-disc", "other-disc")
    )
    assert [name for name, _ in ledger.read(root).by_chapter] == ["fixture", "later"]
