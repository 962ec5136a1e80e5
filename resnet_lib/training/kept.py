"""Networks that are trained once and kept: how one process trains while others wait, and goes on where it was stopped.

Moves tensors and computes none; what is trained, and how, is the business of a run. The time that a training took is
kept with it, and counts for every trial that finds it.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from resnet_lib import files
from resnet_lib.sweep import cache, spent
from resnet_lib.training import checkpoints

Trained = tuple[dict[str, Tensor], dict[str, Any]]


@runtime_checkable
class Resumable(Protocol):
    """What can be stopped after any step, such as `loop.Run`."""

    @property
    def done(self) -> bool:
        """Whether there is no step left."""
        ...

    def advance(self) -> object:
        """Take a step."""

    def state(self) -> Mapping[str, Tensor]:
        """All that the steps to come depend on."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` has given."""

    def records(self) -> Mapping[str, Tensor]:
        """What comes out at the end."""
        ...


def once(file: Path, begin: Callable[[], tuple[Resumable, dict[str, Any]]], pause: float) -> Trained:
    """The tensors of a file and what is said about them; where there is none it is made by a run, while others wait.

    Args:
        file: Where they are kept.
        begin: Gives the run, and what is to be said about it.
        pause: Seconds after which the state of a run that is not done is kept, as `.part`.

    Raises:
        CacheError: Where the folder cannot be written.
    """
    try:
        with files.alone(file):
            if (known := _read(file)) is not None:
                spent.found(_seconds(known))
                return known
            return _made(file, *begin(), pause)
    except OSError as error:
        raise cache.CacheError(f"{file.parent} cannot be written ({error.strerror or error}); free it") from error


def _made(file: Path, run: Resumable, about: dict[str, Any], pause: float) -> Trained:
    """Advance a run from the last state that was kept, keep states on the way, and what comes out."""
    part, earlier = file.with_suffix(".part"), 0.0
    if (before := _read(part)) is not None:
        run.restore(before[0])
        earlier = _seconds(before)
        spent.found(earlier)
    started, last = spent.now(), time.monotonic()
    while not run.done:
        run.advance()
        if time.monotonic() - last >= pause and not run.done:
            checkpoints.write(part, run.state(), about | {"seconds": earlier + spent.now() - started})
            last = time.monotonic()
    tensors = {name: value.cpu() for name, value in run.records().items()}
    about = about | {"seconds": earlier + spent.now() - started}
    checkpoints.write(file, tensors, about)
    part.unlink(missing_ok=True)
    return tensors, about


def _seconds(known: Trained) -> float:
    return float(known[1].get("seconds", 0.0))


def _read(file: Path) -> Trained | None:
    """The content of a file; a damaged one is set aside."""
    try:
        return checkpoints.read(file)
    except files.Damaged:
        file.replace(file.with_suffix(".damaged"))
        return None
