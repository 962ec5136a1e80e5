"""A page for each figure and each claim, at an address that a citation can name: `figures/<id>/` and `claims/<id>/`.

The pages stand alone, without the theme: what is shown, what it says, the columns of its table, how to compute and to
cite it, with tags that Zotero and search engines read. Where the book has an address, they name it.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from resnet_lib.evidence import cards, changes, citations, figures, formulas, markup
from resnet_lib.evidence.ledger import Findings
from resnet_lib.evidence.statements import Claim, Statement

MANY = 6
"""A column of so many different values or fewer is described by them, one of more by its range."""
STARTED = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive, so that equal files make equal archives."""


def pages(
    evidence: Findings, contents: Mapping[str, bytes], base: str = "", told: Sequence[str] = ()
) -> dict[str, bytes]:
    """All pages, and an archive of each figure, by their paths relative to the folder of the site.

    Args:
        evidence: Of the book.
        contents: The files below `figures/`, by their paths.
        base: The book's address, such as `https://example.org/book`; empty where it has none.
        told: The entries of the changelog; where there are none, the pages tell no history.
    """
    made, packed = {}, {}
    history = changes.histories(told, evidence.ledger.claims) if told else {}
    for id, shown in evidence.figures.items():
        folder = f"figures/{id}/"
        own = {path.removeprefix(folder): data for path, data in contents.items() if path.startswith(folder)}
        if "data.csv" in own:
            table = pd.read_csv(io.BytesIO(own["data.csv"]))
            made[f"{folder}index.html"] = figure(shown.record, table, evidence, base, history)
            packed[f"{folder}{id}.zip"] = archive(shown.record, table, own)
    for statement in evidence.ledger.statements:
        for claim in statement.claims:
            made[f"claims/{claim.id}/index.html"] = judged(claim, statement, evidence, base, history.get(claim.id))
    return packed | {path: f"{html}\n".encode() for path, html in made.items()}


def plain(text: str) -> str:
    r"""A text without the dollars around its TeX, for what shows no formulas.

    Example:
        >>> plain("of size $1/L$")
        'of size 1/L'
    """
    return re.sub(r"(?<!\\)\$", "", text).replace("\\$", "$")


def figure(
    meta: Mapping[str, Any],
    table: pd.DataFrame,
    evidence: Findings,
    base: str = "",
    history: Mapping[str, changes.History] | None = None,
) -> str:
    """The page of a figure, from its meta.json and its table; with a history, that of the claims that it shows."""
    chapter = evidence.chapters[evidence.figures[meta["id"]].chapter]
    known = [claim for claim in meta["claims"] if claim in evidence.ledger.claims]
    created = meta["stamp"]["created"][:10]
    number = evidence.numbers[meta["id"]]
    title = f"Figure {number} ({meta['id']}): {re.split(r'[.;] ', meta['caption'])[0].rstrip('.')}."
    cited = Cited(title, created, f"figures/{meta['id']}/", base)
    about = {
        "@context": "https://schema.org",
        "@type": "Dataset",
        "name": cited.title,
        "description": meta["alt"],
        "license": figures.LICENCE,
        "creator": {"@type": "Organization", "name": figures.AUTHORS},
        "datePublished": created,
        "variableMeasured": meta["columns"],
        "distribution": [
            {"@type": "DataDownload", "encodingFormat": "text/csv", "contentUrl": "data.csv"},
            {"@type": "ImageObject", "encodingFormat": "image/png", "contentUrl": f"{meta['id']}.png"},
        ],
    }
    downloads = {kind: name.format(meta["id"]) for kind, name in figures.DOWNLOADS.items()}
    return markup.render(
        "landing-figure.html",
        meta=meta,
        number=number,
        chapter=chapter,
        book=evidence,
        columns=list(dictionary(table)),
        claims=[(claim, evidence.statuses.get(claim)) for claim in known],
        history=list(dict.fromkeys(entry for claim in known for entry in history[claim].own)) if history else None,
        told=linked(evidence),
        cited=cited,
        about=about,
        description=meta["alt"],
        authors=figures.AUTHORS,
        bibtex=figures.bibtex(meta, cited.address),
        downloads=downloads | {"all of it, ZIP": f"{meta['id']}.zip"},
        static=formulas.static,
    )


def judged(
    claim: Claim, statement: Statement, evidence: Findings, base: str = "", history: changes.History | None = None
) -> str:
    """The page of a claim; it says so where the claim has not been checked."""
    shown = evidence.verdicts.get(claim.id)
    record = shown.record if shown else None
    stamps = [run["stamp"] for run in (record or {}).values() if isinstance(run, Mapping) and "stamp" in run]
    created = max((stamp["created"][:10] for stamp in stamps), default="")
    status = record["status"] if record else "not checked"
    cited = Cited(f"Claim {claim.id}: {claim.statement}", created, f"claims/{claim.id}/", base)
    about = {
        "@context": "https://schema.org",
        "@type": "ClaimReview",
        "claimReviewed": plain(claim.statement),
        "author": {"@type": "Organization", "name": figures.AUTHORS},
        "datePublished": created,
        "reviewRating": {"@type": "Rating", "alternateName": status},
    }
    return markup.render(
        "landing-claim.html",
        claim=claim,
        statement=statement,
        chapter=evidence.chapters[shown.chapter] if shown else None,
        record=record,
        status=status,
        stamps=stamps,
        runs=[row for row in cards.runs(record) if row["run"]] if record else [],
        varied=[(each, cards.other(record, each)) for each in record.get("varied", ())] if record else [],
        effect=cards.effect(record) if record else "",
        drawn=evidence.drawn(claim.id),
        history=history,
        told=linked(evidence, claim.id),
        numbers=evidence.numbers,
        cited=cited,
        about=about,
        description=f"{status}: {plain(claim.statement)}",
        authors=figures.AUTHORS,
        bibtex=cited.bibtex(claim.id),
        static=formulas.static,
    )


def linked(evidence: Findings, here: str = "") -> Callable[[str], Markup]:
    """From an entry of the changelog to its HTML, in which claims are links to their pages, but for the one `here`."""
    pages = {id: f"../../claims/{id}/index.html" for id in evidence.ledger.claims if id != here}
    return lambda entry: changes.told(entry, pages.get)


@dataclass(frozen=True)
class Cited:
    """How a page is cited, in the forms that people and programs ask for.

    Attributes:
        tex: Its title, in which `$...$` is TeX.
        created: Its day, `2026-11-30`; empty where there is none.
        path: Of its folder.
        base: The book's address; empty where it has none.
    """

    tex: str
    created: str
    path: str
    base: str

    @property
    def title(self) -> str:
        """The title without the dollars around its TeX."""
        return plain(self.tex)

    @property
    def address(self) -> str:
        """The whole address; empty where the book has none."""
        return f"{self.base.rstrip('/')}/{self.path}" if self.base else ""

    @property
    def year(self) -> str:
        """The year, or `n.d.`"""
        return self.created[:4] or "n.d."

    @property
    def apa(self) -> str:
        """As the American Psychological Association has it."""
        return f"{figures.AUTHORS}. ({self.year}). {self.title} In {figures.BOOK}. {self.address or self.path}"

    @property
    def ris(self) -> str:
        """For reference managers."""
        lines = {"TY": "GEN", "TI": self.title, "AU": figures.AUTHORS, "PY": self.year, "T2": figures.BOOK}
        if self.address:
            lines["UR"] = self.address
        return "".join(f"{key}  - {value}\n" for key, value in lines.items()) + "ER  - \n"

    def bibtex(self, id: str) -> str:
        """The BibTeX entry of what has this id in the book."""
        fields = {
            "author": f"{{{figures.AUTHORS}}}",
            "title": self.tex,
            "howpublished": f"{figures.BOOK}, {self.path}",
            "year": self.year,
        }
        if self.address:
            fields["url"] = self.address
        return citations.entry(citations.key(id, self.created[:4]), fields)


def dictionary(table: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """The columns of a table: name, kind of values, and the values or their range.

    Example:
        >>> list(dictionary(pd.DataFrame({"depth": [20, 56], "loss": [0.1, 0.25]})))
        [('depth', 'whole number', '20, 56'), ('loss', 'number', '0.1, 0.25')]
    """
    for name in table:
        column = table[name]
        kind = {"i": "whole number", "u": "whole number", "f": "number", "b": "true or false"}.get(
            column.dtype.kind, "text"
        )
        different = column.dropna().unique()
        if len(different) <= MANY or kind == "text":
            told = ", ".join(f"{value:g}" if kind == "number" else str(value) for value in different[: 4 * MANY])
            told += ", ..." if len(different) > 4 * MANY else ""
        else:
            told = f"{np.min(different):g} to {np.max(different):g}"
        yield str(name), kind, told


def readme(meta: Mapping[str, Any], table: pd.DataFrame) -> str:
    """What an archive of a figure says of itself."""
    columns = "\n".join(f"  {name} ({kind}): {told}" for name, kind, told in dictionary(table))
    return (
        f"{meta['book']}: figure {meta['id']}\n\n{meta['caption']}\n\n{meta['alt']}\n\n"
        f"data.csv, {len(table)} rows\n{columns}\n\nComputed by: {meta['stamp']['command']}\n"
        f"Commit: {meta['stamp']['commit']}\nLicence: {meta['licence']}\nCite: cite.bib\n"
    )


def archive(meta: Mapping[str, Any], table: pd.DataFrame, contents: Mapping[str, bytes]) -> bytes:
    """A figure's files in one ZIP, without its script, and a README; equal files make equal bytes."""
    files = {name: data for name, data in contents.items() if name != figures.INTERACTIVE}
    files["README.txt"] = readme(meta, table).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(files):
            file.writestr(zipfile.ZipInfo(f"{meta['id']}/{name}", STARTED), files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()
