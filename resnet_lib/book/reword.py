"""Stored verdicts in the words that claims.yml has now. Judges nothing: a rule that has changed is refused."""

from pathlib import Path
from typing import Any

import nbformat

from resnet_lib.evidence import cards, manuscript, records, statements
from resnet_lib.files import LEDGER, write_atomically
from resnet_lib.sweep import provenance


class RewordError(ValueError):
    """A verdict that was reached by another rule than claims.yml has."""


def notebook(path: Path, root: Path) -> list[Path]:
    """Give the verdicts of a chapter the words of claims.yml, and nothing else; return the files that changed.

    Args:
        path: The notebook.
        root: The book's folder.

    Raises:
        RewordError: Where claims.yml has another rule, another bound of a control or another expectation than the
            stored verdict was reached by, or not the claim at all. Then `resnet-lib refresh` judges it.
    """
    content, ledger = manuscript.notebook(path), statements.load(root / LEDGER)
    for output, kind, record in records.records(content):
        if kind != "verdict":
            continue
        try:
            new = reworded(record, ledger.claim(record["id"]))
        except ValueError as error:
            raise RewordError(f"{path.name}: {error}; run: resnet-lib refresh {manuscript.chapter(path)}") from error
        output.metadata[records.PUBLISHED] = nbformat.from_dict(provenance.sealed("verdict", new))
        output.data = nbformat.from_dict({"text/plain": cards.text(new), "text/html": cards.card(new, exact=False)})
    text = (nbformat.writes(content) + "\n").encode()
    if text == path.read_bytes():
        return []
    write_atomically(path, text)
    return [path]


def reworded(record: dict[str, Any], claim: statements.Claim) -> dict[str, Any]:
    """The record of a verdict with the words of its claim.

    Raises:
        ValueError: Where more than words have changed.
    """
    decided = {
        "rule": (record["rule"], claim.holds_if),
        "control": (record["control"]["must"], claim.control.must),
        "expected verdict": (record["expectation"], claim.expectation),
    }
    for name, (was, now) in decided.items():
        if was != now:
            raise ValueError(f"claim {claim.id} has the {name} {now!r}, and was judged with {was!r}")
    return record | claim.words | {"control": claim.control.contract}
