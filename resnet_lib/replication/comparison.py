"""This module compares two runs of the book column by column: it collects samples, and says what else is wrong.

It reads records of notebooks and tables of figures, and decides nothing about samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib.evidence import markup
from resnet_lib.evidence.ledger import Findings
from resnet_lib.replication.replicas import Replica, columns_of, grid_of, is_float, seedwise, table_of
from resnet_lib.sweep import agreement
from resnet_lib.sweep.agreement import TOLERANCES

MOST = 8  # kept runs that are looked at: more would hardly sharpen the comparison
_OTHER = (
    "the published outputs are of another version of {experiment}, with other settings or seeds; run `make refresh` "
    "and commit what it changes"
)


@dataclass(frozen=True)
class Column:
    """One sampled column: the published values and those of the kept runs, one row per run, and the new ones."""

    where: str
    experiment: str
    kept: np.ndarray
    fresh: np.ndarray
    claim: str = ""


def sampled_columns(
    published: Findings, fresh: Findings, roots: tuple[Path, Path], runs: Sequence[Replica]
) -> list[Column]:
    """All columns that are compared as samples, of the claims and figures that both books have.

    Args:
        published: The reference.
        fresh: The new run.
        roots: The folders that hold the figures of the one and of the other.
        runs: The kept runs; those of another grid, or without the column, are left out of it.
    """
    found = []
    for name, shown in fresh.verdicts.items():
        if name in published.verdicts:
            found += claim_columns(name, published.verdicts[name].record, shown.record, runs)
    for name, shown in fresh.figures.items():
        if name in published.figures:
            pair = published.figures[name].record, shown.record
            tables = tuple(table_of(root, name) for root in roots)
            found += figure_columns(name, pair, tables, runs)
    return found


def stored_errors(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is wrong with the verdict on a stored table, which is the same table on every machine.

    Args:
        old: The published record of a claim.
        new: The record of this run.
    """
    before, after = old["full"], new["full"]
    if not before or not after or before["stamp"] != after["stamp"] or before["status"] == after["status"]:
        return []
    return [f"FULL is stored and {before['status']}, and its table, judged here, {after['status']}"]


def claim_columns(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], runs: Sequence[Replica]
) -> Iterator[Column]:
    """The sampled columns of a claim, its values and its control, from the published record and the new one."""
    before, after = old["quick"], new["quick"]
    if not before or not after or "values" not in before or grid_of(before["stamp"]) != grid_of(after["stamp"]):
        return
    grid = grid_of(after["stamp"])
    ours = [run.claims[name] for run in runs if name in run.claims and run.claims[name].grid == grid]
    for part, array, told in (("values", "values", "claim"), ("control", "control_values", "control of claim")):
        reference, fresh = markup.numbers(before[array]), markup.numbers(after[array])
        if new["agrees"][part] == "sampled" and len(reference) == len(fresh):
            others = (np.array(getattr(numbers, part)) for numbers in ours)
            rows = [reference, *(row for row in others if len(row) == len(fresh))]
            yield Column(f"{told} {name}", after["stamp"]["experiment"], np.stack(_distinct(rows)), fresh, name)


def figure_columns(
    name: str,
    pair: tuple[Mapping[str, Any], Mapping[str, Any]],
    tables: Sequence[pd.DataFrame],
    runs: Sequence[Replica],
) -> Iterator[Column]:
    """The sampled columns of a figure, from the published record and the new one and their tables."""
    stamp = pair[1]["stamp"]
    grid = grid_of(stamp)
    if grid_of(pair[0]["stamp"]) != grid:
        return
    reference, fresh = (seedwise(pair[1], table) for table in tables)
    for key, values in fresh.items():
        rows = [reference[key]] if key in reference and len(reference[key]) == len(values) else []
        for run in runs:
            theirs = run.figures.get(name, {})
            if theirs.get("grid") == grid and len(theirs["columns"].get(key, ())) == len(values):
                rows.append(np.array(theirs["columns"][key]))
        if rows:
            yield Column(f"figure {name}, {key}", stamp["experiment"], np.stack(_distinct(rows)), values)


def table_errors(meta: Mapping[str, Any], old: pd.DataFrame, new: pd.DataFrame) -> tuple[list[str], int]:
    """The differences of a figure's table that are no matter of sampling, and how many columns were compared by value.

    Columns, rows, whole numbers and texts have to be equal; exact and rounded columns agree to their tolerance, row by
    row or in order of size among rows that agree in everything else: eigenvalues have no order that rounding respects.

    Example:
        >>> old = pd.DataFrame({"depth": [20, 56], "norm": [1.0, 2.0]})
        >>> table_errors({}, old, old.assign(norm=[1.0, 2.0 + 1e-12]))
        ([], 1)
        >>> table_errors({}, old, old.assign(norm=[1.0, 1.5]))
        (['norm is off by 2.5e-01 of its largest value, and may be by 1e-08'], 1)
    """
    if list(old) != list(new) or len(old) != len(new):
        shape = [f"{len(table)} rows of {', '.join(map(str, table))}" for table in (old, new)]
        return [f"the published table has {shape[0]}, this one {shape[1]}"], 0
    columns, found, count = columns_of(meta), [], 0
    names = [str(name) for name in old]
    keys = [name for name in names if not is_float(old[name])]
    if not keys or old[keys].equals(new[keys]):
        ordered = old, new
    else:
        ordered = tuple(table.sort_values(keys, ignore_index=True, kind="stable") for table in (old, new))
        if not ordered[0][keys].equals(ordered[1][keys]):
            different = [name for name in keys if not ordered[0][name].equals(ordered[1][name])]
            return [f"its columns {', '.join(different)} hold other values"], 0
    for name in names:
        how = columns.of(name)
        if not is_float(old[name]) or how not in TOLERANCES:
            continue
        count += 1
        a, b = (table.sort_values([*keys, name], ignore_index=True)[name].to_numpy(np.float64) for table in (old, new))
        apart = min(agreement.distance(a, b), agreement.distance(*(t[name].to_numpy(np.float64) for t in ordered)))
        if apart > TOLERANCES[how]:
            found.append(f"{name} is off by {apart:.1e} of its largest value, and may be by {TOLERANCES[how]:.0e}")
    return found, count


def figure_errors(
    before: Mapping[str, Any], after: Mapping[str, Any], old: pd.DataFrame, new: pd.DataFrame
) -> tuple[list[str], int]:
    """The differences of a figure that are no matter of sampling, and how many columns were compared by value.

    Args:
        before: The published record of the figure.
        after: The new one.
        old: The published table.
        new: The new one.
    """
    if grid_of(before["stamp"]) != grid_of(after["stamp"]):
        return [_OTHER.format(experiment=before["stamp"]["experiment"])], 0
    return table_errors(after, old, new)


def claim_errors(
    record: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[list[str], int]:
    """The differences of a claim that are no matter of sampling, and how many columns were compared by value.

    Args:
        record: The new record of the claim.
        before: The published run of it.
        after: The new run.
    """
    found, count = [], 0
    how = record["agrees"]
    for part, array in (("values", "values"), ("control", "control_values")):
        old, new = markup.numbers(before[array]), markup.numbers(after[array])
        if len(old) != len(new):
            found.append(f"{len(new)} {part} here, and {len(old)} are published")
        elif how[part] in TOLERANCES:
            count += 1
            apart, tolerance = agreement.distance(old, new), TOLERANCES[how[part]]
            if apart > tolerance:
                found.append(f"its {part} are off by {apart:.1e} of the largest, and may be by {tolerance:.0e}")
    if how["values"] != "sampled" and how["control"] != "sampled" and before["status"] != after["status"]:
        found.append(f"{after['status']} here, {before['status']} as published: {after['reason']}")
    elif how["control"] != "sampled" and before["control_fails"] and not after["control_fails"]:
        found.append(f"its control does not come out: {after['reason']}")
    elif how["values"] != "sampled" and before["inside"] == before["n"] > after["inside"]:
        found.append(f"only {after['inside']} of {after['n']} values satisfy its rule, and all did as published")
    return found, count


def other_version(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The reason why the published run of a claim cannot be compared with the new one, or "" where it can."""
    if "values" not in before:
        return "the published record holds no values; it is older than this version: run `make refresh`"
    if grid_of(before["stamp"]) != grid_of(after["stamp"]):
        return _OTHER.format(experiment=before["stamp"]["experiment"])
    return ""


def _distinct(rows: list[np.ndarray]) -> list[np.ndarray]:
    """The reference and at most `MOST` further runs; the reference itself is often among the kept ones."""
    others = [row for row in rows[1:] if not np.array_equal(row, rows[0])]
    return [rows[0], *others[:MOST]]
