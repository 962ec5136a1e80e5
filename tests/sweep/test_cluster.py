"""The same sweep on a Dask cluster, for real on loopback: a scheduler and worker processes, one of them killed."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from distributed import Client
from events import PATIENCE, wait_for
from trials import Noise, begun, experiment, logged, on_device, release

from resnet_lib import sweep
from resnet_lib.sweep import SweepError, trial, workers

TESTS = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS, Path(__file__).parent))),
}


class Dask:
    """Processes of a cluster, each started by its own command as on several machines."""

    def __init__(self, folder: Path):
        self.folder, self.started, self.address = folder, list[subprocess.Popen](), ""

    def schedule(self) -> None:
        log = self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self.told(log, r"Scheduler at:\s+(tcp://[\d.]+:\d+)")

    def start(self, kind: str, *options: str) -> Path:
        log = self.folder / f"{len(self.started)}.log"
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{kind}", *options]
        with log.open("w") as file:
            self.started.append(subprocess.Popen(command, env=ENVIRONMENT, stderr=file, stdout=file, cwd=self.folder))
        return log

    def worker(self, *options: str) -> tuple[subprocess.Popen, Path]:
        shared = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        log = self.start("worker", self.address, *shared, *options)
        return self.started[-1], log

    def told(self, log: Path, pattern: str) -> str:
        def ended() -> str:
            return log.read_text() if any(process.poll() is not None for process in self.started) else ""

        match = wait_for(pattern, lambda: re.search(pattern, log.read_text()), instead=ended)
        assert match
        return match.group(1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A scheduler and two workers, one of which says that it has a GPU."""
    dask = Dask(tmp_path_factory.mktemp("dask"))
    try:
        dask.schedule()
        logs = [dask.worker("--name", "plain")[1], dask.worker("--name", "gpu", "--resources", "GPU=1")[1]]
        for log in logs:
            dask.told(log, r"(Registered to)")
        yield dask
    finally:
        for process in dask.started:
            process.kill()
        for process in dask.started:
            process.wait()


def run(tmp_path: Path, name: str, grid: sweep.Experiment, **options: Any):
    return sweep.run(grid, cache=tmp_path / name, progress=False, **options)


def same(a: sweep.Result, b: sweep.Result) -> bool:
    return a.table.equals(b.table) and all(
        a.table[name].to_numpy().tobytes() == b.table[name].to_numpy().tobytes() for name in ("value", "largest")
    )


def test_the_table_is_the_same_bit_for_bit_wherever_it_is_computed(tmp_path: Path, cluster: Dask):
    grid = experiment(*(Noise(size=i) for i in range(6)), group=2)
    alone = run(tmp_path, "1", grid, workers=1)
    assert same(alone, run(tmp_path, "2", grid, workers=2))
    assert same(alone, run(tmp_path, "4", grid, workers=4))
    on_cluster = run(tmp_path, "dask", grid, scheduler=cluster.address)
    assert same(alone, on_cluster)
    assert same(alone, run(tmp_path, "dask", grid, workers=1))  # and its cache is as good as any
    assert on_cluster.stamp.device == alone.stamp.device


def test_a_trial_for_a_gpu_goes_to_a_worker_that_has_one(tmp_path: Path, cluster: Dask):
    with workers.Cluster(cluster.address, {"GPU": 1.0}).open() as (executor, room):
        assert {executor.submit(os.getpid).result(PATIENCE) for _ in range(8)} == {cluster.started[2].pid}
        assert room() >= 4
    with workers.Cluster(cluster.address, {}).open() as (executor, _):
        found = {future.result(PATIENCE) for future in [executor.submit(_both, tmp_path, i) for i in range(20)]}
    assert found == {cluster.started[1].pid, cluster.started[2].pid}


def _both(folder: Path, _: int) -> int:
    """The process that computes, once two of them do."""
    (folder / str(os.getpid())).touch()
    wait_for("another process", lambda: len(list(folder.iterdir())) == 2)
    return os.getpid()


def _waiting(dask_worker: Any) -> int:
    """Tasks that a worker of Dask has been given and has not begun."""
    return len(dask_worker.state.ready)


def test_the_device_is_that_of_the_workers(tmp_path: Path, cluster: Dask):
    """This machine need not have it: what a worker that has none says comes from there."""
    grid = experiment(Noise(size=1), trial=on_device)
    with pytest.raises(
        ValueError, match="device='auto' would be this machine's; name that of the workers: cpu or cuda"
    ):
        run(tmp_path, "auto", grid, scheduler=cluster.address, device="auto")
    (unit,) = trial.trials(grid, grid.quick, trial.Basis.of(grid, "cuda", grid.quick))
    with workers.Cluster(cluster.address, {"GPU": 1.0}).open() as (executor, _):
        found = executor.submit(trial.outcome, unit, None).result(PATIENCE)
    if not torch.cuda.is_available():
        assert isinstance(found, sweep.Failure)


def test_failures_come_back_and_the_others_are_kept(tmp_path: Path, cluster: Dask):
    grid = experiment(*(Noise(size=i, fate="raises" if i == 2 else "fine") for i in range(5)))
    with pytest.raises(SweepError, match=r"1 of 5 trials failed; the other 4 are kept\n\nNoise\(size=2(.|\n)*no luck"):
        run(tmp_path, "failing", grid, scheduler=cluster.address)


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grid = experiment(Noise(size=1))
    with pytest.raises(
        ConnectionError, match=r"scheduler='nonsense://x' does not answer .*; start one with `dask sched"
    ):
        run(tmp_path, "none", grid, scheduler="nonsense://x")


def test_ctrl_c_cancels_what_the_cluster_has_not_begun(tmp_path: Path, cluster: Dask):
    """The two trials that it has begun end when they like; here, not before all others are seen to be cancelled."""
    log = tmp_path / "log"
    grid = experiment(
        *(Noise(size=i, log=str(log), fate="fine" if i < 3 else "held") for i in range(60)), trial=logged, seeds=(0,)
    )
    kept = tmp_path / "stopped" / "noise"

    def press():
        wait_for("all at work", lambda: len(list(kept.glob("*.npz"))) == 3 and begun(log) == 3 + 2)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            run(tmp_path, "stopped", grid, scheduler=cluster.address)
        assert caught.value.__notes__ == ["3 of 60 trials are kept; run it again to continue"]
        with Client(cluster.address, set_as_default=False) as client:
            ask: Any = client.run
            wait_for("cancelled trials", lambda: not any(ask(_waiting).values()))
            release(log)
            for worker in client.scheduler_info()["workers"]:  # they are free again, and have begun nothing else
                client.submit(os.getpid, workers=[worker], pure=False).result(PATIENCE)
    finally:
        release(log)
        signal.signal(signal.SIGINT, before)
    assert begun(log) == 3 + 2


def test_a_killed_worker_costs_what_it_had_in_flight(tmp_path: Path, cluster: Dask, capsys: pytest.CaptureFixture[str]):
    """The last test: it takes a worker away. Forty trials, and the table of an undisturbed run."""
    log = tmp_path / "log"
    grid = experiment(
        *(Noise(size=i, pause=0.05, log=str(log)) for i in range(20)), trial=logged, seeds=(0, 1), group=1
    )
    extra, told = cluster.worker()
    cluster.told(told, r"(Registered to)")
    kept = tmp_path / "killed" / "noise"
    at_kill: list[tuple[int, int]] = []

    def kill():
        wait_for("ten trials", lambda: len(list(kept.glob("*.npz"))) >= 10)
        safe = len(list(kept.glob("*.npz")))
        psutil.Process(extra.pid).kill()
        at_kill.append((begun(log), safe))

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    found = run(tmp_path, "killed", grid, scheduler=cluster.address)
    thread.join()
    computed, ((at_work, safe),) = begun(log), at_kill
    with capsys.disabled():
        print(f"\n40 trials, a Dask worker killed at {safe}: {computed} computed", end="")
    assert 40 <= computed <= 40 + at_work - safe  # what it was computing, and results that it had not handed over
    assert same(found, run(tmp_path, "calm", grid, workers=1))
