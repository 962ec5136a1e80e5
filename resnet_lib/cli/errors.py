"""This module shows errors and interruptions as people read them at the command line."""

import errno
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from resnet_lib.sweep.signals import on_termination

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}  # none is a bug


@contextmanager
def readable() -> Iterator[None]:
    """Show errors that this package raises without a traceback, for they explain themselves; a bug keeps its own.

    So are disks that are full or cannot be written. What was interrupted says what it keeps, and ends with 128 and the
    number of the signal, as shells have it.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        click.echo("\n".join(("interrupted", *getattr(interrupt, "__notes__", ()))), err=True)
        raise SystemExit(128 + next(iter(interrupt.args), signal.SIGINT)) from None
    except click.ClickException:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(
                f"{place}{error.strerror}; free or unlock it, and run the command again"
            ) from error
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] != __name__.partition(".")[0]:
            raise
        raise click.ClickException(str(error)) from error


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, 130 included, in what is not a sweep."""

    def stop(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)  # asyncio has its own while it runs; in the background it is ignored
        if callable(handler):
            handler(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    with on_termination(stop):
        yield
