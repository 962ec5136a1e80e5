"""The book in four steps, each usable alone: stage, execute, collect, render.

    checkout -> stage -> _build/run -> execute -> collect -> _build/source -> render -> _build/html

`_build/run` is a copy of the checkout's pages in which the notebooks run, so that the committed ones stay as they are.
`_build/source` is what Sphinx reads; a file there is only written where its content changes, and Sphinx rebuilds
nothing that it need not. Whatever moment a build is killed at, the next one is whole: each step compares what is there
with what has to be, and pages of a rendering that did not end are made again. This module knows files and notebooks;
what the evidence says is judged in `ledger`.
"""

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import nbformat
from filelock import FileLock, Timeout
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from resnet_lib.book import builders, kernels, library
from resnet_lib.evidence import manuscript
from resnet_lib.files import write_atomically

if TYPE_CHECKING:
    from resnet_lib.replication.held import Held

BUILD, RUN, SOURCE, HTML = "_build", "_build/run", "_build/source", "_build/html"
# What the book is made of; anything else in a checkout is not part of it.
PAGES = ("_config.yml", "_toc.yml", "*.md", "chapters/*.ipynb", "_static/**/*", "_templates/**/*", "_ext/**/*")
EVIDENCE = ("claims.yml", "references.bib", "figures/**/*", "results/**/*")
RENDERED = ".rendered"  # in the build's folder, while the pages there are whole: a hash of what reaches all of them
# A change here reaches every page, and Sphinx notices only some of them by itself.
GLOBAL = ("_config.yml", "_toc.yml", "_static/", "_templates/", "_ext/")
SERVED = Path("_extra")  # as it is, at the top of the site: _extra/figures is served at /figures/
TIMEOUT = 1800.0  # seconds per cell: one that hangs ends, one on a busy machine does not
HALF = re.compile(r"\..+\.tmp")  # what `write_atomically` leaves where it is killed
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class BrokenNotebook:
    """A notebook that did not run to its end: which, at which code cell (counted from 1), and the traceback."""

    notebook: str
    cell: int
    reason: str

    def __str__(self) -> str:
        return f"{self.notebook}, code cell {self.cell}:\n{self.reason}"


@contextmanager
def alone(folder: Path, *, waiting: Callable[[], object]) -> Iterator[None]:
    """Be the only one who builds in `folder`; where another process does, call `waiting` and wait for it.

    The lock is the operating system's and ends with the process that has it, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def notebooks(root: Path) -> list[Path]:
    """The chapters below `root`, in the order of their names."""
    return manuscript.notebooks(root)


def stage(root: Path, target: Path | None = None) -> Path:
    """Copy the pages and evidence of the checkout `root` to `target` (default `_build/run`) and return it.

    Files that are equal already stay untouched; what is no longer in the checkout is removed.

    Raises:
        FileNotFoundError: `root` has no `_toc.yml`.
    """
    if not (root / "_toc.yml").is_file():
        raise FileNotFoundError(f"root={root} has no _toc.yml, so it is not the book's folder; run from the checkout")
    target = target or root / RUN
    files = {path.relative_to(root): path.read_bytes() for path in _matches(root, PAGES + EVIDENCE)}
    mirror(target, files)
    return target


def mirror(target: Path, files: dict[Path, bytes]) -> tuple[set[Path], set[Path]]:
    """Make the folder `target` hold exactly `files` and return (written, removed); equal files are not touched."""
    removed = {path.relative_to(target) for path in _files(target)} - files.keys()
    for name in removed:
        (target / name).unlink()
        if not any((target / name).parent.iterdir()):
            (target / name).parent.rmdir()
    written = set()
    for name, content in files.items():
        path = target / name
        if path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.add(name)
    return written, removed


def execute(paths: Iterable[Path], *, jobs: int = 2, timeout: float = TIMEOUT) -> list[BrokenNotebook]:
    """Run notebooks in place, `jobs` at a time, and write each that ran to its end without a trace of the clock.

    A notebook with an error keeps its file as it was, and the others still run. The kernel is the running interpreter,
    whatever kernels the machine has installed. `timeout` is in seconds per cell. Ctrl-C ends all kernels at once.

    What took longest begins first, so that no long notebook is left over for one core at the end, and notebooks that
    run side by side share the cores: more processes than cores would only bring torch into memory once more.
    """
    if jobs < 1:
        raise ValueError(f"jobs={jobs} must be at least 1; 1 runs the notebooks one after the other")
    if not timeout > 0:
        raise ValueError(f"timeout={timeout} must be above 0, in seconds a cell; the default is {TIMEOUT:g}")
    read = {path: manuscript.notebook(path) for path in paths}  # all, before the first one runs

    cores = max(1, joblib.cpu_count() // max(1, min(jobs, len(read))))

    async def all_of() -> list[BrokenNotebook | None]:
        seats = asyncio.Semaphore(jobs)
        # It brings torch and Matplotlib, which takes seconds: the kernels use them as well.
        meanwhile = asyncio.create_task(asyncio.to_thread(import_module, "resnet_lib.evidence.ledger"))

        async def one(path: Path) -> BrokenNotebook | None:
            async with seats:
                return await _execute(path, read[path], timeout, cores)

        order = longest_first(read)
        done = dict(zip(order, await asyncio.gather(*map(one, order)), strict=True))
        await meanwhile
        return [done[path] for path in read]

    return [failure for failure in asyncio.run(all_of()) if failure]


def longest_first(read: Mapping[Path, NotebookNode]) -> list[Path]:
    """Notebooks in the order of what the experiments whose results they show took when these were computed."""

    def seconds(path: Path) -> float:
        outputs = (output for cell in _code_cells(read[path]) for output in cell.outputs)
        published = (output.get("metadata", {}).get("resnet_lib", {}).get("record", {}) for output in outputs)
        stamps = [record["stamp"] for record in published if "stamp" in record]
        return sum({stamp["experiment"]: stamp["seconds"] for stamp in stamps}.values())

    return sorted(read, key=seconds, reverse=True)


async def _execute(path: Path, before: NotebookNode, timeout: float, cores: int) -> BrokenNotebook | None:
    notebook = deepcopy(before)
    client = kernels.client(notebook, path.parent, timeout=timeout, cores=cores)
    try:
        await client.async_execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        started = sum(cell.cell_type == "code" for cell in notebook.cells[: client.code_cells_executed + 1])
        failed = [n for n, cell in enumerate(_code_cells(notebook), 1) if _has_error(cell)]
        reason = ANSI.sub("", str(error)).strip()
        if isinstance(error, CellTimeoutError):
            reason += f"\nA cell may take {timeout:g} s; give it more with --timeout, such as --timeout 1h"
        return BrokenNotebook(path.name, failed[-1] if failed else max(started, 1), reason)
    from resnet_lib.evidence import records

    notebook.metadata.get("language_info", {}).pop("version", None)
    records.keep_older_stamps(notebook, before)
    if notebook != before:
        write_atomically(path, f"{nbformat.writes(notebook).rstrip()}\n".encode())
    return None


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _has_error(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def refresh(root: Path, run: Path) -> list[Path]:
    """Take over the executed notebooks and figures of `run` into the checkout `root`; return what changed there.

    Each file is the old one or the new one whole, also where the disk is full.
    """
    written = set()
    for pattern in ("chapters/*.ipynb", "figures/**/*"):
        for path in _matches(run, (pattern,)):
            here = root / path.relative_to(run)
            if not here.is_file() or here.read_bytes() != path.read_bytes():
                write_atomically(here, path.read_bytes())
                written.add(here)
    return sorted(written)


def collect(run: Path, source: Path, root: Path | None = None) -> "Held":
    """Read verdicts and figures out of the notebooks in `run` and write the pages that Sphinx reads to `source`.

    The outputs are shown with all digits and their provenance; ledger, figure index and findings are generated. The
    run is held against the book in `root`, whose verdicts are the published ones: where one came out otherwise, its
    card says so, and a line on each page says that the text speaks of the reference. Without `root` the outputs in
    `run` are the published ones.

    Raises:
        ValueError: One of these files cannot be read; the message names it and the place.
    """
    from resnet_lib.evidence import changes, landing, pages
    from resnet_lib.replication import replicas
    from resnet_lib.replication.held import hold, told

    held = hold(run, root or run)
    evidence = held.shown
    files = {path.relative_to(run): path.read_bytes() for path in _matches(run, (*PAGES, "references.bib"))}
    for name in files:
        if name.suffix in (".md", ".yml"):  # Sphinx would show the one as it is, and talk at length of the other
            manuscript.page(run / name)
    has_library = library.is_listed(run / "_toc.yml")
    for path in notebooks(run):
        notebook = manuscript.notebook(path)
        chapter = manuscript.chapter(path)
        pages.show_all_digits(notebook, evidence)
        pages.hide_plumbing(notebook)
        pages.show_numbers(notebook, evidence, chapter)
        pages.show_statements(notebook, evidence)
        pages.show_elsewhere(notebook, evidence, chapter)
        if has_library:
            library.lead_to_code(notebook, chapter.replace("-", "_"))
        if line := told(held, chapter):
            notebook.cells.insert(1, new_markdown_cell(f":::{{note}}\n{line}\n:::", id="replication"))
        files[path.relative_to(run)] = nbformat.writes(notebook).encode()
    drawn = {path.relative_to(run).as_posix(): path.read_bytes() for path in _matches(run, ("figures/**/*",))}
    alone = landing.pages(evidence, drawn, manuscript.address(run / "_config.yml"), changes.read(run))
    files |= {SERVED / path: content for path, content in (drawn | alone).items()}
    titles = {chapter.name.replace("-", "_"): chapter.title for chapter in evidence.chapters.values()}
    shown = library.pages(titles) if has_library else {}
    for name, text in (pages.generated(evidence, replicas.kept(root or run)) | shown).items():
        files[Path(name)] = text.encode()
    mirror(source, files)
    return held


def renew(source: Path) -> str:
    """Remove the built pages unless they are whole and all of them may stay; return what to remember of `source`.

    Sphinx renews a page whose own file has changed. It does not notice all that reaches every page, keeps those that
    are gone, and takes the halves that a killed rendering left for whole: its search index would lack pages.
    """
    build, found = source.parent, hashlib.sha256()
    for path in _files(source):
        name = path.relative_to(source)
        if SERVED not in name.parents:
            reaches_all = name.as_posix().startswith(GLOBAL)
            content = hashlib.sha256(path.read_bytes()).hexdigest() if reaches_all else ""
            found.update(json.dumps([name.as_posix(), content]).encode())
    mark = build / RENDERED
    if not mark.is_file() or mark.read_bytes() != found.hexdigest().encode():
        mark.unlink(missing_ok=True)  # first: this may be killed as well
        for folder in (source.parent / "html", source.parent / ".doctrees"):
            if folder.exists():
                shutil.rmtree(folder)
    return found.hexdigest()


def render(source: Path) -> Path:
    """Build the HTML from `source` into its sibling `html`, any warning an error, and return the front page.

    Raises:
        builders.BookError: Sphinx reported a warning or an error; the message holds its output.
    """
    build, whole = source.parent, renew(source)
    (build / RENDERED).unlink(missing_ok=True)
    builders.sphinx(source, "..", "-W", "-n", "--keep-going")
    # Sphinx copies these only when it has a page to write, and keeps what is gone.
    for path in sorted((source / SERVED).iterdir()):
        served = build / "html" / path.name
        if path.is_dir():
            mirror(served, {file.relative_to(path): file.read_bytes() for file in _files(path)})
        else:
            write_atomically(served, path.read_bytes())
    write_atomically(build / RENDERED, whole.encode())
    return build / "html/index.html"


def _files(root: Path) -> list[Path]:
    return _glob(root, ("**/*",))


def _matches(root: Path, patterns: Sequence[str]) -> list[Path]:
    return [path for path in _glob(root, patterns) if not HALF.fullmatch(path.name)]


def _glob(root: Path, patterns: Sequence[str]) -> list[Path]:
    hidden = {"__pycache__", ".ipynb_checkpoints"}
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if not hidden & set(path.relative_to(root).parts))
