"""The chapter's measures, against tables whose answer is known, and its choices, against what they were chosen from."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from resnet_lib import data, nets, runtime, sweep
from resnet_lib.analysis import shortcuts
from resnet_lib.evidence import charts as interactive
from resnet_lib.evidence import claims, statements, style
from resnet_lib.evidence.claims import Evidence
from resnet_lib.evidence.rules import Rule
from resnet_lib.experiments.projection_shortcuts import (
    charts,
    determinants,
    drawings,
    matrices,
    networks,
    rates,
    tables,
)
from resnet_lib.nets.units import SHORTCUTS

ROOT = Path(__file__).parents[2]


def verdict(id: str, evidence: Evidence) -> str:
    claim = statements.load(ROOT / "claims.yml").claim(id)
    return claims.judge(Rule.parse(claim.holds_if), Rule.parse(claim.control.must), evidence, id).status


@pytest.fixture(scope="module")
def norms() -> pd.DataFrame:
    experiment = matrices.NORMS
    with runtime.numerics():
        pieces = [experiment.trial(setting, (0, 1, 2)) for setting in experiment.quick.settings]
    fields = ("shortcut", "c_in", "c_out", "size", "stride", "weights")
    settings = experiment.quick.settings
    return pd.concat(
        [p.assign(**{f: getattr(s, f) for f in fields}) for s, p in zip(settings, pieces, strict=True)],
        ignore_index=True,
    )


def test_matrices_of_the_maps_have_their_sizes_and_are_what_they_say():
    with runtime.numerics():
        rows = matrices.matrix_of(matrices.Map("rows", 16, 8), 0)
        patches = matrices.matrix_of(matrices.Map("2x2", 4, 8, size=8, stride=2), 0)
        free = matrices.matrix_of(matrices.Map("columns", 16, 32, weights="torch"), 0)
    assert (rows.shape, patches.shape, free.shape) == ((8, 16), (128, 256), (32, 16))
    for a in (rows, patches):
        torch.testing.assert_close(a @ a.mT, torch.eye(len(a), dtype=a.dtype), atol=1e-12, rtol=0)
    assert free.abs().max() <= 16**-0.5  # nn.Conv2d draws evenly between -1/sqrt(fan_in) and 1/sqrt(fan_in)
    assert free.std() == pytest.approx(48**-0.5, rel=0.1)


def test_norms_decide_as_the_mathematics_says(norms):
    assert verdict("proj-orth.gradient", matrices.orth_gradient(norms)) == "holds"
    assert verdict("proj-orth.forward", matrices.orth_forward(norms)) == "fails"
    assert verdict("proj-dim.columns", matrices.dim_columns(norms)) == "holds"
    evidence = matrices.dim_gradient(norms)
    assert verdict("proj-dim.gradient", evidence) == "fails"
    assert evidence.values.mean() == pytest.approx(0.5**0.5, abs=0.02)  # sqrt(d_in / d_out)
    assert len(evidence.values) == 3 * 5


def test_a_layer_that_is_not_orthonormal_would_be_noticed(norms):
    off = norms.assign(gradient=norms["gradient"] * (1 + 1e-9), forward=norms["forward"] * (1 + 1e-9))
    assert verdict("proj-orth.gradient", matrices.orth_gradient(off)) == "fails"
    assert verdict("proj-dim.columns", matrices.dim_columns(off)) == "fails"
    same = norms.assign(gradient=1.0)  # a control that does not break
    assert verdict("proj-orth.gradient", matrices.orth_gradient(same)) == "invalid"


@pytest.fixture(scope="module")
def defects() -> pd.DataFrame:
    settings = (
        matrices.Defects("matrix", ((1, 2), (2, 3), (2, 4), (4, 2), (3, 3))),
        matrices.Defects("1x1", ((2, 4),), size=4),
        matrices.Defects("2x2", ((2, 4),), size=4),
    )
    with runtime.numerics():
        pieces = [matrices.defects_trial(s, (0, 1)).assign(kind=s.kind, size=s.size) for s in settings]
    return pd.concat(pieces, ignore_index=True)


def test_defects_are_found_where_theory_puts_them(defects):
    assert verdict("proj-dim.narrowing", matrices.dim_narrowing(defects)) == "holds"
    assert verdict("proj-dim.widening", matrices.dim_widening(defects)) == "fails"
    assert verdict("proj-dim.strided", matrices.dim_strided(defects)) == "fails"
    assert verdict("proj-dim.least", matrices.dim_least(defects)) == "holds"
    strided = defects[defects["kind"] == "1x1"]
    # C H W / 4 directions are missing: rank C H W / 4 of C H W / 2 rows.
    assert (strided["rows"].tolist(), strided["rank"].tolist()) == ([16, 16], [8, 8])
    np.testing.assert_allclose(strided["found"], 8**0.5, atol=1e-6)
    wrong = defects.assign(predicted=defects["predicted"] * 1.001)
    assert verdict("proj-dim.least", matrices.dim_least(wrong)) == "fails"


def test_determinants_decide_as_the_mathematics_says():
    with runtime.numerics():
        table = determinants.determinant_trial(determinants.Size(8, 2), (0, 1, 2))
    assert verdict("proj-det.constrained", determinants.det_constrained(table)) == "holds"
    assert verdict("proj-det.unconstrained", determinants.det_unconstrained(table)) == "fails"
    assert verdict("proj-det.widening", determinants.det_widening(table)) == "fails"
    assert verdict("proj-det.constrained", determinants.det_constrained(table.assign(constrained=0.99))) == "fails"


def test_pca_loses_the_label_where_it_lies_in_the_least_variance_and_keeps_it_where_it_lies_in_the_most():
    with runtime.numerics():
        table = pd.concat(
            [
                determinants.labels_trial(determinants.Labels(w), tuple(range(6))).assign(where=w)
                for w in ("least", "most")
            ]
        )
    assert verdict("proj-det.labels", determinants.det_labels(table)) == "fails"
    means = table.groupby("where").mean(numeric_only=True)
    best = 100 * stats.norm.cdf(2)
    assert means["all"].to_numpy() == pytest.approx(best, abs=1)
    assert means.loc["least", "pca"] == pytest.approx(50, abs=4)
    assert means["discriminant"].to_numpy() == pytest.approx(best, abs=1)
    assert means["variance_discriminant"]["least"] < 0.05


def test_digits_keep_their_label_in_principal_coordinates():
    with runtime.numerics():
        table = determinants.pixels_trial(determinants.Pixels(10), tuple(range(6))).assign(k=10)
    assert verdict("proj-det.digits", determinants.det_digits(table)) == "holds"
    swapped = table.assign(way=table["way"].replace({"pca": "random", "random": "pca"}))
    assert verdict("proj-det.digits", determinants.det_digits(swapped)) in ("fails", "invalid")


@pytest.mark.parametrize("case", ["short", "long"])
def test_the_ellipse_is_that_of_its_points(case):
    setting = determinants.Ellipse(case, points=40_000)
    table = determinants.ellipse_trial(setting, (0,))
    points = table[table["part"] == "point"]
    xy, label = points[["x", "y"]].to_numpy(), points["label"].to_numpy()
    total, _, _ = determinants.moments(setting)
    np.testing.assert_allclose(np.cov(xy.T), total, atol=0.06)
    axis = table[table["part"] == "axis"]
    for degrees in (0, 30, 90):
        row = axis[axis["degrees"] == degrees].iloc[0]
        w = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        along = xy @ w * np.sign(w @ (xy[label == 1].mean(0) - xy[label == 0].mean(0)))
        assert row["det"] == pytest.approx(along.var(), rel=0.03)
        assert row["accuracy"] == pytest.approx(100 * ((along > 0) == (label == 1)).mean(), abs=1)


def network_table(accuracies: dict[str, list[float]], cut: float = 20.0, defect: float = 1e-6) -> pd.DataFrame:
    rows = [
        {"shortcut": name, "depth": 14, "change": change, "seed": seed, "test": test, "cut": cut, "defect": defect}
        for name, values in accuracies.items()
        for seed, test in enumerate(values)
        for change in (1, 2)
    ]
    return pd.DataFrame(rows)


NEEDS = (
    networks.need_something,
    networks.need_learned,
    networks.need_averaged,
    networks.need_everywhere,
    networks.need_orthonormal,
)
FLAT = [90.0, 92.0, 91.0, 93.0, 90.5]


def test_differences_are_paired_by_seed():
    made = {"A": FLAT, "B": [v + 1 for v in FLAT], "none": FLAT[::-1], "C": FLAT, "2x2": FLAT}
    table = network_table(made | {"pool": [v + 2 for v in FLAT]})
    assert networks.need_averaged(table).values.tolist() == [2.0] * 5
    assert networks.need_averaged(table).control.tolist() == [v + 2 - 20 for v in FLAT]
    assert networks.differences(table)["B"].tolist() == [1.0] * 5
    assert networks.need_learned(table).values.tolist() == [1.0] * 5
    assert verdict("proj-need.learned", networks.need_learned(table)) == "holds"
    assert verdict("proj-need.everywhere", networks.need_everywhere(table)) == "holds"
    assert verdict("proj-need.orthonormal", networks.need_orthonormal(table)) == "fails"
    assert verdict("proj-need.something", networks.need_something(table)) == "undecided"


def test_networks_that_do_not_use_their_shortcuts_decide_nothing():
    table = network_table({"A": FLAT, "B": [v + 1 for v in FLAT]}, cut=90.0)
    assert verdict("proj-need.learned", networks.need_learned(table)) == "invalid"


def test_kernels_that_leave_the_manifold_are_noticed():
    kept = network_table({"2x2": FLAT, "pca": FLAT})
    kept.loc[kept["shortcut"] == "pca", "defect"] = 1.0
    assert verdict("proj-orth.trained", networks.orth_trained(kept)) == "holds"
    assert verdict("proj-orth.trained", networks.orth_trained(kept.assign(defect=1e-4))) == "invalid"
    assert verdict("proj-orth.trained", networks.orth_trained(kept.assign(defect=0.1))) == "fails"


@pytest.mark.parametrize("name", ["2x2", "C", "none", "pca"])
def test_a_network_trial_measures_what_it_says(name):
    setting = networks.Network(name, 0.1, depth=8, width=4, epochs=1)
    with runtime.numerics():
        table = networks.network_trial(setting, (100,))
    assert table["change"].tolist() == [1, 2]
    assert (table["test"] > 15).all()
    if name == "none":
        assert table["gradient"].isna().all()
        assert (table["cut"] == table["test"]).all()
    if name == "2x2":
        np.testing.assert_allclose(table["gradient"], 1, atol=1e-5)
        assert table["defect"].max() < 1e-5
        assert table["variance"].between(50, 100).all()


def test_cutting_is_what_removing_the_shortcut_by_hand_does():
    x = data.load("digits").test.x[:5]
    net = nets.cifar_resnet(8, width=4, in_channels=1, generator=runtime.stream(0, "cut")).eval()
    (first, second) = networks.transitions(net)
    assert (first, second) == (1, 2)
    cut = networks.without(net, [first])
    with torch.no_grad():
        state = net.blocks[0](net.stem(x))
        by_hand = torch.relu(net.blocks[1].branch(state))  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        torch.testing.assert_close(cut(x), net.head(net.blocks[2](by_hand)))
        assert not torch.equal(cut(x), net(x))


def test_norm_ratios_agree_with_the_matrix():
    net = nets.cifar_resnet(8, width=4, in_channels=1, generator=runtime.stream(0, "ratios")).eval()
    shortcut = net.blocks[1].shortcut
    gradient, forward = networks.norm_ratios(shortcut, (4, 8, 8), 3, torch.device("cpu"))  # pyright: ignore[reportArgumentType]
    matrix = shortcuts.matrix(shortcut, (4, 8, 8)).float()  # pyright: ignore[reportArgumentType]
    x = torch.randn(networks.VECTORS, 256, generator=runtime.stream(3, "signals"))
    g = torch.randn(networks.VECTORS, 128, generator=runtime.stream(3, "gradients"))
    assert forward == pytest.approx(float(shortcuts.ratios(matrix, x).mean()), rel=1e-5)
    assert gradient == pytest.approx(float(shortcuts.ratios(matrix.mT, g).mean()), rel=1e-5)


def test_the_differences_that_the_page_tells_are_those_of_the_stored_tables():
    """Its words, in points, of the twenty seeds of FULL and of ten with other choices."""
    stored = sweep.stored(networks.DIGITS, ROOT)
    assert stored is not None
    means = networks.differences(stored.table).mean()
    near, behind = means[["A", "B", "2x2", "columns", "pool"]], means[["C", "pca", "none"]]
    assert near.max() - near.min() <= 0.3  # within three tenths of each other
    assert (means[["B", "2x2", "columns", "pool"]].abs() <= 0.25).all()  # four of eight within a quarter
    assert behind.between(-0.8, -0.6).all()  # six to eight tenths
    assert means["plain"] == pytest.approx(-2, abs=0.25)
    assert means["none"] == pytest.approx(-0.75, abs=0.05)  # three quarters
    assert networks.need_everywhere(stored.table).values.mean() == pytest.approx(0.5, abs=0.05)
    found = {name: result.table for name, result in rates.CHOICES.results(ROOT).items()}
    kept = [[measure(table).values.mean() > 0 for table in (stored.table, *found.values())] for measure in NEEDS]
    assert [len(set(signs)) == 1 for signs in kept] == [True, False, False, True, False]  # two keep their sign
    assert networks.need_something(found["twice the epochs"]).values.mean() == pytest.approx(0.2, abs=0.05)
    tens = [networks.per_network(table[table["seed"] < 10]) for table in (found["twice the epochs"], stored.table)]
    twice, once = (rows.groupby("shortcut")["test"].mean() for rows in tens)
    assert (twice - once).dropna().min() > 1


def test_choices_are_told_apart_by_rate_and_epochs(tmp_path):
    assert rates.CHOICES.results(tmp_path) == {}  # not computed there
    found = rates.CHOICES.results(ROOT)
    assert list(found) == list(rates.CHOICES.ways)
    for name, result in found.items():
        table = result.table
        assert result.stamp.experiment == "shortcuts-choices"
        assert set(table["shortcut"]) == set(rates.COMPARED), name
        assert (table.groupby("shortcut")["seed"].nunique() == 10).all(), name
        evidence = networks.need_learned(table)
        assert len(evidence.values) == 10
    assert set(found["twice the epochs"].table["epochs"]) == {8}
    assert found["the same rate for all"].table["lr"].unique().tolist() == [networks.BEST["A"]]
    third = found["a third of each rate"].table.set_index("shortcut")["lr"].groupby("shortcut").first()
    assert third["C"] == pytest.approx(networks.BEST["C"] / 3, rel=0.05)


def test_every_variant_is_a_shortcut_and_every_shortcut_but_two_is_a_variant():
    assert set(networks.TITLES) - {"plain"} == set(SHORTCUTS) - {"identity", "rows"}  # they cannot double channels


def test_tables_count_what_the_networks_cost():
    counted = tables.costs_of_variants().set_index("shortcut")
    assert counted.loc["B", "parameters"] == 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert counted.loc["2x2", "parameters"] == 4 * (16 * 32 + 32 * 64)
    assert counted.loc[["A", "B", "columns", "pool"], "rank"].tolist() == [0.5] * 4
    assert counted.loc[["2x2", "pca", "none"], "rank"].tolist() == [1, 1, 0]
    every = 9 - 2  # C projects in seven blocks more than B: 16 to 16, 32 to 32 and 64 to 64 channels
    widths = [(16, 32**2)] * 3 + [(32, 16**2)] * 2 + [(64, 8**2)] * 2
    assert len(widths) == every
    more = counted["multiply_adds"]["C"] - counted["multiply_adds"]["B"]
    assert more == sum(width**2 * pixels for width, pixels in widths)
    assert "<td>1x1 where needed (B)</td>\n      <td>0.5</td>\n      <td>+2,752</td>" in str(tables.show_costs().data)


def test_tables_show_means_and_paired_intervals():
    table = network_table({"A": FLAT, "B": [v + 1 for v in FLAT], "none": FLAT})
    table = table.assign(gradient=0.5, forward=0.25, variance=90.0, probe=80.0)
    table.loc[table["shortcut"] == "none", ["gradient", "forward", "variance", "probe"]] = np.nan
    cells = re.findall("<td>(.*)</td>", str(tables.show(table).data))
    assert cells[6:12] == ["1x1 where needed (B)", "0.50", "0.25", "90.0", "80.0", "+1.0 (+1.0 to +1.0)"]
    assert cells[12:17] == ["none where shapes differ", "–", "–", "–", "–"]


def test_seeds_to_decide_shrink_with_the_square_of_the_distance():
    def undecided(shift: float) -> claims.Check:
        values = 0.5 + shift + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        evidence = claims.Evidence(values=values, control=np.full(5, 50.0))
        claim = statements.load(ROOT / "claims.yml").claim("proj-need.learned")
        judged = claims.judge(Rule.parse(claim.holds_if), Rule.parse(claim.control.must), evidence, "test")
        stamp = sweep.stored(rates.TUNING, ROOT)
        assert stamp is not None
        return claims.Check(
            claim, "", {"quick": claims.Judgement(judged, stamp.stamp, False, evidence, 1.0, "sampled")}
        )

    near, far = (tables.seeds_to_decide(undecided(shift)) for shift in (0.25, 0.5))
    assert near is not None
    assert far is not None
    assert near / far == pytest.approx(4, rel=0.15)
    # Student's interval of that many values with that spread reaches as far as the bound.
    assert stats.t.isf(0.025, far - 1) * np.std([-2, -1, 0, 1, 2], ddof=1) / far**0.5 == pytest.approx(0.5, rel=0.15)
    assert tables.seeds_to_decide(undecided(9.0)) is None
    assert "about" in str(tables.show_seeds(undecided(0.5)).data)
    # Each line names its claim, so that another machine's sample may read otherwise; see tests/notebooks.py.
    assert tables.show_seeds(undecided(-9.0)).data == "- All of `proj-need.learned` are decided."


def test_the_chart_turns_an_axis_over_the_published_table():
    table = drawings.axes_of_the_ellipse(
        pd.concat(
            [
                determinants.ellipse_trial(determinants.Ellipse(case), (0,)).assign(apart_along=case)
                for case in charts.CASES
            ]
        )
    )
    with style.style():
        spec = interactive.specification("test", charts.turning_axis(table))
    assert set(interactive.inputs(spec)) == {"angle", "scale", "apart"}
    assert len(drawings.ellipse(table).axes) == 4
