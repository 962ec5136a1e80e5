"""An output of a notebook publishes a record; this module tells whether the output shows what its record says.

An output of `claims.check` or `figures.publish` carries its record in `metadata["resnet_lib"]`, with all digits and its
hash.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from resnet_lib.evidence import cards, figures, significance
from resnet_lib.evidence.texts import TextError
from resnet_lib.sweep import provenance

PUBLISHED = "resnet_lib"
REFRESH = "run `make refresh`"


@dataclass(frozen=True)
class Shown:
    """A record, and the chapter whose output shows it."""

    chapter: str
    record: Mapping[str, Any]


def records(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str, dict[str, Any]]]:
    """The outputs of a notebook that publish something: the output, its kind (`verdict`, `figure`), its record."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            published = output.get("metadata", {}).get(PUBLISHED)
            if published:
                yield output, published["kind"], published["record"]


def contradictions(notebook: NotebookNode, path: Path = Path("the notebook")) -> Iterator[str]:
    """Sentences about the outputs that show something else than their record says, since one of both was edited.

    Raises:
        TextError: A record from which no page can be made.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = ((n, output) for n, cell in enumerate(cells, 1) for output in cell.outputs)
    for n, output in outputs:
        if PUBLISHED not in (metadata := output.get("metadata", {})):
            continue
        try:
            kind, record = metadata[PUBLISHED]["kind"], metadata[PUBLISHED]["record"]
            shown = SHOWN[kind](record)
            name, whole = f"{kind} {record['id']}", metadata[PUBLISHED] == provenance.sealed(kind, record)
        except Exception as error:  # a field that is missing, or of another type, trips code at any depth
            why = f"{type(error).__name__}: {error}"
            raise TextError(
                f"{path}, code cell {n}: the record behind its output is not whole ({why}); run `make refresh`"
            ) from error
        if not whole:
            yield f"code cell {n}: the record of {name} has no hash, or was edited since it was written; {REFRESH}"
        for form, text in shown.items():
            if output.get("data", {}).get(form) != text:
                yield f"code cell {n}: the {form} of {name} is not what its record says; undo the edit, or {REFRESH}"


def _shown_verdict(record: Mapping[str, Any]) -> dict[str, str]:
    cards.card(record)
    significance.together([record])
    return {"text/plain": cards.text(record), "text/html": cards.card(record, exact=False)}


def _shown_figure(record: Mapping[str, Any]) -> dict[str, str]:
    figures.html(record, provenance=True)
    return {"text/plain": figures.text(record), "text/html": figures.html(record)}


SHOWN = {"verdict": _shown_verdict, "figure": _shown_figure}


def keep_older_stamps(notebook: NotebookNode, before: NotebookNode) -> None:
    """Keep the older record where a new one says the same, so that a run that changes nothing changes no file.

    Two records say the same if they differ in nothing but the circumstances of their stamps. A stamp of a checkout with
    uncommitted changes is not kept once there is a clean one.
    """
    old = {(kind, record["id"]): output.metadata[PUBLISHED] for output, kind, record in records(before)}
    for output, kind, record in records(notebook):
        published = old.get((kind, record["id"]), {})
        was, seal = published.get("record"), provenance.sealed(kind, published.get("record", {}))
        if published not in (seal, {"kind": kind, "record": was}):  # edited; those of older versions have no hash
            continue
        if without_circumstances(was) == without_circumstances(record) and not _cleaner(record, was):
            output.metadata[PUBLISHED] = seal


def without_circumstances(record: Any) -> Any:
    """A record without what its stamps say of when and where it was computed."""
    if isinstance(record, Mapping):
        kept = record.keys() - set(figures.CIRCUMSTANCES)
        return {name: without_circumstances(record[name]) for name in kept}
    return [without_circumstances(part) for part in record] if isinstance(record, list) else record


def _cleaner(record: Any, was: Any) -> bool:
    def dirty(part: Any) -> bool:
        return isinstance(part, Mapping) and (bool(part.get("dirty")) or any(map(dirty, part.values())))

    return dirty(was) and not dirty(record)
