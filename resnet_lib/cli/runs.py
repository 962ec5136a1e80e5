"""The commands that make evidence and check it: `resnet-lib run`, `status`, `verify`, `replicate`, `export`.

Imports of torch wait for the command that needs them: `--help` answers at once.
"""

import contextlib
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet_lib.cli import catalogue
from resnet_lib.cli.catalogue import find
from resnet_lib.cli.errors import readable, terminable

if TYPE_CHECKING:
    from resnet_lib.sweep.experiment import Experiment

UNFINISHED = 75  # EX_TEMPFAIL: nothing is wrong, run it again
FOLDER = click.Path(file_okay=False, path_type=Path)
AT_LEAST_ONE = click.IntRange(min=1)


class Time(click.ParamType):
    """Seconds, from `90s`, `25m`, `1h30m`."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As of click."""
        match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", str(value))
        seconds = (
            sum(int(part or 0) * size for part, size in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
        )
        if not seconds:
            self.fail(f"{value!r} is no time; write 90s, 25m or 1h30m", param, ctx)
        return float(seconds)


timeout_option = click.option(
    "--timeout", type=Time(), default="30m", show_default=True, help="A cell that takes longer has failed: 90s, 1h."
)
preset_option = click.option("--preset", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
cache_option = click.option(
    "--cache", type=FOLDER, help="Where finished trials are kept; the default is the user's cache folder."
)
workers_option = click.option(
    "--workers", type=AT_LEAST_ONE, help="Processes; the default is one a core, one on a GPU."
)


@click.command()
@click.argument("name", required=False)
@preset_option
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, or auto for the fastest.")
@workers_option
@click.option("--scheduler", metavar="ADDRESS", help="Compute on the workers of this Dask scheduler: tcp://host:8786.")
@click.option("--limit", type=Time(), help="A trial that takes longer has failed: 90s, 25m, 1h30m.")
@click.option("--budget", type=Time(), help="Stop after this time; what is done is kept.")
@click.option(
    "--missing", is_flag=True, help="Only results that are missing or older than the code, the most valuable first."
)
@cache_option
def run(name: str | None, preset: str, device: str, missing: bool, budget: float | None, **options: Any) -> None:
    """Run NAME, a chapter or one experiment (`resnet-lib list` shows both); with --missing all of them, or NAME's.

    Finished trials are kept, so that an interrupted run continues where it was. A full run is stored under results/,
    where the chapter finds it and shows it beside its own quick run. Ends with 1 where trials have failed, and with 75
    where the budget is used up and something is left: run it again.
    """
    from resnet_lib import files, runtime
    from resnet_lib.sweep import results, runner

    if name is None and not missing:
        raise click.UsageError("name a chapter or an experiment, or say --missing")
    until, failed = None if budget is None else time.monotonic() + budget, []
    with readable():
        if not options["scheduler"]:
            runtime.device(device)  # refuses an unknown one, also where the trial would not ask for it
        chosen = find(name)
        for experiment in _valuable(chosen, preset, device, until, options) if missing else chosen:
            started = time.monotonic()
            left = None if until is None else max(until - started, 0.001)
            try:
                result = runner.run(experiment, preset, device=device, budget=left, **options)
            except runner.Unfinished as unfinished:
                click.echo(str(unfinished))
                raise SystemExit(UNFINISHED) from None
            except runner.SweepError as error:  # those of the other experiments are computed all the same
                click.secho(f"{error}\n", err=True)
                failed.append(experiment.name)
                continue
            click.echo(f"{experiment.name}: {len(result.table)} rows in {time.monotonic() - started:.1f} s")
            if preset == "full":
                click.echo(f"stored: {results.store(result, files.root())}")
    if failed:
        raise click.ClickException(f"trials of {', '.join(failed)} failed; see above")


def _valuable(
    chosen: tuple["Experiment", ...], preset: str, device: str, until: float | None, options: dict[str, Any]
) -> Iterator["Experiment"]:
    """What is worth computing, each once: as long as there is time, the most valuable first."""
    import joblib

    from resnet_lib import files
    from resnet_lib.evidence import ledger
    from resnet_lib.sweep import backlog

    root, tried = files.root(), set()
    claims = ledger.judged(ledger.read(root))
    device = device.partition(":")[0]
    workers = 1 if device != "cpu" else options["workers"] or joblib.cpu_count()
    while True:
        items = [
            backlog.survey(
                e,
                preset,
                root,
                cache=options["cache"],
                device=device if e.takes_device else None,
                claims=claims[e.name],
            )
            for e in chosen
            if e.name not in tried
        ]
        left = None if until is None else until - time.monotonic()
        if (item := backlog.first(items, left, workers)) is None:
            return
        tried.add(item.experiment.name)
        cost = backlog.duration(item.left if item.left is None else item.left / workers)
        click.echo(
            f"next: {item.experiment.name} ({preset}), {item.kept} of {item.total} trials are there, about {cost} "
            f"({item.source}), {item.claims} claims"
        )
        yield item.experiment


@click.command()
@click.argument("name", required=False)
@click.option("--preset", type=click.Choice(["quick", "full"]), default="full", show_default=True)
@workers_option
@cache_option
def status(name: str | None, preset: str, workers: int | None, cache: Path | None) -> None:
    """Show what is computed, what is missing or older than the code, and what it would cost; of NAME or of the book.

    A stored result is current, older (its source or its grid has changed since), or refused (a file was damaged). Times
    are those of a trial, measured on finished ones or, as a lower bound, on those of QUICK.
    """
    import joblib

    from resnet_lib import files
    from resnet_lib.evidence import ledger
    from resnet_lib.sweep import backlog

    with readable():
        root, found = files.root(), find(name)
        claims, items = ledger.judged(ledger.read(root)), []
        for chapter, members in catalogue.known().items():
            mine = [backlog.survey(e, preset, root, cache=cache, claims=claims[e.name]) for e in members if e in found]
            if mine:
                click.secho(chapter, bold=True)
                click.echo(backlog.table(mine, workers or joblib.cpu_count()))
            items += mine
        click.echo(backlog.summary(items, workers or joblib.cpu_count()))


@click.command()
@click.argument("name", required=False)
@click.option("--sample", type=AT_LEAST_ONE, default=2, show_default=True, help="Trials of each result.")
@click.option("--seed", type=int, help="Chooses the trials; the default is another one every time.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, or auto for the fastest.")
@click.option("--close", type=float, default=1e-6, show_default=True, help="Largest relative deviation that passes.")
def verify(name: str | None, sample: int, seed: int | None, device: str, close: float) -> None:
    """Compute a random sample of the stored results' trials again and compare; of NAME or of the book.

    On the machine that stored them all numbers come out bit for bit; on another one those of short computations come
    out close, and those of a training may not. The files of these experiments' figures are held against the hashes that
    the chapters publish. Ends with 1 where something differs, fails, or was damaged.
    """
    from collections import Counter

    from resnet_lib import files, runtime
    from resnet_lib.evidence import ledger
    from resnet_lib.sweep import audit, results

    seed = secrets.randbelow(2**31) if seed is None else seed
    counts: Counter[str] = Counter()
    with readable():
        root, place, chosen = files.root(), str(runtime.device(device)), find(name)
        for experiment in chosen:
            if name is None and not results.path(experiment.name, root).parent.exists():
                counts["not stored"] += 1
                continue
            try:
                rng = runtime.rng(seed, "verify", experiment.name)
                for found in audit.verify(experiment, root, sample=sample, rng=rng, device=place, close=close):
                    counts[found.status] += 1
                    seeds = ", ".join(map(str, found.trial.seeds))
                    click.echo(f"{experiment.name}: {found.trial.setting}, seeds {seeds}: {found.told}")
            except audit.NotComparable as reason:
                counts["not comparable"] += 1
                click.echo(f"{experiment.name}: {reason}")
            except results.ResultError as damage:
                counts["refused"] += 1
                click.echo(f"{experiment.name}: {damage}")
        names = {experiment.name for experiment in chosen}
        drawn = ledger.read(root).figures.values()
        for damage in ledger.altered(root, [shown for shown in drawn if shown.record["stamp"]["experiment"] in names]):
            counts["refused"] += 1
            click.echo(damage)
    click.echo(f"{', '.join(f'{count} {what}' for what, count in counts.items()) or 'nothing'} (--seed {seed})")
    if counts["differs"] + counts["failed"] + counts["refused"]:
        raise click.ClickException("a stored result does not come out again, or a figure is not as it was published")


INSTRUCTIONS = {
    "native": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"},
    "oldest": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
}
"""What limits the instructions that PyTorch, oneDNN and MKL use; read by them when they are loaded."""


@click.command()
@click.argument("name", required=False)
@click.option("--save", is_flag=True, help="Keep the run under results/replications, for the page that lists them.")
@click.option(
    "--instructions",
    type=click.Choice(list(INSTRUCTIONS)),
    default="native",
    show_default=True,
    help="What the processor may use: all it has, or as if it were an older one.",
)
@click.option("--jobs", type=AT_LEAST_ONE, default=2, show_default=True, help="Notebooks at a time.")
@timeout_option
def replicate(name: str | None, save: bool, instructions: str, jobs: int, timeout: float) -> None:
    """Compute the book, or the chapter NAME, on this machine and compare it with what is published, claim by claim.

    Nothing that is published is touched. Trials are kept apart from those of other runs, below _build/replicate, so
    that an interrupted replication continues. Ends with 1 where a difference is no matter of sampling.
    """
    import os

    if save and name:
        raise click.UsageError("--save keeps a run of the whole book; leave NAME out, or --save")
    os.environ.update(INSTRUCTIONS[instructions])  # before anything loads PyTorch; the kernels inherit it
    from resnet_lib import files
    from resnet_lib.book import build
    from resnet_lib.evidence import ledger, manuscript
    from resnet_lib.replication import replicas, report

    with readable(), terminable(), contextlib.ExitStack() as stack:
        root = files.root()
        kept, folder = root / replicas.FOLDER, root / build.BUILD / "replicate"
        if save:
            replicas.require_writable(kept)
        known = replicas.kept(root)
        place = folder / f"{instructions}-{replicas.name_of(replicas.machine())}"
        os.environ["XDG_CACHE_HOME"] = str(place / "cache")
        told = f"another replication in {place} is running; waiting for it to end"
        stack.enter_context(build.alone(place, waiting=lambda: click.echo(told, err=True)))
        run = build.stage(root, place / "run")
        chapters = {manuscript.chapter(path): path for path in build.notebooks(run)}
        if name and name not in chapters:
            raise ValueError(f"NAME={name!r} is no chapter with a notebook; known: {', '.join(chapters)}")
        failures = build.execute([chapters[name]] if name else list(chapters.values()), jobs=jobs, timeout=timeout)
        for failure in failures:
            click.secho(f"\n{failure}\n", err=True)
        if failures:
            raise click.ClickException(f"{len(failures)} of the chapters failed; nothing was compared")
        fresh, published = ledger.read(run), ledger.read(root)
        if name:
            fresh, published = fresh.only(name), published.only(name)
        outcome = report.compare(published, fresh, known, roots=(root, run))
        click.echo(report.by_claim(published, fresh))
        click.echo(str(outcome))
        if save and not outcome.errors:
            click.echo(f"kept: {replicas.write(replicas.of(fresh, run, outcome.summary), kept)}")
    if outcome.errors:
        told = "; it is not kept" if save else ""
        raise click.ClickException(
            f"this run does not replicate what is published{told}:\n  " + "\n  ".join(outcome.errors)
        )


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
def export(target: Path) -> None:
    """Pack results, figures, ledger and environment as an RO-Crate into TARGET, a new folder or a file ending in .zip.

    Ready for an archive that gives it a DOI. Every table has a Frictionless schema, in `datapackage.json`.
    """
    from resnet_lib import files
    from resnet_lib.book import crate
    from resnet_lib.evidence import ledger

    with readable():
        root = files.root()
        click.echo(f"packed: {crate.write(ledger.read(root), root, target)}")
