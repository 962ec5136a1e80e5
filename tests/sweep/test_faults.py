"""Disks that are full, folders that cannot be written, clocks that jump, trials that return nonsense."""

import datetime
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from events import PATIENCE, Clock
from trials import Noise, experiment, logged

from resnet_lib import sweep
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import results, runner, spent, trial
from resnet_lib.sweep.results import ResultError

TESTS = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}


def run(tmp_path: Path, grid: sweep.Experiment, **options: Any):
    return sweep.run(grid, **{"cache": tmp_path / "cache", "progress": False, "workers": 1} | options)


def python(code: str, *arguments: str, before: tuple[str, ...] = ()) -> str:
    command = [*before, sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


# Disks

SHARED = """
import sys
from pathlib import Path
from resnet_lib import sweep
from resnet_lib.sweep.cache import CacheError
from trials import Noise, experiment, logged

folder = Path(sys.argv[1])

def attempt(cache, n=40, **fields):
    grid = experiment(*(Noise(size=i, log=str(folder / "log"), **fields) for i in range(n)), trial=logged)
    try:
        table = sweep.run(grid, cache=Path(cache), progress=False, workers=1).table
        return f"{len(table)} rows"
    except CacheError as error:
        return f"CacheError: {error}"

def kept(cache):
    files = list(Path(cache).rglob("*"))
    return sum(f.suffix == ".npz" for f in files), sum(f.suffix == ".tmp" for f in files)

def computed():
    return len((folder / "log").read_text().splitlines())
"""


def test_a_quota_that_is_used_up_loses_nothing(tmp_path: Path):
    """A limit on the size of a file stops the writing in the middle of it, as a full disk does."""
    told = python(
        SHARED
        + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print(attempt(folder / "cache", n=3))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
(folder / "log").write_text("")
print(attempt(folder / "cache", n=5))
print(kept(folder / "cache"), computed())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(attempt(folder / "cache", n=5), computed())
""",
        str(tmp_path),
    ).splitlines()
    assert told[0] == "9 rows"
    assert "cannot be written (File too large); free it, or choose another one with --cache DIR" in told[1]
    assert told[2] == "(3, 0) 1"  # what was there is there, no half file is; the trial that could not be kept was run
    assert told[3] == "15 rows 3"  # and it goes on


NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def namespaces() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not namespaces(), reason="needs a file system of its own: unshare --user --mount")
def test_a_full_disk_and_a_read_only_one(tmp_path: Path):
    told = python(
        SHARED
        + """
import subprocess
disk = folder / "disk"
disk.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
print(attempt(disk))
full = kept(disk)
print(full[0], full[1])
subprocess.run(["mount", "-o", "remount,size=10m", "tmpfs", disk], check=True)
before = computed()
print(attempt(disk), computed() - before)
subprocess.run(["mount", "-o", "remount,ro", "tmpfs", disk], check=True)
print(attempt(disk), computed() - before)
print(attempt(disk, n=41), computed() - before)
""",
        str(tmp_path),
        before=NAMESPACE,
    ).splitlines()
    assert "cannot be written (No space left on device); free it, or choose another one with --cache DIR" in told[0]
    kept, remains = map(int, told[1].split())
    assert 1 <= kept < 40
    assert remains == 0
    assert told[2] == f"120 rows {40 - kept}"  # larger, it goes on with what was missing
    assert told[3] == f"120 rows {40 - kept}"  # complete, it need not be written
    assert "cannot be written (Read-only file system)" in told[4]
    assert told[4].endswith(f" {40 - kept}")  # and that is told before any work


# Result files


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "emptied":
        data.clear()
    elif how == "truncated":
        del data[len(data) // 2 :]
    else:
        data[int(how)] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_no_damage_to_a_result_file_goes_unnoticed(tmp_path: Path, suffix: str):
    grid = experiment(Noise(size=1), Noise(size=2))
    path = sweep.store(run(tmp_path, grid, preset="full"), tmp_path).with_suffix(suffix)
    good = path.read_bytes()
    for how in ("emptied", "truncated", *map(str, range(0, len(good), 7))):
        damage(path, how)
        with pytest.raises(ResultError, match=r"restore both files \(git checkout -- results/noise\), or renew them"):
            results.read("noise", tmp_path)
        path.write_bytes(good)
    assert results.read("noise", tmp_path) is not None


def test_a_stamp_without_its_hash_is_refused(tmp_path: Path):
    path = sweep.store(run(tmp_path, experiment(Noise(size=1)), preset="full"), tmp_path).with_suffix(".json")
    text = path.read_text()
    start = text.index(' "stamp_sha256"')
    path.write_text(text[:start] + text[text.index("\n", start) + 1 :])
    assert "stamp_sha256" not in path.read_text()
    with pytest.raises(ResultError, match=r"it holds sha256, columns, stamp\); restore both files"):
        results.read("noise", tmp_path)


# Clocks


class Jumping(datetime.datetime):
    """A clock that is set forward and back by years."""

    calls = 0

    @classmethod
    def now(cls, tz=None):
        cls.calls += 1
        return datetime.datetime(1970 if cls.calls % 2 else 2100, 1, 1, tzinfo=tz)


def test_a_clock_that_jumps_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = tmp_path / "log"
    grid = experiment(*(Noise(size=i, log=str(log)) for i in range(4)), trial=logged)
    calm = run(tmp_path / "calm", grid)
    monkeypatch.setattr(trial, "datetime", Jumping)
    monkeypatch.setattr(spent, "time", Clock(step=0.5))
    monkeypatch.setattr("time.time", lambda: -1e9 if Jumping.calls % 2 else 1e12)
    found = run(tmp_path, grid, budget=600.0)
    assert Jumping.calls == 0  # in a worker process, whose clock is right
    assert found.table.equals(calm.table)
    found = run(tmp_path / "alone", grid)
    assert Jumping.calls == 4
    assert found.table.equals(calm.table)
    assert found.stamp.created.startswith("2100")
    assert found.stamp.seconds == 4 * 0.5  # by the clock that nobody sets
    lines = len(log.read_text().splitlines())
    for i, path in enumerate((tmp_path / "alone" / "cache" / "noise").glob("*.npz")):
        os.utime(path, (0, 0) if i % 2 else (4e9, 4e9))
    assert run(tmp_path / "alone", grid).table.equals(calm.table)
    assert len(log.read_text().splitlines()) == lines  # nothing is computed again for its date


# Trials


def test_nan_is_kept_as_it_is_and_refused_where_it_would_decide(tmp_path: Path):
    grid = experiment(Noise(size=1, fate="nan"))
    found = run(tmp_path, grid, preset="full")
    assert found.table["value"].isna().all()
    sweep.store(found, tmp_path)
    stored = results.read("noise", tmp_path)
    assert stored is not None
    assert stored.table["value"].isna().all()
    with pytest.raises(ValueError, match="values: 3 of 3 are NaN or infinite; say in the measure which finite number"):
        Evidence(stored.table["value"].to_numpy(), np.ones(1))


def test_a_cache_that_loses_a_file_meanwhile_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grid = experiment(Noise(size=1), Noise(size=2))
    run(tmp_path, grid)
    compute = runner._compute

    def lose(*arguments: Any, **options: Any) -> None:
        compute(*arguments, **options)
        shutil.rmtree(tmp_path / "cache")

    monkeypatch.setattr(runner, "_compute", lose)
    with pytest.raises(ValueError, match="has been removed since the sweep began; run it again"):
        run(tmp_path, grid)


def test_memory_holds_the_table_and_no_more(tmp_path: Path):
    """Sixteen times the trials: what grows is the table."""
    import tracemalloc

    peaks = []
    for n in (20, 320):
        grid = experiment(*(Noise(size=i) for i in range(2)), seeds=tuple(range(n // 2)), group=1, trial=constant)
        run(tmp_path / str(n), grid)
        tracemalloc.start()
        run(tmp_path / str(n), grid)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 300 * 500  # bytes per trial, its rows of the table included


def constant(setting: Noise, seeds: tuple[int, ...]) -> pd.DataFrame:
    return pd.DataFrame({"seed": list(seeds), "value": 1.0})
