"""What a chapter chose, and what comes out under other choices, on an experiment that computes a product."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib import sweep
from resnet_lib.evidence import choices, ledger
from resnet_lib.sweep import Experiment, Grid, results

BOOK = Path(__file__).parents[2]


@dataclass(frozen=True)
class Net:
    """A network that is only named."""

    name: str
    lr: float
    epochs: int = 4
    steps: int = 10


def trial(setting: Net, seeds: Sequence[int]) -> pd.DataFrame:
    """Rate times epochs times steps, plus the seed."""
    return pd.DataFrame(
        {"seed": seeds, "value": [setting.lr * setting.epochs * setting.steps + seed for seed in seeds]}
    )


def tuning_trial(setting: Net, seeds: Sequence[int]) -> pd.DataFrame:
    """An accuracy that is best at 0.2."""
    rows = [(rate, seed, 0.9 - abs(rate - 0.2)) for rate in (0.1, 0.2, 0.4) for seed in seeds]
    return pd.DataFrame(rows, columns=["rate", "seed", "validation_accuracy"])


NETS = (Net("deep", 0.3), Net("still", 0.0))
BASE = Experiment("base", trial, quick=Grid(NETS, seeds=(0, 1, 2), group=2), full=Grid(NETS, seeds=(0,)))
OTHERWISE = choices.Choices(BASE, choices.ways(NETS, same=0.05))
TUNING = Experiment(
    "base-tuning", tuning_trial, quick=Grid(NETS[:1], seeds=(100,)), full=Grid(NETS[:1], seeds=tuple(range(100, 105)))
)


def stored(experiment: Experiment, folder: Path) -> None:
    """Compute the FULL of an experiment and keep it as a checkout does."""
    found = sweep.run(experiment, "full", cache=folder / "cache", workers=1, progress=False, root=folder)
    results.store(found, folder)


def test_other_choices_change_the_rate_or_the_time_of_all_networks():
    assert choices.ways(NETS, same=0.05) == {
        "a third of each rate": (Net("deep", 0.1), Net("still", 0.0)),
        "three times each rate": (Net("deep", 0.9), Net("still", 0.0)),
        "twice the epochs": (Net("deep", 0.3, epochs=8), Net("still", 0.0, epochs=8)),
        "the same rate for all": (Net("deep", 0.05), Net("still", 0.0)),
    }
    assert list(choices.ways(NETS)) == ["a third of each rate", "three times each rate", "twice the epochs"]
    assert choices.ways(NETS, time="steps")["twice the steps"][0] == Net("deep", 0.3, steps=20)


def test_the_experiment_has_every_setting_once_and_the_seeds_of_quick():
    experiment = OTHERWISE.experiment
    assert experiment.name == "base-choices"
    assert experiment.trial is trial
    assert experiment.full.seeds == (0, 1, 2)
    assert experiment.full.group == 2
    assert len(experiment.full.settings) == 3 * 1 + 2 + 1  # `still` is the same at any rate
    assert (len(experiment.quick.settings), experiment.quick.seeds) == (1, (0,))
    named = choices.Choices(BASE, OTHERWISE.ways, seeds=(7, 8), name="other-name").experiment
    assert (named.name, named.full.seeds) == ("other-name", (7, 8))


def test_each_choice_gets_the_rows_of_its_settings(tmp_path: Path):
    assert OTHERWISE.results(tmp_path) == {}
    stored(OTHERWISE.experiment, tmp_path)
    found = OTHERWISE.results(tmp_path)
    values = {
        name: result.table.set_index(["name", "seed"])["value"].round(9).to_dict() for name, result in found.items()
    }
    still = {("still", seed): float(seed) for seed in (0, 1, 2)}
    for name, deep in zip(OTHERWISE.ways, (4, 36, 24, 2), strict=True):
        assert values[name] == {("deep", seed): deep + seed for seed in (0, 1, 2)} | still, name
    assert all(result.stamp.experiment == "base-choices" for result in found.values())


def test_other_divisions_are_one_more_choice_with_an_experiment_of_its_own(tmp_path: Path):
    divided = choices.divisions(BASE, NETS[:1], seeds=range(6), group=2)
    experiment = divided.experiment
    assert (experiment.name, experiment.divided, experiment.full.groups) == (
        "base-divided",
        True,
        ((0, 1), (2, 3), (4, 5)),
    )
    assert tuple(experiment.full.settings) == NETS[:1]
    assert (choices.divisions(BASE, seeds=(0, 1), group=1).experiment.full.settings) == NETS
    assert not OTHERWISE.experiment.divided
    stored(experiment, tmp_path)
    assert list(divided.results(tmp_path)) == ["other divisions of the images"]


def test_a_choice_that_was_added_after_the_computation_is_left_out_until_it_is_computed(tmp_path: Path):
    stored(OTHERWISE.experiment, tmp_path)
    late = choices.Choices(BASE, {**OTHERWISE.ways, "thrice the epochs": (Net("deep", 0.3, epochs=12), NETS[1])})
    found = late.results(tmp_path)
    assert list(found) == list(OTHERWISE.ways)
    pd.testing.assert_frame_equal(
        found["twice the epochs"].table, OTHERWISE.results(tmp_path)["twice the epochs"].table
    )


def test_rates_are_those_of_the_stored_tuning_or_it_is_told(tmp_path: Path):
    rates = choices.Rates(TUNING, by=("name",), best={"deep": 0.2})
    with pytest.raises(ValueError, match="base-tuning has not been stored; run: resnet-lib run base-tuning"):
        rates.complaints(tmp_path)
    stored(TUNING, tmp_path)
    assert rates.stored(tmp_path)["deep"].rates == (0.1, 0.2, 0.4)
    assert rates.complaints(tmp_path) == []
    wrong = choices.Rates(TUNING, by=("name",), best={"deep": 0.3, "wide": 0.1})
    assert wrong.complaints(tmp_path) == [
        "deep is trained with 0.3; its tuning chose 0.2",
        "wide is trained with 0.1; its tuning chose None",
    ]


def test_the_table_of_rates_is_folded_and_names_the_networks(tmp_path: Path):
    stored(TUNING, tmp_path)
    shown = str(choices.Rates(TUNING, by=("name",), best={"deep": 0.2}).shown({"deep": "a deep one"}, tmp_path).data)
    assert "<summary>How the learning rates were chosen: 1 networks, 3 rates each, 5 seeds</summary>" in shown
    assert "<td>a deep one</td>\n      <td>0.2</td>\n      <td>90.0</td>\n      <td>0.2</td>\n      <td>3</td>" in shown


def test_the_table_of_measures_has_a_column_for_every_choice_and_a_dash_where_a_training_diverged(tmp_path: Path):
    stored(OTHERWISE.experiment, tmp_path)
    results = {name: OTHERWISE.results(tmp_path)[name] for name in list(OTHERWISE.ways)[:2]}

    def deep(table: pd.DataFrame):
        return table[table["name"] == "deep"]["value"].to_numpy()

    def lost(table: pd.DataFrame):
        return deep(table) / (table["lr"].max() < 0.5)  # infinite at three times the rate

    def missing(table: pd.DataFrame):
        raise ValueError("the table has no such network")

    measures = {"deep": deep, "missing": missing, "minus": lambda table: -deep(table)}
    with np.errstate(divide="ignore"):
        found = choices.measured({**measures, "lost": lost}, results, digits=1)
    found = found.set_index("measure").to_dict("index")
    assert all(list(row) == list(results) for row in found.values())
    assert list(found["deep"].values()) == ["5.0 (4.0 to 6.0)", "37.0 (36.0 to 38.0)"]
    assert next(iter(found["minus"].values())) == "−5.0 (−6.0 to −4.0)"
    assert list(found["missing"].values()) == ["–", "–"]
    assert list(found["lost"].values())[1] == "–"
    chosen = sweep.run(BASE, cache=tmp_path / "cache", workers=1, progress=False, root=tmp_path)
    beside = OTHERWISE.beside(chosen, tmp_path)
    assert list(beside) == ["as chosen", *OTHERWISE.ways]
    shown = str(choices.told("Losses", (measures, results), ({"deep": deep}, beside), digits=1).data)
    assert "<summary>Losses: 4 measures under 5 choices, mean and 95% interval</summary>" in shown
    assert "<td>13.0 (12.0 to 14.0)</td>" in shown  # 12, 13 and 14, as chosen


def test_the_cells_of_a_table_are_named_by_row_and_column():
    table = {"plain": {8: 0.1, 20: 0.2}, ("bare", 0.5): {(8, True): 0.3}}
    assert choices.cells(table) == {("plain", 8): 0.1, ("plain", 20): 0.2, ("bare", 0.5, 8, True): 0.3}
    assert list(choices.cells({"b": {1: 0.1}, "a": {2: 0.1, 1: 0.1}})) == [("b", 1), ("a", 2), ("a", 1)]  # as written
    assert choices.cells({}) == {}


def test_no_claim_on_trained_networks_is_without_its_verdicts_under_other_choices():
    """Those on published networks may be: nobody here can train these again."""
    found = ledger.read(BOOK)
    trained = {id for id, claim in found.ledger.claims.items() if claim.kind == "trained"}
    assert len(trained) > 100
    assert not {id for id in trained if not found.verdicts[id].record.get("varied")}
    for id in trained:
        told = [each["choice"] for each in found.verdicts[id].record["varied"]]
        assert len(set(told)) == len(told) > 0, id


def test_every_choice_of_a_claim_is_judged_by_enough_seeds_to_tell():
    """A verdict on four values or fewer is always undecided, which would tell nothing of the choice."""
    for id, shown in ledger.read(BOOK).verdicts.items():
        for each in shown.record.get("varied", ()):
            assert each["n"] is None or each["n"] >= 5 or id == "tv-general.rougher-twelve", (id, each["choice"])
