"""Experiments by the names that people type: a chapter, one experiment, or the closest that there is."""

from pathlib import Path

import click
import pytest
from calling import call

from resnet_lib.cli import catalogue
from tests.book_fixture import fixture_experiment


def test_all_chapters_and_experiments_of_the_book_are_listed():
    done = call("list")
    assert done.exit_code == 0
    assert "eigenvalue-clustering" in done.output
    assert len(done.output.splitlines()) > len(catalogue.known())


def test_a_name_may_be_a_chapter_or_an_experiment(fixture_book: Path):
    assert catalogue.find("fixture") == catalogue.find("fixture-radius") == fixture_experiment.EXPERIMENTS


def test_an_unknown_name_gets_the_known_ones_and_the_closest(fixture_book: Path):
    with pytest.raises(click.BadParameter, match="no chapter and no experiment; did you mean fixture-radius"):
        catalogue.find("fixture-radios")
    done = call("run", "nothing-like-it")
    assert done.exit_code == 2
    assert "Chapters: fixture\nExperiments: fixture-radius" in done.output


def test_every_experiment_of_the_book_is_found_by_its_name_and_by_its_chapter():
    everything = catalogue.find(None)
    assert len(everything) == sum(map(len, catalogue.known().values()))
    assert len({experiment.name for experiment in everything}) == len(everything)
    for chapter, members in catalogue.known().items():
        assert "_" not in chapter
        assert catalogue.find(chapter) == members
        assert all(catalogue.find(experiment.name) == (experiment,) for experiment in members)
