"""This module decides what SIGTERM does while something runs. It knows no trial."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_termination(stop: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let SIGTERM call `stop` within, where nobody else has said what it does.

    Only the main thread may say that, so that in another one nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
