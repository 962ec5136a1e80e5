"""The command `resnet-lib`: run experiments, build the book, read the verdicts. Only this layer reads the environment.

Imports of torch, matplotlib and Sphinx wait for the command that needs them: `--help` answers at once.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import click

from resnet_lib import __version__
from resnet_lib.cli import catalogue, runs
from resnet_lib.cli.errors import readable, terminable

if TYPE_CHECKING:
    from resnet_lib.book.build import BrokenNotebook
    from resnet_lib.evidence.ledger import Findings
    from resnet_lib.replication.report import Report

Done = TypeVar("Done")
STEPS = ("all", "stage", "execute", "collect", "render")
FOLDER = click.Path(file_okay=False, path_type=Path)
AT_LEAST_ONE = click.IntRange(min=1)
jobs_option = click.option("--jobs", type=AT_LEAST_ONE, default=2, show_default=True, help="Notebooks at a time.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="resnet-lib")
def main() -> None:
    """Residual networks, tested: run the experiments, build the book, read the verdicts.

    \b
    resnet-lib list                                 what can be run
    resnet-lib run eigenvalue-clustering            a chapter's experiments, in seconds to a minute
    resnet-lib run eigenvalue-clustering --preset full --device cuda
    resnet-lib status                               what is computed, what is missing, what it would cost
    resnet-lib book                                 run all chapters and build the pages
    """  # noqa: D301 (click reads the control character)


for command in (runs.run, runs.status, runs.verify, runs.replicate, runs.export):
    main.add_command(command)


@main.command("list")
def list_() -> None:
    """List chapters and their experiments, with the number of trials in each preset."""
    for chapter, members in catalogue.known().items():
        click.secho(chapter, bold=True)
        for experiment in members:
            grids = (experiment.quick, experiment.full)
            quick, full = (f"{len(grid.settings)} settings x {len(grid.seeds)} seeds" for grid in grids)
            click.echo(f"  {experiment.name:28} quick: {quick:26} full: {full}")


@main.command()
@click.argument("step", type=click.Choice(STEPS), default="all")
@click.option("--stored", is_flag=True, help="Take the stored outputs instead of running the chapters.")
@jobs_option
@runs.timeout_option
def book(step: str, stored: bool, jobs: int, timeout: float) -> None:
    """Build the book: `stage` a copy, `execute` it, `collect` the evidence, `render` the pages; or `all` of these.

    The committed notebooks stay as they are; `resnet-lib refresh` renews those. What was computed is compared with what
    is published: on another machine a verdict may differ within sampling, which is told and no error. Ends with an
    error where a chapter fails, where the published evidence is not what claims.yml expects, or where a difference is
    no matter of sampling; in the last two cases the pages are built all the same.
    """
    with building() as (steps, root):
        folder, source = root / steps.RUN, root / steps.SOURCE
        if step in ("all", "stage"):
            timed("staged", lambda: steps.stage(root))
        if step == "execute" or (step == "all" and not stored):
            report(timed("executed", lambda: steps.execute(steps.notebooks(folder), jobs=jobs, timeout=timeout)))
        held = (
            timed("collected", lambda: steps.collect(folder, source, None if stored else root))
            if step in ("all", "collect")
            else None
        )
        if step in ("all", "render"):
            page = timed("rendered", lambda: steps.render(source))
            click.secho(f"\nThe book is at {page}", bold=True)
        if held:
            judge(held.shown)
        if held and not stored:
            replicated(held.report)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("_build/site"))
def site(folder: Path) -> None:
    """Make FOLDER what a static host serves: the pages built from stored outputs, and what a host needs besides.

    That is an answer to a wrong address, robots.txt and, where `_config.yml` names the book's address (html: baseurl),
    a map of the site. Nothing is computed, and nothing is fetched when a page is viewed.
    """
    with building() as (steps, root):
        from resnet_lib.book.site import publish
        from resnet_lib.evidence import manuscript

        timed("staged", lambda: steps.stage(root))
        held = timed("collected", lambda: steps.collect(root / steps.RUN, root / steps.SOURCE, None))
        timed("rendered", lambda: steps.render(root / steps.SOURCE))
        found = publish(root / steps.HTML, root / folder, manuscript.address(root / "_config.yml"))
        click.secho(f"\n{len(found)} pages in {root / folder}", bold=True)
        judge(held.shown)


@main.command()
@click.option("--packages", type=FOLDER, help="A folder of packages that come first, such as a newer Sphinx.")
def plain(packages: Path | None) -> None:
    """Make the pages by plain Sphinx, without Jupyter Book, in _build/plain, from what `book` has collected."""
    with building() as (steps, root):
        from resnet_lib.book import plain as sphinx

        if not (root / steps.SOURCE / "_toc.yml").is_file():
            raise ValueError(f"{root / steps.SOURCE} holds nothing yet; run: resnet-lib book --stored")
        page = timed("rendered", lambda: sphinx.render(root / steps.SOURCE, root / "_build/plain", packages=packages))
        click.secho(f"\nThe book is at {page}", bold=True)


@main.command("print")
@click.argument("form", type=click.Choice(["pdf", "epub"]))
def printed(form: str) -> None:
    """Make the book as one PDF or ePub from the stored outputs; the PDF is printed by Chromium or Chrome."""
    with building() as (steps, root):
        from resnet_lib.book import printed as printing

        timed("staged", lambda: steps.stage(root))
        held = timed("collected", lambda: steps.collect(root / steps.RUN, root / steps.SOURCE, None))
        made = timed("printed", lambda: getattr(printing, form)(root / steps.SOURCE))
        click.secho(f"\nThe book is at {made}", bold=True)
        judge(held.shown)


@main.command()
@click.argument("chapters", nargs=-1)
@click.option(
    "--stored",
    is_flag=True,
    help="Draw the published figures again and tell the stored verdicts in the words of claims.yml; compute nothing.",
)
@jobs_option
@runs.timeout_option
def refresh(chapters: tuple[str, ...], stored: bool, jobs: int, timeout: float) -> None:
    """Run the committed notebooks and take their outputs and figures into the checkout, for review and commit.

    CHAPTERS name some of them, as `eigenvalue-clustering`; without any, all are run. Where only a colour, a caption
    or the words of a claim have changed, `--stored` renews them and leaves every number and stamp as it is published.
    """
    with building() as (steps, root):
        from resnet_lib.book import redraw, reword
        from resnet_lib.evidence import ledger, manuscript

        folder = root if stored else timed("staged", lambda: steps.stage(root))
        pages = {manuscript.chapter(path): path for path in steps.notebooks(folder)}
        if unknown := [name for name in chapters if name not in pages]:
            raise ValueError(f"CHAPTERS: {unknown[0]!r} is no chapter with a notebook; known: {', '.join(pages)}")
        wanted = [pages[name] for name in chapters or pages]
        if stored:
            renew = (redraw.notebook, reword.notebook)
            changed = timed("renewed", lambda: [path for each in wanted for how in renew for path in how(each, root)])
            changed = list(dict.fromkeys(changed))
        else:
            report(timed("executed", lambda: steps.execute(wanted, jobs=jobs, timeout=timeout)))
            changed = steps.refresh(root, folder)
        click.echo("\n".join(f"changed: {path.relative_to(root)}" for path in changed) or "nothing has changed")
        judge(ledger.read(root))


@main.command("ledger")
def ledger_() -> None:
    """Print all verdicts from the stored outputs of the chapters; ends with an error where one is not as expected."""
    from resnet_lib import files
    from resnet_lib.evidence import ledger

    with readable():
        evidence = ledger.read(files.root())
        click.echo(ledger.table(evidence))
        judge(evidence)


@main.command()
def ship() -> None:
    """Write the networks of the experiment `photographs` that this machine has trained into networks/, as float16.

    From there every chapter and every reader takes them without training. A network that ships already stays as it is.
    """
    from resnet_lib import files
    from resnet_lib.experiments.plain_networks import photographs

    with readable():
        root, number = files.root(), 0
        for file in photographs.ship(photographs.NETWORKS, photographs.SEEDS, root):
            number += 1
            click.echo(f"written: {file.relative_to(root)}")
        if not number:
            click.echo("nothing to ship: train them with `resnet-lib run photographs --preset full`")


@main.group("data")
def data_() -> None:
    """Fetch the images that FULL runs are trained on, and published networks; show what is on this machine."""


@data_.command("list")
@click.option("--data", "place", type=FOLDER, help="Where datasets are kept; the default is the user's data folder.")
def data_list(place: Path | None) -> None:
    """List the datasets and the published networks that can be fetched, and what those on this machine are."""
    from resnet_lib.data import shelf, store
    from resnet_lib.data.official import DISTRIBUTIONS

    with readable():
        click.echo(f"kept in {store.folder(place)}")
        for name, manifest in store.kept(place):
            train, test = DISTRIBUTIONS[name].counts
            what = "not here" if manifest is None else manifest.summary()
            click.echo(f"  {name:14} {train:,} + {test:,} images   {what}")
        for found in shelf.kept(place):
            what = "not here" if found.path is None else f"{found.about['file']}, converted"
            click.echo(f"  {found.weights.name:14} {found.weights.wrong / 100:.2f}% test error   {what}")


@data_.command("fetch")
@click.argument("name")
@click.option("--from", "source", type=click.Path(path_type=Path), help="A copy: a folder, or a tar archive of it.")
@click.option("--accept-variant", is_flag=True, help="Take a copy that differs from the official one, and say so.")
@click.option(
    "--check", is_flag=True, help="Of published networks: compare their errors on CIFAR-10 with the published."
)
@click.option("--data", "place", type=FOLDER, help="Where datasets are kept; the default is the user's data folder.")
def data_fetch(name: str, source: Path | None, accept_variant: bool, check: bool, place: Path | None) -> None:
    """Fetch NAME, a dataset or `published`, the networks that others have trained: download and check, or take a copy.

    A download that was cut off is continued. The files of a copy may be plain, .gz or .xz. A copy that is not
    bit-identical to the official files is refused without --accept-variant; with it, every result says so.
    Published networks have no variants. `published-20` is one of them; of all, the two deepest may be missing.
    """
    from resnet_lib.data import releases, store

    if name in releases.names():
        if accept_variant:
            raise click.UsageError(f"--accept-variant is for datasets; of {name} there is one version")
        _fetch_published(name, source, check, place)
        return
    if check:
        raise click.UsageError(f"--check is for published networks ({', '.join(releases.names())}); {name!r} is none")
    with readable():
        manifest = store.fetch(name, place, source=source, accept_variant=accept_variant)
        click.echo(f"{name} is in {store.folder(place) / name}: {manifest.describe()}")


def _fetch_published(name: str, source: Path | None, check: bool, place: Path | None) -> None:
    from resnet_lib.data import shelf

    with readable():
        for found in shelf.fetch(name, place, source=source):
            click.echo(found.summary())
            if check and found.path is not None:
                from resnet_lib.data import pretrained

                click.echo(f"  {pretrained.compared(found.weights.depth, folder=place)}")


@contextmanager
def building() -> Iterator[tuple[ModuleType, Path]]:
    """The steps of the book and its folder, where nobody else builds meanwhile; Ctrl-C and SIGTERM end it in a line."""
    with readable(), terminable():
        from resnet_lib import files
        from resnet_lib.book import build as steps

        root = files.root()
        told = f"another build of {root} is running; waiting for it to end"
        with steps.alone(root / steps.BUILD, waiting=lambda: click.echo(told, err=True)):
            yield steps, root


def timed(what: str, step: Callable[[], Done]) -> Done:
    """Do a step and say how long it took."""
    started = time.perf_counter()
    done = step()
    click.echo(f"{what:10}{time.perf_counter() - started:6.1f} s")
    return done


def report(failures: list["BrokenNotebook"]) -> None:
    """End with an error where notebooks have failed, after each has been shown."""
    for failure in failures:
        click.secho(f"\n{failure}\n", err=True)
    if failures:
        names = ", ".join(failure.notebook for failure in failures)
        raise click.ClickException(f"{len(failures)} of the chapters failed: {names}; nothing was built from them")


def replicated(report: "Report") -> None:
    """Say how the run compares with what is published; end with an error where it is no replication of it."""
    click.echo(str(report))
    if report.errors:
        raise click.ClickException("this run does not replicate what is published:\n  " + "\n  ".join(report.errors))


def judge(evidence: "Findings") -> None:
    """Say what the evidence comes to; end with an error where it is not what claims.yml expects."""
    click.echo(evidence.summary)
    if evidence.problems:
        raise click.ClickException("the evidence is not what claims.yml expects:\n  " + "\n  ".join(evidence.problems))
