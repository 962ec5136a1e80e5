"""This module runs Sphinx in a process of its own, for it keeps global state; what it builds is decided elsewhere."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# It ends with its parent, however that ends, for then its input does.
SPHINX = """
import os, threading

def end_with_parent():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=end_with_parent, daemon=True).start()
from jupyter_book.cli.main import main
main()
"""


class BookError(RuntimeError):
    """Sphinx had something to say."""


def sphinx(source: Path, target: str, *options: str) -> None:
    """Run Jupyter Book on `source`; what it makes lies in `target`, relative to the folder of `source`.

    Raises:
        BookError: It ended with an error; the message holds its output.
    """
    # The folder above `source` is Jupyter Book's `_build`. Ctrl-C is this process's to handle, hence the session.
    command = [sys.executable, "-c", SPHINX, "build", source.name, "--path-output", target, "-q", *options]
    with tempfile.TemporaryFile() as said:
        streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": said, "stderr": subprocess.STDOUT}
        with subprocess.Popen(command, cwd=source.parent, start_new_session=True, **streams) as process:
            try:
                status = process.wait()
            except BaseException:
                process.kill()
                raise
        said.seek(0)
        told = said.read().decode(errors="replace")
    if status:
        raise BookError(f"the pages in {source} have warnings or errors:\n{told}".rstrip())
