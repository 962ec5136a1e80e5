"""Checkouts as other systems and other people make them: with other line endings, below folders of any name."""

import shutil
import subprocess
from pathlib import Path

import pytest

from resnet_lib.sweep import results
from tests import books

ROOT = Path(__file__).parents[1]


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    shutil.which("git") is None or git("rev-parse", "HEAD:results").returncode != 0,
    reason="needs git, and a checkout with the stored results: git clone",
)
def test_converted_line_endings_alter_no_result_no_figure_and_no_notebook(tmp_path: Path):
    told = git("-c", "core.autocrlf=true", "clone", "--quiet", "--shared", str(ROOT), str(tmp_path / "clone"))
    assert told.returncode == 0, told.stderr
    clone = tmp_path / "clone"
    assert b"\r\n" in (clone / "README.md").read_bytes()  # so it was converted
    kept = [path for folder in ("results", "figures", "chapters") for path in (clone / folder).rglob("*.*")]
    assert len(kept) > 100
    committed = git("ls-tree", "-r", "HEAD", "--format=%(objectname) %(path)").stdout.splitlines()
    of_clone = git("-C", str(clone), "hash-object", "--no-filters", *(str(path) for path in kept)).stdout.split()
    blobs = {path: name for name, path in (line.split(" ", 1) for line in committed)}
    for path, name in zip(kept, of_clone, strict=True):
        assert blobs[path.relative_to(clone).as_posix()] == name, f"{path} has other bytes than were committed"
    for folder in (path.parent for path in (clone / "results").glob("*/full.json")):
        assert results.read(folder.name, clone) is not None


@pytest.mark.skipif(shutil.which("git") is None or git("rev-parse", "HEAD").returncode != 0, reason="needs a checkout")
def test_nothing_that_was_downloaded_or_built_is_in_the_checkout():
    files = git("ls-files").stdout.splitlines()
    assert len(files) > 100
    assert not [name for name in files if name.endswith((".whl", ".zip", ".gz", ".pyc", ".so", ".egg", ".npz"))]


PYTHON = """#!/bin/sh
echo "$@" >> asked
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("name", [books.ODD, "plain"])
def test_the_targets_of_make_do_what_they_say_below_a_folder_of_any_name(tmp_path: Path, name: str):
    root = tmp_path / name
    (root / ".venv/bin").mkdir(parents=True)
    for file in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(ROOT / file, root / file)
    (root / ".venv/bin/python").write_text(PYTHON)  # writes down what it is asked for
    (root / ".venv/bin/python").chmod(0o755)
    shell = "touch .venv/.ready-$(pwd -P | cksum | cut -d ' ' -f 1)"
    subprocess.run(["sh", "-c", shell], cwd=root, check=True)
    wanted = {"book": "-m resnet_lib.cli book", "html": "-m resnet_lib.cli book --stored"}
    for target, asked in (wanted | {"refresh": "-m resnet_lib.cli refresh", "bench": "-m benchmarks"}).items():
        told = subprocess.run(["make", target], cwd=root, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        assert (root / "asked").read_text() == f"{asked}\n"
        (root / "asked").unlink()
    (root / "_build").mkdir()
    subprocess.run(["make", "clean"], cwd=root, check=True, capture_output=True)
    assert sorted(path.name for path in root.iterdir()) == [".venv", "Makefile", "pyproject.toml", "requirements.txt"]
