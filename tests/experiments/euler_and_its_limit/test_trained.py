"""The measures of trained networks on known tables, and the networks that they are trained as."""

import numpy as np
import pytest
import torch

from resnet_lib import data, nets, runtime
from resnet_lib.experiments.euler_and_its_limit import measuring, trained
from tests.experiments.euler_and_its_limit.made_tables import rows_of


def test_losses_are_points_of_the_right_networks():
    values = {("mlp", 0.25, 16, "substeps", 1): 0.95}
    for kind, power, after in (("mlp", 0.0, 0.5), ("mlp", 1.0, 0.9), ("tied", 1.0, 0.95), ("penalty", 1.0, 0.94)):
        values[kind, power, 16, "substeps", 1] = 0.95
        values[kind, power, 16, "substeps", 8] = after
        values[kind, power, 16, "interpolated", 2] = after - 0.01
        values[kind, power, 16, "longer", 8] = 0.1
        values[kind, power, 16, "roughness", 1] = 2**0.5
    table = rows_of(values)
    np.testing.assert_allclose(trained.unscaled(table).values, 45)
    np.testing.assert_allclose(trained.unscaled(table).control, 0, atol=1e-9)
    np.testing.assert_allclose(trained.linear(table).control, 85)
    np.testing.assert_allclose(trained.interpolated(table).values, 6)
    np.testing.assert_allclose(trained.penalised(table).values, 2)
    np.testing.assert_allclose(trained.roughness(table).values, 1)
    with pytest.raises(ValueError, match=r"no substeps at k=8 of mlp, power 0\.25"):
        trained.quarter(table)


def test_slopes_are_exponents_and_the_fixed_fields_are_the_two_readings():
    table = rows_of({("mlp", 0.0, d, "path", 1): d**0.3 for d in trained.DEPTHS})
    np.testing.assert_allclose(trained.slopes(table, "path", 1, 0.0), 0.3)
    assert np.abs(trained.fixed_field((0, 1), total=True)["path"]).max() < 0.1
    np.testing.assert_allclose(trained.fixed_field((0, 1), total=True)["error"], -1, atol=0.15)
    np.testing.assert_allclose(trained.fixed_field((0, 1), total=False)["path"], 1, atol=0.05)


def test_trained_trial_measures_a_small_network_and_the_tied_one_survives():
    digits = data.load("digits", flat=True)
    for kind, power in (("mlp", 0.0), ("tied", 1.0), ("penalty", 1.0), ("norm", 0.0)):
        table = trained.trained_trial(trained.Network(kind, power, 3, 0.01, epochs=1, width=16), (0, 1))
        first = table[(table["measure"] == "substeps") & (table["k"] == 1)]["value"]
        assert len(first) == 2
        assert (first > 0.1).all()
        if kind == "tied":
            assert (table[table["measure"] == "roughness"]["value"] == 0).all()
    net = trained.network(trained.Network("mlp", 0.0, 3, 0.01, width=16), runtime.stream(0, "net"))
    with torch.no_grad():
        hits = (net(digits.test.x).argmax(1) == digits.test.y).double().mean()
    assert measuring.accuracy(net, digits.test) == pytest.approx(float(hits))


def test_the_cifar_grid_builds_the_published_depths():
    for setting in trained.RESNETS[:4]:
        net = trained.network(setting, runtime.stream(0, "net"))
        assert isinstance(net, nets.Stack)
        assert len(net.blocks) == 9
        assert net.blocks[1].merge.__class__.__name__ == ("Add" if setting.power == 0 else "Scaled")


def test_exponents_of_path_and_distance_are_compared_with_a_fixed_field():
    values = {("mlp", 0.0, d, "path", 1): d**0.3 for d in trained.DEPTHS}
    values |= {("mlp", 1.0, d, "path", 1): d**-0.2 for d in trained.DEPTHS}
    values |= {("mlp", 0.0, d, "distance", measuring.FINEST): d**-0.7 for d in trained.DEPTHS}
    table = rows_of(values)
    fixed = {total: trained.fixed_field((0, 1), total=total) for total in (True, False)}
    for measure, exponent, control in (
        (trained.refinement, 0.3, fixed[True]["path"]),
        (trained.time, 0.3, fixed[False]["path"]),
        (trained.scaled, -0.2, fixed[True]["path"]),
        (trained.closer, -0.7, fixed[True]["error"]),
    ):
        np.testing.assert_allclose(measure(table).values, exponent)
        np.testing.assert_allclose(measure(table).control, control)


def test_small_starts_are_judged_as_the_first_network_is():
    values = {}
    for kind, after in (("small", 0.8), ("slow", 0.7)):
        values[kind, 0.0, 16, "substeps", 1] = 0.9
        values[kind, 0.0, 16, "substeps", measuring.RULE] = after
        values[kind, 0.0, 16, "longer", measuring.RULE] = 0.1
        values[kind, 0.0, 16, "rk4", 1] = after - 0.2
    for kind, cosine in (("mlp", 0.15), ("tied", 1.0)):
        values[kind, 1.0, 16, "alignment", 1] = cosine
        values[kind, 1.0, 16, "substeps", 1] = values[kind, 1.0, 16, "rk4", 1] = 0.9
    table = rows_of(values)
    for measure, lost, control in (
        (trained.small, 10, 80),
        (trained.slow, 20, 80),
        (trained.rk4_small, 30, 0),
        (trained.aligned, 0.15, 1),
    ):
        np.testing.assert_allclose(measure(table).values, lost)
        np.testing.assert_allclose(measure(table).control, control, atol=1e-9)


def test_small_starts_are_the_twin_with_smaller_last_weights():
    nets_of = {
        kind: trained.network(trained.Network(kind, 0.0, 3, 0.01, width=8), runtime.stream(0, "net"))
        for kind in ("mlp", "small", "slow", "zero")
    }
    twin = nets_of["mlp"].state_dict()
    for kind, size in trained.SMALLER.items():
        for name, value in nets_of[kind].state_dict().items():
            torch.testing.assert_close(value, twin[name] * (size if name.endswith("weight2.weight") else 1))
    assert sum(name.endswith("weight2.weight") for name in twin) == 3
    slow, first = (next(net for net in trained.NETWORKS if net.kind == kind) for kind in ("slow", "mlp"))
    assert slow.lr == trained.BEST["mlp", 0.0, 16] != first.lr


def test_losses_of_other_powers_and_methods():
    values = {}
    for kind, power, after in (
        ("mlp", 0.0, 0.5),
        ("mlp", 0.25, 0.6),
        ("mlp", 0.5, 0.7),
        ("norm", 0.0, 0.8),
        ("tied", 1.0, 0.89),
    ):
        values[kind, power, 16, "substeps", 1] = 0.9
        values[kind, power, 16, "substeps", measuring.RULE] = after
        values[kind, power, 16, "rk4", 1] = after - 0.1
    table = rows_of(values)
    for measure, lost, control in (
        (trained.quarter, 30, 1),
        (trained.root, 20, 1),
        (trained.norm, 10, 1),
        (trained.rk4, 50, 11),
    ):
        np.testing.assert_allclose(measure(table).values, lost)
        np.testing.assert_allclose(measure(table).control, control)


def test_nothing_is_measured_of_a_network_that_diverged():
    """An accuracy of 0 for it would be as good with finer steps as without, and no loss at all."""
    table = trained.trained_trial(trained.Network("mlp", 0.0, 3, 1e6, epochs=1, width=16), (0,))
    first = table["measure"].str.startswith("start-")
    assert (len(table), first.sum()) == (len(measuring.MEASURES) + len(measuring.STARTS), len(measuring.STARTS))
    assert table[~first]["value"].isna().all()
    assert np.isfinite(table[first]["value"]).all()
