"""Trials for the tests of sweep, in a module of their own: worker processes have to be able to import them."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from resnet_lib import data, runtime
from resnet_lib.sweep import Experiment, Grid


@dataclass(frozen=True)
class Noise:
    """What `measure` does: how large, how long, and where it writes that it has run."""

    size: int
    pause: float = 0.0
    log: str = ""
    sizes: tuple[int, ...] = (1, 2)
    fate: str = "fine"
    limit: float | None = None


def measure(setting: Noise, seeds: Sequence[int]) -> pd.DataFrame:
    """Singular values of random matrices: arithmetic that shows in its last bits how many threads did it."""
    time.sleep(setting.pause)
    if setting.log:
        _log(setting, seeds)
    if setting.fate == "raises":
        raise ZeroDivisionError(f"no luck with size {setting.size}")
    if setting.fate == "interrupted":
        signal.raise_signal(signal.SIGINT)
    if setting.fate == "leaves":
        sys.exit(0)
    if setting.fate == "dies":
        os._exit(3)
    if setting.fate == "hangs":
        time.sleep(1000)
    if setting.fate == "hangs deaf":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(1000)
    if setting.fate == "nan":
        return pd.DataFrame({"seed": list(seeds), "value": np.nan})
    if setting.fate == "other columns":
        return pd.DataFrame({"seed": list(seeds), "other": 0})
    if setting.fate == "no table":
        return None  # pyright: ignore[reportReturnType]
    if setting.fate == "no seed":
        return pd.DataFrame({"value": [1.0]})
    if setting.fate == "wrong seed":
        return pd.DataFrame({"seed": [-1]})
    if setting.fate == "complex":
        return pd.DataFrame({"seed": list(seeds), "value": np.zeros(len(seeds), complex)})
    if setting.fate == "shadows":
        return pd.DataFrame({"seed": list(seeds), "size": -1})
    rows = []
    for seed in seeds:
        matrix = torch.randn(64, 64 + setting.size, generator=runtime.stream(seed, "noise"), dtype=torch.float64)
        sigma = np.linalg.svd(matrix.numpy() @ matrix.numpy().T, compute_uv=False)
        rows.append(
            {"seed": seed, "value": float(matrix.mean()), "largest": sigma[0], "even": seed % 2 == 0, "of": "noise"}
        )
    return pd.DataFrame(rows)


def logged(setting: Noise, seeds: Sequence[int]) -> pd.DataFrame:
    """As `measure`, but what it writes to the log comes first."""
    _log(setting, seeds)
    return measure(replace(setting, log=""), seeds)


def _log(setting: Noise, seeds: Sequence[int]) -> None:
    """Write that a trial has begun; one that is held stays there until `release`, and says in which session it is."""
    log = Path(setting.log)
    with log.open("a") as file:
        file.write(f"{setting.size} {seeds}\n")
    if setting.fate == "held":
        while not log.with_name("released").exists():
            log.with_name("holder").write_text(str(os.getsid(0)))  # again and again: those who are killed write too
            time.sleep(0.01)


def begun(log: Path) -> int:
    """How many trials have written to the log."""
    return len(log.read_text().splitlines()) if log.exists() else 0


def holder(log: Path) -> str:
    """The session of the process that was the last to hold a trial."""
    return log.with_name("holder").read_text() if log.with_name("holder").exists() else ""


def release(log: Path) -> None:
    """Let the trials that are held, and all that would be, go on."""
    log.with_name("released").touch()


def on_device(setting: Noise, seeds: Sequence[int], *, device: torch.device) -> pd.DataFrame:
    """Says where it was told to run, and with how many threads."""
    return pd.DataFrame({"seed": list(seeds), "where": str(device), "threads": torch.get_num_threads()})


def experiment(*settings: Noise, seeds: tuple[int, ...] = (0, 1, 2), group: int | None = None, **fields) -> Experiment:
    """An experiment of these settings, the same for both presets."""
    grid = Grid(settings, seeds, group)
    return Experiment(**({"name": "noise", "trial": measure, "quick": grid, "full": grid} | fields))


def labels(setting: Noise, seeds: Sequence[int]) -> pd.DataFrame:
    """The sum of the first labels of the test images, and the checksum of the data that were loaded."""
    digits = data.load("digits")
    first = int(digits.test.y[: setting.size].sum())
    return pd.DataFrame({"seed": list(seeds), "labels": first, "checksum": digits.checksum})
