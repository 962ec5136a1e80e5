"""The pages of the book: what the ledger adds to a chapter's page, and the pages that are made of it alone."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from resnet_lib.evidence import cards, figures, formulas, manuscript, markup, pictures, rows
from resnet_lib.evidence.ledger import Findings
from resnet_lib.evidence.records import records
from resnet_lib.evidence.statements import Statement

HIDING = {f"{verb}-{part}" for verb in ("hide", "remove") for part in ("input", "cell")}
"""Tags of cells whose code a page folds or leaves out."""


def hide_plumbing(notebook: NotebookNode) -> None:
    """Fold the code of cells that import or have claims judged: no argument needs it, and it is a click away."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and _is_plumbing(cell.source):
            tags = cell.metadata.get("tags", [])
            if not HIDING & set(tags):
                cell.metadata["tags"] = [*tags, "hide-input"]


def _is_plumbing(source: str) -> bool:
    """Whether code has claims judged, or does nothing but import."""
    if "claims.check(" in source:
        return True
    try:
        return all(isinstance(line, ast.Import | ast.ImportFrom) for line in ast.parse(source).body)
    except SyntaxError:  # a command of IPython
        return False


def show_all_digits(notebook: NotebookNode, evidence: Findings) -> None:
    """Replace the stable HTML of verdicts and figures by the one for the pages: all digits, and the provenance.

    A verdict is shown as `evidence` has it: as published, with what this machine found where that is another. The
    provenance of an experiment is told with the first verdict that rests on it.
    """
    told: set[cards.Stamped] = set()
    for output, kind, record in records(notebook):
        if kind == "verdict":
            shown = evidence.verdicts.get(record["id"])
            output.data["text/html"] = cards.card(shown.record if shown else record, told=told)
            told.update(cards.stamped(record))
        else:
            number = evidence.numbers.get(record["id"], "")
            output.data["text/html"] = figures.html(record, prefix="../figures", provenance=True, number=number)


def show_numbers(notebook: NotebookNode, evidence: Findings, chapter: str) -> None:
    """Replace what the text of a chapter calls a figure, `[the figure](#fig-drop-one)`, by its number, a link to it."""

    def link(found: re.Match[str]) -> str:
        name = found[1]
        if name not in evidence.numbers:  # a fault of the book, which `ledger.read` names
            return found[0]
        place = evidence.chapters[evidence.figures[name].chapter]
        page = "" if place.name == chapter else f"../{place.page}.html"
        return f'<a class="rl-ref" href="{page}#fig-{name}">Figure&nbsp;{evidence.numbers[name]}</a>'

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = manuscript.FIGURE.sub(link, cell.source)


def show_statements(notebook: NotebookNode, evidence: Findings) -> None:
    """Put each statement at the head of the section that holds the first verdict on it, with its own verdict and when.

    The section is that of the nearest heading of second or third level above.
    """
    headed: set[str] = set()
    heads: dict[tuple[int, int], list[Statement]] = {}
    place: tuple[int, int] | None = None
    owners = {claim.id: statement for statement in evidence.ledger.statements for claim in statement.claims}
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            lines = cell.source.splitlines()
            place = max(((at, n + 1) for n, line in enumerate(lines) if re.match("###? ", line)), default=place)
            continue
        for _, kind, record in records(NotebookNode(cells=[cell])):
            statement = owners.get(record["id"]) if kind == "verdict" else None
            if place and statement and statement.id not in headed:
                headed.add(statement.id)
                heads.setdefault(place, []).append(statement)
    for (at, line), found in sorted(heads.items(), reverse=True):
        lines = notebook.cells[at].source.splitlines()
        told = [markup.render("said.md", book=evidence, statement=statement) for statement in found]
        lines[line:line] = ["", *told, ""]
        notebook.cells[at].source = "\n".join(lines)


def show_elsewhere(notebook: NotebookNode, evidence: Findings, chapter: str) -> None:
    """Show the verdicts of other chapters on a chapter's own statements, below its last verdict on each.

    The chapter on published networks judges statements of all others, whose readers see there what it found.
    """
    last: dict[str, NotebookNode] = {}
    told = {stamped for _, kind, record in records(notebook) if kind == "verdict" for stamped in cards.stamped(record)}
    own = {claim.id: s for s in evidence.ledger.statements if s.chapter == chapter for claim in s.claims}
    for cell in notebook.cells:
        for _, kind, record in records(NotebookNode(cells=[cell])):
            if kind == "verdict" and record["id"] in own:
                last[own[record["id"]].id] = cell
    for statement in evidence.ledger.statements:
        if statement.id not in last:
            continue
        judged = [evidence.verdicts[claim.id] for claim in statement.claims if claim.id in evidence.verdicts]
        for other in dict.fromkeys(shown.chapter for shown in judged if shown.chapter != chapter):
            place = evidence.chapters[other]
            link = f"../{place.page}.html"
            rows = [f'<p class="rl-elsewhere">In <a href="{link}">{markup.prose(place.title)}</a>:</p>']
            for shown in judged:
                if shown.chapter == other:
                    rows.append(cards.card(shown.record, told=told))
                    told.update(cards.stamped(shown.record))
            words = f"Verdicts of the chapter {place.title} on {statement.id}"
            last[statement.id].outputs.append(
                new_output("display_data", data={"text/html": "\n".join(rows), "text/plain": words})
            )


def generated(evidence: Findings, runs: Sequence[Any] = ()) -> dict[str, str]:
    """The generated pages by their paths: ledger, figure index, replications, and the front page's findings.

    With them come the downloads of the ledger, which are served as they are.

    Args:
        evidence: Of the book.
        runs: `replicas.Replica`s that are kept, for the page that lists them.
    """

    table = rows.Table(evidence)

    def page(template: str) -> str:
        told = {"book": evidence, "table": table, "runs": runs, "static": formulas.static, "kinds": rows.KINDS}
        told["own"] = dict(evidence.by_chapter)
        return f"{markup.render(template, **told, cards=cards, figures=figures, pictures=pictures)}\n"

    parts = ("findings", "chapters", "rests")  # of the front page, which has the headings
    names = ("ledger.md", "figure-index.md", "replications.md", *(f"_generated/{part}.md" for part in parts))
    made = {path: page(Path(path).name) for path in names}
    return made | {"_extra/ledger.csv": table.csv, "_extra/ledger.json": table.json}
