"""Kill sweeps at random moments, start them again, and see what is left: `python tests/killing.py --help`.

The processes that sweep are forks of this one, which has imported everything, so that twenty of them cost little. The
tests kill sweeps that compute by themselves; with `--workers 2` each of them has worker processes of its own.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from trials import Noise, experiment, logged

from resnet_lib import sweep
from resnet_lib.trial import Basis, trials


def main() -> None:
    """Print what happened as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--sweepers", type=int, default=1, help="processes that sweep the same grid at once")
    parser.add_argument("--workers", type=int, default=1, help="of each of them")
    parser.add_argument("--pause", type=float, default=0.03, help="seconds of each trial")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(story(Path(folder), options)))


def story(folder: Path, options: argparse.Namespace) -> dict[str, int | bool]:
    """Kill and start again, then let it end."""
    log, kept = folder / "log", folder / "cache" / "noise"
    log.touch()
    settings = (Noise(size=size, pause=options.pause, log=str(log)) for size in range(options.trials // 2))
    grid = experiment(*settings, seeds=(0, 1), group=1, trial=logged)
    keys = {f"{t.setting.size} {t.seeds}": t.key for t in trials(grid, grid.quick, Basis.of(grid, "cpu", grid.quick))}
    rng = random.Random(options.seed)

    def start() -> int:
        if (pid := os.fork()) > 0:
            return pid
        code = 1
        try:
            os.setsid()  # so that the workers are known by their group
            table = sweep.run(grid, workers=options.workers, cache=folder / "cache", progress=False).table
            table.to_pickle(folder / f"{os.getpid()}.pkl")
            code = 0
        finally:
            os._exit(code)

    def done() -> set[str]:
        return {path.stem for path in kept.glob("*.npz")}

    running, kills, seen = [start() for _ in range(options.sweepers)], 0, []
    slice_ = options.pause * options.trials / max(1, options.kills) / max(options.workers, options.sweepers)
    while kills < options.kills and len(done()) < options.trials:
        begun, patience = len(log.read_text().splitlines()), time.monotonic() + 60 * (rng.random() < 0.8)
        while time.monotonic() < patience and len(log.read_text().splitlines()) == begun and options.workers > 1:
            time.sleep(0.01)  # worker processes take seconds to start; now and then the kill comes before
        time.sleep(rng.uniform(0, 1.4 * slice_))
        victim = running.pop(rng.randrange(len(running)))
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        if os.WIFSIGNALED(status):
            kills += 1
            seen.append((len(log.read_text().splitlines()), done()))  # what is kept from here on is not computed again
        running.append(start())
    codes = [os.WEXITSTATUS(os.waitpid(pid, 0)[1]) for pid in running]
    lines = [keys[line] for line in log.read_text().splitlines()]
    again = sum(line in before for count, before in seen for line in lines[count:])
    tables = [pd.read_pickle(path) for path in folder.glob("*.pkl")]
    calm = sweep.run(grid, workers=1, cache=folder / "undisturbed", progress=False).table
    identical = all(_bytes(table) == _bytes(calm) for table in tables)
    told = {"trials": len(keys), "kills": kills, "computed": len(lines), "kept_and_computed_again": again}
    return told | {"ended_well": not any(codes), "tables": len(tables), "identical": identical}


def _bytes(table: pd.DataFrame) -> list[object]:
    arrays = {name: values.to_numpy() for name, values in table.items()}
    return [(name, x.tolist() if x.dtype == object else x.tobytes()) for name, x in arrays.items()]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
