"""Kernels that run notebooks: of this interpreter, in the folder that is said, and gone when the run is over."""

import asyncio
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from events import PATIENCE, wait_for
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from resnet_lib.book import kernels


def notebook(*sources: str) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)])


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    return [str(line) for cell in notebook.cells if cell.outputs for line in cell.outputs[0].text.splitlines()]


def test_a_notebook_runs_in_place_with_this_interpreter_in_its_folder(tmp_path: Path):
    cells = notebook(
        "import os, sys\nx = 6", "print(sys.executable)\nprint(os.getcwd())\nprint(7 * x)\nprint(os.getpid())"
    )
    kernels.client(cells, tmp_path, timeout=PATIENCE).execute()
    executable, folder, product, pid = printed(cells)
    assert (executable, product) == (sys.executable, "42")
    assert Path(folder).resolve() == tmp_path.resolve()
    assert not psutil.pid_exists(int(pid))
    assert "execution" not in cells.cells[0].metadata


def test_a_run_that_is_cancelled_takes_its_kernel_along(tmp_path: Path):
    cells = notebook("import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(1000)")

    async def cancelled() -> None:
        run = asyncio.create_task(kernels.client(cells, tmp_path, timeout=PATIENCE).async_execute())
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises((asyncio.CancelledError, DeadKernelError)):  # whichever is noticed first
            await run

    asyncio.run(cancelled())
    pid = int((tmp_path / "pid").read_text())
    wait_for("the end of the kernel", lambda: not psutil.pid_exists(pid))
