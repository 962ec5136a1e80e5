"""An experiment is data: a trial, and the settings and seeds that it is run on. Nothing is run here."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import pandas as pd

from resnet_lib.sweep import agreement, source
from resnet_lib.sweep.key import as_json
from resnet_lib.whole import whole


@dataclass(frozen=True)
class Grid:
    """The trials of an experiment: every setting with every group of seeds.

    Attributes:
        settings: Frozen dataclasses; their fields hold numbers, text, None, sequences or frozen dataclasses of these.
        seeds: The seeds of every setting; like the settings, any sequence, which is kept as a tuple.
        group: How many seeds are computed together, in one call of the trial; None for all of them.
        data: Names of the datasets that these trials load, besides those that all trials of the experiment do.

    Raises:
        ValueError: Where one of these is empty, repeated or cannot be written as JSON.
    """

    settings: Sequence[Any]
    seeds: Sequence[int]
    group: int | None = None
    data: Sequence[str] = ()

    def __post_init__(self):
        for name in ("settings", "seeds", "data"):  # any sequence will do, a range or a list
            given = getattr(self, name)
            if isinstance(given, str):
                raise ValueError(f"{name}={given!r} must be a sequence; write {name}=({given!r},)")
            object.__setattr__(self, name, tuple(given))
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
        return tuple(tuple(self.seeds[start : start + size]) for start in range(0, len(self.seeds), size))


@dataclass(frozen=True)
class Experiment:
    """A trial and the grids that it is run on.

    Attributes:
        name: In lower case, with hyphens; also the name of its folders.
        trial: `trial(setting, seeds)` returns a table with a column `seed`, one row per measurement. It is importable.
            One with a parameter `device` is given the device to compute on, by keyword; any other one runs on the CPU.
        quick: The grid of a laptop.
        full: The grid of a publication.
        data: Names of the datasets that the trial loads on every grid.
        agrees: How the columns of its table agree between machines; `agreement.SAMPLED` where networks are trained.
        divided: Whether each group of seeds has its data divided into training, validation and test in another way
            (`data.divided_anew`), the first group by division 1, so that what varies between seeds is the images too.

    Raises:
        ValueError: Where the name could not be that of a folder, or the trial cannot be imported by its name.
    """

    name: str
    trial: Callable[..., pd.DataFrame]
    quick: Grid
    full: Grid
    data: tuple[str, ...] = ()
    agrees: agreement.Columns = agreement.EXACT
    divided: bool = False

    def __post_init__(self):
        if not self.name or not set(self.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
            raise ValueError(f"name={self.name!r} may hold a to z, 0 to 9 and hyphens; e.g. 'eigenvalues-random'")
        source.remember(*self.roots)  # now, while what is on disk is what is being imported

    @classmethod
    def repeated(
        cls,
        name: str,
        trial: Callable[..., pd.DataFrame],
        settings: Sequence[Any],
        quick: Sequence[int],
        full: Sequence[int],
        *,
        group: int | None = None,
        data: tuple[str, ...] = (),
        agrees: agreement.Columns = agreement.EXACT,
    ) -> "Experiment":
        """The experiment whose FULL has the settings of QUICK, as a rule with more seeds.

        Args:
            name: As for any experiment, and so are `trial`, `data` and `agrees`.
            trial: Runs on every setting.
            settings: Those of both grids.
            quick: The seeds of QUICK, which are computed together.
            full: The seeds of FULL.
            group: How many of these are computed together; None for all of them.
            data: Names of the datasets that the trial loads.
            agrees: How the columns of its table agree between machines.

        Example:
            >>> from resnet_lib.experiments.counting_paths.unrolling import Unrolled, trial
            >>> sums = Experiment.repeated("sums", trial, [Unrolled("relu")], quick=(0, 1), full=range(6), group=3)
            >>> sums.quick.groups, sums.full.groups
            (((0, 1),), ((0, 1, 2), (3, 4, 5)))
        """
        return cls(name, trial, Grid(settings, quick), Grid(settings, full, group), data, agrees)

    @property
    def roots(self) -> tuple[Callable, ...]:
        """The definitions that the source hash starts from: the trial and the classes of its settings."""
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
