"""A meter shows how far a sweep is: as a bar in a terminal, as one line in a notebook, and elsewhere not at all."""

import logging
import sys
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)


class Meter(tqdm):
    """Trials done, cached and failed, and the time left; this one shows nothing.

    Args:
        title: What is run, the same in every run of it.
        total: Number of trials.
        cached: How many of them are there already.
        options: Of tqdm.
    """

    monitor_interval = 0  # tqdm would start a thread

    def __init__(self, title: str, total: int, cached: int, **options: Any):
        self.title, self.cached, self.failures = title, cached, 0
        shown = {"disable": True, "desc": title, "total": total, "initial": cached, "unit": "trial"} | options
        super().__init__(**shown)

    def finished(self, *, failed: bool = False) -> None:
        """One more trial is done."""
        self.failures += failed
        counts = {"cached": self.cached, "failed": self.failures}
        self.postfix = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        self.update()

    def notice(self, text: str) -> None:
        """Tell what the user should know and need not act on."""
        log.warning(text)


class TerminalMeter(Meter):
    """A bar on standard error."""

    def __init__(self, title: str, total: int, cached: int):
        super().__init__(title, total, cached, disable=False, dynamic_ncols=True)

    def notice(self, text: str) -> None:
        """Write it above the bar."""
        self.write(text, file=sys.stderr)


class NotebookMeter(Meter):
    """One output that is updated in place. What it shows at first and in the end is `title`, for nbval compares it.

    nbval takes the first state of an output, nbclient stores the last one; so both have to be the same in every run.
    """

    def __init__(self, title: str, total: int, cached: int):
        from IPython.display import display

        self.notices: list[str] = []
        self.closed = False
        handle = display(self._bundle(title), raw=True, display_id=True)
        assert handle is not None  # there is one for every display_id
        self.handle = handle
        super().__init__(title, total, cached, disable=total == cached, gui=True, mininterval=0.5)

    def display(self, msg: str | None = None, pos: int | None = None, **_: Any) -> None:
        """Show the bar; tqdm calls this."""
        self.handle.update(self._bundle("\n".join((*self.notices, msg or str(self)))), raw=True)

    def notice(self, text: str) -> None:
        """Show it above the bar until the end, and log it: standard error would become part of the notebook."""
        log.info(text)
        self.notices.append(text)
        self.display()

    def close(self) -> None:
        """End with the title alone."""
        if not self.closed:  # tqdm closes again when the object is collected
            self.closed = True
            super().close()
            self.handle.update(self._bundle(self.title), raw=True)

    @staticmethod
    def _bundle(text: str) -> dict[str, str]:
        return {"text/plain": text}


def meter(title: str, *, total: int, cached: int, show: bool = True) -> Meter:
    """A meter that suits where the output goes; a context manager."""
    if show and _in_notebook():
        return NotebookMeter(title, total, cached)
    return TerminalMeter(title, total, cached) if show and sys.stderr.isatty() else Meter(title, total, cached)


def _in_notebook() -> bool:
    """Whether this process is a notebook's kernel; IPython says so in the configuration of its shell."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
