"""A stored result is a table, `results/<experiment>/full.csv`, and its stamp and hash in `full.json` beside it."""

import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib import files
from resnet_lib.sweep import cache
from resnet_lib.sweep.provenance import Result, Stamp

PRESET = "full"  # a quick result is computed where it is shown
FOLDER = "results"
SAME = "same-source.csv"  # digests of sources that compute the same: experiment, before and after


class ResultError(ValueError):
    """A stored result is not what was stored."""


def path(experiment: str, root: Path) -> Path:
    """File of an experiment's stored table; its stamp lies beside it, as .json."""
    return root / FOLDER / experiment / f"{PRESET}.csv"


def store(result: Result, root: Path) -> Path:
    """Write a FULL result below the folder of the book, and say where its table is.

    Floats are written with the digits that give them back exactly.

    Raises:
        ValueError: Where it is not a FULL result, or a column cannot be kept exactly.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = store(read("stability-methods", files.root()), Path(folder))
        ...     table.relative_to(folder).as_posix(), read("stability-methods", Path(folder)).stamp.preset
        ('results/stability-methods/full.csv', 'full')
    """
    stamp = result.stamp
    if stamp.preset != PRESET:
        raise ValueError(f"preset={stamp.preset!r} is not stored; run {stamp.experiment} with preset={PRESET!r}")
    kept = cache.columns(result.table)
    kinds = {name: "str" if isinstance(values, list) else values.dtype.name for name, values in kept.items()}
    frame = pd.DataFrame(dict(kept))
    text = frame.to_csv(index=False, na_rep="nan", lineterminator="\n").encode()
    if not _parsed(text, kinds).equals(frame):
        raise ValueError(f"a column of {stamp.experiment} does not survive as CSV: a text holds a control character")
    record: dict[str, Any] = {"columns": kinds, "stamp": stamp.as_dict()}
    record = {"sha256": hashlib.sha256(text).hexdigest(), "stamp_sha256": _digest(record), **record}
    table = path(stamp.experiment, root)
    files.write_atomically(table, text)
    files.write_atomically(table.with_suffix(".json"), (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    return table


def read(experiment: str, root: Path) -> Result | None:
    """The stored FULL result of an experiment, or None where there is none.

    Raises:
        ResultError: Where the table is not the one that its stamp was written for.
    """
    table = path(experiment, root)
    about = table.with_suffix(".json")
    if not table.exists() and not about.exists():
        return None
    way_out = f"restore both files (git checkout -- {FOLDER}/{experiment}), or renew them: resnet-lib run {experiment}"
    way_out += f" --preset {PRESET}"
    try:
        text, record = table.read_bytes(), json.loads(about.read_bytes().decode("utf-8-sig"))
        digest, kinds, stamp = record["sha256"], record["columns"], Stamp.from_dict(record["stamp"])
        if (stamp.experiment, stamp.preset) != (experiment, PRESET):
            raise ValueError(f"it is stamped {stamp.experiment}, {stamp.preset}")
        if set(record) != {"sha256", "stamp_sha256", "columns", "stamp"}:
            raise ValueError(f"it holds {', '.join(record)}")
        if record["stamp_sha256"] != _digest(record):
            raise ValueError("the stamp was altered since it was written")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f"{table} cannot be read with its stamp ({type(error).__name__}: {error}); {way_out}"
        ) from error
    # Git, and other programs, may have ended the lines as another system does; no text in a table holds a bare "\r".
    text = text.replace(b"\r\n", b"\n")
    if (found := hashlib.sha256(text).hexdigest()) != digest:
        raise ResultError(
            f"{table} is refused: its SHA-256 is {found[:12]}..., and {about.name} was written for "
            f"{str(digest)[:12]}...; it was altered, or only one of the two was renewed; {way_out}"
        )
    try:
        return Result(_parsed(text, kinds), stamp)
    except (ValueError, TypeError, AttributeError) as error:
        raise ResultError(f"{table} is not the table of {about.name} ({error}); {way_out}") from error


def same_sources(root: Path) -> frozenset[tuple[str, str, str]]:
    """Experiment, old and new digest of sources that compute the same; their form or the rule of the hash has changed.

    Both were computed from one tree, or from two whose tables have the same bytes, so that a stamp with the old digest
    is current as long as the new one is today's.

    Raises:
        ResultError: Where a line is anything else.
    """
    path = root / FOLDER / SAME
    lines = path.read_bytes().decode("utf-8-sig", "replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines[1:], start=2):
        if not re.fullmatch(r"[a-z0-9-]+,[0-9a-f]{64},[0-9a-f]{64}", line):
            raise ResultError(
                f"{path}, line {number} is {line!r}, and has to be an experiment and two digests; restore the file "
                f"(git checkout -- {FOLDER}/{SAME})"
            )
    return frozenset((name, old, new) for name, old, new in (line.split(",") for line in lines[1:]))


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of what a stamp says and of the kinds of the columns."""
    text = json.dumps([record["columns"], record["stamp"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _parsed(text: bytes, kinds: Mapping[str, str]) -> pd.DataFrame:
    """The table that a CSV file holds, read as text and converted by NumPy: exact, whatever pandas' own parser does."""
    texts = pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False)
    columns = zip(kinds.items(), (column.tolist() for _, column in texts.items()), strict=True)
    return pd.DataFrame({name: _converted(column, kind) for (name, kind), column in columns})


def _converted(texts: list[str], kind: str) -> np.ndarray | list[str]:
    if kind == "str":
        return texts
    return np.array([text == "True" for text in texts] if kind == "bool" else texts, dtype=kind)
