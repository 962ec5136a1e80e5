"""The making of the book, interrupted: by kills, by Ctrl-C and SIGTERM, by a second build, by a disk that is full."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import events
import nbformat
import psutil
import pytest

from tests import books, killing_the_book

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return books.buildable(tmp_path / books.ODD)


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Starts a `resnet-lib` command in the book; what is left at the end of the test is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command, options = books.command(root, *arguments)
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def waiting(root: Path) -> Path:
    """Let the chapter's last cell wait for ever, after it has written the file that is returned."""
    path, sign = root / "chapters/01_fixture.ipynb", root / "waiting"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = f"import threading\nopen({str(sign)!r}, 'w').close()\nthreading.Event().wait()"
    nbformat.write(notebook, path)
    return sign


def reached(process: subprocess.Popen[str], event: Callable[[], object]) -> None:
    events.wait_for("a phase of the build", event, instead=lambda: process.poll() is not None and process.communicate())


def test_a_killed_build_is_followed_by_a_whole_one(tmp_path: Path):
    """Once in each phase; `python tests/killing_the_book.py` kills twenty times."""
    told = killing_the_book.story(tmp_path, kills=3, seed=5)
    assert told["wrong"] == []
    assert set(told["phases"]) == set(killing_the_book.PHASES)
    assert (told["left"], told["unindexed"]) == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", ["executing", "rendering", "replicating"])
def test_a_signal_ends_a_build_with_one_line_and_leaves_no_process(
    root: Path, start: Start, phase: str, number: signal.Signals
):
    if phase in ("executing", "replicating"):
        sign = waiting(root)
        process = start("book" if phase == "executing" else "replicate")
        reached(process, sign.exists)
    else:
        books.write(root, books.verdict(root), books.figure(root))
        process = start("book", "--stored")
        reached(process, lambda: (root / "_build/.doctrees").exists())
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    said, errors = process.communicate()
    assert (errors, process.returncode) == ("interrupted\n", 130)
    assert "rendered" not in said
    _, alive = psutil.wait_procs(children, timeout=events.PATIENCE)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
    assert not (root / "_build/.rendered").exists()


def test_kernels_and_sphinx_end_with_a_build_that_is_killed(root: Path, start: Start):
    sign = waiting(root)
    process = start("book")
    reached(process, sign.exists)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert children
    assert psutil.wait_procs(children, timeout=events.PATIENCE)[1] == []


def held(root: Path) -> tuple[Path, Path]:
    """Let the chapter's last cell add a line to the first file that is returned, and wait for the second, a pipe."""
    path, sign, gate = root / "chapters/01_fixture.ipynb", root / "begun", root / "gate"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = f"print('.', file=open({str(sign)!r}, 'a'))\n_ = open({str(gate)!r}).read()"
    nbformat.write(notebook, path)
    os.mkfifo(gate)
    return sign, gate


def test_two_replications_wait_for_each_other(root: Path, start: Start):
    sign, gate = held(root)
    first = start("replicate")
    reached(first, sign.exists)
    second = start("replicate")
    assert second.stderr is not None
    told = second.stderr.readline()
    assert re.fullmatch(
        r"another replication in .*_build/replicate/native-.* is running; waiting for it to end\n", told
    )
    gate.open("w").close()  # ends where the cell has it open as well
    said = first.communicate()[0]
    reached(second, lambda: sign.read_text() == ".\n.\n")
    gate.open("w").close()
    assert second.communicate()[0] == said  # of the same trials
    assert "compared on" in said
    assert first.returncode == second.returncode


def test_a_replication_that_is_killed_holds_up_no_other(root: Path, start: Start):
    sign, gate = held(root)
    first = start("replicate")
    reached(first, sign.exists)
    kernels = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    psutil.wait_procs(kernels, timeout=events.PATIENCE)  # so that the pipe is the second one's
    second = start("replicate")
    reached(second, lambda: sign.read_text() == ".\n.\n")
    gate.open("w").close()
    _, errors = second.communicate()
    assert "another replication" not in errors


def test_two_builds_of_a_checkout_wait_for_each_other(root: Path, start: Start):
    books.write(root, books.verdict(root), books.figure(root))
    first = start("book", "--stored")
    reached(first, lambda: (root / "_build/source").exists())
    first.send_signal(signal.SIGSTOP)  # so that it does not end before the second has begun
    second = start("book", "--stored")
    assert second.stderr is not None
    assert second.stderr.readline() == f"another build of {root} is running; waiting for it to end\n"
    first.send_signal(signal.SIGCONT)
    (said, errors), (_, quiet) = second.communicate(), first.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert errors == ""
    assert quiet == ""
    assert "The book is at" in said
    pages = books.pages(root)
    assert books.unindexed(root / "_build/html") == set()
    alone = start("book", "--stored")
    assert alone.communicate()[1] == ""
    assert books.pages(root) == pages
    alone_ = ("_static/", "figures/", "claims/")  # pages of single figures and claims have a style of their own
    html = [name for name in pages if name.endswith(".html") and not name.startswith(alone_)]
    assert [name for name in html if b"_static/book.css?v=" not in pages[name]] == []  # each names its version


FULL = """
import resource, signal, sys
from pathlib import Path
from resnet_lib.book import build
from resnet_lib.cli.errors import readable

root, run, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
with readable():
    build.refresh(root, run)
"""


def test_a_full_disk_leaves_the_notebooks_of_the_checkout_whole(root: Path):
    """A limit on the size of a file stops the writing in the middle of it, as a full disk does."""
    from resnet_lib.book import build

    run = build.stage(root)
    books.write(run, books.verdict(root), books.figure(run))
    path = root / "chapters/01_fixture.ipynb"
    before, limit = path.read_bytes(), (run / "chapters/01_fixture.ipynb").stat().st_size // 2
    options = books.command(root)[1]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(root), str(run), str(limit)], capture_output=True, text=True, **options
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("File too large; free or unlock it, and run the command again")
    assert path.read_bytes() == before
    assert [path.name for path in (root / "chapters").iterdir()] == ["01_fixture.ipynb"]
    assert run / "chapters/01_fixture.ipynb" in build.notebooks(run)
    build.refresh(root, run)
    assert path.read_bytes() == (run / "chapters/01_fixture.ipynb").read_bytes()
    assert path.stat().st_mode == (root / "index.md").stat().st_mode


@pytest.mark.parametrize("command", ["book", "refresh", "replicate"])
def test_the_time_of_a_cell_is_an_option_and_its_failure_names_it(root: Path, start: Start, command: str):
    path = waiting(root).parent / "chapters/01_fixture.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [notebook.cells[0], notebook.cells[-1]]
    nbformat.write(notebook, path)
    before = path.read_bytes()
    process = start(command, "--timeout", "1s")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "01_fixture.ipynb, code cell 1:" in errors
    assert "A cell may take 1 s; give it more with --timeout, such as --timeout 1h" in errors
    assert "Traceback" not in errors
    assert path.read_bytes() == before
