"""The chapter's networks: one draw of branches, other shortcuts; what is measured of them."""

from dataclasses import replace

import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.gates_and_scales import networks
from resnet_lib.experiments.gates_and_scales.networks import Network
from resnet_lib.nets import gates

SMALL = Network("identity", 0.02, blocks=2, width=6, epochs=1)
KINDS = ("identity", "plain", "half", "dropout", "highway", "gate", "matrix", "from identity")


def made(kind: str, **options):
    return networks.build(replace(SMALL, kind=kind, **options), runtime.stream(3, "init")).eval()


def test_all_networks_of_a_seed_have_equal_branches():
    first = made("identity").blocks[1].branch.state_dict()  # pyright: ignore
    for kind in KINDS:
        found = made(kind).blocks[1].branch.state_dict()  # pyright: ignore
        assert all(torch.equal(found[name], value) for name, value in first.items()), kind


def test_each_network_is_its_formula():
    x = torch.randn(3, 6, generator=runtime.stream(0, "x"))
    b = made("identity").blocks[0].branch(x)  # pyright: ignore
    wanted = {"identity": x + 0.2 * b, "half": x / 2 + 0.2 * b, "dropout": x / 2 + 0.2 * b, "plain": 0.2 * b}
    wanted |= {"from identity": wanted["identity"], "highway": 0.5 * 0.2 * b + x / 2, "gate": wanted["half"]}
    for kind, y in wanted.items():
        torch.testing.assert_close(made(kind).blocks[0](x), y)
    torch.testing.assert_close(made("dropout", mean=True).blocks[0](x), wanted["identity"])
    weight = made("matrix").blocks[0].shortcut.weight  # pyright: ignore
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), rtol=0, atol=1e-5)  # pyright: ignore


def test_twins_are_equal_to_the_last_bit():
    x = torch.randn(5, 64, generator=runtime.stream(0, "x"))
    for kind in ("identity", "plain"):
        assert networks.twin(replace(SMALL, kind=kind), made(kind), x) == 0.0
    assert networks.twin(replace(SMALL, kind="half"), made("half"), x) != networks.twin(SMALL, made("identity"), x)


def test_biases_are_moved_in_a_copy():
    x = torch.randn(5, 64, generator=runtime.stream(0, "x"))
    for kind in ("highway", "gate"):
        net = made(kind, bias=-4.0, weights=1.0)
        found = networks.moved(net, 2.0)
        direct = made(kind, bias=-2.0, weights=1.0)
        torch.testing.assert_close(found(x), direct(x))
        assert gates.carries(net, x)[0] == pytest.approx(0.982, abs=0.02)


def test_a_trial_has_a_row_a_seed():
    for kind in ("highway", "plain"):
        table = networks.trial(replace(SMALL, kind=kind, bias=-2.0), (0, 1))
        assert table["seed"].tolist() == [0, 1]
        assert table[["test", "train"]].stack().between(0, 100).all()  # pyright: ignore
        assert table["carry_start"].notna().all() == (kind == "highway")
        assert table["twin"].notna().all() == (kind == "plain")
    lost = networks.trial(replace(SMALL, lr=1e9), (0,))
    assert lost["test"].tolist() == [0.0]
    assert lost["twin"].isna().all()


def test_variants_have_their_scales():
    found = {each.kind: each for each in networks.variants({("highway", -4.0): 0.1, ("gate", -4.0): 0.2})}
    assert (found["highway"].scale, found["gate"].scale) == (0.5**0.5, 0.2)
