"""The catalogue finds the chapters' experiments by the names that people type."""

import difflib
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

import click

from resnet_lib import experiments

if TYPE_CHECKING:
    from resnet_lib.sweep.experiment import Experiment


def known() -> dict[str, tuple["Experiment", ...]]:
    """The experiments of each chapter, by the chapter's name as it is typed (`eigenvalue-clustering`)."""
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    return {name.replace("_", "-"): import_module(f"{experiments.__name__}.{name}").EXPERIMENTS for name in names}


def find(name: str | None) -> tuple["Experiment", ...]:
    """The experiments that `name` stands for: all of a chapter, or the one of that name; None for those of the book."""
    chapters = known()
    if name is None:
        return tuple(experiment for members in chapters.values() for experiment in members)
    single = {experiment.name: (experiment,) for members in chapters.values() for experiment in members}
    choices = chapters | single
    if name in choices:
        return choices[name]
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise click.BadParameter(
        f"{name!r} is no chapter and no experiment{hint}\n"
        f"Chapters: {', '.join(chapters)}\nExperiments: {', '.join(single)}",
        param_hint="NAME",
    )
