"""The cache keeps finished trials on disk: one file each, named by the hash of all that decides its content.

A file is a NumPy archive without pickles: it runs no code when it is read, and its checksums show damage.
"""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs

from resnet_lib.files import Damaged, write_atomically
from resnet_lib.sweep.key import FORMAT

NUMBERS = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float64}  # NumPy's kinds, and what they are kept as

Columns = Mapping[str, np.ndarray | list[str]]


class CacheError(RuntimeError):
    """The cache folder cannot be used as it is."""


@dataclass(frozen=True)
class Entry:
    """The outcome of one trial, as it is kept.

    Attributes:
        columns: Its table, column by column: bool, int64 and float64 arrays, or lists of str, all of one length.
        seconds: Time that it took, with that of trainings that it found done.
        created: When it was computed: ISO 8601, UTC.
        peak_memory: Largest resident memory, in bytes, of its process until then.
        device: Name of the hardware; empty in files of older versions.
    """

    columns: Columns
    seconds: float
    created: str
    peak_memory: int
    device: str = ""


def columns(table: pd.DataFrame) -> Columns:
    """A table's columns in the form that is kept.

    Raises:
        ValueError: Where a column has no name, the name of another, or values of a type that cannot be kept exactly.
    """
    names = list(table.columns)
    if any(not isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"the table's columns are {names}; each needs a name (str) of its own")
    return {str(name): _column(str(name), values) for name, values in table.items()}


def _column(name: str, values: pd.Series) -> np.ndarray | list[str]:
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in NUMBERS:
        if dtype.itemsize <= 8 and dtype != np.uint64:
            return values.to_numpy().astype(NUMBERS[dtype.kind])
    elif all(isinstance(value, str) for value in values):
        return values.tolist()
    raise ValueError(
        f"column {name!r} of the table holds {dtype}; allowed are bool, int64, float64 and str (no missing ones); "
        "split a complex column into its real and imaginary part"
    )


def encode(entry: Entry, name: str) -> bytes:
    """The bytes of a file that holds `entry` under the key `name`."""
    arrays, kinds = {}, []
    for i, (column, values) in enumerate(entry.columns.items()):
        text = isinstance(values, list)
        kinds.append([column, "str" if text else "array"])
        arrays[f"c{i}"] = _as_bytes(values) if text else values
    about = {field: getattr(entry, field) for field in ("seconds", "created", "peak_memory", "device")}
    file = io.BytesIO()
    np.savez(file, about=_as_bytes({"key": name, "format": FORMAT, "columns": kinds, **about}), **arrays)
    return file.getvalue()


def decode(data: bytes, name: str) -> Entry:
    """The entry that `encode` has written under the key `name`.

    Raises:
        Damaged: Where the bytes are anything else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (member := archive.testzip()) is not None:
                raise Damaged(f"checksum of {member} differs")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about = _from_bytes(arrays["about"])
            if (about["key"], about["format"]) != (name, FORMAT):
                raise Damaged(f"it holds another trial ({about['key'][:12]})")
            found = {
                column: _from_bytes(arrays[f"c{i}"]) if kind == "str" else arrays[f"c{i}"]
                for i, (column, kind) in enumerate(about["columns"])
            }
        return Entry(found, about["seconds"], about["created"], about["peak_memory"], about.get("device", ""))
    except Damaged:
        raise
    except (
        Exception
    ) as error:  # zipfile and numpy raise a dozen kinds on damaged bytes, and none of them is more than that
        raise Damaged(f"{type(error).__name__}: {error}") from error


def _as_bytes(value: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def _from_bytes(array: np.ndarray) -> Any:
    return json.loads(array.tobytes())


class Cache:
    """Entries in a folder, one for each key.

    Args:
        folder: Where they are; made when it is first written to. The default is the user's cache folder.
        name: Name of the folder below, e.g. of the experiment.
    """

    def __init__(self, folder: Path | None, name: str):
        self.folder = (folder or platformdirs.user_cache_path("resnet-lib")) / name

    def path(self, name: str) -> Path:
        """File of the entry with that key."""
        return self.folder / f"{name}.npz"

    def read(self, name: str) -> Entry | None:
        """The entry with that key, or None where there is none.

        Raises:
            Damaged: Where the file cannot be read as that entry. `write` replaces it.
        """
        try:
            data = self.path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Damaged(f"{type(error).__name__}: {error}") from error
        return decode(data, name)

    def __contains__(self, name: str) -> bool:
        """Whether there is a file for that key, whatever it holds."""
        return os.path.lexists(f"{self.folder}/{name}.npz")

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes of an entry: killed on the way, it leaves the old file or the new one, never half of one.

        Raises:
            CacheError: Where the folder cannot be written.
        """
        try:
            write_atomically(self.path(name), data)
        except OSError as error:
            raise self._refusal(error) from error

    def set_aside(self, name: str) -> Path:
        """Rename the file of a damaged entry, so that nothing that somebody put there is overwritten; its new path.

        Raises:
            CacheError: Where the folder cannot be written.
        """
        path = self.path(name)
        try:
            return path.replace(path.with_suffix(".damaged"))
        except OSError as error:
            raise self._refusal(error) from error

    def require_writable(self) -> None:
        """Make the folder and write a file to it, to know before the work that its results can be kept.

        Raises:
            CacheError: Where that fails, with the folder and the way out.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(b"0")
                file.flush()
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> CacheError:
        return CacheError(
            f"cache folder {self.folder} cannot be written ({error.strerror or error}); free it, or choose another "
            "one with --cache DIR (from Python: cache=Path(...)); what it holds already is kept"
        )
