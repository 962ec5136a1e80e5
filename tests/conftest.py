"""For all tests: types and shapes are checked at every call of the package; one thread; hypothesis repeats itself."""

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jaxtyping
import pytest

ROOMS = Path(__file__).parents[1] / "resnet_lib"
# All but `sweep.source`, which reads the syntax of the whole package by a million calls: checked, it takes four times
# as long, in every process that a test starts.
CHECKED = [f"resnet_lib.{path.stem}" for path in ROOMS.iterdir() if path.stem != "sweep"]
CHECKED += [f"resnet_lib.sweep.{path.stem}" for path in (ROOMS / "sweep").iterdir() if path.stem != "source"]

# Before any module of the package is imported. An int passes for a float, as for every type checker.
jaxtyping.install_import_hook(CHECKED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and what they start would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no fault of a test, nor of the examples that it draws.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def numerics() -> Iterator[None]:
    """One thread, as in every trial; fixtures of modules included. hypothesis needs denormal numbers to exist."""
    from resnet_lib import runtime

    with runtime.numerics(flush_denormal=False):
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Turn the check of types off, for a test of what a user, who has no such check, is told about wrong input."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look for examples in the library alone: what tests share has none, and some of it needs tools of its own."""
    helper = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if helper else None
