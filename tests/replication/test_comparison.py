"""What two runs have in common, column by column: what has to be equal, to which tolerance, and what is a sample."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tables import meta, table

from resnet_lib.evidence import markup
from resnet_lib.replication import comparison
from resnet_lib.replication.replicas import Numbers, Replica, grid_of
from tests import books


def test_keys_and_exact_columns_of_a_figure_have_to_be_equal():
    about = meta({"accuracy": "sampled"})
    assert comparison.table_errors(about, table(), table(0.3)) == ([], 1)  # lr is exact, and accuracy is sampled
    (rows,), _ = comparison.table_errors(about, table(), table()[1:])
    assert rows.startswith("the published table has 30 rows of seed, variant, epoch, lr, accuracy, this one 29 rows")
    (keys,), _ = comparison.table_errors(about, table(), table().assign(epoch=7))
    assert keys == "its columns epoch hold other values"
    (rate,), _ = comparison.table_errors(about, table(), table().assign(lr=0.2))
    assert rate == "lr is off by 1.0e+00 of its largest value, and may be by 1e-08"


def test_eigenvalues_may_come_in_another_order():
    old = pd.DataFrame({"seed": [0, 0, 0], "real": [1.0, 2.0, 3.0]})
    new = pd.DataFrame({"seed": [0, 0, 0], "real": [2.0, 1.0, 3.0]})
    assert comparison.table_errors(meta({}), old, new) == ([], 1)


def test_another_grid_of_a_figure_is_another_version():
    before, after = meta({}), meta({}, seeds=[1, 2])
    (error,), _ = comparison.figure_errors(before, after, table(), table())
    assert "are of another version of fixture-radius" in error


def record(values: list[float], *, agrees: str = "sampled", seeds: int = 5, **run: Any) -> dict[str, Any]:
    """The record of a claim with a control of zeros, and the run behind it."""
    stamp = replace(books.STAMP, seeds=list(range(seeds))).as_dict()
    inside = {"status": "holds", "control_fails": True, "inside": len(values), "n": len(values), "reason": "why"}
    told = {"values": markup.listed(np.array(values)), "control_values": markup.listed(np.zeros(len(values)))}
    return {"agrees": {"values": agrees, "control": "exact"}, "quick": {"stamp": stamp, **told, **inside, **run}}


def kept(values: list[float], grid: str, control: tuple[float, ...] = ()) -> Replica:
    numbers = Numbers("fixture-radius", grid, "s", "holds", 0.0, tuple(values), control)
    return Replica({"processor": "p", "blas": ""}, {}, "", "", {"a.b": numbers}, {}, {})


def test_the_samples_of_a_claim_are_those_of_the_published_run_and_of_kept_ones_of_the_same_grid():
    old, new = record([1.0, 2.0, 3.0]), record([1.1, 2.1, 3.1])
    grid = grid_of(new["quick"]["stamp"])
    runs = [kept([1.0, 2.0, 3.0], grid), kept([1.2, 2.2, 3.2], grid), kept([9.0, 9.0, 9.0], "other"), kept([1.0], grid)]
    (column,) = comparison.claim_columns("a.b", old, new, runs)  # the control is exact, and so no sample
    assert column.where == "claim a.b"
    assert column.kept.tolist() == [[1.0, 2.0, 3.0], [1.2, 2.2, 3.2]]  # the published run is kept as well
    assert column.fresh.tolist() == [1.1, 2.1, 3.1]
    assert list(comparison.claim_columns("a.b", old, record([1.0] * 3, seeds=4), runs)) == []


def test_at_most_so_many_kept_runs_are_looked_at():
    old, new = record([0.0] * 3), record([0.5] * 3)
    runs = [kept([float(i)] * 3, grid_of(new["quick"]["stamp"])) for i in range(1, 12)]
    (column,) = comparison.claim_columns("a.b", old, new, runs)
    assert len(column.kept) == 1 + comparison.MOST


@pytest.mark.parametrize(
    ("agrees", "fresh", "run", "said"),
    [
        ("exact", [1.0, 2.0], {}, []),
        ("exact", [1.0, 2.0 + 1e-6], {}, ["its values are off by 5.0e-07 of the largest, and may be by 1e-08"]),
        ("rounded", [1.0, 2.0 + 1e-6], {}, []),
        (
            "rounded",
            [1.0],
            {},
            ["1 values here, and 2 are published", "only 1 of 1 values satisfy its rule, and all did as published"],
        ),
        ("exact", [1.0, 2.0], {"status": "fails"}, ["fails here, holds as published: why"]),
        ("exact", [1.0, 2.0], {"inside": 1}, ["only 1 of 2 values satisfy its rule, and all did as published"]),
        ("sampled", [5.0, 6.0], {"status": "fails"}, []),
        ("sampled", [1.0, 2.0], {"control_fails": False}, ["its control does not come out: why"]),
    ],
)
def test_what_is_no_matter_of_sampling_in_a_claim(agrees: str, fresh: list[float], run: dict, said: list[str]):
    old, new = record([1.0, 2.0], agrees=agrees), record(fresh, agrees=agrees, **run)
    found, _ = comparison.claim_errors(new, old["quick"], new["quick"])
    assert [sentence for sentence in found if "control here" not in sentence] == said


def test_a_run_of_other_seeds_or_without_values_is_of_another_version():
    old = record([1.0, 2.0])["quick"]
    assert comparison.other_version(old, old) == ""
    assert "of another version of fixture-radius" in comparison.other_version(old, record([1.0] * 2, seeds=4)["quick"])
    older = {name: part for name, part in old.items() if name != "values"}
    assert "the published record holds no values" in comparison.other_version(older, old)
