import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, linear, relu

from resnet_lib import nets, runtime
from resnet_lib.nets import Unit, blocks, initialisation, merges, projections
from resnet_lib.nets.units import UNITS

# he2016deep, Table 6, prints 0.27M, 0.46M, 0.66M, 0.85M, 1.7M and 19.4M, and he2016identity, Table 4,
# 1.7M and 10.2M; all the digits are those that public implementations of them publish.
CIFAR = {
    20: 269_722,
    32: 464_154,
    44: 658_586,
    56: 853_018,
    110: 1_727_962,
    1202: 19_421_274,
    164: 1_703_258,
    1001: 10_327_706,
}
IMAGENET = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}


def generator(*path):
    return runtime.stream(0, "test-nets", *path)


def count(net, without=()):
    return sum(value.numel() for name, value in net.named_parameters() if not any(part in name for part in without))


def weight_layers(net):
    """Weight layers on the longest path: what the depth in a network's name counts."""
    kinds = nn.Conv2d | nn.Linear
    return sum(isinstance(module, kinds) and "shortcut" not in name for name, module in net.named_modules())


@pytest.fixture
def undrawn(monkeypatch):
    """Counting needs no weights."""
    monkeypatch.setattr(initialisation, "initialise", lambda module, generator, scheme="he": module)


def basic(depth, projections=False):
    """Sum over the layers: 3x3 convolutions, two parameters a normalised channel, and the head."""
    n = (depth - 2) // 6
    total = 3 * 9 * 16 + 2 * 16
    for c_in, c in ((16, 16), (16, 32), (32, 64)):
        total += 9 * c_in * c + 9 * c * c * (2 * n - 1) + 2 * c * 2 * n
        total += (c_in * c + 2 * c) if projections and c_in != c else 0
    return total + 64 * 10 + 10


def pre_bottleneck(depth):
    """The same with 1x1, 3x3, 1x1 behind a normalisation each, three bare projections, and a last normalisation."""
    n = (depth - 2) // 9
    total = 3 * 9 * 16
    for c_in, c in ((16, 16), (64, 32), (128, 64)):
        for c_block in [c_in] + [4 * c] * (n - 1):
            total += 2 * (c_block + c + c) + c_block * c + 9 * c * c + c * 4 * c
        total += c_in * 4 * c
    return total + 2 * 256 + 256 * 10 + 10


@pytest.mark.parametrize("depth", CIFAR)
def test_cifar_counts_are_the_published_ones(undrawn, depth):
    net = nets.cifar_resnet(depth, generator=generator())
    assert count(net) == CIFAR[depth] == (pre_bottleneck if depth in (164, 1001) else basic)(depth)
    assert weight_layers(net) == depth
    assert type(net.blocks[-1].merge) is (merges.Add if depth in (164, 1001) else merges.After)


@pytest.mark.parametrize("depth", [20, 56, 110])
def test_option_b_adds_its_projections(undrawn, depth):
    # 272,474, 855,770 and 1,730,714 are the published counts of the implementations with projections.
    net = nets.cifar_resnet(depth, unit=Unit(shortcut="B"), generator=generator())
    expected = {20: 272_474, 56: 855_770, 110: 1_730_714}
    assert count(net) == basic(depth, projections=True) == expected[depth]


@pytest.mark.parametrize("depth", IMAGENET)
def test_imagenet_counts_are_those_of_torchvision(undrawn, depth):
    net = nets.imagenet_resnet(depth, generator=generator())
    assert count(net) == IMAGENET[depth]
    assert weight_layers(net) == depth


@pytest.mark.parametrize("unit", ["pre", "plain"])
@pytest.mark.parametrize("depth", [20, 164])
def test_variants_have_the_same_depth(undrawn, depth, unit):
    assert weight_layers(nets.cifar_resnet(depth, unit=unit, generator=generator())) == depth


def test_stages_halve_the_image_and_double_the_channels():
    net = nets.cifar_resnet(20, generator=generator()).eval()
    shapes = [tuple(state.shape[1:]) for state in net.states(torch.zeros(1, 3, 32, 32))]
    assert shapes == [(16, 32, 32)] * 4 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3
    net = nets.imagenet_resnet(50, width=8, generator=generator()).eval()
    shapes = [tuple(state.shape[1:]) for state in net.states(torch.zeros(1, 3, 64, 64))]
    expected = [(32, 16, 16)] * 3 + [(64, 8, 8)] * 4 + [(128, 4, 4)] * 6 + [(256, 2, 2)] * 3
    assert shapes == [(8, 16, 16), *expected]


def test_states_are_what_the_blocks_read():
    net = nets.digits_resnet(3, 4, generator=generator())
    x, read = torch.randn(2, 1, 8, 8, generator=generator("x")), []
    for block in net.blocks:
        block.register_forward_pre_hook(lambda module, args: read.append(args[0].clone()))
    net.eval()
    logits = net(x)
    states = net.states(x)
    assert len(states) == 4
    assert all(torch.equal(a, b) for a, b in zip(states[:3], read[:3], strict=True))
    assert torch.equal(net.head(states[-1]), logits)
    assert {tuple(state.shape) for state in states} == {(2, 4, 8, 8)}


def layers(net, kind):
    return [module for module in net.modules() if isinstance(module, kind)]


def test_a_digits_network_is_the_formula():
    net = nets.digits_resnet(1, 4, generator=generator()).double().eval()
    for norm in layers(net, nn.BatchNorm2d):
        nn.init.normal_(norm.get_buffer("running_mean"), generator=generator("mean"))
        nn.init.constant_(norm.get_buffer("running_var"), 0.7)
    stem, w1, w2 = layers(net, nn.Conv2d)
    n1, n2, n3 = (
        lambda x, m=m: batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias)
        for m in layers(net, nn.BatchNorm2d)
    )
    (head,) = layers(net, nn.Linear)
    x = torch.randn(3, 1, 8, 8, generator=generator("x"), dtype=torch.float64)
    state = conv2d(x, stem.weight, padding=1)
    hidden = conv2d(relu(n1(state)), w1.weight, padding=1)
    state = state + conv2d(relu(n2(hidden)), w2.weight, padding=1)
    expected = linear(relu(n3(state)).mean(dim=(2, 3)), head.weight, head.bias)
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


# Stem and head supply the normalisation and the activation that the blocks do not begin with.
@pytest.mark.parametrize(
    ("unit", "stem", "head"),
    [
        (Unit(), "WNA", "W"),
        (Unit(norm="none"), "WA", "W"),
        (Unit(order="pre"), "W", "NAW"),
        (Unit(order="pre", norm="none"), "W", "AW"),
        (Unit(order="act-pre"), "WN", "AW"),
        (Unit(order="inside"), "WNA", "W"),
    ],
)
def test_stem_and_head_fit_the_order(unit, stem, head):
    letters = {blocks.Linear: "W", nn.BatchNorm1d: "N", nn.ReLU: "A"}
    net = nets.mlp(2, 8, unit=unit, generator=generator())
    assert "".join(letters[type(layer)] for layer in net.stem.children()) == stem
    assert "".join(letters[type(layer)] for layer in net.head.children()) == head


def test_an_mlp_without_norm_is_the_formula():
    net = nets.mlp(2, 5, unit=Unit(norm="none"), in_features=7, classes=3, generator=generator()).double()
    stem, a1, a2, b1, b2, head = (lambda x, m=m: linear(x, m.weight, m.bias) for m in layers(net, nn.Linear))
    x = torch.randn(4, 7, generator=generator("x"), dtype=torch.float64)
    state = relu(stem(x))
    state = relu(state + a2(relu(a1(state))))
    state = relu(state + b2(relu(b1(state))))
    torch.testing.assert_close(net(x), head(state), rtol=1e-12, atol=1e-12)


FAMILIES = {
    "mlp": lambda unit: nets.mlp(4, 16, unit=unit, generator=generator("net")),
    "digits": lambda unit: nets.digits_resnet(2, 4, unit=unit, generator=generator("net")),
    "cifar": lambda unit: nets.cifar_resnet(20, unit=unit, width=4, generator=generator("net")),
    "imagenet": lambda unit: nets.imagenet_resnet(18, unit=unit, width=4, generator=generator("net")),
}


@pytest.mark.parametrize("unit", [UNITS["post"], UNITS["pre"], Unit(shortcut="C"), Unit(norm="none", alpha=0.5)])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_plain_twin_has_the_same_weights(family, unit):
    residual, plain = FAMILIES[family](unit), FAMILIES[family](unit.plain())
    twins = dict(plain.named_parameters())
    shared = {name: value for name, value in residual.named_parameters() if ".shortcut." not in name}
    assert list(twins) == list(shared)
    assert all(torch.equal(value, twins[name]) for name, value in shared.items())
    assert count(plain) == count(residual, without=[".shortcut."])
    projections = [block for block in residual.blocks if isinstance(block.shortcut, nn.Sequential)]
    expected = {"mlp": 0, "digits": 0, "cifar": 0, "imagenet": 3}[family]
    assert len(projections) == (len(residual.blocks) if unit.shortcut == "C" else expected)


def test_every_seed_has_its_own_weights():
    same, other = (nets.mlp(2, 8, generator=generator(name)) for name in ("net", "other"))
    again = nets.mlp(2, 8, generator=generator("net"))
    weights = [dict(net.named_parameters()) for net in (same, again, other)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name])
        if name.endswith("weight") and "norm" not in name:
            assert not torch.equal(value, weights[2][name])
    flat = torch.cat(
        [value.flatten() for name, value in weights[0].items() if name.endswith("weight") and "norm" not in name]
    )
    assert flat.unique().numel() == flat.numel()


def test_networks_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    for make in FAMILIES.values():
        make("pre")(torch.zeros(2, 64) if make is FAMILIES["mlp"] else torch.zeros(2, *_image(make)))
    assert torch.equal(torch.get_rng_state(), before)


def _image(make):
    return (1, 8, 8) if make is FAMILIES["digits"] else (3, 32, 32)


def test_a_recipe_overrides_what_is_published(undrawn):
    net = nets.cifar_resnet(164, unit=Unit(bottleneck=False), generator=generator())
    assert len(net.blocks) == 81
    assert type(net.blocks[27].shortcut) is projections.ZeroPad
    net = nets.cifar_resnet(20, unit=Unit(bottleneck=True), generator=generator())
    assert len(net.blocks) == 6
    assert count(nets.imagenet_resnet(18, unit=Unit(shortcut="A"), generator=generator())) < IMAGENET[18]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: nets.cifar_resnet(21, generator=generator()),
            r"depth=21 does not exist with bottleneck=False: it has to be 6n \+ 2; closest: 20; published: 20, 32, 44",
        ),
        (lambda: nets.cifar_resnet(3, generator=generator()), r"depth=3 .*closest: 8;"),
        (
            lambda: nets.cifar_resnet(1000, unit="bottleneck", generator=generator()),
            r"depth=1000 .*bottleneck=True: it has to be 9n \+ 2; closest: 1001; published: 164, 1001",
        ),
        (
            lambda: nets.imagenet_resnet(40, generator=generator()),
            r"depth=40 does not exist; known: 18, 34, 50, 101, 152; closest: 34",
        ),
        (lambda: nets.mlp(0, 64, generator=generator()), r"depth=0 must be at least 1"),
        (lambda: nets.digits_resnet(2, 0, generator=generator()), r"width=0 must be at least 1"),
        (lambda: nets.mlp(2, 8, unit="plian", generator=generator()), r"unit='plian' is unknown; .*closest: 'plain'"),
        (
            lambda: nets.conv_net((2, 2), (8,), generator=generator()),
            r"counts=\(2, 2\) and widths=\(8,\) must name the same stages",
        ),
    ],
)
def test_errors_name_the_way_out(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    ("net", "shape", "text"),
    [
        (
            "mlp",
            (5, 1, 8, 8),
            r"x has shape \(5, 1, 8, 8\); this network expects \(batch, 64\); use x.reshape\(-1, 64\)",
        ),
        ("mlp", (5, 63), r"x has shape \(5, 63\); this network expects \(batch, 64\)$"),
        ("digits", (5, 64), r"expects \(batch, 1, 8, 8\); use x.reshape\(-1, 1, 8, 8\)"),
        ("digits", (5, 1, 9, 9), r"x has shape \(5, 1, 9, 9\); this network expects \(batch, 1, 8, 8\)$"),
        ("cifar", (5, 1, 32, 32), r"x has shape \(5, 1, 32, 32\); this network expects \(batch, 3, any, any\)$"),
        ("cifar", (3, 32, 32), r"expects \(batch, 3, any, any\)$"),
    ],
)
def test_a_batch_of_another_shape_is_refused(net, shape, text):
    stack = FAMILIES[net]("post")
    for call in (stack, stack.states):
        with pytest.raises(ValueError, match=text):
            call(torch.zeros(shape))


def test_settings_of_the_same_recipe_share_their_first_blocks():
    short, long = (nets.mlp(depth, 8, generator=generator("net")) for depth in (2, 3))
    name = "blocks.1.branch.weight1.weight"
    assert torch.equal(short.get_parameter(name), long.get_parameter(name))
    narrow = dataclasses.replace(UNITS["pre"], shortcut="A")
    assert count(nets.mlp(2, 8, unit=narrow, generator=generator())) == count(
        nets.mlp(2, 8, unit="pre", generator=generator())
    )
