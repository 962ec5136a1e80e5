"""Errors and interruptions as people read them: a sentence where the package says it, a traceback where it is a bug."""

import errno
import signal
from pathlib import Path

import click
import pytest
from calling import call

from resnet_lib.cli.errors import readable, terminable
from resnet_lib.ode import tableaus


def test_a_bug_keeps_its_traceback(fixture_book: Path, monkeypatch: pytest.MonkeyPatch):
    def bug(*_: object) -> None:
        raise ValueError("not raised by the package")

    monkeypatch.setattr("resnet_lib.evidence.ledger.table", bug)
    assert isinstance(call("ledger").exception, ValueError)


def test_an_error_of_the_package_is_its_sentence():
    with pytest.raises(click.ClickException, match=r"^method='rk5' is unknown; known: ") as caught, readable():
        tableaus.method("rk5")
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_from_elsewhere_is_a_bug():
    with pytest.raises(ValueError, match="invalid literal"), readable():
        int("x")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_is_no_bug(number: int):
    with pytest.raises(click.ClickException, match=r"^/somewhere: .*; free or unlock it, and run"), readable():
        raise OSError(number, "it takes nothing", "/somewhere")
    with pytest.raises(OSError, match="no such device"), readable():
        raise OSError(errno.ENXIO, "no such device", "/somewhere")


@pytest.mark.parametrize(("arguments", "status"), [((), 130), ((signal.SIGTERM,), 143)])
def test_what_is_interrupted_says_what_it_keeps_and_ends_as_shells_have_it(arguments, status, capsys):
    interrupt = KeyboardInterrupt(*arguments)
    interrupt.add_note("2 of 4 trials are kept; run it again to continue")
    with pytest.raises(SystemExit) as caught, readable():
        raise interrupt
    assert caught.value.code == status
    assert capsys.readouterr().err == "interrupted\n2 of 4 trials are kept; run it again to continue\n"


def test_a_usage_error_stays_one():
    with pytest.raises(click.BadParameter, match="such"), readable():
        raise click.BadParameter("no such name")


def test_a_request_to_end_does_what_ctrl_c_does_and_only_within():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
