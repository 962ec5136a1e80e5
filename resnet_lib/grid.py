"""Experiments as data: a trial, and the settings and seeds that it is run on. Runs nothing."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib import agreement, source
from resnet_lib.cache import Columns
from resnet_lib.whole import whole

SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Grid:
    """The trials of an experiment: every setting with every group of seeds.

    Attributes:
        settings: Frozen dataclasses; their fields hold numbers, text, None, sequences or frozen dataclasses of these.
        seeds: The seeds of every setting.
        group: How many seeds are computed together, in one call of the trial; None for all of them.
        data: Names of the datasets that these trials load, besides those that all trials of the experiment do.

    Raises:
        ValueError: Where one of these is empty, repeated or cannot be written as JSON.
    """

    settings: tuple[Any, ...]
    seeds: tuple[int, ...]
    group: int | None = None
    data: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.settings or not self.seeds:
            raise ValueError(f"a grid needs settings and seeds; got {len(self.settings)} and {len(self.seeds)}")
        if any(type(seed) is not int for seed in self.seeds) or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds} must be different whole numbers, e.g. tuple(range(5))")
        if self.group is not None and whole("group", self.group) < 1:
            raise ValueError(
                f"group={self.group} must be at least 1; None computes all {len(self.seeds)} seeds together"
            )
        written = set()
        for i, setting in enumerate(self.settings):
            if not is_dataclass(setting) or isinstance(setting, type):
                raise ValueError(f"settings[{i}]={setting!r} must be an instance of a frozen dataclass")
            if (text := str(as_json(setting, f"settings[{i}]"))) in written:
                raise ValueError(f"settings[{i}]={setting} is there twice; name it once and use more seeds")
            written.add(text)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The seeds as they are computed together; the last group may be smaller."""
        size = self.group or len(self.seeds)
        return tuple(self.seeds[start : start + size] for start in range(0, len(self.seeds), size))


@dataclass(frozen=True)
class Experiment:
    """A trial and the grids that it is run on.

    Attributes:
        name: In lower case, with hyphens; also the name of its folders.
        trial: `trial(setting, seeds)` returns a table with a column `seed`, one row a measurement. It is importable.
            One with a parameter `device` is given the device to compute on, by keyword; any other one runs on the CPU.
        quick: The grid of a laptop.
        full: The grid of a publication.
        data: Names of the datasets that the trial loads on every grid.
        agrees: How the columns of its table agree between machines; `agreement.SAMPLED` where networks are trained.

    Raises:
        ValueError: Where the name could not be that of a folder, or the trial cannot be imported by its name.
    """

    name: str
    trial: Callable[..., pd.DataFrame]
    quick: Grid
    full: Grid
    data: tuple[str, ...] = ()
    agrees: agreement.Columns = agreement.EXACT

    def __post_init__(self):
        if not self.name or not set(self.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
            raise ValueError(f"name={self.name!r} may hold a to z, 0 to 9 and hyphens; e.g. 'eigenvalues-random'")
        source.digest_as_imported(*self.roots)  # remembered now, while what is on disk is what is being imported

    @property
    def roots(self) -> tuple[Callable, ...]:
        """What the source hash starts from: the trial and the classes of its settings."""
        kinds = {type(setting) for grid in (self.quick, self.full) for setting in grid.settings}
        return self.trial, *sorted(kinds, key=lambda kind: (kind.__module__, kind.__qualname__))

    @property
    def takes_device(self) -> bool:
        """Whether the trial can compute elsewhere than on the CPU."""
        return takes_device(self.trial)

    def datasets(self, grid: Grid) -> tuple[str, ...]:
        """Names of the datasets that the trials of a grid load."""
        return (*self.data, *(name for name in grid.data if name not in self.data))

    def grid(self, preset: str) -> Grid:
        """The grid named `quick` or `full`."""
        grids = {"quick": self.quick, "full": self.full}
        if preset not in grids:
            raise ValueError(f"preset={preset!r} is unknown; use 'quick' or 'full'")
        return grids[preset]


def takes_device(trial: Callable) -> bool:
    """Whether a trial has a parameter `device`."""
    return "device" in inspect.signature(trial).parameters


def as_json(value: Any, where: str = "setting") -> Any:
    """A setting as JSON knows it, with the name of its class (no field can be called `class`).

    Args:
        value: A frozen dataclass, or what its fields may hold.
        where: What to call it in an error.

    Raises:
        ValueError: Where a field cannot be written as JSON, with its name.
    """
    if is_dataclass(value) and not isinstance(value, type):
        if not value.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError(f"{where} is a {type(value).__name__}, which can change; use @dataclass(frozen=True)")
        inner = {field.name: as_json(getattr(value, field.name), f"{where}.{field.name}") for field in fields(value)}
        return {"class": type(value).__qualname__} | inner
    if isinstance(value, tuple | list):
        return [as_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, SCALARS) and not (isinstance(value, float) and not np.isfinite(value)):
        return value
    raise ValueError(
        f"{where}={value!r} is a {type(value).__name__} that a key cannot hold; allowed are bool, int, finite float, "
        "str, None, and tuples and frozen dataclasses of these; name it by a str and look it up in the trial"
    )


def join(settings: Iterable[Any], columns: Iterable[Columns]) -> pd.DataFrame:
    """One table of the trials, in their order: a column a field that holds one value, then the trials' own columns.

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
