"""What a measurement leaves behind: a table, a figure, and on which machine it was."""

from __future__ import annotations

import platform
from pathlib import Path

import pandas as pd
import psutil
import torch
from matplotlib.figure import Figure

from resnet_lib.sweep import provenance

FOLDER = Path("_build") / "benchmarks"


def machine() -> str:
    """Processor, cores, memory, GPU and versions, on one line."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    parts = [names[0] if names else platform.processor() or platform.machine()]
    parts.append(f"{psutil.cpu_count(logical=False) or psutil.cpu_count()} cores")
    parts.append(f"{psutil.virtual_memory().total / 2**30:.0f} GiB")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    versions = provenance.versions()
    return ", ".join([*parts, f"Python {versions['python']}", f"torch {torch.__version__}"])


def save(name: str, table: pd.DataFrame, figure: Figure | None = None) -> None:
    """Write `_build/benchmarks/<name>.csv`, and `.svg` and `.png` of the figure; say where."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    table.assign(machine=machine()).to_csv(FOLDER / f"{name}.csv", index=False)
    written = [f"{name}.csv"]
    if figure is not None:
        for kind in ("svg", "png"):
            figure.savefig(FOLDER / f"{name}.{kind}", bbox_inches="tight", dpi=150)
            written.append(f"{name}.{kind}")
    print(f"{machine()}\nwritten: {', '.join(str(FOLDER / file) for file in written)}")
