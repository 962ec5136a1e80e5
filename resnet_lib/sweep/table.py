"""This module puts one table together from many trials, as they come. It knows no experiment."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib.sweep.cache import Columns
from resnet_lib.sweep.key import SCALARS


def join(settings: Iterable[Any], columns: Iterable[Columns]) -> pd.DataFrame:
    """One table of the trials, in their order: one column per field that holds one value, then the trials' own columns.

    It is put together as the trials come, so that no more than the table itself is held.

    Raises:
        ValueError: Where the trials' columns differ in name or kind.
    """
    rows: list[tuple[Any, int]] = []  # each setting, and how many rows it has
    table: dict[str, _Column] = {}
    for setting, own in zip(settings, columns, strict=True):
        if not rows:
            table = {name: _Column(name) for name in own}
        if set(own) != set(table):
            raise ValueError(
                f"{setting} gave the columns {sorted(own)}, {rows[0][0]} gave {sorted(table)}; "
                "every trial of an experiment has to return the same ones"
            )
        for name, part in own.items():
            table[name].append(part)
        before = rows.pop()[1] if rows and rows[-1][0] is setting else 0
        rows.append((setting, before + len(own["seed"])))
    lengths = [length for _, length in rows]
    first = {}
    for name in dict.fromkeys(field.name for setting, _ in rows for field in fields(setting)):
        values = [getattr(setting, name, None) for setting, _ in rows]
        if all(isinstance(value, SCALARS) for value in values):
            first[name] = _repeated(values, lengths)
    own = {name: column.joined() for name, column in table.items() if name not in first}
    return pd.DataFrame(first | own)


class _Column:
    """A column that grows: numbers in arrays that are joined now and then, or texts.

    Whole numbers become others where some trial has such, if that loses no digit; nothing else becomes another kind.
    """

    def __init__(self, name: str):
        self.name = name
        self.texts: list[str] = []
        self.arrays: list[np.ndarray] = []
        self.small = 0
        self.kinds: set[str] = set()
        self.exact = True  # whether each whole number is one of float64 too

    def append(self, part: np.ndarray | list[str]) -> None:
        if isinstance(part, list):
            self.texts += part
        else:
            self.arrays.append(part)
            self.small += 1
        kind = (
            "text" if isinstance(part, list) else {"b": "truth values", "i": "whole numbers"}.get(part.dtype.kind, "")
        )
        self.kinds.add(kind or "numbers")
        if isinstance(part, np.ndarray) and kind == "whole numbers":
            self.exact &= not ((part > 2**53) | (part < -(2**53))).any()
        if len(self.kinds) > 1 and not (self.exact and self.kinds == {"whole numbers", "numbers"}):
            one, other = sorted(self.kinds, key=["text", "truth values", "whole numbers", "numbers"].index)[:2]
            raise ValueError(f"column {self.name!r} holds {one} in some trials and {other} in others; choose one")
        if self.small == 1000:  # an array of one number takes the memory of twenty
            self.arrays[-1000:] = [np.concatenate(self.arrays[-1000:])]
            self.small = 0

    def joined(self) -> np.ndarray | list[str]:
        return np.concatenate(self.arrays) if self.arrays else self.texts


def _repeated(values: Sequence[Any], lengths: Sequence[int]) -> np.ndarray | list[str]:
    """A field's values, each as often as its trial has rows: bool, int64, float64 (None is NaN), or else text."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return np.repeat(values, lengths)
    if bool not in kinds and str not in kinds and kinds != {type(None)}:
        return np.repeat([np.nan if value is None else value for value in values], lengths)
    texts = ["none" if value is None else str(value) for value in values]
    return [text for text, length in zip(texts, lengths, strict=True) for _ in range(length)]
