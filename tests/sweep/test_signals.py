"""What SIGTERM does: what was asked for, within and no longer, and only where nobody else has said it."""

import signal
import threading

import pytest

from resnet_lib.sweep.signals import on_termination


@pytest.fixture(autouse=True)
def untouched():
    """Nobody has said anything before, and what a test says ends with it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_calls_what_was_asked_for_and_only_within():
    seen = []
    with on_termination(lambda number, frame: seen.append(number)):
        signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_it_is_given_back_after_an_error():
    with pytest.raises(KeyError), on_termination(lambda number, frame: None):
        raise KeyError
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_who_came_first_keeps_it():
    first, second = [], []
    with on_termination(lambda number, frame: first.append(number)):
        with on_termination(lambda number, frame: second.append(number)):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert (len(first), len(second)) == (2, 0)


def test_in_another_thread_nothing_changes():
    found = []

    def look():
        with on_termination(lambda number, frame: None):
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]
