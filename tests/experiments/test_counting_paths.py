"""The chapter's measures against known tables, its trials against closed forms, its choices against the tuning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_lib import runtime
from resnet_lib.analysis import paths
from resnet_lib.experiments.counting_paths import drawings, gradients, members, unrolling
from resnet_lib.experiments.counting_paths.gradients import Flow

ROOT = Path(__file__).parents[2]


def flow_table(factor: float, kind="residual", gain=1.0, depth=16) -> pd.DataFrame:
    """A table of paths that lose `factor` in every branch: lengths have the weights of a binomial law."""
    rows = [
        {"kind": kind, "gain": gain, "blocks": depth, "seed": seed, "length": k, "count": float(count)}
        | {"path": factor**k, "exact": count * factor**k}
        for seed in range(5)
        for k, count in enumerate(paths.counts(depth))
    ]
    return pd.DataFrame(rows)


def test_lengths_follow_the_binomial_law_of_the_factor():
    # Weights C(L, k) g^k are a binomial law with p = g / (1 + g): mean L g / (1 + g).
    table = pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal"), flow_table(0.01, "orthogonal", 0.01)])
    for measure in (gradients.short_effective, gradients.short_exact):
        np.testing.assert_allclose(measure(table).values, 0.2)
        np.testing.assert_allclose(measure(table).control, 0.5)
    np.testing.assert_allclose(gradients.short_decay(table).values, np.log10(0.25))
    np.testing.assert_allclose(gradients.short_decay(table).control, 0, atol=1e-12)
    many = gradients.short_many(table)
    np.testing.assert_allclose(many.control, 1 / 1.01**16)
    assert (many.values < 0.5).all()


def test_counts_are_veit_s():
    evidence = gradients.short_count(pd.DataFrame())
    assert evidence.values[0] == pytest.approx(0.980, abs=5e-4)
    assert evidence.control[0] == pytest.approx(0.0045, abs=5e-5)


def test_orthogonal_branches_lose_nothing_and_need_no_training():
    with runtime.numerics():
        table = gradients.trial(Flow("orthogonal", blocks=6, images=5, paths=10), (0, 1))
        small = gradients.trial(Flow("orthogonal", blocks=6, gain=0.1, images=5, paths=10), (0,))
    start = table[table["length"] == 0].set_index("seed")["path"]
    np.testing.assert_allclose(table["path"] / table["seed"].map(start), 1, rtol=1e-12)
    ratio = small["path"] / small.loc[small["length"] == 0, "path"].iloc[0]
    np.testing.assert_allclose(ratio, 0.1 ** small["length"], rtol=1e-9)


@pytest.mark.parametrize(("branch", "exact"), [("linear", True), ("relu", False)])
def test_only_linear_branches_split_over_paths(branch, exact):
    with runtime.numerics():
        table = unrolling.trial(unrolling.Unrolled(branch, blocks=5, width=8), (0, 1))
    assert (table["paths"] < 1e-12).all() == exact
    assert (table["sum"] < 1e-12).all()
    assert (table["gradient"] < 1e-12).all()
    assert (table["elsewhere"] > 0.01).all()


def test_an_activation_behind_the_addition_breaks_the_sum():
    with runtime.numerics():
        table = unrolling.trial(unrolling.Unrolled("original", blocks=5, width=8), (0, 1))
    assert (table["sum"] > 0.01).all()
    assert (table["gradient"] < 1e-12).all()


def test_measures_take_the_right_branches_and_their_controls():
    branches = ("linear", "relu", "original")
    table = pd.DataFrame({"branch": branches, "sum": [1, 2, 3], "paths": [4, 5, 6], "gradient": [7, 8, 9]})
    table["elsewhere"] = [10, 11, 12]
    found = [
        (evidence.values[0], evidence.control[0])
        for evidence in (
            unrolling.unroll_sum(table),
            unrolling.unroll_linear(table),
            unrolling.unroll_relu(table),
            unrolling.unroll_gradient(table),
        )
    ]
    assert found == [(2, 3), (4, 5), (5, 4), (8, 11)]


@pytest.fixture
def marks() -> pd.DataFrame:
    """A network of 95% whose halves reach 80% alone and 94% together, and networks apart that gain 1 point."""
    rows = []
    for seed in range(5):
        own = {"variant": "residual", "last": 1.0, "seed": seed, "whole": 0.95, "whole_ece": 0.03}
        for group, one, five, ece, correlation in (
            ("halves", 0.6, 0.7, 0.15, 0.4),
            ("halves-anew", 0.8, 0.94, 0.05, 0.6),
            ("copies", 0.95, 0.95, 0.03, 1.0),
            ("apart", 0.95, 0.96, 0.01, 0.5),
        ):
            more = ((50, 0.93),) if group == "halves-anew" else ((3, 0.957),)
            for size, accuracy in ((1, one), (5, five), *more):
                error = ece - 0.01 * (size == 1 and group == "halves-anew")
                row = {"group": group, "size": size, "accuracy": accuracy, "ece": error, "correlation": correlation}
                rows.append(own | row)
        for variant, curve in (("residual", (0.95, 0.94, 0.84)), ("plain", (0.95, 0.3, 0.1))):
            for size, accuracy in enumerate(curve):
                rows.append(own | {"variant": variant, "group": "removed", "size": size, "accuracy": accuracy})
    return pd.DataFrame(rows)


def test_marks_of_an_ensemble(marks):
    np.testing.assert_allclose(members.ens_smooth(marks).values, 10)
    np.testing.assert_allclose(members.ens_smooth(marks).control, 65)
    np.testing.assert_allclose(members.ens_errors(marks).values, 0.4)
    np.testing.assert_allclose(members.ens_together(marks).values, 14 - 0.5)
    np.testing.assert_allclose(members.ens_together(marks).control, 0, atol=1e-12)
    np.testing.assert_allclose(members.ens_average(marks).values, -2)
    np.testing.assert_allclose(members.ens_average(marks).control, -0.3)
    np.testing.assert_allclose(members.ens_calibrated(marks).values, 0.01)
    np.testing.assert_allclose(members.ens_calibrated(marks).control, 0)


def test_a_genuine_ensemble_passes_and_a_damaged_network_does_not(marks):
    """Networks trained apart, taken as members of their average; and halves that are 2 points behind."""
    from resnet_lib.evidence import claims, statements
    from resnet_lib.evidence.rules import Rule

    claim = statements.load(ROOT / "claims.yml").claim("ens-claim.average")
    rule, must = Rule.parse(claim.holds_if), Rule.parse(claim.control.must)
    evidence = members.ens_average(marks)
    assert claims.judge(rule, must, evidence, "test").status == "fails"
    genuine = replace(evidence, values=members.behind(marks, "apart", size=3))
    assert claims.judge(rule, must, genuine, "test").status == "holds"


def test_removing_uses_every_set():
    table = members.Members("residual", 0.3)
    net = members.fit(members.Members("residual", 0.3, blocks=4), (0,)).net(0)
    from resnet_lib import data
    from resnet_lib.analysis import lesion, lesion_scores

    test = data.load("digits", flat=True).test
    found = members.removed(net, test)  # pyright: ignore[reportArgumentType]
    singles = lesion_scores.score(list(lesion.singles(net).values()), test.x, test.y)  # pyright: ignore[reportArgumentType]
    assert len(found) == 3
    assert found[1] == pytest.approx(singles.accuracy.mean().item())
    assert table.apart == 1


def test_chart_has_its_slider():
    table = drawings.by_length(pd.concat([flow_table(0.25), flow_table(1.0, "orthogonal")]))
    spec = drawings.gain(table).to_dict()
    assert [p["name"] for p in spec["params"] if "bind" in p] == ["factor"]
