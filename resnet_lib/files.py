"""Files of the book and of caches are written whole or not at all, by one process at a time.

This module also finds the book's folder. It knows nothing of what the files hold.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


class Damaged(ValueError):
    """A file of the cache is not what was written there."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that at any moment, also after a crash, the old or the new one is there whole.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder, "new", "table.csv"), b"seed,value")
        ...     Path(folder, "new", "table.csv").read_bytes()
        b'seed,value'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:  # with the rights of any new file, which `tempfile` would not give
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


LEDGER = "claims.yml"


def root(start: Path | None = None) -> Path:
    """Folder of the book: the nearest of `start` (default: the working folder) and its parents that holds claims.yml.

    Raises:
        FileNotFoundError: Where there is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder, LEDGER), b"[]")
        ...     write_atomically(Path(folder, "chapters", "01_depth.ipynb"), b"{}")
        ...     root(Path(folder, "chapters")) == Path(folder).resolve()
        True
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / LEDGER).is_file():
            return folder
    raise FileNotFoundError(
        f"no {LEDGER} in {start} or above it; change to the book's folder (a clone of its repository)"
    )


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process or thread works on this file; a process that dies lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        yield
