"""The pages of a run elsewhere show published verdicts, and beside them this machine's where they are others.

This module knows evidence and its comparison; it renders nothing.

Example:
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name, text in {"claims.yml": "[]", "references.bib": "% no source"}.items():
    ...         _ = Path(folder, name).write_text(text)
    ...     held = hold(Path(folder), Path(folder))  # a book without chapters, against itself
    >>> held.report.verdicts, told(held, "demo")
    (0, '')
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnet_lib import runtime
from resnet_lib.evidence import ledger
from resnet_lib.evidence.ledger import Findings
from resnet_lib.evidence.records import Shown
from resnet_lib.replication import comparison, replicas, report
from resnet_lib.replication.report import Report
from resnet_lib.sweep import provenance


@dataclass(frozen=True)
class Held:
    """A run of the book, held against what is published.

    Attributes:
        shown: The evidence for the pages: published verdicts, with what this run found where that is another; figures
            as they were just drawn. What is not published yet, or was under another rule, is shown as this run has it.
        report: The comparison.
        elsewhere: Whether it was computed, and on another kind of machine than what is published.
    """

    shown: Findings
    report: Report
    elsewhere: bool


def hold(run: Path, root: Path) -> Held:
    """Hold the executed book in the folder `run` against the published one in `root` and its kept runs.

    Outputs that were stored, not computed, are held against themselves: then the two folders are the same.

    Raises:
        ReplicationError: A kept run or the table of a figure is damaged.
    """
    published, fresh = ledger.read(root), ledger.read(run)
    outcome = report.compare(published, fresh, replicas.kept(root), roots=(root, run))
    return Held(_as_published(fresh, published), outcome, run != root and not is_reference(published))


def is_reference(evidence: Findings) -> bool:
    """Whether this machine and its versions are those of all published outputs, so that every bit should come again."""
    here = runtime.processor(), json.dumps(provenance.versions(), sort_keys=True)
    return report.published_by(evidence) == {here}


def told(held: Held, chapter: str) -> str:
    """The note of a page on a copy that another machine has computed, as Markdown; "" on a machine of its kind."""
    if not held.elsewhere:
        return ""
    mine = [name for name, shown in held.shown.verdicts.items() if shown.chapter == chapter]
    differing = [name for name in mine if "here" in held.shown.verdicts[name].record]
    same = f"{len(mine) - len(differing)} of {len(mine)} verdicts of this chapter came out the same here"
    other = f"; otherwise came out {', '.join(f'`{name}`' for name in differing)}" if differing else ""
    return (
        f"This copy was computed on {held.report.processor}. The text speaks of the reference, from "
        f"{held.report.reference}: verdicts and the numbers beside them are published ones, and figures and tables are "
        f"this machine's. {same}{other}. How the two are compared: {{doc}}`/replications`."
    )


def _as_published(fresh: Findings, published: Findings) -> Findings:
    verdicts = {}
    for name, shown in fresh.verdicts.items():
        known = published.verdicts.get(name)
        if known is None or not _comparable(known.record, shown.record):
            verdicts[name] = shown
            continue
        record = dict(known.record)
        if shown.record["quick"]["status"] != record["quick"]["status"]:
            record["here"] = shown.record["quick"]
        verdicts[name] = Shown(shown.chapter, record)
    return replace(fresh, verdicts=verdicts)


def _comparable(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two records are of one claim under one rule, measured with the same settings and seeds."""
    contract = ("statement", "measure", "rule", "control", "expected")
    same = all(old[part] == new[part] for part in contract)
    return same and bool(old["quick"] and new["quick"]) and not comparison.other_version(old["quick"], new["quick"])
