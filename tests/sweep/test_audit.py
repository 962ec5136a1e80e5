"""Stored results are computed again and compared; the comparison can fail."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import Noise, experiment

from resnet_lib import sweep
from resnet_lib.sweep import audit, results
from resnet_lib.sweep.audit import Audited, NotComparable
from resnet_lib.sweep.results import ResultError

TRIALS = experiment(Noise(size=1), Noise(size=1, sizes=(3,)), Noise(size=2, limit=0.5), group=2)  # twins, in the table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    sweep.store(sweep.run(TRIALS, "full", workers=1, cache=tmp_path / "cache", progress=False), tmp_path)
    return tmp_path


def verified(root: Path, sample: int = 6, seed: int = 0, **options: Any) -> list[Audited]:
    return list(audit.verify(TRIALS, root, sample=sample, rng=np.random.default_rng(seed), **options))


def alter(root: Path, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
    """As someone would who made up numbers and all hashes with them."""
    stored = results.read("noise", root)
    assert stored is not None
    table = stored.table.copy()
    changed = change(table)
    sweep.store(replace(stored, table=table if changed is None else changed), root)


def test_what_was_stored_comes_out_bit_for_bit(root: Path):
    found = verified(root)
    assert [a.status for a in found] == ["identical"] * 6
    assert [(a.trial.setting, a.trial.seeds) for a in found] == [
        (setting, seeds) for setting in TRIALS.full.settings for seeds in ((0, 1), (2,))
    ]


def test_the_sample_is_chosen_by_the_seed(root: Path):
    first = [[a.trial.key for a in verified(root, sample=2, seed=seed)] for seed in (0, 0, 1, 2, 3)]
    assert first[0] == first[1]
    assert len({tuple(keys) for keys in first}) > 1
    assert all(len(set(keys)) == 2 for keys in first)


def scale(table: pd.DataFrame, by: float) -> None:
    table.loc[table["size"] == 2, "largest"] *= by


@pytest.mark.parametrize(
    ("change", "status", "column"),
    [
        (lambda t: scale(t, 1 + 1e-9), "close", "largest"),
        (lambda t: scale(t, 1 + 1e-4), "differs", "largest"),
        (lambda t: scale(t, float("nan")), "differs", "largest"),
        (lambda t: t.__setitem__("of", ["noise"] * 8 + ["other"]), "differs", "of"),
        (lambda t: t.__setitem__("even", ~t["even"]), "differs", "even"),
        (lambda t: t.__delitem__("value"), "differs", "value"),
        (lambda t: t.drop(index=8), "differs", "the number of rows"),
    ],
)
def test_an_altered_number_is_found(
    root: Path, change: Callable[[pd.DataFrame], pd.DataFrame | None], status: str, column: str
):
    alter(root, change)
    (found,) = [a for a in verified(root) if a.trial.setting.size == 2 and a.trial.seeds == (2,)]
    assert (found.status, found.column) == (status, column)
    assert column in found.told


def test_what_counts_as_close_can_be_said(root: Path):
    alter(root, lambda table: scale(table, 1 + 1e-4))
    assert "differs" not in [a.status for a in verified(root, close=1e-3)]


def test_a_trial_that_fails_is_told(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trials.np.linalg.svd", lambda *_, **__: 1 / 0)
    assert {a.status for a in verified(root, sample=1)} == {"failed"}
    assert "ZeroDivisionError" in verified(root, sample=1)[0].told


def test_what_cannot_be_compared_says_why(root: Path, tmp_path: Path):
    with pytest.raises(NotComparable, match=r"noise has no stored result; resnet-lib run noise --preset full"):
        list(audit.verify(TRIALS, tmp_path / "elsewhere", sample=1, rng=np.random.default_rng(0)))
    fewer = replace(TRIALS, full=replace(TRIALS.full, seeds=(0, 1)))
    with pytest.raises(NotComparable, match=r"the grid has changed since [0-9a-f]{7}; check that commit out to verify"):
        list(audit.verify(fewer, root, sample=1, rng=np.random.default_rng(0)))
    about = results.path("noise", root).with_suffix(".json")
    record = json.loads(about.read_text())
    text = about.read_text().replace(record["stamp"]["source"], "0" * 64)
    about.write_text(text)
    with pytest.raises((NotComparable, ResultError)):
        verified(root)


def test_a_damaged_result_is_refused(root: Path):
    results.path("noise", root).write_bytes(b"")
    with pytest.raises(ResultError, match="is refused"):
        verified(root)
