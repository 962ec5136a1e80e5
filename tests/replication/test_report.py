"""Replications: runs that are kept, what two books have in common, what is an error and what is told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resnet_lib.evidence import cards, claims, statements
from resnet_lib.evidence.ledger import Findings
from resnet_lib.evidence.records import Shown
from resnet_lib.replication import comparison, replicas, report
from resnet_lib.sweep import Columns, Result
from tests import books

CLAIMS = 40


RULES = """
- id: trained
  chapter: fixture
  title: Trained
  statement: Trained.
  sources: [ginibre1965statistical]
  when: Never.
  claims:
"""


ONE = """
    - id: trained.c{i}
      statement: Claim {i}.
      role: as-said
      kind: trained
      measure: a number
      holds_if: mean > {bound}
      control: {{measure: another number, must: mean < {bound}}}
      expected: holds
"""


EXACT = """
    - id: trained.theorem
      statement: A theorem.
      role: law
      kind: theorem
      measure: a number
      holds_if: every < 1
      control: {measure: another number, must: every > 1, agrees: exact}
      expected: holds
      agrees: exact
"""


@dataclass(frozen=True)
class Drawn:
    """What a whole book measured: seeds x claims of values and controls, and the theorem's values."""

    values: np.ndarray
    controls: np.ndarray
    theorem: np.ndarray
    broken: np.ndarray


def drawn(rng: np.random.Generator, common: np.ndarray, *, rho: float = 0.95, shift: float = 0.0) -> Drawn:
    """A machine's numbers: what the seeds have in common, and its own last bits."""
    noise = rng.normal(size=common.shape)
    values = np.sqrt(rho) * common + np.sqrt(1 - rho) * noise + shift
    return Drawn(values[0] + 9, values[1] - 9, np.linspace(0, 0.5, 5), np.linspace(2, 3, 5))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> statements.Ledger:
    path = tmp_path_factory.mktemp("rules") / "claims.yml"
    path.write_text(RULES + "".join(ONE.format(i=i, bound=0) for i in range(CLAIMS)) + EXACT)
    return statements.load(path)


def book(rules: statements.Ledger, numbers: Drawn, *, seeds: Sequence[int] = range(5), device: str = "cpu") -> Findings:
    """The evidence of a book that found these numbers."""
    verdicts = {}
    for name in rules.claims:
        i = name.removeprefix("trained.c")
        experiment = f"experiment-{int(i) // 4}" if i.isdecimal() else "theorem"
        values = numbers.values[:, int(i)] if i.isdecimal() else numbers.theorem
        control = numbers.controls[:, int(i)] if i.isdecimal() else numbers.broken
        stamp = replace(books.STAMP, experiment=experiment, seeds=list(seeds), device=device)
        result = Result(pd.DataFrame({"v": values, "c": control}), stamp, agrees=Columns("sampled"))
        check = claims.check(
            name, lambda table: claims.Evidence(table["v"].to_numpy(), table["c"].to_numpy()), result, ledger=rules
        )
        verdicts[name] = Shown("fixture", json.loads(json.dumps(check.record)))
    return Findings(rules, {}, verdicts, {}, ())


def numbers(seed: int, count: int, **options: float) -> list[Drawn]:
    """Several machines that computed the same seeds."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(2, 5, CLAIMS))
    return [drawn(rng, common, **options) for _ in range(count)]


def run(evidence: Findings, root: Path, machine: str) -> replicas.Replica:
    kept = replicas.of(evidence, root, {})
    return replace(kept, machine={**kept.machine, "processor": machine, "blas": "torch: MKL; openblas 0.3 (Zen)"})


def compared(rules: statements.Ledger, machines: Sequence[Drawn], fresh: Drawn, root: Path, **options: Any) -> Any:
    published = book(rules, machines[0])
    kept = [run(book(rules, m), root, str(i)) for i, m in enumerate(machines)]
    return report.compare(published, book(rules, fresh, **options), kept, roots=(root, root))


def test_a_run_of_the_same_seeds_replicates(rules: statements.Ledger, tmp_path: Path):
    *kept, fresh = numbers(0, 5)
    report = compared(rules, kept, fresh, tmp_path)
    assert report.errors == ()
    assert (report.verdicts, report.exact, report.sampled) == (CLAIMS + 1, 2, 2 * CLAIMS)
    assert report.correlation > 0.8
    assert report.p > 5e-4
    assert str(report).startswith(f"{CLAIMS + 1} of {CLAIMS + 1} verdicts as published\n")


def test_the_reference_itself_is_repeated_to_the_bit(rules: statements.Ledger, tmp_path: Path):
    kept = numbers(0, 4)
    report = compared(rules, kept, kept[0], tmp_path)
    assert report.errors == ()
    assert report.largest == (0.0, "")
    assert report.correlation == pytest.approx(1)


def changed(drawn: Drawn, claim: int, shift: float) -> Drawn:
    values = drawn.values.copy()
    values[:, claim] += shift
    return replace(drawn, values=values)


def test_a_verdict_that_differs_within_sampling_is_told(rules: statements.Ledger, tmp_path: Path):
    """Near its bound a claim may come out otherwise; that is no error, and says how often it happens."""
    *kept, fresh = numbers(1, 5)
    least = kept[0].values[:, 7].min()  # an interval does not leave the range of its sample
    kept, fresh = [changed(machine, 7, 0.01 - least) for machine in kept], changed(fresh, 7, -0.5 - least)
    report = compared(rules, kept, fresh, tmp_path)
    assert report.errors == ()
    assert [difference.claim for difference in report.differing] == ["trained.c7"]
    assert report.differing[0].again < 0.99
    first, _ = str(report).splitlines()
    assert (
        f"{CLAIMS} of {CLAIMS + 1} verdicts as published; 1 differs within sampling: trained.c7 (published: " in first
    )


@pytest.mark.parametrize("shift", [-5.0, 5.0])
def test_a_difference_that_sampling_does_not_explain_is_an_error(
    rules: statements.Ledger, tmp_path: Path, shift: float
):
    *kept, fresh = numbers(2, 5)
    (error,) = compared(rules, kept, changed(fresh, 3, shift), tmp_path).errors
    assert error.startswith("claim trained.c3 (experiment-0): ")
    assert "standard deviations off; p = " in error


def test_many_small_differences_in_one_direction_are_an_error(rules: statements.Ledger, tmp_path: Path):
    *kept, fresh = numbers(3, 5)
    shifted = replace(fresh, values=fresh.values + 0.7, controls=fresh.controls + 0.7)
    errors = compared(rules, kept, shifted, tmp_path).errors
    assert any(error.startswith(f"all {2 * CLAIMS} sampled columns together") for error in errors)


def test_a_theorem_that_fails_is_an_error_and_so_is_its_control(rules: statements.Ledger, tmp_path: Path):
    *kept, fresh = numbers(4, 5)
    wrong = compared(rules, kept, replace(fresh, theorem=fresh.theorem + 0.6), tmp_path).errors
    assert any("claim trained.theorem: its values are off by 1.2e+00 of the largest" in error for error in wrong)
    assert any("claim trained.theorem: fails here, holds as published" in error for error in wrong)
    tame = compared(rules, kept, replace(fresh, broken=fresh.broken - 1.5), tmp_path).errors
    assert any("claim trained.theorem: invalid here, holds as published" in error for error in tame)


def test_an_exact_value_may_be_off_by_rounding_only(rules: statements.Ledger, tmp_path: Path):
    *kept, fresh = numbers(4, 5)
    assert compared(rules, kept, replace(fresh, theorem=fresh.theorem * (1 + 1e-12)), tmp_path).errors == ()
    (error,) = compared(rules, kept, replace(fresh, theorem=fresh.theorem * (1 + 1e-6)), tmp_path).errors
    assert error == "claim trained.theorem: its values are off by 1.0e-06 of the largest, and may be by 1e-08"


def test_other_draws_are_noticed_and_compared_as_independent_samples(rules: statements.Ledger, tmp_path: Path):
    kept = numbers(5, 4)
    (fresh,) = numbers(6, 1)
    report = compared(rules, kept, fresh, tmp_path)
    assert report.errors == ()
    assert any(note.startswith("other draws: ") for note in report.notes)


def test_another_version_of_an_experiment_is_an_error_that_says_what_to_do(rules: statements.Ledger, tmp_path: Path):
    *kept, fresh = numbers(7, 5)
    errors = compared(rules, kept, fresh, tmp_path, seeds=range(1, 6)).errors
    assert len(errors) == CLAIMS + 1
    assert (
        "the published outputs are of another version of experiment-0, with other settings or seeds; run" in errors[0]
    )


def test_a_record_without_values_is_older_than_this_version(rules: statements.Ledger, tmp_path: Path):
    machine, fresh = numbers(8, 2)
    published = book(rules, machine)
    del published.verdicts["trained.c0"].record["quick"]["values"]  # type: ignore[attr-defined]
    (error,) = report.compare(published, book(rules, fresh), [], roots=(tmp_path, tmp_path)).errors
    assert error == (
        "claim trained.c0: the published record holds no values; it is older than this version: run `make refresh`"
    )


def test_false_alarms_are_as_rare_as_they_are_said_to_be(rules: statements.Ledger, tmp_path: Path):
    """1,000 replications of a book of eighty sampled columns that changes nothing: at most three alarms."""
    alarms = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=(5, 2 * CLAIMS))
        machines = np.sqrt(0.95) * common + np.sqrt(0.05) * rng.normal(size=(5, 5, 2 * CLAIMS))
        columns = [
            comparison.Column(str(j), str(j // 8), machines[:4, :, j], machines[4, :, j]) for j in range(2 * CLAIMS)
        ]
        alarms += bool(report.judge(columns, flips=4000).errors)
    assert alarms <= 3


@pytest.fixture
def kept_run(rules: statements.Ledger, tmp_path: Path) -> tuple[replicas.Replica, Path]:
    kept = replace(run(book(rules, numbers(0, 1)[0]), tmp_path, "Some CPU (1, 2), x86_64, AVX2"), created="2026-01-01")
    return kept, replicas.write(kept, tmp_path / replicas.FOLDER)


def test_a_run_is_read_as_it_was_kept(kept_run: tuple[replicas.Replica, Path], tmp_path: Path):
    kept, path = kept_run
    assert path.name == "some-cpu-1-2-x86-64-avx2-zen.json"
    assert replicas.read(path) == kept
    assert replicas.kept(tmp_path) == [kept]
    assert len(kept.claims["trained.c0"].values) == 5
    assert kept.claims["trained.theorem"].values == ()  # compared with the published record


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], r"cannot be read \(JSONDecodeError"),
        (lambda text: text.replace('"status":"holds"', '"status":"fails"', 1), "was altered since it was kept"),
        (lambda text: text.replace('"format":1', '"format":9'), "has format 9, and this version reads 1"),
        (lambda text: "[]", "cannot be read"),
        (lambda text: "", "cannot be read"),
        (lambda text: "<<<<<<< HEAD\n" + text, "cannot be read"),
    ],
)
def test_a_damaged_run_is_refused_with_the_way_out(kept_run: Any, tmp_path: Path, damage: Any, message: str):
    _, path = kept_run
    path.write_text(damage(path.read_text()))
    with pytest.raises(replicas.ReplicationError, match=message) as error:
        replicas.kept(tmp_path)
    assert "git checkout -- results/replications" in str(error.value)
    assert path.exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path: Path):
    (tmp_path / "results").write_text("a file where a folder should be")
    with pytest.raises(replicas.ReplicationError, match=r"cannot be written: .*leave out --save"):
        replicas.require_writable(tmp_path / replicas.FOLDER)


def test_every_experiment_that_trains_is_declared_to_be_sampled():
    """What reaches the training loop trains, but for those that only use a network's start or its optimiser."""
    from resnet_lib.cli import catalogue
    from resnet_lib.sweep import source

    untrained = {"plain-gradients", "lipschitz-block", "lipschitz-scaled"}
    for members in catalogue.known().values():
        for experiment in members:
            reached = {module for module, _ in source.reached(*experiment.roots)}
            if "resnet_lib.training.loop" in reached and experiment.name not in untrained:
                assert experiment.agrees.default == "sampled", experiment.name


def test_the_card_tells_a_fragile_verdict(rules: statements.Ledger):
    (machine,) = numbers(1, 1)
    near = changed(machine, 7, -machine.values[:, 7].mean())
    record = book(rules, near).verdicts["trained.c7"].record
    assert record["quick"]["same_again"] < 0.99
    assert "of 100 fresh runs of this size would say so" in cards.card(record)
    assert "fragile" not in cards.card(record, exact=False)
