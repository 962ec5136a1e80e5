"""The commands that run, store, check and pack experiments, on the fixture book."""

from dataclasses import replace
from pathlib import Path

import pytest
from calling import call

from resnet_lib import sweep
from resnet_lib.cli import catalogue, runs
from resnet_lib.sweep import runner
from tests.book_fixture import fixture_experiment


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


def test_what_is_missing_is_run_stored_and_verified(fixture_book: Path, tmp_path: Path):
    cache = ("--cache", str(tmp_path / "cache"))
    done = call("status", *cache)
    assert done.exit_code == 0, done.output
    assert "fixture-radius" in done.output
    assert "0 of 1 trials" in done.output
    assert "not computed" in done.output
    done = call("run", "--missing", "--preset", "full", "--workers", "1", *cache)
    assert done.exit_code == 0, done.output
    assert "next: fixture-radius (full), 0 of 1 trials are there, about ? (never timed), 1 claims" in done.output
    assert (fixture_book / "results/fixture-radius/full.csv").is_file()
    assert call("run", "--missing", "--preset", "full", *cache).output == ""
    assert "1 results: 1 current; about 0 s to go" in call("status", *cache).output
    done = call("verify", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("identical\n1 identical (--seed 3)\n")
    table = fixture_book / "results/fixture-radius/full.csv"
    table.write_text(table.read_text().replace("1.0", "1.1"))
    done = call("verify")
    assert done.exit_code == 1
    assert "is refused: its SHA-256 is" in done.output
    assert "a stored result does not come out again" in done.output
    assert "refused" in call("status", *cache).output


def test_a_used_up_budget_ends_with_a_status_of_its_own(fixture_book: Path, tmp_path: Path, monkeypatch):
    def slow(*_, **options):
        assert 1.0 < options["budget"] <= 90.0
        raise sweep.Unfinished("fixture-radius. The time is up; 0 of 1 trials are kept; run it again to continue")

    monkeypatch.setattr(runner, "run", slow)
    done = call("run", "fixture", "--budget", "1m30s")
    assert done.exit_code == 75
    assert done.output.endswith("The time is up; 0 of 1 trials are kept; run it again to continue\n")


def test_failed_trials_do_not_keep_other_experiments_from_running(fixture_book: Path, tmp_path: Path, monkeypatch):
    twins = (fixture_experiment.FIXTURE, replace(fixture_experiment.FIXTURE, name="fixture-other"))
    monkeypatch.setattr(catalogue, "known", lambda: {"fixture": twins})
    first, compute = [], sweep.run

    def fail_first(experiment, *arguments, **options):
        if not first:
            first.append(experiment)
            raise sweep.SweepError("fixture-radius. 1 of 1 trials failed; the other 0 are kept")
        return compute(experiment, *arguments, **options)

    monkeypatch.setattr(runner, "run", fail_first)
    done = call("run", "fixture", "--workers", "1", "--cache", str(tmp_path / "cache"))
    assert done.exit_code == 1
    assert "1 of 1 trials failed" in done.output
    assert "fixture-other: 8 rows in" in done.output
    assert done.output.endswith("Error: trials of fixture-radius failed; see above\n")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("25m", 1500), ("1h30m", 5400), ("2h1s", 7201)])
def test_a_time_is_read_in_seconds(text: str, seconds: float):
    assert runs.Time().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["25", "m", "1.5h", "0s", ""])
def test_a_time_that_is_none_is_refused(fixture_book: Path, text: str):
    done = call("run", "fixture", "--limit", text)
    assert done.exit_code == 2
    assert "is no time; write 90s, 25m or 1h30m" in done.output


def test_run_needs_a_name_or_missing(fixture_book: Path):
    done = call("run")
    assert done.exit_code == 2
    assert "name a chapter or an experiment, or say --missing" in done.output
