"""pytest plugin: runs the chapters with nbval, strictly, in a staged copy. Load it with `-p tests.notebooks`.

Every code cell is a test: its outputs have to come out as stored. Text and HTML are compared exactly, except for
decimal numbers, which may differ by one unit in their last printed digit. Integers, and everything that is no number,
have to be equal. PNG images are not compared: the table behind a figure is, in the test named `figures` at the end of
each notebook. The test named `stored` at its beginning needs no kernel: see `complaints`.

That is so on the kind of machine that computed what is stored. On another one, training leads to other networks, and
verdicts and tables are compared as `resnet_lib.replication` does it: what is exact to its tolerance, what is sampled as
samples, with a rate of false alarms for the whole book. Other text has to be the same outside its numbers, and but for
the lines that name a claim whose values are sampled: these say how that sample came out. The header of the run says
which of the two it is.

The run writes nothing into the checkout: the notebooks are read from it, and run in a copy of the book.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?%?(?![\w])|\b(?:nan|inf|NaN)\b|-?–")
DECIMAL = re.compile(r"(?<![\w.])[-+]?\d+\.\d+(?:[eE][-+]?\d+)?(?!\w|\.\d)|(?<![\w.])[-+]?\d+[eE][-+]?\d+(?!\w|\.\d)")
# The id of a claim, as Markdown that speaks of it sets it.
NAMED = re.compile(r"`([\w-]+\.[\w-]+)`")
# Of the range that a column spans: how far a value behind a figure may be from the committed one. Another CPU rounds
# otherwise, and training amplifies that; a change of this size can just be seen. And what is only rounding.
SHARE, ROUNDING = 0.02, 1e-9
# Each of these makes nbval look away.
LOOPHOLES = re.compile(r"NBVAL|raises-exception|PYTEST_VALIDATE_IGNORE_OUTPUT", re.IGNORECASE)


def agrees(stored: str, fresh: str) -> bool:
    """Whether two printed texts are equal but for one unit in the last printed digit of their decimal numbers.

    >>> agrees("mean 0.25 of 40", "mean 0.26 of 40"), agrees("mean 0.25 of 40", "mean 0.25 of 41")
    (True, False)
    """
    if stored == fresh:
        return True
    if DECIMAL.split(stored) != DECIMAL.split(fresh):
        return False
    return all(_close(a, b) for a, b in zip(DECIMAL.findall(stored), DECIMAL.findall(fresh), strict=True))


def _close(stored: str, fresh: str) -> bool:
    a, b = Decimal(stored), Decimal(fresh)
    unit_a, unit_b = (Decimal(1).scaleb(int(x.as_tuple().exponent)) for x in (a, b))
    # 9.9e-16 and 1.0e-15 print a different last digit; the coarser of the two is the one that both know.
    return abs(a - b) <= max(unit_a, unit_b) and _digits(stored) == _digits(fresh)


def _digits(number: str) -> int:
    return len(number.lower().split("e")[0].partition(".")[2])


def complaints(notebook: NotebookNode) -> list[str]:
    """What is wrong with the stored outputs of a chapter, one sentence each; needs no kernel.

    Code cells have to be executed from 1 to n; no error, nothing on stderr; each image needs alt text or is marked as
    decoration with `alt=""` and `aria-hidden`; nothing may tell nbval to look away; what publishes a verdict or a
    figure has to show what its record says, for nbval compares no metadata.
    """
    # Not above: the plugin is loaded before the conftest that has the package's types checked on import.
    from resnet_lib.evidence import records

    found = list(records.contradictions(notebook))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for n, cell in enumerate(cells, 1):
        if cell.execution_count != n:
            got = "not executed" if cell.execution_count is None else f"execution count {cell.execution_count}"
            found.append(f"code cell {n}: {got}, must be {n}; run `make refresh`")
        if LOOPHOLES.search(cell.source) or LOOPHOLES.search(" ".join(cell.metadata.get("tags", []))):
            found.append(f"code cell {n}: a marker that keeps nbval from comparing; remove it")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"code cell {n}: stored error {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"code cell {n}: text on stderr: {output.text.strip()[:80]!r}")
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                found.append(f"code cell {n}: a bare image has no alt text; show it with figures.publish")
            for image in BeautifulSoup(data.get("text/html", ""), "html.parser").find_all("img"):
                if not str(image.get("alt", "")).strip() and not image.get("aria-hidden"):
                    found.append(f"code cell {n}: image {image.get('src')} has no alt text")
    return found


def outline(text: str, sampled: frozenset[str] = frozenset()) -> list[str]:
    """A text without its numbers, without the spaces that only line them up, and without lines on `sampled` claims.

    >>> outline("mean 0.25, n = 5") == outline("mean  12, n = 6"), outline("mean 0.2") == outline("median 0.2")
    (True, False)
    >>> outline("Open:\\n- `drop-sd.robust`: 40 seeds", frozenset({"drop-sd.robust"})) == outline("Open:")
    True
    """
    lines = [line for line in text.splitlines() if sampled.isdisjoint(NAMED.findall(line))]
    return [" ".join(part.split()) for part in NUMBER.split("\n".join(lines))]


@functools.cache
def reference(root: Path) -> "Reference":
    """What is published in the book below `root`, read once for all notebooks of a run."""
    from resnet_lib.evidence import ledger
    from resnet_lib.replication import comparison, replicas, report
    from resnet_lib.replication.held import is_reference

    published = ledger.read(root)
    runs = replicas.kept(root)
    columns = len(comparison.sampled_columns(published, published, (root, root), runs))
    level = report.ALARM / 2 / max(columns, 1)
    return Reference(published, runs, level, is_reference(published))


def how_compared(root: Path) -> str:
    """Which of the two comparisons a run makes, and why, in one line."""
    from resnet_lib import runtime
    from resnet_lib.replication import report

    found = reference(root)
    made = " and ".join(sorted({device for device, _ in report.published_by(found.published)})) or "nobody"
    if found.same_machine:
        return f"notebooks: compared exactly, for this machine is of the kind that computed them ({made})"
    return (
        f"notebooks: text compared exactly, sampled numbers as samples, for they were computed on {made}, and this is "
        f"{runtime.processor()}"
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which comparison it is."""
    return how_compared(config.rootpath) if (config.rootpath / "claims.yml").is_file() else None


def published(notebook: NotebookNode) -> list[str]:
    """The ids of the figures that a notebook's stored outputs publish."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    records = [output.get("metadata", {}).get("resnet_lib", {}) for output in outputs]
    return [record["record"]["id"] for record in records if record.get("kind") == "figure"]


def differences(committed: Path, fresh: Path) -> str:
    """Why the table of a figure that was just drawn is not the committed one, or "" where it is.

    Whole numbers and text have to be equal. Decimal numbers may differ by `SHARE` of their column's range, compared in
    order of size within the rows that agree in everything else: eigenvalues have no order that rounding would respect.
    """
    for which, path in (("committed", committed), ("fresh", fresh)):
        if not path.is_file():
            return f"the {which} figure has no {path.parent.name}/{path.name}; run `make refresh`"
    old, new = pd.read_csv(committed), pd.read_csv(fresh)
    keys = [name for name in map(str, old) if not pd.api.types.is_float_dtype(old[name])]
    why = f"figure {committed.parent.name} has changed, run `make refresh` if that is meant: "
    if list(old) != list(new) or len(old) != len(new):
        return f"{why}{len(old)} rows of {', '.join(map(str, old))} are now {len(new)} of {', '.join(map(str, new))}"
    for column in set(map(str, old)) - set(keys):
        a, b = (table.sort_values([*keys, column], ignore_index=True) for table in (old, new))
        if not a[keys].equals(b[keys]):
            return f"{why}{', '.join(keys)} are others"
        apart = (a[column] - b[column]).abs().max()
        if (
            apart > SHARE * (a[column].max() - a[column].min()) + ROUNDING
            or (a[column].isna() != b[column].isna()).any()
        ):
            return f"{why}{column} differs by up to {apart:.3g}"
    return "" if keys != list(old) or old.equals(new) else f"{why}its values are others"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "Chapter | None":
    """Collect notebooks, whatever nbval's own options say."""
    return Chapter.from_parent(parent, path=file_path) if file_path.suffix == ".ipynb" else None


@dataclass(frozen=True)
class Reference:
    """What another machine's outputs are compared with.

    Attributes:
        published: The evidence in the committed notebooks.
        runs: The kept runs.
        level: Below which p a sampled column alarms, in the whole book.
        same_machine: Whether this machine is of the kind that computed what is published.
    """

    published: Any
    runs: Any
    level: float
    same_machine: bool

    @functools.cached_property
    def sampled(self) -> frozenset[str]:
        """The ids of the claims whose values are sampled."""
        records = [shown.record for shown in self.published.verdicts.values()]
        return frozenset(record["id"] for record in records if record["agrees"]["values"] == "sampled")

    def output(self, fresh: NotebookNode, stored: NotebookNode) -> list[str]:
        """What is wrong with an output of another machine, one sentence each."""
        from resnet_lib.evidence import records

        published = stored.get("metadata", {}).get(records.PUBLISHED)
        if not published:
            return self._text(fresh, stored)
        computed = fresh.get("metadata", {}).get(records.PUBLISHED, {})
        old, new = published["record"], computed.get("record", {})
        if (computed.get("kind"), new.get("id")) != (published["kind"], old["id"]):
            return [f"{published['kind']} {old['id']} is stored, and {computed.get('kind')} {new.get('id')} came out"]
        parts = ("statement", "measure", "rule", "control") if published["kind"] == "verdict" else ("caption", "alt")
        other = [f"{old['id']}: another {part} is stored" for part in parts if old[part] != new[part]]
        return other or (self._verdict(old, new) if published["kind"] == "verdict" else [])  # tables: at the end

    def _verdict(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        from resnet_lib.replication import comparison, report
        from resnet_lib.sweep import agreement

        name = old["id"]
        found = [f"claim {name}: {why}" for why in comparison.stored_errors(old, new)]
        if not old["quick"] and not new["quick"]:  # what is published of other people's networks is stored alone
            return found
        if not old["quick"] or not new["quick"]:
            return [*found, f"claim {name}: QUICK is {'computed' if new['quick'] else 'published'}, and only that"]
        if why := comparison.other_version(old["quick"], new["quick"]):
            return [*found, f"claim {name}: {why}"]
        found += [f"claim {name}: {why}" for why in comparison.claim_errors(new, old["quick"], new["quick"])[0]]
        for column in comparison.claim_columns(name, old, new, self.runs):
            contrast = agreement.blocked(column.kept, column.fresh)
            if contrast.p < self.level:
                found.append(report.alarm(column, contrast, self.level))
        return found

    def figure(self, id: str, roots: tuple[Path, Path]) -> list[str]:
        """What is wrong with the table of a figure that was drawn again below the second of the two folders."""
        import json

        from resnet_lib.replication import comparison, replicas, report
        from resnet_lib.sweep import agreement

        metas = [json.loads((root / "figures" / id / "meta.json").read_text(encoding="utf-8")) for root in roots]
        tables = [replicas.table_of(root, id) for root in roots]
        found = [f"figure {id}: {why}" for why in comparison.figure_errors(*metas, *tables)[0]]
        for column in comparison.figure_columns(id, (metas[0], metas[1]), tables, self.runs):
            contrast = agreement.blocked(column.kept, column.fresh)
            if contrast.p < self.level:
                found.append(report.alarm(column, contrast, self.level))
        return found

    def _text(self, fresh: NotebookNode, stored: NotebookNode) -> list[str]:
        pairs = [(stored.get("text", ""), fresh.get("text", ""))]
        kinds = stored.get("data", {}).keys() | fresh.get("data", {}).keys()
        pairs += [(stored.get("data", {}).get(kind, ""), fresh.get("data", {}).get(kind, "")) for kind in kinds]
        return [
            f"text differs in more than its numbers:\n{old}\nis stored, and here it is\n{new}"
            for old, new in pairs
            if isinstance(old, str)
            and isinstance(new, str)
            and outline(old, self.sampled) != outline(new, self.sampled)
        ]


class Chapter(IPyNbFile):
    """One notebook: its code cells, and the tests around them."""

    def collect(self) -> Iterator[pytest.Item]:
        cells = list(super().collect())  # reads self.nb
        yield Around.from_parent(self, name="stored", check=lambda: complaints(self.nb))
        for cell in cells:
            yield Cell.from_parent(self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options)
        yield Around.from_parent(self, name="figures", check=self._changed_figures)

    def setup(self) -> None:
        # Not above: the plugin is loaded before the conftest that has the package's types checked on import.
        from resnet_lib.book import build

        root = self.path.parent.parent
        factory: pytest.TempPathFactory = self.config._tmp_path_factory  # type: ignore[attr-defined]
        self.staged = build.stage(root, factory.mktemp("book", numbered=True) / "run")
        self.config.option.nbval_current_env = True
        checkout, self.fspath = self.fspath, type(self.fspath)(self.staged / "chapters" / self.path.name)
        try:
            super().setup()  # starts the kernel in the folder of self.fspath
        finally:
            self.fspath = checkout

    def _changed_figures(self) -> list[str]:
        root = self.path.parent.parent
        if not self.reference.same_machine:
            return [why for id in published(self.nb) for why in self.reference.figure(id, (root, self.staged))]
        csv = [Path("figures") / identity / "data.csv" for identity in published(self.nb)]
        return [why for path in csv if (why := differences(root / path, self.staged / path))]

    @property
    def reference(self) -> "Reference":
        """What is published in this notebook's book."""
        return reference(self.path.parent.parent)


class Cell(IPyNbCell):
    """A code cell; stored and fresh outputs are compared by `agrees`."""

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        taken = self._take_over(test, ref)
        chapter: Any = self.parent
        if not chapter.reference.same_machine and len(test) == len(ref):
            found = [chapter.reference.output(*pair) for pair in zip(taken, ref, strict=True)]
            if wrong := [sentence for sentences in found for sentence in sentences]:
                self.comparison_traceback = wrong
                return False
            taken = ref
        return super().compare_outputs(taken, ref, skip_compare)

    def _take_over(self, test: list[NotebookNode], ref: list[NotebookNode]) -> list[NotebookNode]:
        """`test` with each text replaced by the stored one that it agrees with, so that nbval finds them equal."""
        if len(test) != len(ref):
            return test
        taken = []
        for fresh, stored in zip(test, ref, strict=True):
            copy: Any = nbformat.from_dict(fresh)
            if "text" in copy and agrees(str(stored.get("text", "")), copy.text):
                copy.text = stored.get("text", "")
            for kind, value in copy.get("data", {}).items():
                old = stored.get("data", {}).get(kind)
                if isinstance(value, str) and isinstance(old, str) and agrees(old, value):
                    copy.data[kind] = old
            taken.append(copy)
        return taken


class Around(pytest.Item):
    """A test of a whole notebook: passes where `check` returns no complaint."""

    def __init__(self, *, check: Any, **rest: Any) -> None:
        super().__init__(**rest)
        self.check = check
        self.obj = None

    def runtest(self) -> None:
        found = self.check()
        if found:
            raise Complaint("\n".join(found))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        own = excinfo.errisinstance(Complaint)
        return f"{self.path.name}\n{excinfo.value}" if own else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}::{self.name}"


class Complaint(AssertionError):
    """What `Around` found."""
