"""Runs of the book on other machines are kept, with what they measured seed by seed, in one file per kind of machine.

They lie below `results/replications` and sharpen the comparison of every later run. This module reads and writes them;
it compares nothing.

Example:
    >>> from tempfile import TemporaryDirectory
    >>> run = Replica({"processor": "any", "blas": ""}, {}, "2026-01-01", "unknown", {}, {}, {})
    >>> with TemporaryDirectory() as root:
    ...     folder = Path(root, FOLDER)
    ...     require_writable(folder)
    ...     write(run, folder).name, kept(Path(root)) == [run]
    ('any.json', True)
"""

import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
import torch

from resnet_lib import runtime
from resnet_lib.evidence import markup
from resnet_lib.evidence.ledger import Findings
from resnet_lib.files import write_atomically
from resnet_lib.sweep import provenance, results
from resnet_lib.sweep.agreement import Columns

FOLDER = f"{results.FOLDER}/replications"
FORMAT = 1
FEWEST = 3  # seeds that say how far apart seeds are


class ReplicationError(ValueError):
    """A kept run is not what was kept."""


@dataclass(frozen=True)
class Numbers:
    """The numbers that a run measured for one claim, as far as another run is compared with them.

    Attributes:
        experiment: Whose table was measured.
        grid: `grid_of` its stamp: settings and seeds.
        source: Hash of the source that the trial reached.
        status: The verdict.
        effect: Its mean or median.
        values: One value per seed, empty where the claim is not sampled.
        control: The same for its control.
    """

    experiment: str
    grid: str
    source: str
    status: str
    effect: float
    values: tuple[float, ...] = ()
    control: tuple[float, ...] = ()


@dataclass(frozen=True)
class Replica:
    """One run of the whole book that is kept, with what it came to.

    Attributes:
        machine: `machine()` that computed it.
        versions: Of what can change a number.
        created: When: ISO 8601, UTC.
        commit: Git commit of the checkout.
        claims: The numbers by the ids of the claims.
        figures: For each figure its experiment's name and grid, and its sampled columns: one mean per seed.
        found: What the comparison with the published outputs said then, for the page that lists the runs.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    created: str
    commit: str
    claims: Mapping[str, Numbers]
    figures: Mapping[str, Mapping[str, Any]]
    found: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What its file is called: `amd-epyc-25-17-x86-64-avx512-skylakex`."""
        return name_of(self.machine)


def machine() -> dict[str, str]:
    """The machine that computes here: processor and instructions, system, cores, libraries of linear algebra.

    Example:
        >>> sorted(machine())
        ['blas', 'cores', 'processor', 'system']
    """
    told = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    blas = [f"torch: {told[1].upper() if told else 'unknown'}"]
    for part in threadpoolctl.threadpool_info():
        if part["user_api"] == "blas":
            blas.append(f"{part['internal_api']} {part.get('version')} ({part.get('architecture', 'unknown')})")
    return {
        "processor": runtime.processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "blas": "; ".join(dict.fromkeys(blas)),
    }


def name_of(machine: Mapping[str, str]) -> str:
    """A name for files of a kind of machine: its processor, and what its libraries of linear algebra take it for.

    Example:
        >>> name_of({"processor": "AMD EPYC (25, 17), x86_64, AVX512", "blas": "openblas 0.3.30 (SkylakeX)"})
        'amd-epyc-25-17-x86-64-avx512-skylakex'
    """
    architectures = dict.fromkeys(re.findall(r"\(([^()]+)\)", machine["blas"]))
    return re.sub(r"[^a-z0-9]+", "-", " ".join((machine["processor"], *architectures)).lower()).strip("-")


def grid_of(stamp: Mapping[str, Any]) -> str:
    """A short name of the settings and seeds that a stamp holds: two runs with another one are not compared.

    Example:
        >>> stamp = {"preset": "quick", "settings": [{"depth": 20}], "seeds": [0, 1]}
        >>> [grid_of(stamp) == grid_of(stamp | other) for other in ({"device": "cuda"}, {"seeds": [0, 1, 2]})]
        [True, False]
    """
    text = json.dumps([stamp["preset"], stamp["settings"], stamp["seeds"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of(evidence: Findings, root: Path, found: Mapping[str, Any]) -> Replica:
    """The run whose outputs are in `evidence` and whose figures lie below `root`, to be kept with what was `found`.

    Example:
        >>> from resnet_lib.evidence.statements import Ledger
        >>> of(Findings(Ledger(()), {}, {}, {}, ()), Path(), {"verdicts": 0}).found
        {'verdicts': 0}
    """
    claims, figures = {}, {}
    for name, shown in evidence.verdicts.items():
        if run := shown.record["quick"]:
            stamp, sampled = run["stamp"], shown.record["agrees"]
            values = {
                key: tuple(markup.numbers(run[array]).tolist()) if sampled[part] == "sampled" else ()
                for key, part, array in (("values", "values", "values"), ("control", "control", "control_values"))
            }
            claims[name] = Numbers(
                stamp["experiment"], grid_of(stamp), stamp["source"], run["status"], run["effect"], **values
            )
    for name, shown in evidence.figures.items():
        meta = shown.record
        table = table_of(root, name)
        columns = {key: list(column) for key, column in seedwise(meta, table).items()}
        if columns:
            stamp = meta["stamp"]
            figures[name] = {"experiment": stamp["experiment"], "grid": grid_of(stamp), "columns": columns}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    commit, _ = provenance.commit()
    return Replica(machine(), provenance.versions(), created, commit, claims, figures, found)


def seedwise(meta: Mapping[str, Any], table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The sampled columns of a figure's table: for each, and each value of the text columns, one mean per seed.

    A table without a column `seed`, with fewer than three of them, or with seeds that miss in places, has none. Whole
    numbers and columns that are not sampled are keys; over these the mean is taken.

    Args:
        meta: Of the figure; `agrees` says which columns are sampled.
        table: Its data.csv.

    Returns:
        The means in the order of the seeds, by names such as `accuracy (variant plain)`.

    Example:
        >>> table = pd.DataFrame({"seed": [0, 0, 1, 2], "accuracy": [0.8, 0.9, 0.7, 0.6]})
        >>> seedwise({"agrees": {"accuracy": "sampled"}}, table)["accuracy"].round(2).tolist()
        [0.85, 0.7, 0.6]
    """
    columns = columns_of(meta)
    if "seed" not in table or table["seed"].nunique() < FEWEST:
        return {}
    names = [str(name) for name in table]
    texts = [name for name in names if name != "seed" and _is_text(table[name])]
    floats = [name for name in names if is_float(table[name]) and columns.of(name) == "sampled"]
    found = {}
    groups = table.groupby(texts, sort=True) if texts else [((), table)]
    for key, rows in groups:
        key = key if isinstance(key, tuple) else (key,)
        told = ", ".join(f"{name} {value}" for name, value in zip(texts, key, strict=True))
        for name in floats:
            means = np.asarray(rows.groupby("seed", sort=True)[name].mean(), dtype=np.float64)
            if np.isfinite(means).all():
                found[f"{name}{f' ({told})' * bool(told)}"] = means
    return found


def table_of(root: Path, figure: str) -> pd.DataFrame:
    """The table behind a figure of the book in `root`.

    Raises:
        ReplicationError: There is none that can be read.
    """
    path = root / "figures" / figure / "data.csv"
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ReplicationError(f"{path} cannot be read ({error}); run `make refresh` or restore it with git") from error


def columns_of(meta: Mapping[str, Any]) -> Columns:
    """How the columns of a figure's table agree between machines, from its meta.json."""
    return Columns("exact", meta.get("agrees", {}))


def write(run: Replica, folder: Path) -> Path:
    """Keep a run in `folder`, in place of an earlier one of the same kind of machine; return its file."""
    content = json.loads(json.dumps(asdict(run)))
    text = json.dumps({"format": FORMAT, "sha256": _digest(content), **content}, indent=None, separators=(",", ":"))
    text = text.replace('"claims":', '\n"claims":').replace('"figures":', '\n"figures":').replace("}},", "}},\n")
    path = folder / f"{run.name}.json"
    try:
        write_atomically(path, f"{text}\n".encode())
    except OSError as error:
        raise ReplicationError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def require_writable(folder: Path) -> None:
    """Make sure that a run can be kept in `folder`, before it is computed.

    Raises:
        ReplicationError: It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReplicationError(f"{folder} cannot be written: {error.strerror or error}; leave out --save") from error


def read(path: Path) -> Replica:
    """A kept run.

    Raises:
        ReplicationError: It is not what was kept, or of another format.
    """
    way_out = f"restore it (git checkout -- {FOLDER}), or remove it and run resnet-lib replicate --save"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (found := content.pop("format")) != FORMAT:
            raise ReplicationError(f"{path} has format {found}, and this version reads {FORMAT}; {way_out}")
        if content.pop("sha256") != _digest(content):
            raise ReplicationError(f"{path} was altered since it was kept; {way_out}")
        content["claims"] = {
            name: Numbers(**{**part, "values": tuple(part["values"]), "control": tuple(part["control"])})
            for name, part in content["claims"].items()
        }
        return Replica(**content)
    except ReplicationError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReplicationError(f"{path} cannot be read ({type(error).__name__}: {error}); {way_out}") from error


def kept(root: Path) -> list[Replica]:
    """The runs that are kept with the book in `root`, in the order of their files.

    Raises:
        ReplicationError: One of them is damaged.
    """
    return [read(path) for path in sorted((root / FOLDER).glob("*.json"))]


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_float(column: pd.Series) -> bool:
    """Whether a column holds decimal numbers; whole numbers and texts are keys."""
    return pd.api.types.is_float_dtype(column)


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
