"""The chapter's trials against closed forms, and its measures against tables whose answer is known."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import linalg, runtime, sweep
from resnet_lib.experiments.eigenvalue_clustering import networks as clustering
from resnet_lib.experiments.when_eigenvalues_mislead import drawings, networks, stacks, turned

ROOT = Path(__file__).parents[2]


def measured(settings: list[stacks.Stack], seeds: tuple[int, ...]) -> pd.DataFrame:
    columns = ("kind", "size", "blocks", "dimension")
    tables = [stacks.stack_trial(s, seeds).assign(**{name: getattr(s, name) for name in columns}) for s in settings]
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("kind", ["aligned", "alternating", "rotation"])
def test_all_blocks_of_a_stack_have_the_norm_that_is_said(kind):
    for factor in stacks.factors(stacks.Stack(kind, 0.3, 5, 6), (0, 1, 2)):
        torch.testing.assert_close(linalg.spectral_norms(factor), torch.full((3,), 1.3, dtype=torch.float64))


def test_all_eigenvalues_of_shears_and_jordan_blocks_are_one_and_normal_blocks_are_normal():
    for kind, d in (("shears", 2), ("jordan", 5)):
        for factor in stacks.factors(stacks.Stack(kind, 0.5, 3, d), (0,)):
            torch.testing.assert_close(linalg.eigenvalues(factor), torch.ones(1, d, dtype=torch.complex128))
    for kind in ("symmetric", "skew", "orthogonal", "repeated", "symmetric-radius", "aligned"):
        d = 2 if kind == "symmetric-radius" else 4
        size = 0.0 if kind == "orthogonal" else 0.3
        for factor in stacks.factors(stacks.Stack(kind, size, 3, d), (0, 1)):
            assert linalg.departure(factor).max() < 1e-14
    for kind in ("radius", "symmetric-radius"):
        for factor in stacks.factors(stacks.Stack(kind, 0.0, 4), (0,)):
            assert linalg.spectral_radius(factor).item() == pytest.approx(math.sqrt(0.2))
    with pytest.raises(ValueError, match="kind='other' is unknown"):
        list(stacks.factors(stacks.Stack("other", 0.1, 1), (0,)))


def test_the_trial_agrees_with_multiplying_one_by_one():
    setting = stacks.Stack("gaussian", 0.5, 7, 3)
    table = stacks.stack_trial(setting, (4,))
    product, norms, radii = np.eye(3), 0.0, 0.0
    for depth, (factor,) in enumerate(stacks.factors(setting, (4,)), start=1):
        matrix = factor.numpy()
        product = matrix @ product
        norms += math.log10(np.linalg.norm(matrix, 2))
        radii += math.log10(np.abs(np.linalg.eigvals(matrix)).max())
        row = table[table["depth"] == depth].iloc[0]
        gains = np.linalg.svd(product, compute_uv=False)
        expected = [math.log10(gains[0]), math.log10(math.sqrt(np.mean(gains**2))), norms, radii]
        np.testing.assert_allclose(row[["norm", "rms", "norms", "radii"]].to_numpy(float), expected, atol=1e-10)


def test_products_are_those_of_their_closed_forms():
    table = measured([stacks.Stack("shears", 0.1, 200), stacks.Stack("jordan", 0.5, 100, 8)], (0,))
    shears, jordan = (stacks.ends(table, kind).iloc[0] for kind in ("shears", "jordan"))
    assert 10 ** shears["norm"] == pytest.approx(math.exp(200 * math.asinh(0.05)), rel=1e-9)
    power = sum(math.comb(100, k) * 0.5**k * np.eye(8, k=k) for k in range(8))
    assert 10 ** jordan["norm"] == pytest.approx(np.linalg.norm(power, 2), rel=1e-9)
    assert 10 ** jordan["norm"] == pytest.approx(1.3e8, rel=0.05)


def test_measures_tell_growth_from_none():
    kinds = [("aligned", 0.5, 10, 4), ("alternating", 0.5, 10, 4), ("gaussian", 0.3, 10, 16), ("rotation", 0.3, 10, 16)]
    kinds += [("shears", 0.5, 40, 2), ("jordan", 0.5, 30, 8), ("repeated", 0.5, 30, 8), ("symmetric", 0.3, 10, 4)]
    kinds += [
        ("skew", 0.3, 10, 4),
        ("orthogonal", 0.0, 10, 4),
        ("radius", 4.0, 10, 2),
        ("symmetric-radius", 0.0, 10, 2),
    ]
    table = measured([stacks.Stack(*kind) for kind in kinds], (0, 1))
    assert stacks.explode_aligned(table).values.max() < 1e-10 < 0.5 < stacks.explode_aligned(table).control.min()
    assert stacks.explode_forced(table).values.max() < 1e-10 < 1 < stacks.explode_forced(table).control.min()
    assert stacks.explode_random(table).values.max() < 0.8 < 0.999 < stacks.explode_random(table).control.min()
    for measure in (stacks.shear_shears, stacks.shear_jordan):
        assert measure(table).values.min() > 1 > 1e-10 > measure(table).control.max()
    assert stacks.shear_radius(table).values.min() > 0 > stacks.shear_radius(table).control.max()
    assert stacks.shear_normal(table).values.max() < 1e-10 < 1 < stacks.shear_normal(table).control.min()
    # What is not drawn counts once, what is drawn once a seed.
    assert len(stacks.shear_shears(table).values) == 1
    assert len(stacks.explode_aligned(table).values) == 2


@given(st.floats(0.05, 1), st.floats(0, 90))
def test_turning_blocks_grow_at_the_rate_of_the_closed_form(gamma, angle):
    table = stacks.turning_trial(stacks.Turning(gamma, (angle,), 300), (0,)).set_index("at")
    rate = math.acosh(max(1.0, math.cos(math.radians(angle)) * math.cosh(math.log(1 + gamma)))) / math.log(10)
    assert table["rate"].iloc[0] == pytest.approx(rate, abs=1e-7)
    measured_rate = (table["norm"][300] - table["norm"][150]) / 150
    limit = math.degrees(math.acos(1 / math.cosh(math.log(1 + gamma))))
    if abs(angle - limit) > 2:
        assert measured_rate == pytest.approx(rate, abs=0.01)


def test_a_turning_stack_is_the_product_of_turned_blocks():
    gamma, angle = 0.2, 7.0
    table = stacks.turning_trial(stacks.Turning(gamma, (angle,), 12), (0,))
    turn = math.radians(angle)
    product = np.eye(2)
    for layer in range(12):
        c, s = math.cos(layer * turn), math.sin(layer * turn)
        rotation = np.array([[c, -s], [s, c]])
        product = rotation @ np.diag([1 + gamma, 1 / (1 + gamma)]) @ rotation.T @ product
        assert table["norm"][layer] == pytest.approx(math.log10(np.linalg.norm(product, 2)), abs=1e-12)


def test_the_edge_of_a_gaussian_block_is_that_of_the_text():
    for s in (0.1, 0.3, 1.0):
        g = torch.randn(600, 600, generator=runtime.stream(0, "edge"), dtype=torch.float64) / 600**0.5
        root = math.sqrt(1 + 8 / s**2)
        edge = s * math.sqrt((root + 3) ** 3 / (8 * (root + 1)))
        norm = linalg.spectral_norms(torch.eye(600, dtype=torch.float64) + s * g).item()
        assert norm == pytest.approx(edge, rel=0.01)


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4))
def test_in_line_blocks_multiply_their_norms(seed, blocks, d):
    matrices = torch.randn(blocks, 2, d, d, generator=runtime.stream(seed), dtype=torch.float64)
    turned = networks.in_line(matrices)
    torch.testing.assert_close(linalg.singular_values(turned), linalg.singular_values(matrices))
    product = linalg.spectral_norms(networks.chained(turned))
    torch.testing.assert_close(product, linalg.spectral_norms(matrices).prod(0))
    first_last = networks.chained(matrices)
    expected = matrices[0]
    for matrix in matrices[1:]:
        expected = matrix @ expected
    torch.testing.assert_close(first_last, expected)


def trained_table(norm: float, radius: float, product: float) -> pd.DataFrame:
    row = {"alpha": 1.0, "norm": norm, "radius": radius, "symmetric": 2.0, "symmetric_radius": 2.0, "product": product}
    row |= {"in_line": 4 * math.log10(norm), "repeated": 0.0, "departure": 0.1, "branch_departure": 0.2}
    rows = [
        row | {"kind": kind, "seed": seed, "epoch": epoch, "block": block, "image": image}
        for kind in ("mlp", "conv") for seed in (0, 1) for epoch in (0, 20) for block in range(4) for image in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_trained_measures_say_what_is_in_the_table():
    table = trained_table(norm=4.0, radius=2.0, product=1.5)
    table.loc[table["epoch"] == 0, "norm"] = 100.0  # before training does not count
    for measure in (networks.shear_trained_mlp, networks.shear_trained_conv):
        np.testing.assert_allclose(measure(table).values, [2, 2])
        np.testing.assert_allclose(measure(table).control, [1, 1])
    slack = networks.explode_trained(table)
    np.testing.assert_allclose(slack.values, [4 * math.log10(4) - 1.5] * 2)
    np.testing.assert_allclose(slack.control, [0, 0], atol=1e-12)
    np.testing.assert_allclose(networks.shear_trained_product(table).values, [abs(1.5 - 4 * math.log10(2))] * 2)


def test_the_trained_trial_measures_the_jacobians_of_the_network():
    setting = networks.Trained("mlp", blocks=2, lr=0.01, images=2, epochs=1)
    table = networks.trained_trial(setting, (0,))
    assert len(table) == 2 * 2 * 2
    assert (table["norm"] >= table["radius"] * (1 - 1e-9)).all()
    assert (
        table.groupby(["epoch", "image"])["norm"].prod() >= 10 ** table.groupby(["epoch", "image"])["product"].first()
    ).all()
    np.testing.assert_allclose(table["symmetric"], table["symmetric_radius"])


def test_turning_a_block_keeps_its_norm_and_its_eigenvalues():
    matrices = torch.randn(5, 3, 8, 8, generator=runtime.stream(0), dtype=torch.float64)
    q = turned.rotations(matrices.shape[:-1], runtime.stream(1))
    torch.testing.assert_close(q.mT @ q, torch.eye(8, dtype=torch.float64).expand_as(q))
    rotated = q.mT @ matrices @ q
    torch.testing.assert_close(linalg.spectral_norms(rotated), linalg.spectral_norms(matrices))
    torch.testing.assert_close(linalg.spectral_radius(rotated), linalg.spectral_radius(matrices))
    many = turned.rotations((4000, 3), runtime.stream(2))
    assert many.mean(0).abs().max() < 0.05  # each direction as likely as any other, and its opposite
    assert many.square().mean(0).sub(1 / 3).abs().max() < 0.03


def test_the_overlap_is_one_in_line_and_that_of_chance_where_directions_are_random():
    matrices = torch.randn(6, 2, 5, 5, generator=runtime.stream(0), dtype=torch.float64)
    torch.testing.assert_close(turned.overlap(networks.in_line(matrices)), torch.ones(2, dtype=torch.float64))
    assert turned.overlap(matrices).max() < 0.9
    chance = math.gamma(32) / (math.sqrt(math.pi) * math.gamma(32.5))  # mean of |cos| in 64 dimensions
    assert chance == pytest.approx(0.10, abs=0.001)


def test_the_turned_trial_leaves_what_turning_leaves():
    setting = turned.Turned("mlp", blocks=3, lr=0.01, images=2, epochs=1)
    table, known = turned.turned_trial(setting, (0,)), networks.trained_trial(setting, (0,))
    assert len(table) == 2 * 2
    np.testing.assert_allclose(table["common"], table["product"], atol=1e-9)
    sums = networks.of_products(known.assign(kind="mlp", alpha=1.0))
    for column in ("norms", "radii", "product"):
        np.testing.assert_allclose(table[column], sums[column], atol=1e-9)
    assert ((table["turned"] <= table["norms"]) & ((table["turned"] - table["product"]).abs() > 1e-6)).all()
    evidence = turned.shear_turned(table.assign(alpha=1.0))
    rows = table[table["epoch"] == 1]
    off = [(rows[name] - rows["radii"]).abs().mean() for name in ("turned", "product")]
    np.testing.assert_allclose(evidence.values, [off[0] - off[1]])
    assert evidence.control.max() < 1e-9


def test_what_the_page_tells_of_turned_blocks_is_in_the_stored_table():
    stored = sweep.stored(turned.TURNED, ROOT)
    assert stored is not None
    table = stored.table
    assert (turned.shear_turned(table).values > 0).all()
    third, thrice, twice = (turned.shear_turned(r.table).values for r in turned.TURNED_CHOICES.results(ROOT).values())
    assert third.min() > 0 < twice.mean() - 2 * twice.std() / 5**0.5
    assert thrice.min() < 0 < thrice.max()
    assert len(turned.shear_turned(table).values) == 10
    table = table.assign(as_is=table["radii"] - table["product"], afar=table["radii"] - table["turned"])
    means: Any = table.groupby(["alpha", "epoch"])[["as_is", "afar", "overlap"]].mean().round(2)
    assert means.loc[1.0, 20].tolist() == [0.15, 0.39, 0.19]
    assert means.loc[1.0, 0].tolist() == [0.62, 0.63, 0.1]
    assert means.loc[10**-0.5, 20].tolist()[:2] == [0.26, 0.41]


def test_what_the_page_tells_of_untrained_blocks_is_in_the_stored_tables():
    def ratio(table: pd.DataFrame) -> Any:
        ratios = (table["norm"] / table["radius"]).groupby([table["alpha"], table["epoch"], table["seed"]]).median()
        return ratios.groupby(["alpha", "epoch"]).mean().round(1)

    stored = sweep.stored(networks.TRAINED_MLP, ROOT)
    assert stored is not None
    full = ratio(stored.table)
    assert (full[1.0, 0], full[1.0, 20]) == (1.8, 1.9)
    assert (full[10**-0.5, 0], full[10**-0.5, 20]) == (1.3, 1.3)
    tables = [stored.table, *(result.table for result in networks.MLP_CHOICES.results(ROOT).values())]
    over = [networks.of_products(table) for table in tables]
    excess = [(rows["norms"] - rows["product"]).groupby([rows["alpha"], rows["epoch"]]).mean() for rows in over]
    assert excess[0].round(1).tolist() == [1.5, 1.3, 3.2, 3.0]  # scaled before and after, unscaled before and after
    scaled = []
    for rows in over:
        after = rows[(rows["epoch"] > 0) & (rows["alpha"] < 1)]
        scaled.append(round(float(10 ** (after["radii"] - after["product"]).mean()), 1))
    assert scaled[0] == 1.8
    assert (min(scaled), max(scaled)) == (1.1, 2.5)
    thrice = tables[2]
    assert round(min(networks.shear_trained_mlp(thrice).values), 2) == 1.0
    conv = sweep.stored(networks.TRAINED_CONV, ROOT)
    assert conv is not None
    assert conv.table["lr"].unique().tolist() == [networks.CONV.lr]
    assert ratio(conv.table).tolist() == [1.8, 1.9]


def test_what_the_page_tells_of_gaussian_and_turning_blocks_is_what_its_draws_say():
    sizes = [setting for setting in stacks.STACKS.quick.settings if setting.kind == "gaussian"]
    table = measured(sizes, tuple(stacks.STACKS.quick.seeds))
    ends = stacks.ends(table, "gaussian")
    share = (ends["rms"] / ends["norms"]).groupby(ends["size"]).mean()
    assert share.round(3).tolist() == [0.039, 0.121]
    turning = stacks.turning_trial(stacks.Turning(0.2, (11.0,), 2000), (0,))
    assert 5.9 < 10 ** turning["norm"].max() < 6


def test_learning_rates_are_those_of_the_chapter_that_tuned_the_same_networks():
    assert networks.MLP.lr == clustering.BEST["mlp", "residual", 10]
    assert networks.SCALED.lr == clustering.BEST["mlp", "scaled", 10]
    assert networks.CONV.lr == clustering.BEST["conv", "residual", 4]
    assert (networks.CONV.epochs, networks.CONV.batch) == (clustering.CONV["epochs"], clustering.CONV["batch"])


def test_what_the_page_tells_of_trained_blocks_is_in_the_published_figure():
    """Means over test images, of QUICK: norms, radii, and what both, multiplied, say of the product."""
    table = pd.read_csv(ROOT / "figures/nonnormal-trained/data.csv")
    rows = table[table["epoch"] > 0]
    unscaled = rows[rows["alpha"] == 1]
    assert (unscaled["norm"].min().round(1), unscaled["norm"].max().round(1)) == (2.2, 3.9)
    assert (unscaled["radius"].min().round(1), unscaled["radius"].max().round(1)) == (1.3, 1.8)
    groups = rows.groupby(["alpha", "seed"])
    above: Any = (groups["norms"].sum() - groups["product"].first()).groupby("alpha").mean()
    surplus: Any = groups["radii"].sum() - groups["product"].first()
    assert above.iloc[0] > 1
    assert above.iloc[1] == pytest.approx(3, abs=0.1)
    assert surplus.abs().max() < 0.4
    factors = 10 ** surplus.groupby("alpha").mean()
    assert factors.tolist() == [pytest.approx(1.8, abs=0.05), pytest.approx(1.5, abs=0.05)]  # scaled, unscaled


def test_what_the_page_tells_of_other_choices_is_in_the_stored_tables():
    third, thrice, twice = (result.table for result in networks.MLP_CHOICES.results(ROOT).values())
    choices = (third, thrice, twice)
    full = sweep.stored(networks.TRAINED_MLP, ROOT)
    assert full is not None
    gaps = [networks.shear_trained_product(table).values.mean() for table in (full.table, *choices)]
    np.testing.assert_allclose(gaps, [0.19, 0.35, 0.41, 0.40], atol=0.006)
    assert networks.shear_trained_product(twice).values.min() > 0.3
    conv = [result.table for result in networks.CONV_CHOICES.results(ROOT).values()]
    ratios = [networks.shear_trained_mlp(table).values.mean() for table in choices]
    ratios += [networks.shear_trained_conv(table).values.mean() for table in conv]
    assert (round(min(ratios), 1), round(max(ratios), 1)) == (1.8, 2.1)
    over = [networks.explode_trained(table).values.mean() for table in choices]
    assert (round(min(over), 1), round(max(over), 1)) == (2.7, 2.9)
    signed = []
    for table in choices:
        rows = networks.of_products(table[(table["alpha"] == 1) & (table["epoch"] > 0)])
        signed.append((rows["radii"] - rows["product"]).groupby(rows["seed"]).mean())
    assert min(signed[0].mean(), signed[2].mean()) > math.log10(2)  # overstated by more than 2
    assert signed[1].max() < 0  # understated, in each seed
    last = thrice[(thrice["alpha"] == 1) & (thrice["epoch"] > 0)]
    identity = (last["norm"] - 1).abs() < 1e-6
    off: Any = identity.groupby(last["seed"]).mean()
    assert sorted(off) == [0, 0, 0, 0, pytest.approx(0.7)]


def test_the_chart_holds_what_its_inputs_choose():
    setting = stacks.Turning(0.2, stacks.ANGLES, 400)
    rows = drawings.turning_rows(stacks.turning_trial(setting, (0,)).assign(gamma=0.2))
    assert set(rows["angle"]) == {float(a) for a in (*range(31), *range(35, 91, 5))}
    chart = drawings.turning_chart(rows).to_dict()
    assert {param["name"] for param in chart["params"] if "bind" in param} == {"turn", "each"}


def test_turning_stacks_are_read_at_400_blocks_for_five_angles_and_two_controls():
    rows = [
        {"gamma": gamma, "at": at, "angle": angle, "norm": gamma * at + angle}
        for gamma in (0.1, 0.2)
        for at in (399, 400)
        for angle in (0.0, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)
    ]
    evidence = stacks.explode_turning(pd.DataFrame(rows))
    np.testing.assert_allclose(evidence.values, [95, 110, 125, 140, 155])
    np.testing.assert_allclose(evidence.control, [80, 85])
