"""How far a sweep is: a bar in a terminal, one line in a notebook, silence elsewhere."""

import io
import sys
from types import SimpleNamespace

from resnet_lib.sweep import progress


def test_a_terminal_shows_what_is_done_cached_and_failed(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress.meter("name: 1 settings", total=5, cached=2) as meter:
        meter.notice("something about the cache")
        meter.finished()
        meter.finished(failed=True)
        meter.finished()
    last = terminal.getvalue().split("\r")[-1]
    assert "something about the cache\n" in terminal.getvalue()
    assert "name: 1 settings: 100%" in last
    assert "5/5" in last
    assert "2 cached, 1 failed" in last


def test_elsewhere_nothing_is_shown(monkeypatch, caplog, capfd):
    for show in (True, False):
        with progress.meter("name", total=2, cached=0, show=show) as meter:
            meter.finished()
            meter.notice("a notice")
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == ["a notice", "a notice"]


class Handle:
    """A display of a notebook that remembers what it showed."""

    def __init__(self):
        self.shown: list[str] = []

    def update(self, bundle: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(bundle["text/plain"])


def test_a_notebook_shows_the_title_at_first_and_in_the_end(monkeypatch):
    handle = Handle()

    def display(bundle: dict[str, str], raw: bool, display_id: bool) -> Handle:
        assert display_id
        handle.update(bundle, raw)
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    with progress.meter("noise: 2 settings", total=2, cached=0) as meter:
        meter.notice("a damaged entry")
        meter.finished()
        meter.finished(failed=True)
    assert handle.shown[0] == handle.shown[-1] == "noise: 2 settings"
    assert any(text.startswith("a damaged entry\n") for text in handle.shown[1:-1])
    kept = list(handle.shown)
    meter.close()  # as tqdm does once more when it is collected
    assert handle.shown == kept


def test_a_shell_of_ipython_is_no_notebook(monkeypatch):
    shell = SimpleNamespace(config={"TerminalIPythonApp": {}})
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert not progress._in_notebook()
    shell.config = {"IPKernelApp": {}}
    assert progress._in_notebook()
