"""Processes that share a cache take turns: a lock that ends with its process says which of them computes what."""

import contextlib
import sys

from resnet_lib.sweep.cache import Cache


class Turns:
    """The entries that this process is computing, so that others that share the folder compute something else.

    They are locks of the operating system on the bytes of one file, one byte per entry: they end with the process,
    however it ends, and leave nothing behind. They bind processes, not the threads of one. Where a file system has no
    locks every turn is granted; then two processes may compute the same entry, and the later one replaces it by its
    equal.
    """

    def __init__(self, cache: Cache):
        self._file = (cache.folder / ".turns").open("ab")

    def __enter__(self) -> "Turns":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # which ends all of its locks

    def take(self, name: str) -> bool:
        """Whether the entry with that key is this process's to compute, until it is given back."""
        if sys.platform == "win32":
            return True
        import fcntl

        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._byte(name))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True

    def give_back(self, name: str) -> None:
        """Let other processes compute the entry with that key."""
        if sys.platform == "win32":
            return
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._byte(name))

    @staticmethod
    def _byte(name: str) -> int:
        return int(name[:15], 16)
