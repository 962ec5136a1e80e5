"""What users see of a sweep: killed and run again, and in a notebook, for real."""

import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
from events import PATIENCE, wait_for
from nbclient import NotebookClient
from trials import Noise, begun, experiment, logged, release

from resnet_lib import sweep

TESTS = Path(__file__).parents[1]

SWEEP = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from resnet_lib import sweep
from trials import Noise, experiment, logged

folder = Path({folder!r})
fates = {{5: {last!r}}}
settings = (Noise(size=i, pause=0.1, log=str(folder / "log"), fate=fates.get(i, "fine")) for i in range(6))
trials = experiment(*settings, seeds=(0, 1), group=1, trial=logged)
"""


def code(folder: Path, last: str = "fine") -> str:
    """A sweep of twelve trials; what becomes of the last two."""
    return SWEEP.format(tests=str(TESTS), folder=str(folder), last=last)


def test_a_killed_sweep_continues_and_ends_with_the_same_table(tmp_path):
    """Its last two trials last as long as they have to for the kill to come before."""
    log = tmp_path / "log"
    command = code(tmp_path, last="held") + 'sweep.run(trials, workers=2, cache=folder / "cache")'
    process = subprocess.Popen([sys.executable, "-c", command], start_new_session=True, stderr=subprocess.DEVNULL)
    kept = tmp_path / "cache" / "noise"
    try:
        wait_for("three trials", lambda: len(list(kept.glob("*.npz"))) >= 3, instead=process.poll)
        workers = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)  # they notice that it is gone
    assert [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE] == []

    done, started = len(list(kept.glob("*.npz"))), begun(log)
    assert 3 <= done <= 10
    assert done <= started <= done + 2 * 2  # at work or handed out when the kill came
    release(log)
    settings = [Noise(size=i, pause=0.1, log=str(log), fate="held" if i == 5 else "fine") for i in range(6)]
    trials = experiment(*settings, seeds=(0, 1), group=1, trial=logged)
    resumed = sweep.run(trials, workers=1, cache=tmp_path / "cache", progress=False).table
    assert begun(log) - started == 12 - done
    undisturbed = sweep.run(trials, workers=1, cache=tmp_path / "other", progress=False).table
    assert resumed.equals(undisturbed)
    assert resumed["largest"].to_numpy().tobytes() == undisturbed["largest"].to_numpy().tobytes()


class Recording(NotebookClient):
    """Executes a notebook and remembers the messages behind its outputs."""

    def process_message(self, msg, cell, cell_index):
        self.resources.setdefault("messages", []).append((cell_index, msg["msg_type"], msg["content"].get("data")))
        return super().process_message(msg, cell, cell_index)


def test_a_notebook_shows_the_same_text_for_a_cold_and_a_warm_cache(tmp_path):
    run = 'result = sweep.run(trials, workers=2, cache=folder / "cache")'
    spoil = '_ = next((folder / "cache" / "noise").glob("*.npz")).write_bytes(b"")'
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in (code(tmp_path), run, run, spoil, run)]
    )
    client = Recording(notebook, timeout=int(PATIENCE), startup_timeout=int(PATIENCE))
    client.execute()
    cells = notebook.cells
    assert cells[0].outputs == cells[3].outputs == []
    cold, warm, repaired = (cells[i].outputs for i in (1, 2, 4))
    title = "noise: 6 settings × 2 seeds"
    assert cold == [nbformat.v4.new_output("display_data", {"text/plain": title})]  # and so nothing on standard error
    assert warm == repaired == cold

    def shown(cell):
        return [
            (kind, data["text/plain"]) for index, kind, data in client.resources["messages"] if index == cell and data
        ]

    assert shown(1)[0][0] == "display_data"
    assert shown(1)[0][1] == shown(1)[-1][1] == title  # nbval compares the first state, nbclient stores the last
    assert any("/12 [" in text for _, text in shown(1)[1:-1])
    assert any("damaged cache entry, computed again" in text and ".damaged" in text for _, text in shown(4))
    assert shown(2) == [("display_data", title), ("update_display_data", title)]
