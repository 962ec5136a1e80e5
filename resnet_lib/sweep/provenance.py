"""A result carries a stamp that says where it comes from: the checkout, the versions, the settings and the seeds."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from resnet_lib.sweep import agreement


def commit() -> tuple[str, bool]:
    """Git commit of the checkout that this package lies in, and whether a Python file in it differs from that commit.

    Only Python files count: a notebook's outputs change while it runs. `("unknown", False)` outside a checkout.
    """
    here = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    try:
        if not git("ls-files", here.name):  # installed into a folder that is itself inside some other checkout
            return "unknown", False
        lines = git("status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", ":/*.py").splitlines()
    except (OSError, subprocess.SubprocessError):
        return "unknown", False
    oid = next(line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid "))
    return oid, any(not line.startswith("#") for line in lines)


def sealed(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the metadata of an output carry it: with the hash of its JSON, so that an edit by hand shows."""
    text = json.dumps([kind, record], sort_keys=True)
    return {"kind": kind, "record": record, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def versions() -> dict[str, str]:
    """Versions of what can change a number: Python, torch, NumPy, SciPy.

    That of torch names its build (`2.14.1+cu130`), which computes with other libraries than `2.14.1+cpu` does. The
    package's metadata need not name it: PyPI's for CUDA say `2.14.1`.
    """
    import torch  # takes seconds, and the rest of this module does without

    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    return found | {name: importlib.metadata.version(name) for name in ("numpy", "scipy")}


@dataclass(frozen=True)
class Stamp:
    """All that is needed to judge a result and to compute it again.

    Attributes:
        experiment: Its name, e.g. `eigenvalues-random`.
        preset: `quick` or `full`.
        command: What computes it again.
        commit: Git commit of the checkout that ran, or `unknown`.
        dirty: Whether Python files differed from that commit.
        source: `source.digest` of the trial and its settings.
        data: SHA-256 of each dataset by its name.
        settings: The grid's settings, as dictionaries.
        seeds: The grid's seeds.
        device: Name of the hardware.
        versions: `versions()` at that time.
        seconds: Time that the trials took, summed over all of them, whenever each was computed; a training that a trial
            found done counts for it too. On a CPU it is the processor's, which no other work makes longer.
        created: When the last trial was computed: ISO 8601, UTC.
        peak_memory: Largest resident memory of a process that computed trials, in bytes.
    """

    experiment: str
    preset: str
    command: str
    commit: str
    dirty: bool
    source: str
    data: dict[str, str]
    settings: list[dict[str, Any]]
    seeds: list[int]
    device: str
    versions: dict[str, str]
    seconds: float
    created: str
    peak_memory: int

    def as_dict(self) -> dict[str, Any]:
        """The stamp as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Stamp":
        """The stamp that `as_dict` has written.

        Raises:
            ValueError: Where a field is missing or unknown.
        """
        if wrong := {field.name for field in fields(cls)} ^ set(record):
            raise ValueError(
                f"stamp: missing or unknown {', '.join(sorted(wrong))}; run the experiment again to renew it"
            )
        return cls(**record)


@dataclass(frozen=True, eq=False)
class Result:
    """A table with its stamp and, where one is stored, the same experiment at publication size.

    Attributes:
        table: One row per measurement.
        stamp: Where it comes from.
        full: The stored FULL result of the same experiment.
        stale: Whether the source that the trial reaches has changed since; shown as older, with its commit.
        agrees: How the columns of the table agree between machines, as the experiment says.
    """

    table: pd.DataFrame
    stamp: Stamp
    full: "Result | None" = None
    stale: bool = False
    agrees: agreement.Columns = agreement.EXACT

    def of(self, select: Callable[[pd.DataFrame], Any]) -> "Result":
        """The result with `select(table)` for its table, here and in `full`."""
        full = self.full
        if full is not None:
            try:
                full = full.of(select)
            except Exception as error:
                older = ", older than the code" if full.stale else ""
                error.add_note(f"while selecting from the stored FULL result of {full.stamp.experiment}{older}")
                raise
        return replace(self, table=select(self.table), full=full)
