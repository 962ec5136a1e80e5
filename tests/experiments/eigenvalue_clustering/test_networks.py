"""The spectra of networks, trained and not, against dense Jacobians and known tables."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from resnet_lib import data, nets, runtime
from resnet_lib.experiments.eigenvalue_clustering import networks
from tests.experiments.eigenvalue_clustering.made_tables import trained_table


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
