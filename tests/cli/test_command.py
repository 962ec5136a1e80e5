"""The command `resnet-lib`: what it lists, runs and refuses."""

from pathlib import Path

import pytest
from calling import call

from resnet_lib.cli import command


@pytest.mark.parametrize("command", sorted(command.main.commands))
def test_every_command_says_what_it_does(command: str):
    done = call(command, "--help")
    assert done.exit_code == 0
    assert len(done.output.split("Options:")[0].split()) > 8


def test_the_ledger_is_printed_and_a_wrong_verdict_is_an_error(fixture_book: Path):
    done = call("ledger")
    assert done.exit_code == 0, done.output
    assert "fixture-disc: CONFIRMED" in done.output

    claims = fixture_book / "claims.yml"
    claims.write_text(claims.read_text().replace("expected: holds", "expected: fails"))
    done = call("ledger")
    assert done.exit_code == 1
    assert "expected fails, got holds" in done.output


def test_outside_of_a_book_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    done = call("ledger")
    assert done.exit_code == 1
    assert "no claims.yml in" in done.output


def test_a_failing_chapter_is_shown_and_nothing_is_built(fixture_book: Path):
    path = fixture_book / "chapters/01_fixture.ipynb"
    path.write_text(path.read_text().replace('"..."', "\"raise LookupError('no such thing')\"", 1))
    done = call("book")
    assert done.exit_code == 1
    for part in ("01_fixture.ipynb, code cell 1:", "LookupError: no such thing", "1 of the chapters failed"):
        assert part in done.output
    assert not (fixture_book / "_build/source").exists()


def test_refresh_of_an_unknown_chapter_lists_the_known_ones(fixture_book: Path):
    done = call("refresh", "fixtures")
    assert done.exit_code == 1
    assert "CHAPTERS: 'fixtures' is no chapter with a notebook; known: fixture" in done.output


def test_the_evidence_is_packed(fixture_book: Path, tmp_path: Path):
    (fixture_book / "CITATION.cff").write_text((Path(__file__).parents[2] / "CITATION.cff").read_text())
    done = call("export", str(tmp_path / "crate.zip"))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "crate.zip").stat().st_size > 1000
    assert "exists; choose a new folder" in call("export", str(tmp_path / "crate.zip")).output


def test_help_keeps_its_lines():
    assert "\n  resnet-lib status   " in call("--help").output
