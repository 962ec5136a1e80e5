"""The command `resnet-lib`: what it lists, runs and refuses."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from resnet_lib import cli
from tests import books
from tests.book_fixture import fixture_experiment


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def fixture_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book with stored outputs as the working folder, and the fixture's experiments as the known ones."""
    root = books.copy(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    monkeypatch.chdir(root)
    monkeypatch.setattr(cli, "known", lambda: {"fixture": fixture_experiment.EXPERIMENTS})
    return root


@pytest.mark.parametrize("command", sorted(cli.main.commands))
def test_every_command_says_what_it_does(command: str):
    done = call(command, "--help")
    assert done.exit_code == 0
    assert len(done.output.split("Options:")[0].split()) > 8


def test_all_chapters_and_experiments_of_the_book_are_listed():
    done = call("list")
    assert done.exit_code == 0
    assert "eigenvalue-clustering" in done.output
    assert len(done.output.splitlines()) > len(cli.known())


def test_a_name_may_be_a_chapter_or_an_experiment(fixture_book: Path):
    assert cli.find("fixture") == cli.find("fixture-radius") == fixture_experiment.EXPERIMENTS


def test_an_unknown_name_gets_the_known_ones_and_the_closest(fixture_book: Path):
    with pytest.raises(click.BadParameter, match="no chapter and no experiment; did you mean fixture-radius"):
        cli.find("fixture-radios")
    done = call("run", "nothing-like-it")
    assert done.exit_code == 2
    assert "Chapters: fixture\nExperiments: fixture-radius" in done.output


def test_running_prints_what_was_done_and_the_second_time_takes_the_cache(fixture_book: Path, tmp_path: Path):
    for _ in range(2):
        done = call("run", "fixture", "--workers", "1", "--cache", str(tmp_path / "cache"))
        assert done.exit_code == 0, done.output
        assert "fixture-radius: 8 rows in" in done.output
    assert not (fixture_book / "results").exists()


def test_a_full_run_is_stored_in_the_book(fixture_book: Path, tmp_path: Path):
    done = call("run", "fixture", "--preset", "full", "--workers", "1", "--cache", str(tmp_path / "cache"))
    assert done.exit_code == 0, done.output
    assert (fixture_book / "results/fixture-radius/full.csv").is_file()
    assert "full.csv" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "abacus"], "abacus"),
        (["--preset", "huge"], "'huge' is not one of 'quick', 'full'"),
        (["--workers", "0"], "0 is not in the range x>=1"),
    ],
)
def test_a_wrong_option_is_named(fixture_book: Path, options: list[str], message: str):
    done = call("run", "fixture", *options)
    assert done.exit_code != 0
    assert message in done.output


def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(fixture_book: Path, tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    done = call("run", "fixture", "--cache", str(tmp_path / "file" / "cache"))
    assert done.exit_code == 1
    assert str(tmp_path / "file") in done.output
    assert "--cache" in done.output
    assert "Traceback" not in done.output


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


def test_a_bug_keeps_its_traceback(fixture_book: Path, monkeypatch: pytest.MonkeyPatch):
    def bug(*_: object) -> None:
        raise ValueError("not raised by the package")

    monkeypatch.setattr("resnet_lib.ledger.table", bug)
    assert isinstance(call("ledger").exception, ValueError)


def test_refresh_of_an_unknown_chapter_lists_the_known_ones(fixture_book: Path):
    done = call("refresh", "fixtures")
    assert done.exit_code == 1
    assert "CHAPTERS: 'fixtures' is no chapter with a notebook; known: fixture" in done.output
