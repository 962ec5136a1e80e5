"""The pages that are made of the ledger, and what it adds to those of the chapters."""

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from resnet_lib.evidence import ledger, pages
from resnet_lib.evidence.records import records
from tests import books


def test_the_outputs_of_the_pages_have_all_digits(root: Path):
    notebook = nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    stable = notebook.cells[1].outputs[0].data["text/html"]
    pages.show_all_digits(notebook, ledger.read(root))
    shown = notebook.cells[1].outputs[0].data["text/html"]
    assert "1.005" not in stable
    assert "1.005" in shown
    assert books.STAMP.command in shown


@pytest.mark.parametrize(
    ("source", "tags", "shown"),
    [
        ("import numpy as np\n\nfrom resnet_lib import (\n    nets,\n)", [], ["hide-input"]),
        ('display(\n    claims.check("a.b", measure, result),\n)', [], ["hide-input"]),
        ('claims.check("a.b", measure, result)', ["hide-output"], ["hide-output", "hide-input"]),
        ('claims.check("a.b", measure, result)', ["remove-input"], ["remove-input"]),
        ("from resnet_lib import nets\nnet = nets.mlp(2, 4)", [], []),
        ("%matplotlib inline", [], []),
        ("result = sweep.run(EXPERIMENT)", ["hide-output"], ["hide-output"]),
    ],
)
def test_code_that_is_no_part_of_the_argument_is_folded(source: str, tags: list[str], shown: list[str]):
    cell = new_code_cell(source, metadata={"tags": list(tags)})
    pages.hide_plumbing(new_notebook(cells=[new_markdown_cell("claims.check(", metadata={}), cell]))
    assert cell.metadata.tags == shown


def test_a_figure_has_a_number_and_the_text_speaks_of_it_by_that(root: Path):
    evidence = ledger.read(root)
    assert evidence.numbers == {"fixture-radius": "1.1"}
    other = replace(evidence.chapters["fixture"], name="other", page="chapters/12_other")
    shown = {name: replace(evidence.figures["fixture-radius"], chapter="other") for name in ("first", "second")}
    evidence = replace(evidence, chapters=evidence.chapters | {"other": other}, figures=evidence.figures | shown)
    assert evidence.numbers == {"fixture-radius": "1.1", "first": "12.1", "second": "12.2"}
    notebook = nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    notebook.cells[0].source = "[The figure](#fig-fixture-radius), not [a figure](#fig-second), nor [that](#eq-one)."
    pages.show_numbers(notebook, evidence, "fixture")
    assert notebook.cells[0].source == (
        '<a class="rl-ref" href="#fig-fixture-radius">Figure&nbsp;1.1</a>, not '
        '<a class="rl-ref" href="../chapters/12_other.html#fig-second">Figure&nbsp;12.2</a>, nor [that](#eq-one).'
    )
    pages.show_all_digits(notebook, evidence)
    (output,) = [output for output, kind, _ in records(notebook) if kind == "figure"]
    assert "Figure 1.1.</span>" in output.data["text/html"]
    assert "Figure 1.1.</span>" in pages.generated(ledger.read(root))["figure-index.md"]


def test_the_generated_pages_show_every_claim_and_figure(root: Path):
    made = pages.generated(ledger.read(root))
    downloads = {"_extra/ledger.csv", "_extra/ledger.json"}
    parts = {f"_generated/{part}.md" for part in ("findings", "chapters", "rests")}
    assert set(made) == {"ledger.md", "figure-index.md", "replications.md"} | parts | downloads
    for part in ('id="statement-fixture-disc"', 'id="claim-fixture-disc.radius"', "{cite:t}`ginibre1965statistical`"):
        assert part in made["ledger.md"]
    for part in ("chapters/01_fixture.html#claim-fixture-disc.radius", "figure-index.html#fig-fixture-radius"):
        assert part in made["ledger.md"]
    assert "figures/fixture-radius/fixture-radius.svg" in made["figure-index.md"]
    assert "ledger.html#statement-fixture-disc" in made["_generated/chapters.md"]
    assert "For matrices of any size" in made["_generated/chapters.md"]
    assert 'aria-label="fixture-disc.radius: holds"' in made["_generated/chapters.md"]
    assert "<td>–</td><td>1</td><td>–</td><td>–</td>" in re.sub(r"\s+(?=<td)", "", made["_generated/rests.md"])


def test_a_claim_that_is_not_checked_is_shown_as_such(root: Path):
    books.write(root, books.figure(root))
    evidence = ledger.read(root)
    assert "not checked" in pages.generated(evidence)["ledger.md"]
    assert evidence.tally == {"confirmed": 0, "confirmed in part": 0, "refuted": 0, "undecided": 1}


def test_the_front_page_shows_each_chapter_with_its_finding(root: Path):
    path = books.write(root, books.verdict(root), books.figure(root))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "\n\n**The disc has radius\n$1$.**\n\nMore **in bold**."
    nbformat.write(notebook, path)
    evidence = ledger.read(root)
    assert evidence.chapters["fixture"].finding == "The disc has radius $1$."
    told = pages.generated(evidence)["_generated/chapters.md"]
    assert "The disc has radius" in told
    assert "More" not in told


def test_the_ledger_corrects_for_the_number_of_claims(root: Path):
    page = pages.generated(ledger.read(root))["ledger.md"]
    assert "## Many claims at once" in page
    assert "Of the\n1 claims, 1 is judged on the mean or median of at least five values" in page
    assert "**1 of the 1 decided verdicts stand**" in page
    wide = books.result([x + 0.25 * (-1) ** i for i, x in enumerate(books.RADII)], control=0.5)
    books.write(root, books.verdict(root, wide), books.figure(root))
    evidence = ledger.read(root)
    (tested,) = evidence.tested
    assert tested.status == "undecided"
    assert tested.seeds is not None
    assert f">{tested.seeds} to decide</span>" in pages.generated(evidence)["ledger.md"]
    books.write(root, books.figure(root))
    assert "Many claims at once" not in pages.generated(ledger.read(root))["ledger.md"]


def test_the_provenance_of_an_experiment_is_told_once_on_a_page(root: Path):
    text = (root / "claims.yml").read_text()
    (root / "claims.yml").write_text(f"{text}\n{text.replace('fixture-disc', 'other-disc')}")
    books.write(root, books.verdict(root), books.verdict(root, claim="other-disc.radius"), books.figure(root))
    notebook = nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    evidence = ledger.read(root)
    pages.show_all_digits(notebook, evidence)
    first, second = (output.data["text/html"] for output, kind, _ in records(notebook) if kind == "verdict")
    assert first.count('id="provenance-fixture-radius-quick"') == 1
    assert 'href="#provenance-fixture-radius-quick"' in second
    assert 'id="provenance' not in second


def test_a_statement_stands_at_the_head_of_the_section_that_first_judges_it(root: Path):
    notebook = nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    at = next(n for n, cell in enumerate(notebook.cells) if cell.get("outputs"))
    before = [
        new_markdown_cell("## Earlier\n\nNothing is judged here."),
        new_markdown_cell("Words.\n\n## A disc\n\nMore words."),
        new_markdown_cell("Words without a heading."),
    ]
    notebook.cells[at:at] = before
    told = [cell.source for cell in notebook.cells]
    pages.show_statements(notebook, ledger.read(root))
    now = [cell.source for cell in notebook.cells]
    assert [a == b for a, b in zip(told, now, strict=True)] == [n != at + 1 for n in range(len(told))]
    start, _, rest = now[at + 1].partition("## A disc\n")
    statement, _, end = rest.partition("More words.")
    assert (start, end) == ("Words.\n\n", "")
    for part in (
        "<p>The eigenvalues of a Gaussian matrix",
        "For matrices of any size",
        "confirmed",
        "{cite:t}`ginibre",
    ):
        assert part in statement
    again = [cell.source for cell in notebook.cells]
    notebook.cells = [cell for cell in notebook.cells if not cell.get("outputs")]
    pages.show_statements(notebook, ledger.read(root))  # nothing is judged any more
    assert [cell.source for cell in notebook.cells if cell.source in again] == [c.source for c in notebook.cells]


def shown(root: Path) -> BeautifulSoup:
    return BeautifulSoup(pages.generated(ledger.read(root))["ledger.md"], "html.parser")


def test_a_row_of_the_ledger_says_all_that_a_claim_has(root: Path):
    other = replace(books.result(), table=books.result().table.assign(radius=2.0))
    books.write(root, books.verdict(root, varied={"twice the size": other}), books.figure(root))
    row = shown(root).find(id="claim-fixture-disc.radius")
    assert isinstance(row, Tag)
    words = " ".join(row.get_text(" ").split())
    for part in (
        *("✓ holds", "1.005", "rule 0.8 < mean < 1.2", "100%", "drawn", "Measured", "one value a draw", "Control"),
        *(
            "as it must",
            "must come out as mean < 0.7",
            "QUICK holds: mean",
            "FULL not yet computed",
            books.STAMP.command,
        ),
        *("twice the size: fails", "fixture-radius", "alone 7.3e-08"),
    ):
        assert part in words
    assert "chapters/01_fixture.html#claim-fixture-disc.radius" in {str(link["href"]) for link in row.find_all("a")}
    assert "fragile" not in words
    square = row.select_one(".rl-square.rl-fails")
    assert square is not None
    assert str(square["title"]).startswith("twice the size: fails, 2")
    assert row.find("math") is not None
    assert row.find(class_="math") is None  # nothing is left for MathJax to set


def test_a_fragile_verdict_and_one_that_the_book_leaves_open_are_marked_in_the_ledger(root: Path):
    wide = books.result([x + 0.25 * (-1) ** i for i, x in enumerate(books.RADII)], control=0.5)
    text = (root / "claims.yml").read_text()
    (root / "claims.yml").write_text(text.replace("expected: holds", "expected: open"))
    books.write(root, books.verdict(root, wide), books.figure(root))
    row = shown(root).find(id="claim-fixture-disc.radius")
    assert isinstance(row, Tag)
    assert row["data-fragile"] == "yes"
    assert row.select_one(".rl-fragile") is not None
    assert "? undecided" in row.get_text()
    books.write(root, books.verdict(root), books.figure(root))
    row = shown(root).find(id="claim-fixture-disc.radius")
    assert isinstance(row, Tag)
    assert "left open by the book" in row.get_text()


def test_what_this_machine_finds_otherwise_stands_in_the_ledger(root: Path):
    evidence = ledger.read(root)
    (told,) = evidence.verdicts.values()
    here = replace(told, record={**told.record, "here": {"status": "fails"}})
    page = pages.generated(replace(evidence, verdicts={"fixture-disc.radius": here}))["ledger.md"]
    assert "on this machine: fails" in page
    assert "on this machine" not in pages.generated(evidence)["ledger.md"]


@pytest.mark.parametrize(("value", "told"), [(2.0, True), (1.0, False)])
def test_the_ledger_lists_the_verdicts_that_another_choice_turns(root: Path, value: float, told: bool):
    assert "## Under other choices" not in pages.generated(ledger.read(root))["ledger.md"]
    found = books.result()
    other = replace(found, table=found.table.assign(radius=value))
    books.write(root, books.verdict(root, varied={"twice the size": other}), books.figure(root))
    page = pages.generated(ledger.read(root))["ledger.md"]
    assert "For\n1 claim the rule has been applied under others as well" in page
    line = "- fixture-disc.radius: holds as measured, the opposite with twice the size"
    assert (line in page, "None turns into its opposite." in page) == (told, not told)


def test_verdicts_of_another_chapter_stand_below_the_last_on_their_statement(root: Path):
    text = (root / "claims.yml").read_text()
    at = text.index("- id: fixture-disc.radius")
    claim = text[at:].rstrip("\n").replace("fixture-disc.radius", "fixture-disc.elsewhere")
    (root / "claims.yml").write_text(f"{text.rstrip()}\n    {claim}\n")
    books.write(root, books.verdict(root, claim="fixture-disc.elsewhere"), name="02_other")
    made = nbformat.read(root / "chapters/02_other.ipynb", as_version=4)
    evidence, notebook = ledger.read(root), nbformat.read(root / "chapters/01_fixture.ipynb", as_version=4)
    before = [len(cell.get("outputs", [])) for cell in notebook.cells]
    judging = next(n for n, cell in enumerate(notebook.cells) if "verdict" in str(cell.get("outputs", [])))
    pages.show_elsewhere(notebook, evidence, "fixture")
    now = [len(cell.get("outputs", [])) for cell in notebook.cells]
    assert [after - count for after, count in zip(now, before, strict=True)] == [
        int(n == judging) for n in range(len(now))
    ]
    told = notebook.cells[judging].outputs[-1].data["text/html"]
    assert 'href="../chapters/02_other.html"' in told
    assert 'id="claim-fixture-disc.elsewhere"' in told
    assert 'id="claim-fixture-disc.radius"' not in told
    pages.show_elsewhere(made, evidence, "other")  # which has no statement of its own
    assert "rl-elsewhere" not in str(made)
