"""Tests wait for events: what waits for them, and that no test does otherwise."""

import ast
from collections.abc import Iterator
from pathlib import Path

import events
import pytest
from events import wait_for

TESTS = Path(__file__).parent
CLOCKED = {"events.py", "trials.py", "killing.py"}  # the guard against hanging; what is measured and killed takes time


def test_the_first_true_answer_is_what_was_waited_for():
    answers = iter([0, "", None, "here"])
    assert wait_for("an answer", lambda: next(answers)) == "here"


def test_who_waits_in_vain_is_told_for_what(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AssertionError, match="waited for a trial; instead: it has ended"):
        wait_for("a trial", lambda: False, instead=lambda: "it has ended")
    monkeypatch.setattr(events, "PATIENCE", 0.0)
    with pytest.raises(AssertionError, match="waited 0 s for a trial"):
        wait_for("a trial", lambda: False)


def clocks(source: str) -> Iterator[str]:
    """Where a test would depend on how fast the machine is: it imports a clock, or has a short patience of its own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in {"time", "timeit"} & set(names):
                yield f"line {node.lineno}: imports {name}; wait for an event, or move an events.Clock"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            patience = [keyword.value for keyword in node.keywords if keyword.arg in ("timeout", "startup_timeout")]
            patience += node.args[:1] if name.endswith((".result", ".wait", ".join")) else []
            if any(isinstance(it, ast.Constant) and isinstance(it.value, int | float) for it in patience):
                yield f"line {node.lineno}: {name} has a time-out of its own; give it events.PATIENCE"


def test_no_test_depends_on_how_fast_the_machine_is():
    found = {path.name: list(clocks(path.read_text())) for path in TESTS.rglob("*.py") if path.name not in CLOCKED}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os, time", "line 1: imports time; wait for"),
        ("def f():\n    from time import monotonic as now", "line 2: imports time; wait for"),
        ("f.result(30)", "line 1: f.result has a time-out of its own; give it events.PATIENCE"),
        ("process.communicate(timeout=3.5)", "line 1: process.communicate has a time-out of its own; give it"),
    ],
)
def test_a_clock_in_a_test_is_seen(source: str, said: str):
    (found,) = clocks(source)
    assert found.startswith(said)


def test_a_guard_against_hanging_is_no_clock():
    assert not list(clocks("import datetime\nf.result(PATIENCE), g(timeout=PATIENCE), run.result(), q(limit=1.0)"))
