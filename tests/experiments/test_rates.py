"""The learning rates of all chapters were chosen by one rule, and their claims have been judged under other choices."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from resnet_lib import experiments
from resnet_lib.cli import catalogue
from resnet_lib.evidence.choices import Choices, Rates
from resnet_lib.experiments.counting_paths import members
from resnet_lib.experiments.dropping_blocks import networks as dropping
from resnet_lib.experiments.eigenvalue_clustering import networks as clustering
from resnet_lib.experiments.keeping_inputs_distinct import trained as keeping
from resnet_lib.experiments.when_eigenvalues_mislead import networks as misleading
from resnet_lib.training import tuning

ROOT = Path(__file__).parents[2]
SCALAR = (bool, int, float, str)


def objects(kind: type) -> Iterator[tuple[str, object]]:
    """What the chapters' modules define of a class, by the name of its experiment."""
    for module in pkgutil.walk_packages(experiments.__path__, f"{experiments.__name__}."):
        for name, found in vars(importlib.import_module(module.name)).items():
            if isinstance(found, kind) and name.isupper():
                yield found.experiment.name, found  # pyright: ignore[reportAttributeAccessIssue]


RATES: dict[str, Rates] = dict(objects(Rates))  # pyright: ignore[reportAssignmentType]
CHOICES: dict[str, Choices] = dict(objects(Choices))  # pyright: ignore[reportAssignmentType]


def test_every_tuning_that_needs_no_download_belongs_to_the_rates_of_a_chapter():
    names = {experiment.name for experiment in catalogue.find(None) if experiment.name.endswith("-tuning")}
    # The three last need CIFAR-10 and a GPU, or a night.
    assert names == {*RATES, "plain-cifar-tuning", "depth-cifar10-tuning", "photographs-tuning"}
    assert {experiment.name for experiment in catalogue.find(None)} >= CHOICES.keys()


@pytest.mark.parametrize("name", RATES)
def test_the_networks_learn_at_the_rates_that_the_stored_tuning_chose(name: str):
    assert RATES[name].complaints(ROOT) == []


@pytest.mark.parametrize("name", RATES)
def test_a_tuning_has_seeds_of_its_own(name: str):
    rates = RATES[name]
    assert rates.experiment.full.seeds == tuning.SEEDS
    of_chapter = next(part for part in catalogue.known().values() if rates.experiment in part)
    for experiment in of_chapter:
        if "tuning" not in experiment.name:
            assert not {*experiment.quick.seeds, *experiment.full.seeds} & {*tuning.SEEDS} or not trains(experiment)


def trains(experiment) -> bool:
    """Whether a learning rate is among its settings."""
    return any(hasattr(setting, "lr") for setting in experiment.full.settings)


def test_networks_that_two_chapters_share_learn_at_the_same_rate():
    for (variant, last), lr in members.BEST.items():
        assert lr == dropping.BEST[variant, 10, last]
    for network in (misleading.MLP, misleading.SCALED, misleading.CONV):
        variant = "residual" if network.alpha == 1 else "scaled"
        assert network.lr == clustering.BEST[network.kind, variant, network.blocks]


def test_networks_read_for_what_they_keep_learn_at_the_same_rate():
    for (variant, blocks), lr in keeping.BEST.items():
        assert lr == clustering.BEST["mlp", variant, blocks]


def test_a_rate_that_was_not_chosen_is_told():
    rates = RATES["paths-tuning"]
    moved = replace(rates, best={**rates.best, "residual": 7.0, "other": 1.0})
    assert moved.complaints(ROOT) == [
        "other is trained with 1.0; its tuning chose None",
        f"residual is trained with 7.0; its tuning chose {rates.best['residual']}",
    ]


def test_a_network_that_no_rate_trains_is_asked_for_no_neighbours_but_may_not_learn():
    rates = RATES["depth-tuning"]
    assert rates.untrained
    strict = replace(rates, untrained=()).complaints(ROOT)
    assert any("has a neighbour that is far off" in said for said in strict)
    learns = replace(rates, untrained=(*rates.untrained, ("norm", 5))).complaints(ROOT)
    assert learns == ["('norm', 5) is said to be trained by no rate, and one reaches 0.973"]


def test_rates_that_have_not_been_tuned_are_told(tmp_path: Path):
    with pytest.raises(ValueError, match="paths-tuning has not been stored; run: resnet-lib run paths-tuning"):
        RATES["paths-tuning"].shown(root=tmp_path)


@pytest.mark.parametrize("name", RATES)
def test_the_page_shows_a_line_for_every_network(name: str):
    shown = str(RATES[name].shown(root=ROOT).data)
    assert shown.count("<tr>") == len(RATES[name].best)
    assert "as good within an error" in shown


@pytest.mark.parametrize("name", CHOICES)
def test_other_choices_are_stored_and_told_apart(name: str, tmp_path: Path):
    choices = CHOICES[name]
    assert choices.results(tmp_path) == {}  # not computed there
    found = choices.results(ROOT)
    assert list(found) == list(choices.ways)
    for way, result in found.items():
        assert not result.table.empty, way
        assert result.table["seed"].nunique() == len(choices.experiment.full.seeds)
        settings = [vars(setting) for setting in choices.ways[way]]
        told = [name for name, value in settings[0].items() if name in result.table and isinstance(value, SCALAR)]
        assert told
        for field in told:
            assert set(result.table[field]) == {setting[field] for setting in settings}, field
