"""The ledger reads verdicts and figures out of the chapters' outputs, and holds them against claims.yml.

It runs nothing. An output of `claims.check` or
`figures.publish` carries its record in `metadata["resnet_lib"]`, with all digits and its hash.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbformat import NotebookNode

from resnet_lib import files
from resnet_lib.evidence import cards, claims, figures, manuscript, significance, statements
from resnet_lib.evidence.records import REFRESH, Shown, contradictions, records, without_circumstances

VERBS = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
    "invalid": ("is invalid", "are invalid"),
}
SUMMARIES = ("confirmed", "confirmed in part", "refuted", "undecided")
WORDS_A_MINUTE = 200  # of a text with formulas


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book.

    Attributes:
        name: Its name in claims.yml.
        page: The address of its page, without suffix.
        title: Its heading.
        finding: What stands in bold below the heading.
        minutes: How long its prose takes to read.
    """

    name: str
    page: str
    title: str
    finding: str
    minutes: int = 0

    @property
    def number(self) -> int:
        """The chapter's number, with which the name of its file begins.

        Example:
            >>> Chapter("plain-networks", "chapters/02_plain_networks", "Plain networks", "").number
            2
        """
        return int(self.page.rpartition("/")[2].partition("_")[0])


@dataclass(frozen=True)
class Findings:
    """The ledger, and what the chapters' outputs say about it.

    Attributes:
        ledger: The statements and rules.
        chapters: By their names.
        verdicts: What was checked, by the ids of the claims.
        figures: What was published, by the ids of the figures.
        faults: Where the outputs and claims.yml contradict each other, one sentence each; empty in a good book.
        cited: What the works of the bibliography are cited as, by their keys.
    """

    ledger: statements.Ledger
    chapters: dict[str, Chapter]
    verdicts: dict[str, Shown]
    figures: dict[str, Shown]
    faults: tuple[str, ...]
    cited: dict[str, str] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """The faults, and the verdicts that are not those that claims.yml defends, one sentence each."""
        return *self.faults, *_unexpected(self.ledger, self.verdicts)

    @property
    def statuses(self) -> dict[str, str]:
        """The verdict of each checked claim."""
        return {name: shown.record["status"] for name, shown in self.verdicts.items()}

    def verdict(self, statement: statements.Statement) -> str:
        """A statement in the light of its claims; one of `SUMMARIES`."""
        return claims.summary(statement, {name: s for name, s in self.statuses.items() if name in self.ledger.claims})

    def counts(self, statement: statements.Statement) -> str:
        """The verdicts of a statement's claims in words: `3 claims: 2 hold, 1 fails`."""
        n, found = len(statement.claims), Counter(self.statuses.get(claim.id) for claim in statement.claims)
        told = [f"{found[status]} {verbs[found[status] > 1]}" for status, verbs in VERBS.items() if found[status]]
        return f"{n} claim{'s' * (n > 1)}{': ' * bool(told)}{', '.join(told)}"

    @property
    def tested(self) -> list[significance.Tested]:
        """The claims that are judged on a mean or median, with p-values corrected for their number."""
        return significance.together([shown.record for id, shown in self.verdicts.items() if id in self.ledger.claims])

    @property
    def by_chapter(self) -> list[tuple[str, list[statements.Statement]]]:
        """The statements of each chapter, in the order of the book, and in that of claims.yml where it has no page."""
        names = dict.fromkeys([*self.chapters, *(statement.chapter for statement in self.ledger.statements)])
        told = ((name, [s for s in self.ledger.statements if s.chapter == name]) for name in names)
        return [(name, statements) for name, statements in told if statements]

    def only(self, chapter: str) -> "Findings":
        """The evidence of one chapter."""
        verdicts, figures = (
            {name: shown for name, shown in part.items() if shown.chapter == chapter}
            for part in (self.verdicts, self.figures)
        )
        return replace(self, verdicts=verdicts, figures=figures)

    @property
    def fragile(self) -> list[tuple[Shown, str, float]]:
        """Verdicts that a fresh run would repeat in fewer than 99 of 100 cases: record, preset, and in how many."""
        found = []
        for name, shown in self.verdicts.items():
            preset = "full" if shown.record["full"] else "quick"
            again = (shown.record[preset] or {}).get("same_again", 1.0)
            if name in self.ledger.claims and again < significance.FRAGILE:
                found.append((shown, preset, again))
        return sorted(found, key=lambda entry: entry[2])

    @property
    def turning(self) -> list[tuple[Shown, list[str]]]:
        """Verdicts that another choice turns into their opposite, with those choices."""
        found = ((shown, cards.turned(shown.record)) for shown in self.verdicts.values())
        return [(shown, choices) for shown, choices in found if choices]

    @property
    def varied(self) -> list[Shown]:
        """Verdicts that were reached under other choices as well."""
        return [shown for shown in self.verdicts.values() if shown.record.get("varied")]

    def drawn(self, claim: str) -> list[str]:
        """The ids of the figures that show a claim."""
        return [name for name, shown in self.figures.items() if claim in shown.record["claims"]]

    @property
    def numbers(self) -> dict[str, str]:
        """The numbers of the figures by their ids, `2.1`, `2.2`: the chapter's, and its figures in their order."""
        counts: Counter[str] = Counter()
        found = {}
        for name, shown in self.figures.items():
            counts[shown.chapter] += 1
            found[name] = f"{self.chapters[shown.chapter].number}.{counts[shown.chapter]}"
        return found

    @property
    def tally(self) -> dict[str, int]:
        """How many statements have which verdict."""
        return self.verdicts_of(self.ledger.statements)

    def verdicts_of(self, statements: Iterable[statements.Statement]) -> dict[str, int]:
        """How many of these statements have which verdict."""
        counts = Counter(map(self.verdict, statements))
        return {name: counts[name] for name in SUMMARIES}

    def measured(self, statements: Iterable[statements.Statement], kind: str) -> int:
        """How many claims of these statements, of one kind, have been checked."""
        return sum(c.kind == kind and c.id in self.verdicts for s in statements for c in s.claims)

    def computed_full(self, statements: Iterable[statements.Statement]) -> int:
        """How many claims of these statements are judged on a FULL result as well."""
        ids = [claim.id for statement in statements for claim in statement.claims if claim.id in self.verdicts]
        return sum(bool(self.verdicts[id].record["full"]) for id in ids)

    @property
    def summary(self) -> str:
        """The book in one line."""
        told = ", ".join(f"{count} {name}" for name, count in self.tally.items() if count)
        return f"{len(self.verdicts)} claims checked, {len(self.figures)} figures; statements: {told or 'none'}"


def read(root: Path) -> Findings:
    """The evidence in the notebooks, the claims.yml and the bibliography of the book in `root`.

    Raises:
        ValueError: One of these files cannot be read; the message names it and the place.
    """
    ledger = statements.load(root / files.LEDGER)
    chapters, shown, edited, named = {}, [], [], []
    for path in manuscript.notebooks(root):
        notebook, name = manuscript.notebook(path), manuscript.chapter(path)
        edited += [f"{path.name}, {said}" for said in contradictions(notebook, path)]
        named += [(f"{path.name}, cell {n}", name) for n, name in manuscript.figures_named(notebook)]
        words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
        page, minutes = f"chapters/{path.stem}", math.ceil(words / WORDS_A_MINUTE)
        chapter = Chapter(name, page, _title(notebook, path), _finding(notebook), minutes)
        chapters[chapter.name] = chapter
        shown += [(kind, Shown(chapter.name, record)) for _, kind, record in records(notebook)]
    checked = [entry for kind, entry in shown if kind == "verdict"]
    drawn = [entry for kind, entry in shown if kind == "figure"]
    cited = manuscript.references(root / "references.bib")
    folders = {path.parent.name for path in root.glob("figures/*/meta.json")}
    edited += altered(root, drawn)
    known = {entry.record["id"] for entry in drawn}
    edited += [f"{place} names the figure {name}, which no chapter has" for place, name in named if name not in known]
    faults = [*edited, *_claim_faults(ledger, chapters, checked, set(cited)), *_figure_faults(ledger, drawn, folders)]
    by_claim, by_figure = ({entry.record["id"]: entry for entry in entries} for entries in (checked, drawn))
    return Findings(ledger, chapters, by_claim, by_figure, tuple(faults), cited)


def _finding(notebook: NotebookNode) -> str:
    """The first paragraph in bold of the first cell, on one line; "" where there is none."""
    found = re.search(r"^\*\*(.+?)\*\*$", notebook.cells[0].source, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _title(notebook: NotebookNode, path: Path) -> str:
    lines = (line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    for line in lines:
        if line.startswith("# "):
            return line.removeprefix("# ").strip()
    raise ValueError(f"{path.name} has no title; its first Markdown cell must have a line that begins with '# '")


def altered(root: Path, drawn: Iterable[Shown]) -> Iterator[str]:
    """Sentences about the files of figures that are not those that a chapter shows, since one of both was edited.

    Args:
        root: The book's folder.
        drawn: Figures, as the chapters show them.
    """
    for record in (entry.record for entry in drawn):
        path = root / figures.FOLDER / str(record["id"]) / "meta.json"
        meta = figures.read(path)
        if meta is None:
            continue
        if without_circumstances(meta) != without_circumstances(record):
            yield f"figure {record['id']} is shown otherwise than {path.name} of its folder says; {REFRESH}"
        for name in figures.altered(path.parent, meta):
            place = f"{figures.FOLDER}/{record['id']}"
            yield f"{place}/{name} is not as it was published; restore it (git checkout -- {place}), or {REFRESH}"


def _claim_faults(
    ledger: statements.Ledger, chapters: Mapping[str, Chapter], checked: list[Shown], keys: set[str]
) -> Iterator[str]:
    known, refresh = ledger.claims, "run `make refresh`"
    for name, count in Counter(entry.record["id"] for entry in checked).items():
        if count > 1:
            yield f"claim {name} is checked {count} times; once is enough"
        if name not in known:
            yield f"claim {name} is checked, but claims.yml does not have it; write it there first"
    by_id = {entry.record["id"]: entry for entry in checked}
    for statement in ledger.statements:
        for key in sorted(set(statement.sources) - keys):
            yield f"statement {statement.id} has the source {key}, which references.bib does not have"
        for claim in statement.claims:
            entry, owner = by_id.get(claim.id), statement.chapter
            if claim.kind == "published" and (entry is None or entry.chapter != owner):
                owner = statements.PUBLISHED  # networks of others are measured there, or in the statement's own chapter
            if entry is None:
                yield f"claim {claim.id} is checked in no chapter; chapter {owner} has to check it"
                continue
            record = entry.record
            if entry.chapter != owner:
                yield f"claim {claim.id} is checked in {entry.chapter}, and claims.yml has it in {owner}"
            if (record["rule"], record["control"]) != (claim.holds_if, claim.control.contract):
                yield f"claim {claim.id} was judged by {record['rule']!r}, an older rule than claims.yml has; {refresh}"
            elif {name: record.get(name) for name in claim.words} != claim.words:
                yield f"claim {claim.id} is shown in older words than claims.yml has; {refresh}"


def _unexpected(ledger: statements.Ledger, verdicts: Mapping[str, Shown]) -> Iterator[str]:
    """Verdicts that are not those that claims.yml defends."""
    for id, claim in ledger.claims.items():
        for preset in statements.PRESETS if id in verdicts else ():
            run, expected = verdicts[id].record[preset], claim.expects(preset)
            if not run or run["status"] == expected or (expected == "open" and run["status"] != "invalid"):
                continue
            if run["status"] == "invalid":
                yield f"claim {id} ({preset.upper()}) is invalid: {run['reason']}"
            else:
                yield f"claim {id} ({preset.upper()}): expected {expected}, got {run['status']} ({run['reason']})"


def _figure_faults(ledger: statements.Ledger, drawn: list[Shown], folders: set[str]) -> Iterator[str]:
    names = Counter(entry.record["id"] for entry in drawn)
    for name, count in names.items():
        if count > 1:
            yield f"figure {name} is published {count} times; an id stands for one figure"
        if name not in folders:
            yield f"figure {name} is published, but figures/{name} does not exist; run `make refresh` and commit it"
    for name in sorted(folders - names.keys()):
        yield f"figures/{name} is published by no chapter; remove the folder, or publish the figure"
    for entry in drawn:
        for claim in sorted(set(entry.record["claims"]) - ledger.claims.keys()):
            yield f"figure {entry.record['id']} names the claim {claim}, which claims.yml does not have"


def table(evidence: Findings) -> str:
    """All verdicts as text: one line for each statement, and one for each of its claims."""
    lines = []
    for statement in evidence.ledger.statements:
        lines += ["", f"{statement.id}: {evidence.verdict(statement).upper()}"]
        for claim in statement.claims:
            entry = evidence.verdicts.get(claim.id)
            runs = {preset: entry.record[preset] if entry else None for preset in ("quick", "full")}
            told = (f"{preset.upper()} {run['status'] if run else '-':10}" for preset, run in runs.items())
            lines.append(f"  {claim.id:34} {'  '.join(told)}  expected {claim.expectation:10} {claim.holds_if}")
    return "\n".join(lines).strip()


def judged(evidence: Findings) -> Counter[str]:
    """The number of claims that are judged on each experiment, by its name: those that its FULL result is for."""
    runs = (shown.record["quick"] or shown.record["full"] for shown in evidence.verdicts.values())
    return Counter(run["stamp"]["experiment"] for run in runs)
