"""Gates against numbers by hand, autograd, and the networks that they are at both ends."""

import math

import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime, training
from resnet_lib.nets import Unit, gates
from resnet_lib.nets.blocks import Absent, Block, BranchOnly
from resnet_lib.nets.gates import Fixed, Gate, Highway, ShortcutGate
from resnet_lib.nets.merges import After
from tests.networks import RECIPE, WIDTH, examples, generator, mlp


def linear(weight: list[list[float]], bias: list[float]) -> nn.Linear:
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return layer


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_merges_are_the_formulas_by_hand():
    s, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -4.0]])
    gate = Gate(linear([[1.0, 0.0], [1.0, -1.0]], [0.0, 3.0]))
    t = [sigmoid(1.0), sigmoid(1 - 2 + 3)]
    highway = [t[0] * 3 + (1 - t[0]) * 1, t[1] * -4 + (1 - t[1]) * 2]
    assert Highway(gate)(s, b)[0].tolist() == pytest.approx(highway)
    half = [t[0] * 1.5 + (1 - t[0]) * 1, t[1] * -2 + (1 - t[1]) * 2]
    assert Highway(gate, 0.5)(s, b)[0].tolist() == pytest.approx(half)
    alone = [0.5 * 3 + (1 - t[0]) * 1, 0.5 * -4 + (1 - t[1]) * 2]
    assert ShortcutGate(gate, 0.5)(s, b)[0].tolist() == pytest.approx(alone)


def test_a_gate_that_reads_the_state_adds_a_term_to_its_derivative():
    """d/ds of (1 - T(s)) s is 1 - T - s T' w, against autograd."""
    layer, s = linear([[0.7, 0.0], [0.0, -0.3]], [-2.0, 1.0]), torch.tensor([[0.5, -1.5]], requires_grad=True)
    (found,) = torch.autograd.grad(ShortcutGate(Gate(layer))(s, torch.zeros(1, 2)).sum(), s)
    t = [sigmoid(0.7 * 0.5 - 2), sigmoid(-0.3 * -1.5 + 1)]
    terms = zip(t, (0.5, -1.5), (0.7, -0.3), strict=True)
    assert found[0].tolist() == pytest.approx([1 - a - x * a * (1 - a) * w for a, x, w in terms])


@pytest.mark.parametrize("order", ["inside", "post", "pre"])
def test_gates_stand_in_place_of_the_sum_and_share_the_branches(order):
    net = mlp(generator("gates"), order=order, norm="none", alpha=0.3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    made = gates.gated(net, "highway", -1.0, generator=generator("made"))
    assert made.blocks[0].branch is net.blocks[0].branch
    merge = made.blocks[0].merge.merge if order == "post" else made.blocks[0].merge  # pyright: ignore
    assert isinstance(made.blocks[0].merge, After) == (order == "post")
    assert isinstance(merge, Highway)
    assert merge.branch == 0.3
    assert merge.gate.layer.bias.tolist() == [-1.0] * WIDTH  # pyright: ignore
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_highway_is_the_plain_network_or_nothing_at_its_ends():
    net = mlp(generator("ends"), order="inside", norm="none").eval()
    x = examples().test.x
    plain = nets.Stack(net.stem, [Block(b.branch, Absent(), BranchOnly()) for b in net.blocks], net.head, shape=(6,))  # pyright: ignore
    assert torch.equal(gates.fixed(net, "highway", 1.0)(x), plain.eval()(x))
    assert torch.equal(gates.fixed(net, "highway", 0.0)(x), net.head(net.stem(x)))
    assert torch.equal(gates.fixed(net, "shortcut", 0.0)(x), net(x))


def test_gates_are_drawn_from_streams_of_their_own():
    def made(name: str, weights: float = 1.0) -> nets.Stack:
        net = nets.mlp(40, 16, unit=Unit(order="inside", norm="none"), generator=generator("net"))
        return gates.gated(net, "shortcut", -3.0, weights=weights, generator=generator(name))

    state = torch.get_rng_state()
    one, again, other = made("one"), made("one"), made("other")
    assert torch.equal(state, torch.get_rng_state())
    drawn = [[block.merge.gate.layer.weight for block in net.blocks] for net in (one, again, other)]  # pyright: ignore
    assert all(torch.equal(a, b) for a, b in zip(drawn[0], drawn[1], strict=True))  # pyright: ignore
    assert not any(torch.equal(a, b) for a, b in zip(drawn[0], drawn[2], strict=True))  # pyright: ignore
    assert not torch.equal(drawn[0][0], drawn[0][1])  # pyright: ignore
    assert torch.stack(drawn[0]).var().item() == pytest.approx(1 / 16, rel=0.05)  # pyright: ignore
    assert torch.count_nonzero(torch.stack([b.merge.gate.layer.weight for b in made("one", 0.0).blocks])) == 0  # pyright: ignore


def test_carries_are_means_of_one_minus_the_gate():
    net = mlp(generator("carries"), order="inside", norm="none").eval()
    x = examples().test.x
    zero = gates.gated(net, "highway", -2.0, weights=0.0, generator=generator("zero"))
    assert gates.carries(zero, x) == pytest.approx([1 - sigmoid(-2.0)] * 3)
    drawn = gates.gated(net, "highway", -2.0, generator=generator("drawn"))
    pairs = zip(drawn.blocks, drawn.states(x), strict=False)
    wanted = [(1 - torch.sigmoid(block.merge.gate.layer(state))).mean().item() for block, state in pairs]  # pyright: ignore
    assert gates.carries(drawn, x) == pytest.approx(wanted)
    with pytest.raises(TypeError, match="block 0 joins its paths by a Add, which has no gate"):
        gates.carries(net, x)


def test_images_have_gates_of_1x1_convolutions():
    unit = Unit(order="inside", norm="none")
    net = nets.conv_net((1, 1), (4, 8), unit=unit, generator=generator("images"))
    made = gates.gated(net, "highway", -1.0, generator=generator("convolved"))
    shapes = [tuple(block.merge.gate.layer.weight.shape) for block in made.blocks]  # pyright: ignore
    assert shapes == [(4, 4, 1, 1), (8, 8, 1, 1)]
    assert made(torch.zeros(2, *(size or 8 for size in net.shape))).shape == (2, 10)


def test_a_gated_network_trains_its_gates():
    def make(g: torch.Generator) -> nets.Stack:
        return gates.gated(mlp(g, order="inside", norm="none"), "highway", -1.0, weights=0.0, generator=g)

    fitted = training.fit(make, examples(), RECIPE, [0, 1])
    assert not any(torch.equal(v, torch.full_like(v, -1.0)) for n, v in fitted.params()[0].items() if "gate" in n)


def test_what_has_no_sum_or_makes_no_sense_is_refused():
    net = mlp(generator("refused"), order="inside", norm="none")
    with pytest.raises(ValueError, match="kind='gate' is unknown; known: highway, shortcut"):
        gates.gated(net, "gate", 0.0, generator=generator())
    with pytest.raises(ValueError, match="kind='gate' is unknown"):
        gates.fixed(net, "gate", 0.0)
    with pytest.raises(ValueError, match="bias=nan must be finite"):
        gates.gated(net, "highway", math.nan, generator=generator())
    with pytest.raises(ValueError, match="weights=inf must be finite"):
        gates.gated(net, "highway", 0.0, weights=math.inf, generator=generator())
    with pytest.raises(ValueError, match=r"value=1.5 must lie between 0 and 1"):
        Fixed(1.5)
    with pytest.raises(TypeError, match="block 0 has no shortcut"):
        gates.gated(mlp(generator(), residual=False), "highway", 0.0, generator=generator())
    with pytest.raises(TypeError, match="takes the place of s"):
        gates.fixed(mlp(generator(), alpha=0.5, beta=0.5), "highway", 0.5)
    assert "branch=0.5" in repr(Highway(Fixed(0.25), 0.5))
    assert "value=0.25" in repr(Fixed(0.25))
    assert runtime.stream(0) is not None
