"""Turns are locks of the operating system: a process that knows none of this code sees them, and they end with it."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_lib.sweep.cache import Cache
from resnet_lib.sweep.turns import Turns

fcntl = pytest.importorskip("fcntl", reason="Windows grants every turn")

ONE, OTHER = f"{1:064x}", f"{0xABC:015x}" + "0" * 49
OTHERS = """
import fcntl, sys
file = open(sys.argv[1], "ab")
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2][:15], 16))
    print("granted", flush=True)
except OSError:
    print("refused", flush=True)
sys.stdin.read()
"""
"""Another process that asks the operating system for the byte of a key, and holds it until its input ends."""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    found = Cache(tmp_path, "noise")
    found.require_writable()
    return found


def asking(cache: Cache, key: str) -> subprocess.Popen:
    command = [sys.executable, "-c", OTHERS, str(cache.folder / ".turns"), key]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def answer(cache: Cache, key: str) -> str:
    with asking(cache, key) as process:
        found = told(process)
        process.communicate()
    return found


def test_what_is_taken_is_refused_to_another_process_until_it_is_given_back(cache: Cache):
    with Turns(cache) as turns:
        assert turns.take(ONE)
        assert turns.take(ONE)  # a process does not compete with itself
        assert answer(cache, ONE) == "refused"
        assert answer(cache, OTHER) == "granted"
        turns.give_back(ONE)
        assert answer(cache, ONE) == "granted"
        assert turns.take(ONE)
    assert answer(cache, ONE) == "granted"  # the end of the context gives all of them back


def test_a_process_that_is_killed_lets_go_of_its_turn(cache: Cache):
    with Turns(cache) as turns, asking(cache, ONE) as process:
        assert told(process) == "granted"
        assert not turns.take(ONE)
        assert turns.take(OTHER)
        process.kill()
        process.wait()
        assert turns.take(ONE)


@pytest.mark.parametrize(
    ("error", "granted"),
    [(BlockingIOError(), False), (PermissionError(), False), (OSError(errno.ENOLCK, "no locks"), True)],
)
def test_where_there_are_no_locks_every_turn_is_granted(cache: Cache, monkeypatch, error: OSError, granted: bool):
    def refuse(*_: object) -> None:
        raise error

    with Turns(cache) as turns:
        monkeypatch.setattr(fcntl, "lockf", refuse)
        assert turns.take(ONE) is granted
        turns.give_back(ONE)  # which says nothing
