"""Trials are computed by this process, by processes of this machine (loky), or by the workers of a cluster (Dask).

The last two are `concurrent.futures` executors, and the loop that feeds them is written once.
"""

import concurrent.futures
import contextlib
import os
import signal
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joblib.externals import loky
from joblib.externals.loky.backend.utils import kill_process_tree

from resnet_lib.sweep.cache import Cache
from resnet_lib.sweep.trial import Failure, Trial, outcome
from resnet_lib.sweep.turns import Turns

if TYPE_CHECKING:
    from distributed import Client

PAUSE = 0.2  # seconds between looks at what other processes are computing
LOOK = 1.0  # seconds between looks for a signal: after Ctrl-Z another thread may get it while the main one waits
IDLE = 300  # seconds that worker processes wait for the next sweep
THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB", "NUMEXPR")  # whose pools would be made before a trial sets one

Outcome = tuple[Trial, bytes | Failure]
Opened = tuple[Executor, Callable[[], int]]  # and how many trials to hand to it at a time


class TimeUp(RuntimeError):
    """The time that was given is over."""


class Queue:
    """The trials that are missing, each handed to one process at a time.

    Args:
        missing: The trials, in the order in which they are to be computed.
        cache: Where others may have put one in the meantime.
        turns: Of that cache.
        elsewhere: Called for each trial that others have computed.
    """

    def __init__(self, missing: Iterable[Trial], cache: Cache, turns: Turns, elsewhere: Callable[[], object]):
        self.new, self.postponed = iter(missing), deque[Trial]()
        self.cache, self.turns, self.elsewhere = cache, turns, elsewhere
        self.next: Trial | None = next(self.new, None)

    def __bool__(self) -> bool:
        return self.next is not None or bool(self.postponed)

    def take(self) -> Trial | None:
        """The next trial that no other process computes now; None where there is none at the moment."""
        for _ in range(len(self.postponed)):  # the others' may have ended by now
            if (trial := self._taken(self.postponed.popleft())) is not None:
                return trial
        while self.next is not None:
            trial, self.next = self.next, next(self.new, None)
            if (trial := self._taken(trial)) is not None:
                return trial
        return None

    def _taken(self, trial: Trial) -> Trial | None:
        if not self.turns.take(trial.key):
            self.postponed.append(trial)
            return None
        if trial.key not in self.cache:
            return trial
        self.turns.give_back(trial.key)
        self.elsewhere()
        return None


@dataclass(frozen=True)
class Local:
    """Processes of this machine. They stay for this process's next sweep, and end with it."""

    workers: int

    @contextlib.contextmanager
    def open(self) -> Iterator[Opened]:
        """The executor; an exception on the way out stops what is running."""
        executor = loky.get_reusable_executor(
            self.workers,
            timeout=IDLE,
            kill_workers=True,
            initializer=_end_with,
            initargs=(os.getpid(),),
            env={f"{name}_NUM_THREADS": "1" for name in THREADS},
        )
        try:
            with warnings.catch_warnings():
                # A process that has grown is replaced by a new one, and nothing is lost.
                warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor")
                yield executor, lambda: 2 * self.workers
        except BaseException:
            # loky's own shutdown(kill_workers=True) trips, now and then, over a trial that was handed out just before.
            for process in list(executor._processes.values()):
                kill_process_tree(process)
            executor.shutdown()
            raise


TRIES = 6
"""How often a client is asked for: Dask gives the thread that it starts ten seconds, which a busy machine may not."""


def _client(address: str) -> "Client":
    from distributed import Client

    for _ in range(TRIES - 1):
        with contextlib.suppress(AssertionError):  # all that Dask says of a thread that was late
            return Client(address, timeout=10, set_as_default=False)
    return Client(address, timeout=10, set_as_default=False)


@dataclass(frozen=True)
class Cluster:
    """Workers of an existing Dask cluster.

    Attributes:
        address: Of its scheduler: `tcp://host:8786`.
        resources: What a worker has to offer, by the labels that it was started with: `{"GPU": 1}`.
    """

    address: str
    resources: dict[str, float]

    @contextlib.contextmanager
    def open(self) -> Iterator[Opened]:
        """The cluster's executor, as `Local.open` gives that of this machine."""
        try:
            client = _client(self.address)
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"scheduler={self.address!r} does not answer ({error}); start one with `dask scheduler` and workers "
                "with `dask worker ADDRESS --nthreads 1`, or leave it out to compute on this machine"
            ) from error
        with client:
            executor = client.get_executor(pure=False, resources=self.resources or None)

            def room() -> int:
                threads: Any = client.nthreads()
                return max(32, 2 * sum(threads.values()))  # also while no worker is there yet

            try:
                yield executor, room
            finally:
                executor.shutdown(wait=False)


def alone(queue: Queue) -> Generator[Outcome, None, None]:
    """The outcomes of the trials, computed one after the other in this process."""
    while queue:
        if (trial := queue.take()) is not None:
            yield trial, outcome(trial)
        elif queue:
            time.sleep(PAUSE)


def together(
    queue: Queue, pool: Local | Cluster, *, limit: float | None = None, until: float | None = None
) -> Generator[Outcome, None, None]:
    """The outcomes of the trials, as they finish.

    Where a worker process dies, the trials that it may have been computing run again one at a time. A trial that ends
    its process again has failed; the others have not.

    Args:
        queue: Of trials.
        pool: To compute them.
        limit: Seconds for each of them.
        until: When to stop, on the clock of `time.monotonic`.

    Raises:
        TimeUp: Where there was no time for all of them.
    """
    suspects: deque[Trial] = deque()
    single = False
    while queue or suspects:
        with pool.open() as (executor, room):
            running: dict[Future, Trial] = {}
            broken = False
            while not broken and (running or suspects or queue):
                single = bool(suspects) or (single and bool(running))
                slots = 1 if single else room()
                while len(running) < slots and (trial := suspects.popleft() if suspects else queue.take()):
                    try:
                        running[executor.submit(outcome, trial, limit)] = trial
                    except BrokenExecutor:
                        broken = True
                        suspects.append(trial)
                        break
                pause = PAUSE if queue and len(running) < slots else LOOK  # another process has the rest
                if until is not None:
                    pause = min(until - time.monotonic(), pause)
                    if pause <= 0:
                        raise TimeUp
                if not running and not broken:
                    time.sleep(pause)
                done, _ = concurrent.futures.wait(list(running), 10 if broken else pause, FIRST_COMPLETED)
                broken |= any(isinstance(future.exception(), BrokenExecutor) for future in done)
                if broken:  # then all that were handed out are done
                    done, _ = concurrent.futures.wait(list(running), 10)
                for future in done:
                    trial, error = running.pop(future), future.exception()
                    if error is None:
                        yield trial, future.result()
                    elif not isinstance(error, BrokenExecutor):
                        yield trial, Failure(trial.setting, trial.seeds, "".join(traceback.format_exception(error)))
                    elif single:
                        yield trial, _fatal(trial, error, limit)
                    else:
                        suspects.append(trial)
                suspects += running.values() if broken else ()


def _fatal(trial: Trial, error: BaseException, limit: float | None) -> Failure:
    why = "killed, perhaps for lack of memory"
    if limit is not None:
        why += f", or in a single call for longer than the time limit of {limit:g} s"
    codes = str(error).partition("exit codes of the workers are ")[2].partition("\n")[0]
    return Failure(trial.setting, trial.seeds, f"its worker process died twice: {why} {codes}\n")


def _end_with(parent: int) -> None:
    """A worker process ends with its parent: killed, that could not stop it. Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
