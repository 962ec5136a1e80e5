"""The book in four steps, each usable alone: stage, execute, collect, render.

    checkout -> stage -> _build/run -> execute -> collect -> _build/source -> render -> _build/html

`_build/run` is a copy of the checkout's pages in which the notebooks run, so that the committed ones stay as they are.
`_build/source` is what Sphinx reads; a file there is only written where its content changes, and Sphinx rebuilds
nothing that it need not. This module knows files and notebooks; what the evidence says is judged in `ledger`.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipykernel.kernelspec
import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

if TYPE_CHECKING:
    from resnet_lib.ledger import Evidence

BUILD, RUN, SOURCE, HTML = "_build", "_build/run", "_build/source", "_build/html"
# What the book is made of; anything else in a checkout is not part of it.
PAGES = ("_config.yml", "_toc.yml", "*.md", "chapters/*.ipynb", "_static/**/*", "_templates/**/*", "_ext/**/*.py")
EVIDENCE = ("claims.yml", "references.bib", "figures/**/*", "results/**/*")
# A change here reaches every page, and Sphinx notices only some of them by itself.
GLOBAL = ("_config.yml", "_toc.yml", "_static/", "_templates/", "_ext/")
SERVED = Path("_extra")  # as it is, at the top of the site: _extra/figures is served at /figures/
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """A notebook that did not run to its end: which, at which code cell (counted from 1), and the traceback."""

    notebook: str
    cell: int
    reason: str

    def __str__(self) -> str:
        return f"{self.notebook}, code cell {self.cell}:\n{self.reason}"


class BookError(RuntimeError):
    """Sphinx had something to say."""


def notebooks(root: Path) -> list[Path]:
    """The chapters below `root`, in the order of their names."""
    return sorted((root / "chapters").glob("*.ipynb"))


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


def execute(paths: Iterable[Path], *, jobs: int = 2, timeout: float = 600) -> list[Failure]:
    """Run notebooks in place, `jobs` at a time, and write each that ran to its end without a trace of the clock.

    A notebook with an error keeps its file as it was, and the others still run. The kernel is the running interpreter,
    whatever kernels the machine has installed. `timeout` is in seconds a cell.
    """
    if jobs < 1:
        raise ValueError(f"jobs={jobs} must be at least 1; 1 runs the notebooks one after the other")

    async def all_of() -> list[Failure | None]:
        seats = asyncio.Semaphore(jobs)
        # It brings torch and Matplotlib, which takes seconds: the kernels use them as well.
        meanwhile = asyncio.create_task(asyncio.to_thread(import_module, "resnet_lib.ledger"))

        async def one(path: Path) -> Failure | None:
            async with seats:
                return await _execute(path, timeout)

        done = await asyncio.gather(*map(one, paths))
        await meanwhile
        return done

    return [failure for failure in asyncio.run(all_of()) if failure]


class _ThisInterpreter(KernelSpecManager):
    """Finds one kernel, the interpreter that is running, whatever the user's folder holds under that name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=ipykernel.kernelspec.RESOURCES, **ipykernel.kernelspec.get_kernel_dict())


class _Kernel(AsyncKernelManager):
    """A kernel of this interpreter, whose messages nobody else on the machine can read."""

    def __init__(self, **options: Any):
        super().__init__(kernel_spec_manager=_ThisInterpreter(), transport_encryption="auto", **options)


async def _execute(path: Path, timeout: float) -> Failure | None:
    before = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_manager_class=_Kernel,
        kernel_name="python3",
        timeout=timeout,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        await client.async_execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        started = sum(cell.cell_type == "code" for cell in notebook.cells[: client.code_cells_executed + 1])
        failed = [n for n, cell in enumerate(_code_cells(notebook), 1) if _has_error(cell)]
        return Failure(path.name, failed[-1] if failed else max(started, 1), ANSI.sub("", str(error)).strip())
    from resnet_lib import ledger

    notebook.metadata.get("language_info", {}).pop("version", None)
    ledger.keep_older_stamps(notebook, before)
    if notebook != before:
        nbformat.write(notebook, path)
    return None


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _has_error(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def refresh(root: Path, run: Path) -> list[Path]:
    """Take over the executed notebooks and figures of `run` into the checkout `root`; return what changed there."""
    written = set()
    for pattern in ("chapters/*.ipynb", "figures/**/*"):
        for path in _matches(run, (pattern,)):
            here = root / path.relative_to(run)
            if not here.is_file() or here.read_bytes() != path.read_bytes():
                here.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, here)
                written.add(here)
    return sorted(written)


def collect(run: Path, source: Path) -> "Evidence":
    """Read verdicts and figures out of the notebooks in `run` and write the pages that Sphinx reads to `source`.

    The outputs are shown with all digits and their provenance; ledger, figure index and findings are generated.
    """
    from resnet_lib import ledger

    evidence = ledger.read(run)
    files = {path.relative_to(run): path.read_bytes() for path in _matches(run, (*PAGES, "references.bib"))}
    for path in notebooks(run):
        notebook = nbformat.read(path, as_version=4)
        ledger.show_all_digits(notebook)
        files[path.relative_to(run)] = nbformat.writes(notebook).encode()
    for path in _matches(run, ("figures/**/*",)):
        files[SERVED / path.relative_to(run)] = path.read_bytes()
    for name, text in ledger.pages(evidence).items():
        files[Path(name)] = text.encode()
    written, removed = mirror(source, files)
    gone = any(SERVED not in name.parents for name in removed)
    if gone or any(name.as_posix().startswith(GLOBAL) for name in written):
        shutil.rmtree(source.parent / "html", ignore_errors=True)
        shutil.rmtree(source.parent / ".doctrees", ignore_errors=True)
    return evidence


def render(source: Path) -> Path:
    """Build the HTML from `source` into its sibling `html`, any warning an error, and return the front page.

    Raises:
        BookError: Sphinx reported a warning or an error; the message holds its output.
    """
    call = "from jupyter_book.cli.main import main; main()"
    options = ["build", source.name, "--path-output", "..", "-q", "-W", "-n", "--keep-going"]
    # Its own process: Sphinx and docutils keep global state. The folder above `source` is Jupyter Book's `_build`.
    command = [sys.executable, "-c", call, *options]
    done = subprocess.run(command, cwd=source.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BookError(f"the pages in {source} have warnings or errors:\n{done.stderr}{done.stdout}".rstrip())
    # Sphinx copies these only when it has a page to write, and keeps what is gone.
    figures = source / SERVED / "figures"
    mirror(source.parent / "html/figures", {path.relative_to(figures): path.read_bytes() for path in _files(figures)})
    return source.parent / "html/index.html"


def _files(root: Path) -> list[Path]:
    return _matches(root, ("**/*",))


def _matches(root: Path, patterns: Sequence[str]) -> list[Path]:
    hidden = {"__pycache__", ".ipynb_checkpoints"}
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if not hidden & set(path.relative_to(root).parts))
