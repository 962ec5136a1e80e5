"""Sweeps that are killed, stopped, and run twice at once: what is kept is kept, and nothing is computed twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from trials import Noise, experiment, logged

from resnet_lib import sweep
from resnet_lib.sweep import SweepError, Unfinished

TESTS = Path(__file__).parent
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}


def story(*options: str) -> dict[str, Any]:
    command = [sys.executable, str(TESTS / "killing.py"), *options]
    return json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True).stdout)


@pytest.mark.parametrize("sweepers", [1, 2])
def test_twenty_kills_change_no_bit_and_cost_only_what_was_in_flight(sweepers: int, capsys: pytest.CaptureFixture[str]):
    """One sweep, and two of the same grid at once, of which one is killed each time."""
    told = story("--sweepers", str(sweepers), "--seed", str(sweepers))
    with capsys.disabled():
        print(f"\n{sweepers} at once: {told}", end="")
    assert told["kills"] == 20
    assert told["ended_well"]
    assert told["tables"] == sweepers
    assert told["identical"]
    assert told["kept_and_computed_again"] == 0
    assert told["trials"] < told["computed"] <= told["trials"] + told["kills"]  # a kill costs the one trial in flight


def test_two_sweeps_at_once_share_the_trials():
    told = story("--sweepers", "2", "--kills", "0", "--trials", "40")
    assert told == {
        "trials": 40,
        "kills": 0,
        "computed": 40,
        "kept_and_computed_again": 0,
        "ended_well": True,
        "tables": 2,
        "identical": True,
    }


SWEEP = """
import sys
from pathlib import Path
from resnet_lib import catalogue, sweep
from trials import Noise, experiment, logged

folder = Path(sys.argv[1])
grid = experiment(*(Noise(size=i, pause=0.3, log=str(folder / "log")) for i in range(200)), trial=logged)
with catalogue.readable():
    sweep.run(grid, workers=int(sys.argv[2]), cache=folder / "cache")
"""


def members(group: int) -> list[psutil.Process]:
    """The processes of a group that are alive."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.parametrize(("which", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_a_signal_stops_within_seconds_and_keeps_what_is_done(tmp_path: Path, workers: int, which: signal.Signals):
    """As from a terminal, where Ctrl-C reaches the workers too."""
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(tmp_path), str(workers)],
        env=ENVIRONMENT,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    kept = tmp_path / "cache" / "noise"
    try:
        while len(list(kept.glob("*.npz"))) < 3:
            assert process.poll() is None
            time.sleep(0.02)
        started = time.monotonic()
        (os.killpg if which == signal.SIGINT else os.kill)(process.pid, which)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - started < 10
    assert process.returncode == 128 + which
    count = len(list(kept.glob("*.npz")))
    assert told == f"interrupted\n{count} of 200 trials are kept; run it again to continue\n"
    assert len((tmp_path / "log").read_text().splitlines()) <= count + workers
    _, alive = psutil.wait_procs(members(process.pid), timeout=10)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []  # no worker outlives it


def run(tmp_path: Path, *settings: Noise, **options: Any):
    grid = experiment(*settings, trial=logged, seeds=(0,))
    return sweep.run(grid, **{"cache": tmp_path / "cache", "progress": False, "workers": 2} | options)


def test_time_limits_and_budgets(tmp_path: Path):
    """A trial that hangs in Python, one that hangs where no signal arrives, and others; in one pool of workers."""
    run(tmp_path, Noise(size=100, log=str(tmp_path / "log")), Noise(size=101, log=str(tmp_path / "log")))  # starts it
    slow = [Noise(size=i, log=str(tmp_path / "slow"), pause=0.4) for i in range(100)]
    started = time.monotonic()
    with pytest.raises(Unfinished, match=r"The time is up; (\d+) of 100 trials are kept; run it again to continue"):
        run(tmp_path, *slow, budget=3.0)
    assert 3 <= time.monotonic() - started < 6
    kept = len(list((tmp_path / "cache" / "noise").glob("*.npz"))) - 2
    assert kept >= 1
    assert len((tmp_path / "slow").read_text().splitlines()) <= kept + 2

    fates = {3: "hangs", 5: "hangs deaf"}
    settings = [Noise(size=i, log=str(tmp_path / "log"), fate=fates.get(i, "fine")) for i in range(8)]
    with pytest.raises(SweepError, match="2 of 8 trials failed; the other 6 are kept") as caught:
        run(tmp_path, *settings, limit=1.0)
    asleep, deaf = (failure.traceback for failure in caught.value.failures)
    assert "in measure\n    time.sleep(1000)" in asleep
    assert "TimeoutError: not done after 1 s, the time limit" in asleep
    assert "its worker process died twice" in deaf
    assert "or in a single call for longer than the time limit of 1 s {EXIT(1)}" in deaf


@pytest.mark.parametrize(("name", "value"), [("limit", 0.0), ("budget", -1.0)])
def test_a_time_is_positive(tmp_path: Path, name: str, value: float):
    with pytest.raises(ValueError, match=f"{name}={value} must be positive, or None"):
        run(tmp_path, Noise(size=1, log=str(tmp_path / "log")), **{name: value})
