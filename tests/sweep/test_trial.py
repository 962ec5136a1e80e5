"""One unit of work: what a trial may return, and what it leaves behind in its process."""

import dataclasses
import io
import json
import signal
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from resnet_lib import data, sweep
from resnet_lib.sweep import Failure, Grid, spent, trial
from resnet_lib.sweep.trial import Basis
from tests import trials
from tests.trials import Noise

SEEDS = (0, 1, 2)


def returns(seeds: Sequence[float | bool | np.integer | str], **others: object) -> Callable[..., pd.DataFrame]:
    def made(setting: Noise, given: Sequence[int]) -> pd.DataFrame:
        return pd.DataFrame({"seed": list(seeds), "value": 1.0} | others)

    return made


def outcome_of(function: Callable[..., pd.DataFrame], limit: float | None = None) -> bytes | Failure:
    experiment = trials.experiment(Noise(1))
    basis = Basis.of(experiment, "cpu", experiment.quick)
    (planned,) = trial.trials(experiment, experiment.quick, basis)
    return trial.outcome(planned._replace(function=function), limit)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ((0,), r"made returned no row of the seeds \[1, 2\]; a trial returns rows of each of \(0, 1, 2\)"),
        ((0, 0, 0), r"no row of the seeds \[1, 2\]"),
        ((2, 1), r"no row of the seeds \[0\].*NaN is a value"),
        ((0, 1, 2, 2), r"for some seeds than for the others, which have 1: 2 of seed 2; a trial measures each seed"),
        ((0, 1, 1, 2, 2), r"which have 2: 1 of seed 0"),
        ((0, 1, 3), r"a column 'seed' with values of \(0, 1, 2\)"),
        ((0.0, 1.0, 2.0), r"a column 'seed' with values of \(0, 1, 2\)"),
        ((False, True), r"a column 'seed' with values of \(0, 1, 2\)"),
        (("0", "1", "2"), r"a column 'seed' with values of \(0, 1, 2\)"),
    ],
)
def test_a_trial_that_leaves_out_a_seed_or_repeats_one_is_a_failed_one(seeds, text):
    found = outcome_of(returns(seeds))
    assert isinstance(found, Failure)
    with pytest.raises(ValueError, match=text):
        raise ValueError(found.traceback)


@pytest.mark.parametrize("seeds", [SEEDS, (2, 0, 1), (0, 0, 1, 1, 2, 2), np.array(SEEDS, dtype=np.uint8)])
def test_a_row_or_more_of_each_seed_in_any_order_is_a_table(seeds):
    assert isinstance(outcome_of(returns(seeds, value=np.nan)), bytes)


def leaves(setting: Noise, seeds: Sequence[int]) -> pd.DataFrame:
    sys.exit(0)


def is_cancelled(setting: Noise, seeds: Sequence[int]) -> pd.DataFrame:
    raise GeneratorExit


@pytest.mark.parametrize(("function", "name"), [(leaves, "SystemExit"), (is_cancelled, "GeneratorExit")])
def test_a_trial_that_leaves_the_process_has_failed(function, name):
    found = outcome_of(function)
    assert isinstance(found, Failure)
    assert name in found.traceback


@pytest.mark.parametrize("workers", [1, 2])
def test_sys_exit_in_a_trial_ends_no_sweep(tmp_path, workers):
    settings = (Noise(1, fate="leaves"), Noise(2))
    with pytest.raises(
        sweep.SweepError, match=r"1 of 2 trials failed; the other 1 are kept(.|\n)*SystemExit"
    ) as caught:
        sweep.run(trials.experiment(*settings), workers=workers, cache=tmp_path, root=tmp_path, progress=False)
    assert [failure.setting for failure in caught.value.failures] == [settings[0]]


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the system has no alarms")
@pytest.mark.parametrize("function", [returns(SEEDS), leaves])
def test_a_time_limit_leaves_the_handler_of_alarms_as_it_was(function):
    def mine(*_: object) -> None:
        raise AssertionError("no alarm was set")

    before = signal.signal(signal.SIGALRM, mine)
    try:
        outcome_of(function, limit=100.0)
        assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("group", [True, 1.5])
def test_a_group_is_a_whole_number(unchecked, group):
    with pytest.raises(TypeError, match=r"group holds (True|1.5)"):
        Grid((Noise(1),), SEEDS, group)


def finds(setting: Noise, seeds: Sequence[int]) -> pd.DataFrame:
    spent.found(1000.0)
    return pd.DataFrame({"seed": list(seeds), "value": 1.0})


def test_the_time_of_what_a_trial_found_done_counts():
    made, found = outcome_of(returns(SEEDS)), outcome_of(finds)
    seconds = []
    for each in (made, found):
        assert isinstance(each, bytes)
        with np.load(io.BytesIO(each)) as arrays:
            seconds.append(json.loads(arrays["about"].tobytes())["seconds"])
    assert seconds[0] < 1000 <= seconds[1]


def test_each_group_of_a_divided_experiment_has_its_own_division_of_the_data(tmp_path):
    grid = Grid((Noise(100),), seeds=(0, 1, 2, 3), group=2)
    usual = sweep.Experiment("labels", trials.labels, quick=grid, full=grid, data=("digits",))
    divided = dataclasses.replace(usual, name="labels-divided", divided=True)
    tables = [
        sweep.run(each, cache=tmp_path, workers=workers, progress=False, root=tmp_path).table.set_index("seed")
        for each, workers in ((usual, 1), (divided, 1), (divided, 2))
    ]
    expected = [data.load("digits").checksum]
    for number in (1, 2):
        with data.divided_anew(number):
            expected.append(data.load("digits").checksum)
    assert tables[0]["checksum"].tolist() == expected[:1] * 4
    for table in tables[1:]:
        assert table["checksum"].tolist() == [expected[1]] * 2 + [expected[2]] * 2
    assert len(set(expected)) == 3
    keys = []
    for each in (usual, divided):
        basis = Basis.of(each, "cpu", grid)
        keys += [planned.key for planned in trial.trials(each, grid, basis)]
    assert len(set(keys)) == 4  # a division is part of what a trial is named by
