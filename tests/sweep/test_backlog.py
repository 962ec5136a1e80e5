"""What is computed, what is missing, and what to compute first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from events import Clock
from trials import Noise, experiment, on_device

from resnet_lib import sweep
from resnet_lib.data import datasets
from resnet_lib.sweep import Experiment, Grid, backlog, results, spent
from resnet_lib.sweep.backlog import Item

TRIALS = experiment(*(Noise(size=i) for i in range(3)), group=1)
MORE = replace(TRIALS, full=Grid((*TRIALS.full.settings, Noise(size=9)), (0, 1, 2), 1))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trial takes half a second, by the clock that it is measured with."""
    monkeypatch.setattr(spent, "time", Clock(step=0.5))


def survey(tmp_path: Path, trials: Experiment = MORE, preset: str = "full", **options: Any) -> Item:
    return backlog.survey(trials, preset, tmp_path, cache=tmp_path / "cache", **options)


def run(tmp_path: Path, trials: Experiment = MORE, preset: str = "full") -> None:
    result = sweep.run(trials, preset, workers=1, cache=tmp_path / "cache", progress=False)
    if preset == "full":
        sweep.store(result, tmp_path)


def test_from_nothing_to_a_stored_result(tmp_path: Path):
    item = survey(tmp_path)
    assert (item.kept, item.total, item.state, item.left, item.source) == (0, 12, "missing", None, "never timed")
    run(tmp_path, preset="quick")
    item = survey(tmp_path)
    assert (item.kept, item.total, item.state, item.source) == (9, 12, "missing", "measured")  # these trials are shared
    assert item.left == 3 * 0.5
    assert survey(tmp_path, preset="quick").state == "current"
    run(tmp_path)
    item = survey(tmp_path)
    assert (item.kept, item.state, item.left) == (12, "current", 0)


def test_a_time_comes_from_the_stored_result_or_from_quick_trials(tmp_path: Path):
    run(tmp_path)
    other = replace(MORE, full=replace(MORE.full, seeds=(5, 6, 7, 8)))
    item = survey(tmp_path, other)
    assert (item.kept, item.state, item.source) == (0, "older", "stored result")
    assert item.why.startswith("the grid has changed since ")
    assert item.left == 16 * 0.5
    results.path("noise", tmp_path).with_suffix(".json").unlink()
    item = survey(tmp_path, other)
    assert (item.state, item.source) == ("refused", "as QUICK")
    assert "full.csv cannot be read with its stamp" in item.why


def test_quick_trials_on_other_data_say_nothing_of_the_time(tmp_path: Path):
    run(tmp_path, preset="quick")
    full = replace(MORE.full, seeds=(5, 6, 7, 8))
    assert survey(tmp_path, replace(MORE, full=full)).source == "as QUICK"
    item = survey(tmp_path, replace(MORE, full=replace(full, data=("digits",))))
    assert (item.state, item.left, item.source) == ("missing", None, "never timed")


def test_the_device_with_most_trials_counts(tmp_path: Path):
    trials = experiment(Noise(size=1), trial=on_device)
    run(tmp_path, trials, "quick")
    assert (survey(tmp_path, trials).device, survey(tmp_path, trials).kept) == ("cpu", 1)
    assert (survey(tmp_path, trials, device="cuda").device, survey(tmp_path, trials, device="cuda").kept) == ("cuda", 0)


def test_without_its_data_an_experiment_is_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> str:
        raise ValueError(f"{name} is not here; resnet-lib data fetch {name}")

    monkeypatch.setattr(datasets, "checksum", absent)
    item = survey(tmp_path, replace(MORE, data=("cifar10",)))
    assert (item.state, item.why) == ("blocked", "cifar10 is not here; resnet-lib data fetch cifar10")
    assert "no data" in backlog.table([item], 2)


def item(name: str, state: str = "missing", seconds: float | None = 1.0, total: int = 10, claims: int = 1) -> Item:
    return Item(replace(TRIALS, name=name), "full", "cpu", total, 0, state, "", seconds, "measured", claims)


@pytest.mark.parametrize(
    ("items", "seconds", "chosen"),
    [
        ([item("a"), item("b", claims=3)], None, "b"),
        ([item("a"), item("b", claims=3, seconds=4.0)], None, "a"),
        ([item("a"), item("b", claims=9, seconds=5.0)], 20.0, "a"),  # b does not fit
        ([item("a"), item("b", claims=9, seconds=5.0)], 60.0, "b"),
        ([item("b", seconds=None, claims=9), item("a")], 20.0, "a"),
        ([item("b", seconds=None), item("a", seconds=5.0)], 20.0, "b"),
        ([item("a", state="current"), item("b", state="blocked"), item("c", state="older")], 1.0, "c"),
        ([item("a", claims=0), item("b")], None, "b"),
    ],
)
def test_the_most_valuable_that_fits_comes_first(items: list[Item], seconds: float | None, chosen: str):
    first = backlog.first(items, seconds)
    assert first is not None
    assert first.experiment.name == chosen


def test_nothing_is_left_to_do():
    assert backlog.first([item("a", state="current"), item("b", state="blocked")], None) is None


def test_several_workers_fit_more_into_the_time():
    items = [item("a"), item("b", claims=9, seconds=5.0)]
    first = backlog.first(items, 30.0, workers=2)
    assert first is not None
    assert first.experiment.name == "b"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "?"),
        (0.0, "0 s"),
        (0.2, "under 1 s"),
        (45.2, "45 s"),
        (150.0, "2.5 min"),
        (7000.0, "117 min"),
        (9e3, "2.5 h"),
    ],
)
def test_times_for_people(seconds: float | None, told: str):
    assert backlog.duration(seconds) == told


def test_the_sum_of_all():
    items = [item("a"), item("b", state="current"), item("c", seconds=None), item("d", state="older", seconds=60.0)]
    assert backlog.summary(items, 2) == (
        "4 results: 3 to compute, 1 current; about 5.1 min to go with 2 workers, and 1 that were never timed"
    )
