"""Pytest in a copy of the book, in a process forked from one that has loaded torch and the like.

To load them takes longer than most tests that a deliberate change of the package is seen by.
"""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARIES = ("torch._dynamo", "torch.func", "scipy.stats", "scipy.optimize", "sklearn.datasets", "pandas")
LIBRARIES += ("matplotlib.pyplot", "altair", "jaxtyping", "beartype", "hypothesis", "pytest")
WAIT = 3600
"""Seconds that such a process may take, asleep or not."""


def environment(root: Path) -> dict[str, str]:
    """What a process of the copy in `root` has for an environment: it writes nothing elsewhere."""
    own = {"PYTHONPATH": str(root), "XDG_CACHE_HOME": str(root / "cache"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))} | own


def pytested(root: Path, tests: Sequence[str], *, seconds: int | None = None) -> tuple[int | None, str]:
    """Pytest's status for some tests of the copy in `root`, up to the first that fails, and what it printed.

    Args:
        root: The folder of the copy.
        tests: Below tests/.
        seconds: Of a processor, which nothing else can take from it; the status is None where it needs more.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES])
    with tempfile.NamedTemporaryFile("r", errors="replace") as said:
        arguments = ["-q", "-x", "-p", "no:cacheprovider", *(f"tests/{name}" for name in tests)]
        process = context.Process(target=_pytest, args=(root, environment(root), arguments, said.name, seconds))
        process.start()
        process.join(WAIT)
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
            return None, ""
        return process.exitcode, said.read()


def _pytest(root: Path, variables: Mapping[str, str], arguments: list[str], said: str, seconds: int | None) -> None:
    """Be the process `pytest ARGUMENTS` of a copy, which finds no module of the checkout."""
    if seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 10))
    os.chdir(root)
    os.environ.clear()
    os.environ.update(variables)
    with open(said, "w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "resnet_lib")]:
        del sys.modules[name]
    sys.path[:] = [str(root), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    import pytest

    status = pytest.main(arguments)
    sys.stdout.flush()
    os._exit(int(status))
