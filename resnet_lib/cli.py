"""The command `resnet-lib`: run experiments, build the book, read the verdicts. Only this layer reads the environment.

Imports of torch, matplotlib and Sphinx wait for the command that needs them: `--help` answers at once.
"""

import difflib
import pkgutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from resnet_lib import __version__, experiments

if TYPE_CHECKING:
    from resnet_lib.book import Failure
    from resnet_lib.ledger import Evidence
    from resnet_lib.sweep import Experiment

Done = TypeVar("Done")
STEPS = ("all", "stage", "execute", "collect", "render")
FOLDER = click.Path(file_okay=False, path_type=Path)
AT_LEAST_ONE = click.IntRange(min=1)
jobs_option = click.option("--jobs", type=AT_LEAST_ONE, default=2, show_default=True, help="Notebooks at a time.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="resnet-lib")
def main() -> None:
    r"""Residual networks, tested: run the experiments, build the book, read the verdicts.

    \b
    resnet-lib list                                 what can be run
    resnet-lib run eigenvalue-clustering            a chapter's experiments, in seconds to a minute
    resnet-lib run eigenvalue-clustering --preset full --device cuda
    resnet-lib book                                 run all chapters and build the pages
    """


@main.command("list")
def list_() -> None:
    """List chapters and their experiments, with the number of trials in each preset."""
    for chapter, members in known().items():
        click.secho(chapter, bold=True)
        for experiment in members:
            grids = (experiment.quick, experiment.full)
            quick, full = (f"{len(grid.settings)} settings x {len(grid.seeds)} seeds" for grid in grids)
            click.echo(f"  {experiment.name:28} quick: {quick:26} full: {full}")


@main.command()
@click.argument("name")
@click.option("--preset", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, or auto for the fastest.")
@click.option("--workers", type=AT_LEAST_ONE, help="Processes; the default is one a core, one on a GPU.")
@click.option("--cache", type=FOLDER, help="Where finished trials are kept; the default is the user's cache folder.")
def run(name: str, preset: str, device: str, workers: int | None, cache: Path | None) -> None:
    """Run NAME, a chapter or one experiment (`resnet-lib list` shows both).

    Finished trials are kept, so that an interrupted run continues where it was. A full run is stored under results/,
    where the chapter finds it and shows it beside its own quick run.
    """
    from resnet_lib import provenance, runtime, sweep

    for experiment in find(name):
        with readable():
            runtime.device(device)  # refuses an unknown one, also where the trial would not ask for it
            started = time.perf_counter()
            result = sweep.run(experiment, preset, workers=workers, device=device, cache=cache)
            click.echo(f"{experiment.name}: {len(result.table)} rows in {time.perf_counter() - started:.1f} s")
            if preset == "full":
                click.echo(f"stored: {sweep.store(result, provenance.root())}")


@main.command()
@click.argument("step", type=click.Choice(STEPS), default="all")
@click.option("--stored", is_flag=True, help="Take the stored outputs instead of running the chapters.")
@jobs_option
def book(step: str, stored: bool, jobs: int) -> None:
    """Build the book: `stage` a copy, `execute` it, `collect` the evidence, `render` the pages; or `all` of these.

    The committed notebooks stay as they are; `resnet-lib refresh` renews those. Ends with an error where a chapter
    fails, or where the evidence is not what claims.yml expects; in the second case the pages are built all the same.
    """
    from resnet_lib import book as steps
    from resnet_lib import provenance

    with readable():
        root = provenance.root()
        folder, source = root / steps.RUN, root / steps.SOURCE
        if step in ("all", "stage"):
            timed("staged", lambda: steps.stage(root))
        if step == "execute" or (step == "all" and not stored):
            report(timed("executed", lambda: steps.execute(steps.notebooks(folder), jobs=jobs)))
        evidence = timed("collected", lambda: steps.collect(folder, source)) if step in ("all", "collect") else None
        if step in ("all", "render"):
            page = timed("rendered", lambda: steps.render(source))
            click.secho(f"\nThe book is at {page}", bold=True)
        if evidence:
            judge(evidence)


@main.command()
@click.argument("chapters", nargs=-1)
@jobs_option
def refresh(chapters: tuple[str, ...], jobs: int) -> None:
    """Run the committed notebooks and take their outputs and figures into the checkout, for review and commit.

    CHAPTERS name some of them, as `eigenvalue-clustering`; without any, all are run.
    """
    from resnet_lib import book as steps
    from resnet_lib import ledger, provenance

    with readable():
        root = provenance.root()
        folder = timed("staged", lambda: steps.stage(root))
        pages = {path.stem.partition("_")[2].replace("_", "-"): path for path in steps.notebooks(folder)}
        if unknown := [name for name in chapters if name not in pages]:
            raise ValueError(f"CHAPTERS: {unknown[0]!r} is no chapter with a notebook; known: {', '.join(pages)}")
        wanted = [pages[name] for name in chapters or pages]
        report(timed("executed", lambda: steps.execute(wanted, jobs=jobs)))
        changed = steps.refresh(root, folder)
        click.echo("\n".join(f"changed: {path.relative_to(root)}" for path in changed) or "nothing has changed")
        judge(ledger.read(root))


@main.command("ledger")
def ledger_() -> None:
    """Print all verdicts from the stored outputs of the chapters; ends with an error where one is not as expected."""
    from resnet_lib import ledger, provenance

    with readable():
        evidence = ledger.read(provenance.root())
        click.echo(ledger.table(evidence))
        judge(evidence)


@main.group("data")
def data_() -> None:
    """Fetch the image datasets that FULL runs are trained on, and show which ones are on this machine."""


@data_.command("list")
@click.option("--data", "place", type=FOLDER, help="Where datasets are kept; the default is the user's data folder.")
def data_list(place: Path | None) -> None:
    """List the datasets that can be fetched, and what those on this machine are."""
    from resnet_lib import collection
    from resnet_lib.distributions import DISTRIBUTIONS

    with readable():
        click.echo(f"kept in {collection.folder(place)}")
        for name, manifest in collection.kept(place):
            train, test = DISTRIBUTIONS[name].counts
            what = "not here" if manifest is None else manifest.summary()
            click.echo(f"  {name:14} {train:,} + {test:,} images   {what}")


@data_.command("fetch")
@click.argument("name")
@click.option("--from", "source", type=click.Path(path_type=Path), help="A copy: a folder, or a tar archive of it.")
@click.option("--accept-variant", is_flag=True, help="Take a copy that differs from the official one, and say so.")
@click.option("--data", "place", type=FOLDER, help="Where datasets are kept; the default is the user's data folder.")
def data_fetch(name: str, source: Path | None, accept_variant: bool, place: Path | None) -> None:
    """Fetch NAME, a dataset: download it and check it, or take the copy that --from names.

    A download that was cut off is continued. The files of a copy may be plain, .gz or .xz. A copy that is not
    bit-identical to the official files is refused without --accept-variant; with it, every result says so.
    """
    from resnet_lib import collection

    with readable():
        manifest = collection.fetch(name, place, source=source, accept_variant=accept_variant)
        click.echo(f"{name} is in {collection.folder(place) / name}: {manifest.describe()}")


def known() -> dict[str, tuple["Experiment", ...]]:
    """The experiments of each chapter, by the chapter's name as it is typed (`eigenvalue-clustering`)."""
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    return {name.replace("_", "-"): import_module(f"{experiments.__name__}.{name}").EXPERIMENTS for name in names}


def find(name: str) -> tuple["Experiment", ...]:
    """The experiments that `name` stands for: all of a chapter, or the one of that name."""
    chapters = known()
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


@contextmanager
def readable() -> Iterator[None]:
    """Show errors that this package raises without a traceback, for they explain themselves; a bug keeps its own."""
    try:
        yield
    except Exception as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] != __package__:
            raise
        raise click.ClickException(str(error)) from error


def timed(what: str, step: Callable[[], Done]) -> Done:
    """Do a step and say how long it took."""
    started = time.perf_counter()
    done = step()
    click.echo(f"{what:10}{time.perf_counter() - started:6.1f} s")
    return done


def report(failures: list["Failure"]) -> None:
    """End with an error where notebooks have failed, after each has been shown."""
    for failure in failures:
        click.secho(f"\n{failure}\n", err=True)
    if failures:
        names = ", ".join(failure.notebook for failure in failures)
        raise click.ClickException(f"{len(failures)} of the chapters failed: {names}; nothing was built from them")


def judge(evidence: "Evidence") -> None:
    """Say what the evidence comes to; end with an error where it is not what claims.yml expects."""
    click.echo(evidence.summary)
    if evidence.problems:
        raise click.ClickException("the evidence is not what claims.yml expects:\n  " + "\n  ".join(evidence.problems))


if __name__ == "__main__":
    main()
