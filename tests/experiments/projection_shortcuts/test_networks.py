"""Networks with every shortcut: their trial against their own maps, their measures against known tables."""

import numpy as np
import pytest
import torch

from resnet_lib import data, nets, runtime
from resnet_lib.analysis import shortcuts
from resnet_lib.experiments.projection_shortcuts import networks
from resnet_lib.nets.units import SHORTCUTS
from tests.experiments.projection_shortcuts.made_tables import FLAT, network_table
from tests.experiments.verdicts import status


def test_differences_are_paired_by_seed():
    made = {"A": FLAT, "B": [v + 1 for v in FLAT], "none": FLAT[::-1], "C": FLAT, "2x2": FLAT}
    table = network_table(made | {"pool": [v + 2 for v in FLAT]})
    assert networks.need_averaged(table).values.tolist() == [2.0] * 5
    assert networks.need_averaged(table).control.tolist() == [v + 2 - 20 for v in FLAT]
    assert networks.differences(table)["B"].tolist() == [1.0] * 5
    assert networks.need_learned(table).values.tolist() == [1.0] * 5
    assert status("proj-need.learned", networks.need_learned(table)) == "holds"
    assert status("proj-need.everywhere", networks.need_everywhere(table)) == "holds"
    assert status("proj-need.orthonormal", networks.need_orthonormal(table)) == "fails"
    assert status("proj-need.something", networks.need_something(table)) == "undecided"


def test_networks_that_do_not_use_their_shortcuts_decide_nothing():
    table = network_table({"A": FLAT, "B": [v + 1 for v in FLAT]}, cut=90.0)
    assert status("proj-need.learned", networks.need_learned(table)) == "invalid"


def test_kernels_that_leave_the_manifold_are_noticed():
    kept = network_table({"2x2": FLAT, "pca": FLAT})
    kept.loc[kept["shortcut"] == "pca", "defect"] = 1.0
    assert status("proj-orth.trained", networks.orth_trained(kept)) == "holds"
    assert status("proj-orth.trained", networks.orth_trained(kept.assign(defect=1e-4))) == "invalid"
    assert status("proj-orth.trained", networks.orth_trained(kept.assign(defect=0.1))) == "fails"


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


def test_every_variant_is_a_shortcut_and_every_shortcut_but_two_is_a_variant():
    assert set(networks.TITLES) - {"plain"} == set(SHORTCUTS) - {"identity", "rows"}  # they cannot double channels
