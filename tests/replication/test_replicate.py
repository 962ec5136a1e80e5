"""The command `resnet-lib replicate`: a chapter under the oldest instructions, and what it refuses."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from resnet_lib.book import build
from resnet_lib.cli.command import main
from resnet_lib.replication import replicas
from tests import books

ROOT = Path(__file__).parents[2]
CHAPTER, CLAIMS = "stability-of-the-step", 13  # the trained chapter that takes least


def test_a_trained_chapter_replicates_under_the_oldest_instructions(tmp_path: Path):
    """In a process of its own, for libraries choose their kernels when they are loaded; in a copy of the book."""
    root = build.stage(ROOT, tmp_path / "book")
    command = [sys.executable, "-m", "resnet_lib.cli", "replicate", CHAPTER, "--instructions", "oldest", "--jobs", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" of {CLAIMS} verdicts as published" in done.stdout
    assert done.stdout.count("   here ") == CLAIMS
    if platform.machine() in ("x86_64", "AMD64"):
        assert "DEFAULT with the reference from" in done.stdout


@pytest.fixture
def fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = books.copy(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    monkeypatch.chdir(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # the command sets it for its kernels
    return root


def test_an_unknown_chapter_is_refused_with_those_that_there_are(fixture: Path):
    done = CliRunner().invoke(main, ["replicate", "nowhere"])
    assert done.exit_code == 1
    assert "NAME='nowhere' is no chapter with a notebook; known: fixture" in done.output


def test_a_part_of_the_book_is_not_kept(fixture: Path):
    done = CliRunner().invoke(main, ["replicate", "fixture", "--save"])
    assert done.exit_code == 2
    assert "--save keeps a run of the whole book; leave NAME out, or --save" in done.output


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(fixture: Path):
    (fixture / "results").write_text("a file where a folder should be")
    done = CliRunner().invoke(main, ["replicate", "--save"])
    assert done.exit_code == 1
    assert "results/replications cannot be written" in done.output
    assert not (fixture / "_build/replicate").exists()


def test_a_damaged_run_is_told_before_anything_runs(fixture: Path):
    (fixture / replicas.FOLDER).mkdir(parents=True)
    (fixture / replicas.FOLDER / "some.json").write_text("{")
    done = CliRunner().invoke(main, ["replicate"])
    assert done.exit_code == 1
    assert "some.json cannot be read" in done.output
    assert not (fixture / "_build/replicate").exists()
