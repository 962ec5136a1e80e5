"""The ledger as a table with one row a claim: what it can be filtered by, and what its downloads hold.

It judges nothing and draws nothing; the page and its script show these rows (`templates/ledger.md`, `_ext/ledger`).
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from resnet_lib.evidence import cards, significance
from resnet_lib.evidence.ledger import Chapter, Findings
from resnet_lib.evidence.records import Shown
from resnet_lib.evidence.statements import PRESETS, Claim, Statement

KINDS = {
    "theorem": "identity or bound",
    "drawn": "random matrices, untrained networks",
    "trained": "networks trained here",
    "published": "networks of others",
}
ROLES = {
    "as-said": "as the sources say",
    "condition": "condition, of this book",
    "law": "law, of this book",
    "foil": "foil, said by nobody",
}
QUESTIONS: Mapping[str, Mapping[str, str]] = {
    "What fails in trained networks?": {"verdict": "fails", "kind": "trained"},
    "What is undecided, and how many seeds would decide?": {"verdict": "undecided", "sort": "seeds"},
    "Which verdicts are fragile?": {"fragile": "yes", "sort": "again"},
}
"""What readers ask most, and what the address of the ledger says then; one more question is about a source."""
UNCHECKED = "not checked"
NO_DATA = "none"


@dataclass(frozen=True)
class Row:
    """A claim with its verdict, and where it stands.

    Attributes:
        claim: As claims.yml has it.
        statement: That it belongs to.
        chapter: That it is checked in; None where it has no page.
        shown: The verdict; None where the claim is not checked.
        tested: Its p-values; None where it has none.
        figures: The ids of those that show it.
    """

    claim: Claim
    statement: Statement
    chapter: Chapter | None
    shown: Shown | None
    tested: significance.Tested | None
    figures: tuple[str, ...]

    @property
    def record(self) -> Mapping[str, Any]:
        """The verdict's record, empty where the claim is not checked."""
        return self.shown.record if self.shown else {}

    @property
    def verdict(self) -> str:
        """The verdict: `holds`, `fails`, `undecided`, `invalid` or `not checked`."""
        return self.record.get("status", UNCHECKED)

    @property
    def place(self) -> str:
        """The address of the claim in its chapter, "" where it has none."""
        return f"{self.chapter.page}.html#claim-{self.claim.id}" if self.chapter and self.shown else ""

    @property
    def preset(self) -> str:
        """The largest size that was computed, `quick` or `full`; "" where none was."""
        return next((preset for preset in reversed(PRESETS) if self.record.get(preset)), "")

    @property
    def run(self) -> Mapping[str, Any]:
        """What was measured at that size."""
        return self.record[self.preset] if self.preset else {}

    @property
    def again(self) -> float | None:
        """The probability that a fresh run of the same size gives the same verdict; None where none was estimated."""
        return self.run.get("same_again")

    @property
    def fragile(self) -> bool:
        """Whether a fresh run would repeat the verdict in fewer than 99 of 100 cases."""
        return self.again is not None and self.again < significance.FRAGILE

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the datasets that any of its runs has read."""
        runs = (self.record[preset] for preset in PRESETS if self.record.get(preset))
        # `cifar10 (files)` tells of the files that a dataset was read from, where they are no official ones.
        return tuple(dict.fromkeys(name.partition(" ")[0] for run in runs for name in run["stamp"]["data"]))

    @property
    def varied(self) -> Sequence[Mapping[str, Any]]:
        """What comes out under other choices."""
        return self.record.get("varied", ())

    @property
    def turned(self) -> list[str]:
        """The other choices under which the verdict turns into its opposite."""
        return cards.turned(self.record) if self.varied else []

    @property
    def facets(self) -> dict[str, tuple[str, ...]]:
        """What the row can be found by: the values of each of `FACETS`."""
        return {
            "verdict": (self.verdict,),
            "kind": (self.claim.kind,),
            "role": (self.claim.role,),
            "data": self.data or (NO_DATA,),
            "chapter": (self.statement.chapter,),
            "statement": (self.statement.id,),
            "source": tuple(self.statement.sources),
            "fragile": ("yes" if self.fragile else "no",),
        }

    @property
    def entry(self) -> dict[str, Any]:
        """The row as the downloads have it; what has no value is None, and several are a list."""
        return {
            "id": self.claim.id,
            "statement": self.statement.id,
            "chapter": self.statement.chapter,
            "page": self.place or None,
            "claim": self.claim.statement,
            "role": self.claim.role,
            "kind": self.claim.kind,
            "sources": list(self.statement.sources),
            "data": list(self.data),
            "verdict": self.verdict,
            "expected": self.claim.expectation,
            "verdict_quick": (self.record.get("quick") or {}).get("status"),
            "verdict_full": (self.record.get("full") or {}).get("status"),
            "run": self.preset or None,
            **{name: self.run.get(name) for name in ("effect", "low", "high", "n", "inside")},
            "unit": self.record.get("unit") or None,
            "rule": self.claim.holds_if,
            "measure": self.claim.measure,
            "control": self.claim.control.measure,
            "control_must": self.claim.control.must,
            "control_came_out": self.run.get("control_fails"),
            "same_again": self.again,
            "fragile": self.fragile,
            "p": self.tested.p if self.tested else None,
            "p_corrected": self.tested.adjusted if self.tested else None,
            "seeds_to_decide": self.tested.seeds if self.tested else None,
            "other_choices": [f"{each['choice']}: {each['status']}" for each in self.varied],
            "turned_by": self.turned,
            "figures": list(self.figures),
            "command": self.run["stamp"]["command"] if self.run else None,
        }


@dataclass(frozen=True)
class Facet:
    """What claims can be filtered by: its name in the address, its title, and its values with their words."""

    name: str
    title: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """All claims of the book, in its order.

    Example:
        >>> from resnet_lib import files
        >>> from resnet_lib.evidence import ledger
        >>> table = Table(ledger.read(files.root()))
        >>> [facet.name for facet in table.facets][:3], table.csv.splitlines()[0].split(",")[:2]
        (['verdict', 'kind', 'role'], ['id', 'statement'])
    """

    book: Findings

    @cached_property
    def rows(self) -> list[Row]:
        """One row a claim."""
        tested, found = {each.id: each for each in self.book.tested}, []
        for _, statements in self.book.by_chapter:
            for statement in statements:
                for claim in statement.claims:
                    shown = self.book.verdicts.get(claim.id)
                    chapter = self.book.chapters.get(shown.chapter if shown else statement.chapter)
                    figures = tuple(self.book.drawn(claim.id))
                    found.append(Row(claim, statement, chapter, shown, tested.get(claim.id), figures))
        return found

    @cached_property
    def facets(self) -> list[Facet]:
        """What the rows can be filtered by; of each its values that a row has, the most frequent first."""
        chapters = {name: self.book.chapters[name].title for name in self.book.chapters}
        titles = {statement.id: statement.id for statement in self.book.ledger.statements}
        words: dict[str, tuple[str, Mapping[str, str]]] = {
            "verdict": ("Verdict", {}),
            "kind": ("What was measured", KINDS),
            "role": ("Whose claim", ROLES),
            "data": ("Data", {NO_DATA: "no dataset"}),
            "chapter": ("Chapter", chapters),
            "statement": ("Statement", titles),
            "source": ("Source of the statement", self.book.cited),
            "fragile": ("A fresh run would agree", {"no": "in 99 of 100 and more", "yes": "in fewer: fragile"}),
        }
        found = []
        for name, (title, told) in words.items():
            counts = Counter(value for row in self.rows for value in row.facets[name])
            known = list(told) if name in ("kind", "role", "chapter", "statement") else []
            order = [value for value in known if value in counts]
            order += [value for value, _ in counts.most_common() if value not in order]
            found.append(Facet(name, title, {value: told.get(value, value) for value in order}))
        return found

    @property
    def questions(self) -> dict[str, str]:
        """What a reader may ask, each with the address that answers it; a question without an answer is left out."""
        asked = dict(QUESTIONS)
        for source in list(next(facet for facet in self.facets if facet.name == "source").values)[:1]:
            asked[f"What does {self.book.cited.get(source, source)} say that fails?"] = {
                "verdict": "fails",
                "role": "as-said",
                "source": source,
            }
        found = {}
        for words, wanted in asked.items():
            facets = {name: value for name, value in wanted.items() if name != "sort"}
            if any(all(value in row.facets[name] for name, value in facets.items()) for row in self.rows):
                found[words] = f"?{urlencode(wanted)}"
        if any(row.varied for row in self.rows):
            found["Which hang on other choices?"] = "?sort=-choices"
        return found

    @property
    def csv(self) -> str:
        """The claims as CSV, one row a claim; several values of a column are joined by semicolons."""
        lines = io.StringIO()
        entries = [row.entry for row in self.rows]
        writer = csv.DictWriter(lines, list(entries[0]) if entries else [], lineterminator="\n")
        writer.writeheader()
        for entry in entries:
            writer.writerow({name: "; ".join(x) if isinstance(x, list) else x for name, x in entry.items()})
        return lines.getvalue()

    @property
    def json(self) -> str:
        """The statements with their verdicts, and the claims, as JSON."""
        told = [
            {
                "id": statement.id,
                "title": statement.title,
                "statement": statement.statement,
                "chapter": statement.chapter,
                "sources": statement.sources,
                "places": statement.places,
                "verdict": self.book.verdict(statement),
                "when": statement.when,
            }
            for _, statements in self.book.by_chapter
            for statement in statements
        ]
        found = {"statements": told, "claims": [row.entry for row in self.rows]}
        return f"{json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False)}\n"
