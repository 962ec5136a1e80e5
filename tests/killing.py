"""Kill sweeps at random moments, start them again, and see what is left: `python tests/killing.py --help`.

The processes that sweep are forks of this one, which has imported everything, so that twenty of them cost little. The
tests kill sweeps that compute by themselves; with `--workers 2` each of them has worker processes of its own. The last
setting is held until all kills are done, and the last kill meets the sweep that computes it: so no sweep ends before,
and at least one trial is lost, however fast or slow the machine is.
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
from events import wait_for
from trials import Noise, begun, experiment, holder, logged, release

from resnet_lib import sweep
from resnet_lib.sweep.trial import Basis, trials


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
    sizes = range(options.trials // 2)
    fates = {sizes[-1]: "held"}
    settings = (Noise(size, options.pause, str(log), fate=fates.get(size, "fine")) for size in sizes)
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
    while kills < options.kills:
        before = begun(log)
        if kills == options.kills - 1:
            victim = wait_for("the last setting", lambda: next((pid for pid in running if holder(log) == str(pid)), 0))
        else:
            if options.workers > 1 and rng.random() < 0.8:  # worker processes take seconds to start
                wait_for("another trial", lambda before=before: begun(log) > before or holder(log))
            time.sleep(rng.uniform(0, 1.4 * slice_))
            victim = running[rng.randrange(len(running))]
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        if not os.WIFSIGNALED(status):
            raise RuntimeError(f"a sweep has ended by itself, with status {os.WEXITSTATUS(status)}")
        kills += 1
        seen.append((begun(log), done()))  # what is kept from here on is not computed again
        running.remove(victim)
        running.append(start())
    release(log)
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
