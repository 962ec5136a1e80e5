"""Kill builds of the fixture book at random moments, build again and compare: `python tests/killing_the_book.py -h`.

A moment is not a time but an event, so that a slow machine is no other test than a fast one: the n-th file that the
phase has written, for a random n. Only the process that builds is killed; what it started has to end by itself, and the
next build does not wait for that.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import events
import psutil

PHASES = {"executing": ("run",), "collecting": ("source",), "rendering": ("html", ".doctrees")}
# What a build finds: nothing; the pages of the last one; those, and a page that has changed since.
STARTS = ("nothing", "pages", "changed")


def main() -> None:
    """Print what happened as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(story(Path(folder), options.kills, options.seed), indent=1))


def story(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Build undisturbed, then kill and build again, the phases by turns."""
    from tests import books

    root, rng = books.buildable(folder / books.ODD), random.Random(seed)

    def build(*arguments: str) -> subprocess.Popen[str]:
        command, options = books.command(root, *arguments)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)

    def undisturbed(*arguments: str) -> str:
        process = build(*arguments)
        said, _ = process.communicate()
        return said if process.returncode else ""

    wrong = [undisturbed("refresh"), undisturbed("book", "--stored")]  # what runs is then what is stored
    calm, front = books.pages(root), (root / "index.md").read_text()
    sizes = {phase: len(written(root, phase)) for phase in PHASES}
    told: dict[str, Any] = {"kills": [], "missed": 0, "left": 0, "unindexed": 0}
    while len(told["kills"]) < kills and not any(wrong):
        phase, start = list(PHASES)[len(told["kills"]) % len(PHASES)], rng.choice(STARTS)
        if start == "nothing":
            shutil.rmtree(root / "_build")
        elif start == "changed":
            (root / "index.md").write_text(f"{front}\nA paragraph more.\n")
        arguments = ("book",) if phase == "executing" else ("book", "--stored")
        nth = rng.randint(0, sizes[phase] if start == "nothing" else 6)
        before, process = written(root, phase), build(*arguments)
        started = wait_for(process, phase)
        wait_for_files(process, lambda phase=phase: written(root, phase), before, nth)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (root / "index.md").write_text(front)
        if process.returncode != -signal.SIGKILL:
            told["missed"] += 1  # it had ended before so many files were written
        else:
            told["kills"].append(f"{phase}, {start}, {nth}")
        wrong.append(undisturbed(*arguments))
        if books.pages(root) != calm:
            wrong.append(f"after {phase}, {start}, {nth}: {difference(books.pages(root), calm)}")
        told["unindexed"] += len(books.unindexed(root / "_build/html"))
        _, alive = psutil.wait_procs(started, timeout=events.PATIENCE)
        told["left"] += sum(child.status() != psutil.STATUS_ZOMBIE for child in alive)
    phases = Counter(kill.partition(",")[0] for kill in told["kills"])
    return told | {"phases": dict(phases), "wrong": list(filter(None, wrong))}


def wait_for_files(
    process: subprocess.Popen[str], files: Callable[[], dict[str, int]], before: dict[str, int], count: int
) -> None:
    """Return once a build has written so many files more than `before`, or has ended."""
    events.wait_for(
        "the file at which the build is killed",
        lambda: process.poll() is not None or len(files().items() - before.items()) >= count,
        every=0.1,
    )


def wait_for(process: subprocess.Popen[str], phase: str) -> list[psutil.Process]:
    """The processes that a build has started when a phase begins; it ends where the build does."""
    name = {"executing": "ipykernel", "rendering": "jupyter_book"}.get(phase)
    if not name:
        return []
    found: list[psutil.Process] = []

    def begun() -> bool:
        try:
            children = psutil.Process(process.pid).children(recursive=True)
            found[:] = children if any(name in " ".join(child.cmdline()) for child in children) else []
        except psutil.Error:  # one has ended meanwhile
            found.clear()
        return bool(found) or process.poll() is not None

    events.wait_for(f"the phase of {phase}", begun, every=0.1)
    return found


def written(root: Path, phase: str) -> dict[str, int]:
    """The files of a phase, and when each was written."""
    found = {}
    for folder in PHASES[phase]:
        for path in (root / "_build" / folder).rglob("*"):
            try:
                found[str(path)] = path.stat().st_mtime_ns
            except FileNotFoundError:  # renamed meanwhile
                continue
    return found


def difference(found: dict[str, bytes], calm: dict[str, bytes]) -> str:
    """Which files are missing, too many, or others."""
    others = [name for name in found.keys() & calm.keys() if found[name] != calm[name]]
    return f"missing {sorted(calm.keys() - found.keys())}, new {sorted(found.keys() - calm.keys())}, others {others}"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
