"""Sweeps that are killed, stopped, and run twice at once: what is kept is kept, and nothing is computed twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from events import PATIENCE, Clock, longer, wait_for
from trials import Noise, begun, experiment, logged

from resnet_lib import sweep
from resnet_lib.sweep import SweepError, Unfinished, runner, workers

TESTS = Path(__file__).parents[1]
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
from resnet_lib import sweep
from resnet_lib.cli import errors
from trials import Noise, experiment, logged

folder = Path(sys.argv[1])
grid = experiment(
    *(Noise(size=i, log=str(folder / "log"), fate="fine" if i < 3 else "held") for i in range(200)), trial=logged
)
with errors.readable():
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
@pytest.mark.parametrize("stopped", [False, True])
def test_a_signal_stops_what_is_running_and_keeps_what_is_done(
    tmp_path: Path, workers: int, which: signal.Signals, stopped: bool
):
    """As from a terminal, where Ctrl-C reaches the workers too; also while the system gives the sweep no time.

    All but three trials last for ever: the sweep ends at the signal or not at all.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(tmp_path), str(workers)],
        env=ENVIRONMENT,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    kept, log = tmp_path / "cache" / "noise", tmp_path / "log"
    try:
        wait_for("3 trials", lambda: len(list(kept.glob("*.npz"))) == 3, instead=process.poll)
        wait_for("as many as there are workers", lambda: begun(log) == 3 + workers, instead=process.poll)
        if stopped:
            process.send_signal(signal.SIGSTOP)
        (os.killpg if which == signal.SIGINT else os.kill)(process.pid, which)
        if stopped:
            process.send_signal(signal.SIGCONT)
        _, told = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 128 + which
    assert told == "interrupted\n3 of 200 trials are kept; run it again to continue\n"
    assert len(list(kept.glob("*.npz"))) == 3
    assert begun(log) == 3 + workers
    _, alive = psutil.wait_procs(members(process.pid), timeout=PATIENCE)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []  # no worker outlives it


def run(tmp_path: Path, *settings: Noise, **options: Any):
    grid = experiment(*settings, trial=logged, seeds=(0,))
    return sweep.run(grid, **{"cache": tmp_path / "cache", "progress": False, "workers": 2} | options)


def test_a_budget_ends_what_would_not_end(tmp_path: Path):
    log = str(tmp_path / "log")
    done = [Noise(size=i, log=log) for i in range(2)]
    run(tmp_path, *done)
    endless = [Noise(size=i, log=log, fate="held") for i in range(2, 100)]
    text = "The time is up; 2 of 100 trials are kept; run it again to continue"
    with pytest.raises(Unfinished, match=text):
        run(tmp_path, *done, *endless, budget=1.0)
    assert begun(tmp_path / "log") <= 2 + 2


def test_a_budget_keeps_what_was_done_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By a clock that stands still until five trials are kept."""

    class Waiting(Clock):
        def monotonic(self) -> float:
            return 0.0 if len(list((tmp_path / "cache" / "noise").glob("*.npz"))) < 5 else 1.0

    for module in (runner, workers):
        monkeypatch.setattr(module, "time", Waiting())
    log = tmp_path / "log"
    settings = [Noise(size=i, log=str(log), fate="fine" if i < 50 else "held") for i in range(100)]
    with pytest.raises(Unfinished, match=r"The time is up; \d+ of 100 trials are kept") as caught:
        run(tmp_path, *settings, budget=1.0)
    kept = len(list((tmp_path / "cache" / "noise").glob("*.npz")))
    assert f" {kept} of 100 " in str(caught.value)
    assert 5 <= kept <= begun(log) <= kept + 2 * 2  # at work or handed out


def test_a_trial_that_hangs_ends_at_its_time_limit(tmp_path: Path):
    """One in Python and one where no signal arrives; the others, which have a limit too, are kept."""
    fates = {3: "hangs", 5: "hangs deaf"}
    settings = [Noise(size=i, log=str(tmp_path / "log"), fate=fates.get(i, "fine")) for i in range(8)]
    run(tmp_path, *(setting for setting in settings if setting.fate == "fine"), limit=PATIENCE)
    for limit in longer(1.0):
        with pytest.raises(SweepError, match="2 of 8 trials failed; the other 6 are kept") as caught:
            run(tmp_path, *settings, limit=limit)
        asleep, deaf = (failure.traceback for failure in caught.value.failures)
        assert f"TimeoutError: not done after {limit:g} s, the time limit" in asleep
        if "TimeoutError" not in deaf and "time.sleep" in asleep:
            break  # both had begun to hang when the limit came
    assert "in measure\n    time.sleep(1000)" in asleep
    assert "its worker process died twice" in deaf
    assert f"or in a single call for longer than the time limit of {limit:g} s {{EXIT(1)}}" in deaf


@pytest.mark.parametrize(("name", "value"), [("limit", 0.0), ("budget", -1.0)])
def test_a_time_is_positive(tmp_path: Path, name: str, value: float):
    with pytest.raises(ValueError, match=f"{name}={value} must be positive, or None"):
        run(tmp_path, Noise(size=1, log=str(tmp_path / "log")), **{name: value})
