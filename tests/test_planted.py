"""Every planted fault is seen by the unit tests that are named for it, each in a copy of the book of its own.

What needs a replication is seen by `python -m tests.planted --replicate`, which takes minutes a fault.
"""

import ast
import subprocess
from pathlib import Path

import pytest

from resnet_lib import files
from tests import planted
from tests.planted import FAULTS, Fault

SEEN = [fault for fault in FAULTS if fault.tests]


def named(fault: Fault) -> str:
    return fault.name


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_fault_can_be_planted_today(fault: Fault) -> None:
    changed = planted.faulty(fault)
    assert changed != (planted.ROOT / fault.file).read_text()
    if fault.file.endswith(".py"):
        ast.parse(changed)


def test_there_are_enough_of_them_and_each_is_looked_for() -> None:
    assert len(FAULTS) >= 28
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len(SEEN) >= 25
    assert all(fault.tests or fault.chapter for fault in FAULTS)
    chapters = {path.stem.partition("_")[2].replace("_", "-") for path in planted.ROOT.glob("chapters/*.ipynb")}
    assert {fault.chapter for fault in FAULTS if fault.chapter} <= chapters


def test_a_fault_whose_line_has_gone_is_named() -> None:
    gone = Fault("gone", "claims.yml", "no such line", "", "")
    with pytest.raises(ValueError, match=r"fault 'gone': claims.yml has 'no such line' 0 times, .*tests/planted.py"):
        planted.faulty(gone)


def test_a_test_that_cannot_be_run_sees_nothing(tmp_path: Path) -> None:
    broken = Fault("broken", "resnet_lib/nets/units.py", '"""Recipes by name."""', "raise RuntimeError", "")
    root = planted.copied(tmp_path / "book", broken)
    outcome = planted.tested(root, ("nets/test_units.py::test_units_are_values",))
    assert "RuntimeError" in outcome.said
    assert not outcome.seen


SAID = {
    (0, "186 of 187 verdicts as published", ""): (),
    (1, "", "Error: this run does not replicate what is published:\n  claim a: off\n  figure b: off\n"): (
        "claim a: off",
        "figure b: off",
    ),
    (1, "", "Traceback\n\nError: 1 of the chapters failed; nothing was compared\n"): (
        "Error: 1 of the chapters failed; nothing was compared",
    ),
}


@pytest.mark.parametrize(("said", "errors"), SAID.items(), ids=["replicates", "differs", "raises"])
def test_what_a_replication_says_is_read(
    said: tuple[int, str, str], errors: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        asked.append((root, arguments))
        return subprocess.CompletedProcess(arguments, *said)

    monkeypatch.setattr(planted, "command", command)
    assert planted.replicated(tmp_path, "dropping-blocks") == errors
    assert asked == [(tmp_path, ("resnet_lib.cli", "replicate", "dropping-blocks"))]


def test_the_report_says_what_sees_a_fault_and_counts_what_nothing_sees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = Fault(
        "f", "claims.yml", "\n- id: plain-degrade\n", "\n- id: plain-x\n", "dropping-blocks", ("test_x.py::t",)
    )
    outcomes = iter([planted.Outcome(1, ("test_x.py::t",), ""), planted.Outcome(0, (), "")])
    errors = iter([(), ("claim a: off", "claim b: off"), (), ()])
    monkeypatch.setattr(planted, "tested", lambda root, tests: next(outcomes))
    monkeypatch.setattr(planted, "replicated", lambda root, chapter: next(errors))
    assert planted.report([fault], replicate=True) == 0
    said = capsys.readouterr().out
    assert "silent, as it should be" in said
    assert "test_x.py::t; replication of dropping-blocks: 2 errors, the first: claim a: off" in said
    assert planted.report([fault], replicate=True) == 1
    assert "SEEN BY NOTHING" in capsys.readouterr().out


def see(fault: Fault, folder: Path) -> None:
    outcome = planted.tested(planted.copied(folder / "book", fault), fault.tests)
    assert outcome.seen, outcome.said


# Two classes, because xdist hands a whole class to one process: two processes share the faults.
class TestOneHalf:
    @pytest.mark.parametrize("fault", SEEN[::2], ids=named)
    def test_a_planted_fault_is_seen(self, fault: Fault, tmp_path: Path) -> None:
        see(fault, tmp_path)


class TestOtherHalf:
    @pytest.mark.parametrize("fault", SEEN[1::2], ids=named)
    def test_a_planted_fault_is_seen(self, fault: Fault, tmp_path: Path) -> None:
        see(fault, tmp_path)

    def test_without_a_fault_the_same_tests_pass(self, tmp_path: Path) -> None:
        """In a copy like theirs, so that it is the fault that is seen and not the copy."""
        root = planted.copied(tmp_path / "book")
        assert files.root(root) == root.resolve()
        outcome = planted.tested(root, tuple(dict.fromkeys(name for fault in SEEN for name in fault.tests)))
        assert outcome.status == 0, outcome.said
