"""Stored results stay current where the rule of hashing or the form has changed, as long as they come out the same."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from trials import Noise, experiment

from resnet_lib import sweep
from resnet_lib.cli import catalogue
from resnet_lib.sweep import Result, results, source

ROOT = Path(__file__).parents[2]
TRIALS = experiment(Noise(size=1), group=2)
OLD = "a" * 64


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A FULL result whose stamp has another digest than today's rule gives."""
    found = sweep.run(TRIALS, "full", workers=1, cache=tmp_path_factory.mktemp("cache"), progress=False)
    return replace(found, stamp=replace(found.stamp, source=OLD))


def listed(root: Path, *rows: tuple[str, str, str]) -> None:
    path = root / "results" / results.SAME
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(("experiment,old,new", *map(",".join, rows))) + "\n")


def test_a_listed_source_is_the_same(tmp_path: Path, full: Result):
    assert sweep.older(TRIALS, full.stamp, tmp_path) == ["the source has changed"]
    listed(tmp_path, ("noise", OLD, source.digest(*TRIALS.roots)))
    assert sweep.older(TRIALS, full.stamp, tmp_path) == []
    sweep.store(full, tmp_path)
    stored = sweep.stored(TRIALS, tmp_path)
    assert stored is not None
    assert not stored.stale
    assert stored.stamp.source == OLD  # no stamp is edited


def test_a_list_excuses_no_later_change(tmp_path: Path, full: Result, monkeypatch: pytest.MonkeyPatch):
    listed(tmp_path, ("noise", OLD, source.digest(*TRIALS.roots)))
    monkeypatch.setattr(source, "digest", lambda *_: "c" * 64)
    assert sweep.older(TRIALS, full.stamp, tmp_path) == ["the source has changed"]


@pytest.mark.parametrize(
    ("name", "old", "new"), [("other", OLD, ""), ("noise", "b" * 64, ""), ("noise", OLD, "c" * 64), ("noise", "", OLD)]
)
def test_a_list_excuses_nothing_else(tmp_path: Path, full: Result, name: str, old: str, new: str):
    today = source.digest(*TRIALS.roots)
    listed(tmp_path, (name, old or today, new or today))
    assert sweep.older(TRIALS, full.stamp, tmp_path) == ["the source has changed"]


def test_a_listed_source_does_not_excuse_another_grid(tmp_path: Path, full: Result):
    listed(tmp_path, ("noise", OLD, source.digest(*TRIALS.roots)))
    fewer = replace(TRIALS, full=replace(TRIALS.full, seeds=(0, 1)))
    assert sweep.older(fewer, full.stamp, tmp_path) == ["the grid has changed"]


@pytest.mark.parametrize("line", [b"cut off", b"\xff\xfe", b"<<<<<<< HEAD", b"", OLD.encode("utf-16")])
def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path, full: Result, line: bytes):
    listed(tmp_path)
    with (tmp_path / "results" / results.SAME).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(results.ResultError, match=r"same-source.csv, line 2.*git checkout"):
        sweep.older(TRIALS, full.stamp, tmp_path)


def test_the_list_of_the_book_is_of_its_stored_results():
    rows = [line.split(",") for line in (ROOT / "results" / results.SAME).read_text().splitlines()]
    assert rows[0] == ["experiment", "old", "new"]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for row in rows[1:] for digest in row[1:])
    names = [name for name, _, _ in rows[1:]]
    assert names == sorted(set(names))
    assert set(names) <= {each.name for each in catalogue.find(None)}
    for name, old, new in rows[1:]:
        stamp = json.loads((ROOT / "results" / name / "full.json").read_text())["stamp"]
        assert stamp["source"] == old, f"{name} has been renewed: take its line out of results/{results.SAME}"
        assert old != new
