"""The runs that are kept with the book: they belong to what is published, and replicate it; how often chance alarms."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tables import meta, table

from resnet_lib.evidence import ledger
from resnet_lib.evidence.ledger import Findings
from resnet_lib.replication import comparison, replicas, report
from resnet_lib.replication.comparison import Column

ROOT = Path(__file__).parents[2]
SIMULATIONS = 1000


@pytest.fixture(scope="module")
def published() -> Findings:
    return ledger.read(ROOT)


@pytest.fixture(scope="module")
def runs() -> list[replicas.Replica]:
    return replicas.kept(ROOT)


@pytest.fixture(scope="module")
def columns(published: Findings, runs: list[replicas.Replica]) -> list[Column]:
    return comparison.sampled_columns(published, published, (ROOT, ROOT), runs)


def test_runs_of_several_kinds_of_machine_are_kept(runs: list[replicas.Replica]):
    processors = [run.machine["processor"] for run in runs]
    assert len({processor.partition(",")[0] for processor in processors}) >= 2, "of two processors at least"
    assert any(processor.endswith("DEFAULT") for processor in processors), "one of them under the oldest instructions"


GONE = {
    *("ens-claim.gain", "ens-claim.calibration", "lip-block.bound"),
    *("drop-graceful.half", "drop-bound.residual", "drop-bound.scaled"),
    *("scal-common.directions", "scal-common.gradient"),
    *("pde-schroedinger.rounding", "pde-accelerate.unitary"),
    "erf-depth.published",
}
"""Claims that older runs have and the book has given up; a comparison leaves them out."""


def test_every_kept_run_is_of_a_claim_that_is_published(published: Findings, runs: list[replicas.Replica]):
    assert not GONE & set(published.verdicts)
    for run in runs:
        assert set(run.claims) <= set(published.verdicts) | GONE, run.name
        assert set(run.figures) <= set(published.figures), run.name


def test_each_kept_run_replicates_what_is_published_and_the_others(columns: list[Column]):
    """Each of them in turn is the new one. A column that only some of them have is compared where it is."""
    most = max(len(column.kept) for column in columns)
    for k in range(most):
        turned = [
            replace(column, kept=np.delete(column.kept, k, axis=0), fresh=column.kept[k])
            for column in columns
            if len(column.kept) > max(k, 1)
        ]
        assert report.judge(turned, flips=20_000).errors == (), f"run {k}"


Books = dict[tuple[str, int, int], np.ndarray]


def redrawn(books: Books, rng: np.random.Generator) -> Books:
    """Seeds are drawn from the seeds, and what a machine adds from what machines added.

    What machines add to a seed's values, the deviations from their mean in all columns of an experiment at once, is
    drawn with either sign: the new machine is one of the others by construction, as dependent between columns as they.
    """
    drawn = {}
    for key, kept in books.items():
        (columns, k, n), mean = kept.shape, kept.mean(1, keepdims=True)
        added = ((kept - mean) * np.sqrt(k / (k - 1))).reshape(columns, k * n)
        signs = rng.choice([-1.0, 1.0], (k + 1, n))
        drawn[key] = mean[:, :, rng.integers(0, n, n)] + signs * added[:, rng.integers(0, k * n, (k + 1, n))]
    return drawn


def exchanged(books: Books, rng: np.random.Generator) -> Books:
    """The machines change places, seed by seed and in all columns of an experiment at once: every number is a real one.

    At least three machines are needed, for one of them is then the new one.
    """
    orders: dict[tuple[str, int], np.ndarray] = {}
    drawn = {}
    for (experiment, k, n), kept in books.items():
        if k < 3:
            continue
        order = orders.get((experiment, k), np.empty((k, 0), int))
        while order.shape[1] < n:
            order = np.column_stack([order, rng.permutation(k)])
        orders[experiment, k] = order
        drawn[experiment, k, n] = kept[:, order[:, :n], np.arange(n)]
    return drawn


@pytest.mark.usefixtures("unchecked")  # a million calls, and the check of types takes most of the time
@pytest.mark.parametrize("scheme", [redrawn, exchanged])
def test_chance_alarms_at_most_three_times_in_a_thousand_replications(
    columns: list[Column], scheme: Callable[[Books, np.random.Generator], Books]
):
    groups: defaultdict[tuple[str, int, int], list[Column]] = defaultdict(list)
    for column in columns:
        if len(column.kept) > 1:
            groups[column.experiment, *column.kept.shape].append(column)
    books = {key: np.stack([column.kept for column in members]) for key, members in groups.items()}
    rng, alarms = np.random.default_rng(13), []
    for _ in range(SIMULATIONS):
        drawn = [
            replace(column, kept=values[:-1], fresh=values[-1])
            for key, book in scheme(books, rng).items()
            for column, values in zip(groups[key], book, strict=True)
        ]
        if errors := report.judge(drawn, flips=4000).errors:
            alarms.append(errors[0])
    assert len(alarms) <= 3, "\n".join(alarms)


def test_sampled_columns_of_a_figure_are_means_by_seed_and_variant():
    found = replicas.seedwise(meta({"accuracy": "sampled", "epoch": "sampled"}), table())
    assert list(found) == ["accuracy (variant plain)", "accuracy (variant residual)"]
    frame = table()
    rows = frame[(frame.seed == 3) & (frame.variant == "plain")]
    assert found["accuracy (variant plain)"][3] == pytest.approx(rows.accuracy.mean())


def test_a_table_without_seeds_has_no_samples():
    assert replicas.seedwise(meta({"accuracy": "sampled"}), table().drop(columns="seed")) == {}
