"""The chapter's measures, against tables whose answer is known, and its choices, against what they were chosen from."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from resnet_lib import data, nets, runtime
from resnet_lib.experiments.eigenvalue_clustering import matrices, networks, products
from resnet_lib.experiments.when_eigenvalues_mislead import networks as misleading

ROOT = Path(__file__).parents[2]


@given(st.integers(2, 12), st.integers(0, 2**32), st.floats(0, 0.4))
def test_matching_distance_finds_the_shift_of_a_shuffled_spectrum(n, seed, shift):
    random = np.random.default_rng(seed)
    spectrum = np.arange(n) + 1j * random.integers(-3, 3, n)  # 1 apart: a shift below 0.5 matches rightly
    shuffled = random.permutation(spectrum) + shift
    assert matrices.matching_distance(spectrum, shuffled) == pytest.approx(shift, abs=1e-12)


def test_shift_trial_tells_the_true_sentences_from_their_neighbours():
    with runtime.numerics():
        table = matrices.shift_trial(matrices.Shift(dimension=16, scale=0.3), (0, 1, 2))
    for name in ("values", "vectors", "bound", "singular", "weights"):
        assert (table[name] < 1e-10).all()
        assert (table[f"{name}_control"] > 1e-2).all()


def test_disc_trial_has_the_moments_of_the_ensembles():
    with runtime.numerics():
        gaussian = matrices.disc_trial(matrices.Disc(200, 0.5), (0, 1))
        symmetric = matrices.disc_trial(matrices.Disc(200, 0.5, "symmetric"), (0, 1))
        he = matrices.disc_trial(matrices.Disc(200, 1.0, "he"), (0, 1))
    for table in (gaussian, symmetric, he):
        assert table["real"].mean() == pytest.approx(1, abs=0.05)  # the trace of J is small
    # Even disc of radius s: mean squared distance s^2/2. Semicircle of radius 2s: s^2.
    assert np.mean((gaussian["real"] - 1) ** 2 + gaussian["imag"] ** 2) == pytest.approx(0.125, rel=0.1)
    assert np.mean((symmetric["real"] - 1) ** 2) == pytest.approx(0.25, rel=0.1)
    # About half of the ReLUs are off, and so many eigenvalues of the block are exactly 1.
    exactly_one = (np.hypot(he["real"] - 1, he["imag"]) < 1e-9).mean()
    assert 0.4 < exactly_one < 0.6


def test_fraction_within_counts():
    table = pd.DataFrame({"seed": [0, 0, 0, 1], "real": [1.0, 1.3, 1.0, 2.0], "imag": [0.0, 0.0, 0.25, 0.0]})
    assert matrices.fraction_within(table, 0.25, ["seed"]).tolist() == [2 / 3, 0]


def product_table(log10_gain) -> pd.DataFrame:
    """A table like that of `product_trial` whose three gains are `log10_gain(s, depth)`."""
    rows = [
        {"seed": seed, "s": s, "depth": depth, "branch": branch, "skip": 1.0, "gain": log10_gain(s, depth)}
        for seed in (0, 1)
        for s in products.SCALES
        for depth in (10, 30, 100, 300, 1000)
        for branch in ("independent", "tied")
    ]
    table = pd.DataFrame(rows)
    return table.assign(log10_rms=table["gain"], log10_max=table["gain"], log10_min=0.0)


def test_growth_is_one_for_the_law_itself_and_two_for_its_square():
    law = products.product_growth(product_table(lambda s, depth: depth / 2 * np.log10(1 + s**2)))
    np.testing.assert_allclose(law.values, 1)
    np.testing.assert_allclose(products.product_growth(product_table(lambda s, d: d * np.log10(1 + s**2))).control, 2)


def test_boundary_finds_a_known_edge():
    table = product_table(lambda s, depth: 1 + np.log(s * depth**0.5))  # reaches 1 at s = L^-1/2
    edge = products.boundary(table[table["branch"] == "tied"])
    np.testing.assert_allclose(edge["s"], edge["depth"] ** -0.5, rtol=1e-9)
    np.testing.assert_allclose(products.product_boundary(table).values, -0.5, atol=1e-9)


def test_product_trial_agrees_with_multiplying_one_by_one():
    setting = products.Product(dimension=4, depths=(3, 25), scales=(0.1, 0.2), branch="tied")
    with runtime.numerics():
        table = products.product_trial(setting, (7,))
    j = torch.randn(4, 4, generator=runtime.stream(7, "product", 4), dtype=torch.float64).numpy() / 2
    for s, depth in ((0.1, 3), (0.2, 25)):
        sigma = np.linalg.svd(np.linalg.matrix_power(np.eye(4) + s * j, depth), compute_uv=False)
        row = table[(table["s"] == s) & (table["depth"] == depth)].iloc[0]
        np.testing.assert_allclose([row["log10_max"], row["log10_min"]], np.log10(sigma[[0, -1]]), atol=1e-9)
        assert row["log10_rms"] == pytest.approx(np.log10(np.sqrt(np.mean(sigma**2))))


def test_contracting_blocks_decay_as_their_formula():
    setting = products.Product(dimension=3, depths=(200,), scales=(0.0, 0.1), branch="contracting")
    with runtime.numerics():
        table = products.product_trial(setting, (0,))
    np.testing.assert_allclose(table["log10_max"], [0, 200 * np.log10(0.9)], atol=1e-10)


def test_formula_holds_for_shared_eigenvectors_only():
    with runtime.numerics():
        evidence = products.commute_formula(products.formula_trial(products.Formula(dimension=8, depth=6), (0, 1)))
    assert evidence.values.max() < 1e-10
    assert evidence.control.min() > 0.1


def test_near_identity_takes_the_median_over_blocks_of_fractions():
    near = {0: [1.0, 1.0], 1: [0.25, 0.75], 2: [0.0, 0.0]}  # of three blocks, at two images
    network = {"kind": "mlp", "variant": "plain", "blocks": 3, "lr": 0.1, "seed": 0, "epoch": 0, "exact": 0.0}
    rows = [network | {"block": block, "near": value, "branch_norm": block} for block in near for value in near[block]]
    (row,) = networks.near_identity(pd.DataFrame(rows)).itertuples()
    assert (row.fraction, row.branch_norm) == (0.5, 1)


@pytest.mark.parametrize(("kind", "variant", "skip"), [("conv", "residual", 1.0), ("mlp", "plain", 0.0)])
def test_the_trained_trial_measures_the_jacobians_of_the_network(kind, variant, skip):
    """Before training, by hand: normalised as the training images are, at a test image, with the shortcut taken off."""
    setting = networks.Trained(kind, variant, blocks=1, lr=0.1, epochs=2)
    with runtime.numerics():
        table, spectra = networks.trained_trial(setting, (3,)), networks.spectra_trial(setting, (3,))
    assert sorted(set(table["epoch"])) == [0, 1, 2]
    assert sorted(set(spectra["epoch"])) == [0, 2]
    digits = data.load("digits", flat=kind == "mlp")
    unit, generator = networks.unit_of(setting), runtime.stream(3, "init")
    net = (
        nets.digits_resnet(1, 8, unit=unit, generator=generator)
        if kind == "conv"
        else nets.mlp(1, 64, unit=unit, generator=generator)
    )
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # what is remembered is the last batch
    net(digits.train.x)
    net.double().eval()
    state = net.stem(digits.test.x[:1].double()).detach()
    jacobian = torch.autograd.functional.jacobian(net.blocks[0], state).reshape(state.numel(), -1)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    rows = spectra[(spectra["epoch"] == 0) & (spectra["block"] == 0)]
    assert len(rows) == 3 * state.numel()  # the only block is the first, the middle and the last
    assert rows["real"].sum() == pytest.approx(3 * float(jacobian.trace()), rel=1e-4)
    branch = jacobian.numpy() - skip * np.eye(len(jacobian))
    (row,) = table[table["epoch"] == 0].to_dict("records")
    assert row["branch_norm"] == pytest.approx(np.linalg.norm(branch, 2), rel=1e-4)
    distances = np.abs(np.linalg.eigvals(jacobian.numpy()) - 1)
    assert row["near"] == pytest.approx((distances <= 0.5).mean(), abs=1e-9)
    assert row["exact"] == pytest.approx((distances <= 1e-4).mean(), abs=1e-9)


def test_measures_of_one_block_are_columns_and_their_controls():
    names = ("values", "vectors", "bound", "singular", "weights")
    columns = {name: [i, i + 0.5] for i, name in enumerate(names)}
    table = pd.DataFrame(columns | {f"{name}_control": [10 + i, 11 + i] for i, name in enumerate(names)})
    found = (
        matrices.shift_values,
        matrices.shift_vectors,
        matrices.cluster_bound,
        matrices.cluster_singular,
        matrices.cluster_weights,
    )
    for i, measure in enumerate(found):
        assert measure(table).values.tolist() == [i, i + 0.5]
        assert measure(table).control.tolist() == [10 + i, 11 + i]


def test_clusters_are_counted_within_a_quarter_and_the_radius_is_in_units_of_the_scale():
    rows = [
        # ensemble, dimension, scale, seed, eigenvalue
        *(("gaussian", 512, 0.5, seed, 1 + z) for seed in (0, 1) for z in (0.5j, -0.1, 0.3 + 0.4j)),
        *(("symmetric", 512, 0.5, seed, 1 + z) for seed in (0, 1) for z in (1.0, -0.2)),
        *(("gaussian", 128, 0.1, seed, 1 + z) for seed in (0, 1) for z in (0.1, 0.25j, -0.05)),
        *(("gaussian", 128, 1.0, seed, 1 + z) for seed in (0, 1) for z in (1.0, 0.2, 0.3j, 0.2 + 0.2j)),
        *(("he", 128, 1.0, seed, 1 + z) for seed in (0, 1) for z in (0.0, 2.0)),
        *(("he", 128, 0.0, seed, 1.0) for seed in (0, 1)),
    ]
    table = pd.DataFrame(rows, columns=["ensemble", "dimension", "scale", "seed", "z"])
    table = table.assign(real=table["z"].map(np.real), imag=table["z"].map(np.imag))
    np.testing.assert_allclose(matrices.cluster_radius(table).values, [1, 1])
    np.testing.assert_allclose(matrices.cluster_radius(table).control, [2, 2])
    assert matrices.cluster_small(table).values.tolist() == [1, 1]
    assert matrices.cluster_small(table).control.tolist() == [0.25, 0.25]
    assert matrices.cluster_he(table).values.tolist() == [0.5, 0.5]
    assert matrices.cluster_he(table).control.tolist() == [1, 1]


def test_the_radius_of_resnet20_is_a_mean_over_blocks_and_images():
    rows = [
        (zero, seed, base + seed + x)
        for zero, base in ((False, 4.0), (True, 0.0))
        for seed in (0, 1)
        for x in (-1, 0, 4)
    ]
    table = pd.DataFrame(rows, columns=["zero_gamma", "seed", "radius"])
    assert networks.cluster_resnet20(table).values.tolist() == [5, 6]
    assert networks.cluster_resnet20(table).control.tolist() == [1, 2]


def trained_table() -> pd.DataFrame:
    """One block per network and five eigenvalues, of which so many as the last column says are near 1."""
    made = [
        # kind, variant, blocks, rate, epoch, near
        ("mlp", "residual", 10, 0.1, 0, 2),
        ("mlp", "residual", 10, 0.1, 20, 3),
        ("mlp", "residual", 10, 0.0, 0, 2),
        ("mlp", "residual", 10, 0.0, 20, 2),
        ("mlp", "scaled", 10, 0.1, 20, 4),
        ("mlp", "plain", 10, 0.1, 20, 1),
        ("conv", "residual", 4, 0.1, 20, 2),
        ("conv", "zero-gamma", 4, 0.1, 20, 5),
        ("conv", "plain", 4, 0.1, 20, 0),
        ("mlp", "residual", 3, 0.1, 20, 5),
    ]
    rows = [
        {"kind": kind, "variant": variant, "blocks": blocks, "lr": lr, "epoch": epoch, "seed": seed, "block": 0}
        | {"near": near / 5, "exact": 0.0, "branch_norm": near + epoch / 10 + seed}
        for kind, variant, blocks, lr, epoch, near in made
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_measures_of_trained_networks_are_those_of_their_last_epoch():
    table = trained_table()
    for measure, value, control in (
        (networks.trained_mlp, 0.6, 0.2),
        (networks.trained_mlp_scaled, 0.8, 0.2),
        (networks.trained_conv, 0.4, 0.0),
        (networks.trained_conv_zero_gamma, 1.0, 0.0),
        (networks.trained_toward, 0.2, 0.0),
    ):
        np.testing.assert_allclose(measure(table).values, value, err_msg=str(measure))
        np.testing.assert_allclose(measure(table).control, control, atol=1e-12, err_msg=str(measure))
    assert networks.trained_small_branch(table).values.tolist() == [5, 6]
    assert networks.trained_small_branch(table).control.tolist() == [2, 3]


def test_eigenvalues_that_are_exactly_one_are_counted_apart():
    """Three blocks of eight eigenvalues: how many are 1 to single precision, and how many more are within 0.5 of 1."""
    made = {
        # variant, rate, epoch: by block, exact ones and those that are merely near
        ("residual", 0.1, 0): [(2, 2), (2, 2), (2, 2)],
        ("residual", 0.1, 20): [(4, 3), (6, 1), (8, 0)],
        ("residual", 0.0, 0): [(2, 2), (2, 2), (2, 2)],
        ("residual", 0.0, 20): [(2, 2), (2, 2), (2, 2)],
        ("plain", 0.1, 20): [(0, 1), (0, 2), (1, 0)],
    }
    table = pd.DataFrame(
        {"kind": "mlp", "variant": variant, "blocks": 10, "lr": lr, "epoch": epoch, "seed": 7, "block": block}
        | {"near": (exact + near) / 8, "exact": exact / 8, "branch_norm": 1.0}
        for (variant, lr, epoch), blocks in made.items()
        for block, (exact, near) in enumerate(blocks)
    )
    exact, others, rank = (
        measure(table) for measure in (networks.trained_exact, networks.trained_others, networks.trained_rank)
    )
    assert (exact.values.tolist(), exact.control.tolist()) == ([6 / 8], [0])
    assert others.values == pytest.approx([(3 / 4 + 1 / 2) / 2])  # the third block has no others
    assert others.control.tolist() == [1 / 8]  # of all eigenvalues of the plain twin
    assert rank.values == pytest.approx([(6 / 8 - 2 / 8) - (7 / 8 - 4 / 8)])
    assert rank.control.tolist() == [0]


def test_the_fractions_that_the_page_tells_are_those_of_the_published_figures():
    """Its words, of the unscaled MLP of 10 blocks: means over seeds before and after training."""
    table = pd.read_csv(ROOT / "figures/eig-trained-mlp/data.csv")
    rows = table[(table["blocks"] == 10) & (table["lr"] > 0)]
    means: Any = rows.groupby(["variant", "epoch"])[["fraction", "exact", "others"]].mean().to_dict("index")
    before, after = means["residual", 0], means["residual", 20]
    assert (before["fraction"], after["fraction"]) == (pytest.approx(0.77, abs=0.02), pytest.approx(0.95, abs=0.02))
    assert (before["exact"], after["exact"]) == (pytest.approx(0.53, abs=0.02), pytest.approx(0.80, abs=0.02))
    assert (before["others"], after["others"]) == (pytest.approx(1 / 2, abs=0.05), pytest.approx(3 / 4, abs=0.05))
    seen = after["fraction"] - before["fraction"]
    for exact, others in ((after["exact"], before["others"]), (before["exact"], after["others"])):  # either by itself
        alone = exact + (1 - exact) * others - before["exact"] - (1 - before["exact"]) * before["others"]
        assert alone / seen == pytest.approx(2 / 3, abs=0.08)
    norms: Any = rows[rows["variant"] == "residual"].groupby("epoch")["branch_norm"].mean()
    assert (norms[0], norms[20]) == (pytest.approx(3.0, abs=0.1), pytest.approx(2.5, abs=0.1))
    assert means["scaled", 0]["fraction"] > 0.99  # near 1 before training as after it
    assert 0.55 < means["scaled", 20]["exact"] < 2 / 3
    conv = pd.read_csv(ROOT / "figures/eig-trained-conv/data.csv").query("variant == 'residual'")
    fractions: Any = conv.groupby("epoch")["fraction"].mean()
    assert (fractions[0], fractions[6]) == (pytest.approx(0.88, abs=0.02), pytest.approx(0.91, abs=0.02))
    rows = pd.read_csv(ROOT / "figures/nonnormal-trained/data.csv")
    for scaled, epoch, norm in ((False, 0, 160), (False, 20, 40), (True, 20, 5)):
        found = rows[((rows["alpha"] < 1) == scaled) & (rows["epoch"] == epoch)]
        assert 10 ** found["product"].mean() == pytest.approx(norm, rel=0.1)


def test_the_fractions_under_other_choices_are_those_that_the_page_tells():
    third, thrice, twice = (result.table for result in networks.MLP_CHOICES.results(ROOT).values())
    for measure, *told in (
        (networks.trained_mlp, 0.91, 0.99, 0.90),
        (networks.trained_exact, 0.74, 0.89, 0.73),
        (networks.trained_others, 0.69, 0.80, 0.65),
    ):
        found = [measure(table).values.mean() for table in (third, thrice, twice)]
        np.testing.assert_allclose(found, told, atol=0.006)
    assert max(networks.trained_others(table).values.max() for table in (third, twice)) < networks.NEAR_IDENTITY
    small = networks.trained_small_branch(thrice).values
    assert small.mean() == pytest.approx(2.1, abs=0.05)
    assert np.sort(small)[:2].round(1).tolist() == [0.0, 2.5]  # one seed of five, by branches that are switched off
    last = thrice[(thrice["variant"] == "residual") & (thrice["blocks"] == 10) & (thrice["lr"] > 0)].query(
        "epoch == 20"
    )
    off: Any = (last["branch_norm"] < 1e-6).groupby(last["seed"]).sum()
    assert sorted(off) == [0, 0, 0, 0, 7]
    found = [
        networks.trained_conv(result.table).values.mean() for result in networks.CONV_CHOICES.results(ROOT).values()
    ]
    np.testing.assert_allclose(found[:2], [0.86, 0.98], atol=0.006)
    twelve = networks.CONV_CHOICES.results(ROOT)["twice the epochs"].table
    assert networks.trained_conv_zero_gamma(twelve).values.mean() == pytest.approx(0.98, abs=0.006)


def test_the_product_of_the_blocks_is_unstable_under_all_choices_that_the_page_tells():
    for result in misleading.MLP_CHOICES.results(ROOT).values():
        rows = result.table[result.table["epoch"] > 0]
        norms: Any = 10 ** rows.groupby(rows["alpha"] == 1)["product"].mean()
        assert 35.5 < norms[True] < 47.5
        assert 4 < norms[False] < 5.5


def test_rates_have_the_room_that_the_page_tells():
    table = networks.RATES.result(ROOT).table
    scores: Any = table[table["blocks"] == 10].groupby(["variant", "rate"])["validation_accuracy"].mean()
    for variant, above, told in (("residual", 0.03, (0.93, 0.50)), ("scaled", 0.3, (0.98, 0.97))):
        rate = networks.BEST["mlp", variant, 10]
        assert above / rate == pytest.approx(5, abs=0.1)
        np.testing.assert_allclose([scores[variant, rate], scores[variant, above]], told, atol=0.006)


def test_spreads_of_products_are_read_at_100_blocks():
    table = product_table(lambda s, depth: s * depth)
    np.testing.assert_allclose(products.product_short(table).values, 5)
    np.testing.assert_allclose(products.product_short(table).control, 50)
    np.testing.assert_allclose(products.product_deep(table).values, 50)
    np.testing.assert_allclose(products.product_deep(table).control, 5)
    shrinking = table.assign(log10_max=0.0, log10_min=-3 * table["gain"])  # a factor either way counts
    np.testing.assert_allclose(products.product_deep(shrinking).values, 150)


def test_contracting_blocks_are_compared_with_the_identity():
    rows = [("contracting", seed, s, -10 * s - seed) for seed in (0, 1) for s in (0.0, 0.05, 0.1, 0.2)]
    table = pd.DataFrame(rows, columns=["branch", "seed", "s", "log10_max"])
    np.testing.assert_allclose(products.product_no_decay(table).values, [-0.5, -1, -2])
    assert products.product_no_decay(table).control.tolist() == [0]


def test_gains_of_commuting_branches_by_hand():
    rows = [
        # law, depth, scale, and by coordinate: log10 of the gain with the skip and without it
        ("constant", 100, 1.0, [0.5, -2.0, 3.0, 0.0], [-50.0, -10.0, -30.0, -20.0]),
        ("sign", 100, 1.0, [30.0, 30.0, -300.0, 30.0], [0.0, 0.0, 0.0, 0.0]),
        ("independent", 100, 0.01, [0.1, 0.9, -0.5, 0.0], [-200.0] * 4),
        ("independent", 1000, 0.1, [-3.0, -1.0, -2.0, -4.0], [-900.0] * 4),
        ("gaussian", 1000, 0.1, [2.0, 2.5, 1.5, 2.0], [np.nan] * 4),
    ]
    typical = {"independent": -2.5, "gaussian": 0.25}
    table = pd.concat(
        pd.DataFrame(
            {"law": law, "depth": depth, "scale": scale, "seed": 0, "log10_residual": r, "log10_plain": p}
        ).assign(log10_typical=typical.get(law, 7.0))
        for law, depth, scale, r, p in rows
    )
    assert products.commute_plain(table[table["depth"] == 100]).values.tolist() == [-25]
    assert products.commute_plain(table[table["depth"] == 100]).control.tolist() == [0]
    assert products.commute_stable(table).values.tolist() == [0.5]
    assert products.commute_stable(table).control.tolist() == [1]
    law = -5 / np.log(10)  # decades of exp(-L s^2 / 2)
    np.testing.assert_allclose(products.commute_typical(table).values, [-2.5 / law])
    np.testing.assert_allclose(products.commute_typical(table).control, [0.25 / law])


def test_the_typical_gain_is_that_of_the_eigenvalues_of_the_product():
    """Of Gaussian branches against the eigenvalues of the product itself; of those that commute, the coordinates'."""
    setting = products.Gains("gaussian", depth=5, scale=0.1, coordinates=8)
    found = products.gains_trial(setting, (3, 4)).groupby("seed")["log10_typical"].unique()
    for seed in (3, 4):
        stream, product = runtime.stream(seed, "gains", "gaussian"), torch.eye(8, dtype=torch.float64)
        for _ in range(5):
            j = torch.randn(8, 8, generator=stream, dtype=torch.float64) / 8**0.5
            product = (torch.eye(8) + 0.1 * j) @ product
        expected = torch.linalg.eigvals(product).abs().log10().mean().item()
        assert found[seed] == pytest.approx([expected], abs=1e-12)
    shared = products.gains_trial(products.Gains("independent", depth=7, scale=0.1, coordinates=8), (3,))
    assert shared["log10_typical"].unique() == pytest.approx([shared["log10_residual"].mean()])
