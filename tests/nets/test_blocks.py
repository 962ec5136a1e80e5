import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d
from torch import nn
from torch.nn.functional import batch_norm, linear, relu

from resnet_lib import runtime
from resnet_lib.nets import Unit, blocks, initialisation, projections, units
from resnet_lib.nets.units import ORDERS, UNITS

WIDTH = 6


def generator(*path):
    return runtime.stream(0, "test-blocks", *path)


def normal(*shape, name="x"):
    return torch.randn(*shape, generator=generator(name), dtype=torch.float64)


def ready(block, *, norms=True):
    """In evaluation mode and double precision, with weights, biases and statistics that are not the trivial ones."""
    initialisation.initialise(block, generator("weights"))
    block.double().eval()
    for name, value in [*block.named_parameters(), *block.named_buffers()]:
        if name.endswith("bias") or "running_mean" in name:
            value.data = 0.5 * normal(*value.shape, name=name)
        elif "running_var" in name or (norms and "norm" in name and name.endswith("weight")):
            value.data = 0.5 + normal(*value.shape, name=name).square()
    return block


def numpy_parts(block):
    return {name: value.numpy() for name, value in block.state_dict().items()}


def np_relu(x):
    return np.maximum(x, 0)


# y for input x (rows are examples), the two linear maps f and g of the branch, and the map w of a one-layer branch.
BY_HAND = {
    "post": lambda x, f, g: np_relu(x + g(np_relu(f(x)))),
    "pre": lambda x, f, g: x + g(np_relu(f(np_relu(x)))),
    "inside": lambda x, f, g: x + g(np_relu(f(x))),
    "one-layer": lambda x, f, g: x + np_relu(f(x)),
    "plain": lambda x, f, g: np_relu(g(np_relu(f(x)))),
    "plain-pre": lambda x, f, g: g(np_relu(f(np_relu(x)))),
    "scaled": lambda x, f, g: 0.9 * x + 0.1 * g(np_relu(f(np_relu(x)))),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_linear_block_without_norm_is_the_formula(name):
    block = ready(blocks.linear_block(dataclasses.replace(UNITS[name], norm="none"), WIDTH))
    part, x = numpy_parts(block), normal(4, WIDTH)

    def affine(layer):
        return lambda x: x @ part[f"branch.{layer}.weight"].T + part[f"branch.{layer}.bias"]

    second = affine("weight2") if "branch.weight2.weight" in part else None
    expected = BY_HAND[name](x.numpy(), affine("weight1"), second)
    np.testing.assert_allclose(block(x).detach().numpy(), expected, rtol=1e-12)


def test_conv_block_is_the_formula_of_the_original_unit():
    block = ready(blocks.conv_block(Unit(shortcut="B"), 2, 3, stride=2))
    part, x = numpy_parts(block), normal(2, 2, 8, 8).numpy()

    def conv(x, weight):
        return np.array(
            [
                [sum(correlate2d(image[i], kernel[i], "same") for i in range(len(image))) for kernel in weight]
                for image in x
            ]
        )

    def norm(x, name):
        mean, var, scale, shift = (
            part[f"{name}.{field}"][:, None, None] for field in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-5) * scale + shift

    hidden = np_relu(norm(conv(x, part["branch.weight1.weight"])[:, :, ::2, ::2], "branch.norm1"))
    branch = norm(conv(hidden, part["branch.weight2.weight"]), "branch.norm2")
    projected = np.einsum("oi,nihw->nohw", part["shortcut.weight1.weight"][:, :, 0, 0], x[:, :, ::2, ::2])
    expected = np_relu(norm(projected, "shortcut.norm1") + branch)
    np.testing.assert_allclose(block(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-12)


# The units of he2016identity, Fig. 4, and ours: w1, w2 are the linear maps and n1, n2 the normalisations, in order.
IN_WORDS = {
    "post": lambda x, w1, w2, n1, n2: relu(x + n2(w2(relu(n1(w1(x)))))),
    "norm-after": lambda x, w1, w2, n1, n2: relu(n2(x + w2(relu(n1(w1(x)))))),
    "act-before": lambda x, w1, w2, n1, n2: x + relu(n2(w2(relu(n1(w1(x)))))),
    "act-pre": lambda x, w1, w2, n1, n2: x + n2(w2(relu(n1(w1(relu(x)))))),
    "pre": lambda x, w1, w2, n1, n2: x + w2(relu(n2(w1(relu(n1(x)))))),
    "inside": lambda x, w1, w2, n1, n2: x + n2(w2(relu(n1(w1(x))))),
    "one-layer": lambda x, w1, w2, n1, n2: x + relu(n1(w1(x))),
    "WNAW+A": lambda x, w1, w2, n1, n2: relu(x + w2(relu(n1(w1(x))))),
}


@pytest.mark.parametrize("order", IN_WORDS)
def test_every_order_is_what_its_name_says(order):
    block = ready(blocks.linear_block(Unit(order=order), WIDTH))
    found = (
        [m for m in block.modules() if isinstance(m, nn.Linear)],
        [m for m in block.modules() if isinstance(m, nn.BatchNorm1d)],
    )
    maps = [lambda x, m=m: linear(x, m.weight, m.bias) for m in found[0]]
    norms = [lambda x, m=m: batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias) for m in found[1]]
    maps, norms = (part + [None] * (2 - len(part)) for part in (maps, norms))
    x = normal(5, WIDTH)
    torch.testing.assert_close(block(x), IN_WORDS[order](x, *maps, *norms), rtol=1e-12, atol=1e-12)


def test_bottleneck_is_1_3_1_with_a_quarter_of_the_width():
    block = blocks.conv_block(UNITS["bottleneck"], 8, 16, stride=2)
    convs = [m for m in block.branch.children() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convs] == [
        (8, 4, 1, 1),
        (4, 4, 3, 2),
        (4, 16, 1, 1),
    ]
    assert list(dict(block.branch.named_children())) == [
        "weight1", "norm1", "act1", "weight2", "norm2", "act2", "weight3", "norm3",
    ]  # fmt: skip
    pre = blocks.conv_block(UNITS["pre-bottleneck"], 8, 16)
    assert [n[:-1] for n, _ in pre.branch.named_children()] == ["norm", "act", "weight"] * 3


def test_option_a_takes_every_second_pixel_and_appends_empty_channels():
    x = normal(2, 3, 5, 4)
    y = projections.ZeroPad(extra=2, stride=2)(x)
    assert y.shape == (2, 5, 3, 2)
    for n, c, i, j in np.ndindex(*y.shape):
        assert y[n, c, i, j] == (x[n, c, 2 * i, 2 * j] if c < 3 else 0)
    assert torch.equal(projections.ZeroPad(extra=2, stride=2)(x[0]), y[0])


@pytest.mark.parametrize(
    ("shortcut", "square", "changing"),
    [("A", "Identity", "ZeroPad"), ("B", "Identity", "Sequential"), ("C", "Sequential", "Sequential")],
)
def test_shortcuts_pad_project_or_pass(shortcut, square, changing):
    unit = Unit(shortcut=shortcut)
    assert type(blocks.conv_block(unit, 4, 4).shortcut).__name__ == square
    for c_out, stride in ((8, 1), (4, 2), (8, 2)):
        block = blocks.conv_block(unit, 4, c_out, stride=stride)
        assert type(block.shortcut).__name__ == changing
        x = torch.zeros(1, 4, 6, 6)
        assert block.shortcut(x).shape == block.branch(x).shape == (1, c_out, 6 // stride, 6 // stride)


def test_a_linear_shortcut_of_option_c_is_a_matrix():
    block = ready(blocks.linear_block(Unit(order="inside", norm="none", shortcut="C"), WIDTH))
    x = normal(3, WIDTH)
    weight = block.get_parameter("shortcut.weight1.weight")
    torch.testing.assert_close(block(x) - block.branch(x), x @ weight.T)


def test_jacobian_is_identity_plus_w2_d_w1():
    block = ready(blocks.linear_block(Unit(order="inside", norm="none", alpha=0.3, beta=0.2), WIDTH))
    w1, b1, w2 = (
        block.get_parameter(f"branch.{name}") for name in ("weight1.weight", "weight1.bias", "weight2.weight")
    )
    x = normal(WIDTH)
    slopes = torch.diag((w1 @ x + b1 > 0).double())
    expected = 0.8 * torch.eye(WIDTH, dtype=torch.float64) + 0.3 * w2 @ slopes @ w1
    assert 0 < slopes.trace() < WIDTH
    torch.testing.assert_close(torch.func.jacrev(block)(x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("training", [False, True])
def test_zero_gamma_makes_a_clean_block_the_identity(training):
    block = (
        initialisation.initialise(blocks.conv_block(UNITS["zero-gamma"], 2, 2), generator()).double().train(training)
    )
    x = normal(3, 2, 4, 4)
    assert torch.equal(block(x), x)
    jacobian = torch.autograd.functional.jacobian(block, x).reshape(x.numel(), x.numel())
    assert torch.equal(jacobian, torch.eye(x.numel(), dtype=torch.float64))
    # The control: with the scale at 1 it is not the identity.
    block.get_parameter("branch.norm3.weight").data.fill_(1.0)
    assert (block(x) - x).abs().max() > 0.1


def test_zero_gamma_makes_the_original_block_a_mask():
    block = initialisation.initialise(blocks.linear_block(Unit(zero_gamma=True), WIDTH), generator()).double().eval()
    x = normal(WIDTH)[None]
    assert torch.equal(block(x), relu(x))
    assert torch.equal(torch.func.jacrev(block)(x)[0, :, 0], torch.diag((x[0] > 0).double()))


@pytest.mark.parametrize("order", ["post", "pre-norm", "inside"])
def test_a_zero_branch_can_still_learn(order):
    block = initialisation.initialise(
        blocks.linear_block(Unit(order=order, zero_gamma=True), WIDTH), generator()
    ).double()
    (block(normal(8, WIDTH)) * normal(8, WIDTH, name="loss")).sum().backward()
    norms = [m for m in block.branch.modules() if isinstance(m, nn.BatchNorm1d)]
    scale, first = norms[-1].weight.grad, block.get_parameter("branch.weight1.weight").grad
    assert scale is not None
    assert first is not None
    assert scale.abs().min() > 0
    assert first.abs().max() == 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", UNITS)
def test_hooks_see_what_the_formula_says(name, training):
    block = (
        initialisation.initialise(blocks.conv_block(UNITS[name], 4, 8, stride=2), generator()).double().train(training)
    )
    seen = {}
    for part in ("branch", "shortcut"):
        getattr(block, part).register_forward_hook(
            lambda module, args, output, part=part: seen.update(
                {part: (output, None if output is None else output.clone())}
            )
        )
    last = list(block.branch.children())[-1]
    last.register_forward_hook(lambda module, args, output: seen.update(last=(output, output.clone())))
    x = normal(4, 4, 6, 6)
    kept = x.clone()
    y = block(x)
    # Nothing that a hook has seen, and not the input, was changed afterwards.
    assert all(output is None or torch.equal(output, copy) for output, copy in seen.values())
    assert torch.equal(x, kept)
    assert torch.equal(seen["last"][0], seen["branch"][0])
    # Of the statistics in training mode, only the present batch's matter.
    assert torch.equal(seen["branch"][0], block.branch(x))
    assert torch.equal(y, block.merge(block.shortcut(x), block.branch(x)))
    assert not any(getattr(module, "inplace", False) for module in block.modules())


def test_no_module_is_used_twice():
    for name in UNITS:
        block = initialisation.initialise(blocks.conv_block(UNITS[name], 4, 8, stride=2), generator())
        calls = {}
        for path, module in block.named_modules():
            if not list(module.children()):
                module.register_forward_hook(
                    lambda *_, path=path, calls=calls: calls.update({path: calls.get(path, 0) + 1})
                )
        block(torch.zeros(2, 4, 4, 4))
        assert set(calls.values()) == {1}


def parameters(block):
    return {name: value.shape for name, value in block.named_parameters()}


@given(
    order=st.sampled_from([*ORDERS, "W+", "WAWAW+A", "NWAW+NA", "ANWNAWA+"]),
    norm=st.sampled_from(["batch", "none"]),
    shortcut=st.sampled_from([None, "A", "B", "C"]),
    stride=st.sampled_from([1, 2]),
    c_out=st.sampled_from([4, 8]),
)
@settings(max_examples=40, deadline=None)
def test_a_plain_twin_has_the_same_parameters_minus_the_projection(order, norm, shortcut, stride, c_out):
    unit = Unit(order=order, norm=norm, shortcut=shortcut, alpha=0.5)
    residual, plain = (
        initialisation.initialise(blocks.conv_block(u, 4, c_out, stride=stride), generator())
        for u in (unit, unit.plain())
    )
    shared = {name: shape for name, shape in parameters(residual).items() if not name.startswith("shortcut.")}
    # With an alpha the merge has one more level, which has no parameters.
    assert parameters(plain) == shared
    for name, value in plain.named_parameters():
        assert torch.equal(value, residual.get_parameter(name))
    assert isinstance(plain.shortcut, blocks.Absent)
    x = torch.zeros(3, 4, 4, 4)
    assert plain(x).shape == residual(x).shape == (3, c_out, 4 // stride, 4 // stride)


@pytest.mark.parametrize(("scheme", "gain"), [("he", 2.0), ("lecun", 1.0)])
@pytest.mark.parametrize(
    ("layer", "fan_in"), [(blocks.Linear(300, 200), 300), (projections.Conv2d(40, 50, 3, bias=False), 360)]
)
def test_weights_have_the_variance_of_their_scheme(scheme, gain, layer, fan_in):
    initialisation.initialise(layer, generator(), scheme)
    weight = layer.weight.detach().double()
    n = weight.numel()
    assert abs(weight.mean()) < 4 * math.sqrt(gain / fan_in / n)
    assert abs(weight.var() / (gain / fan_in) - 1) < 4 * math.sqrt(2 / n)
    kurtosis = (weight**4).mean() / weight.var() ** 2
    assert abs(kurtosis - 3) < 4 * math.sqrt(24 / n)


def test_orthogonal_weights_are_orthogonal():
    layer = initialisation.initialise(blocks.Linear(20, 20).double(), generator(), "orthogonal")
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(20, dtype=torch.float64))
    assert layer.bias.abs().max() == 0


def test_initialise_names_its_streams():
    def drawn(*path, unit=UNITS["post"]):
        block = initialisation.initialise(blocks.linear_block(unit, WIDTH), generator(*path))
        return block.get_parameter("branch.weight1.weight"), block.get_parameter("branch.weight2.weight")

    first, second = drawn("a")
    assert torch.equal(first, drawn("a")[0])
    assert torch.equal(second, drawn("a", unit=Unit(shortcut="C"))[1])
    assert not torch.equal(first, drawn("b")[0])
    assert not torch.equal(first, second)


def test_building_and_drawing_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    for unit in UNITS.values():
        initialisation.initialise(blocks.conv_block(unit, 4, 8), generator())
        initialisation.initialise(blocks.linear_block(unit, 8), generator(), "orthogonal")
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_nobody_drew_are_loud():
    assert blocks.linear_block(UNITS["post"], WIDTH)(torch.ones(2, WIDTH)).isnan().all()
    assert blocks.conv_block(UNITS["post"], 1, 1)(torch.ones(2, 1, 3, 3)).isnan().all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: units.unit("pots"), r"unit='pots' is unknown; known: post, .*closest: 'post'"),
        (
            lambda: Unit(order="preact"),
            r"order='preact' is unknown; known: post, .*pattern like 'WNAWN\+A'; closest: 'pre'",
        ),
        (lambda: Unit(order="NA+"), r"order='NA\+' is unknown"),
        (lambda: Unit(norm="bacth"), r"norm='bacth' is unknown; known: batch, none; closest: 'batch'"),
        (lambda: Unit(shortcut="a"), r"shortcut='a' is unknown; known: A, B, C, .* and None"),
        (lambda: Unit(alpha=math.nan), r"alpha=nan must be finite"),
        (lambda: Unit(beta=1.5), r"beta=1.5 must lie between 0 and 1"),
        (lambda: Unit(residual=False, alpha=0.5), r"residual=False has none; use unit.plain\(\)"),
        (lambda: Unit(order="one-layer", bottleneck=True), r"bottleneck=True needs an order with two weight layers"),
        (lambda: Unit(order="pre", zero_gamma=True), r"zero_gamma=True .*'NAWNAW'.*use norm='batch' and order='post'"),
        (lambda: Unit(zero_gamma=True, norm="none"), r"zero_gamma=True needs a branch that ends in a normalisation"),
        (
            lambda: blocks.conv_block(UNITS["bottleneck"], 8, 10),
            r"width=10 of a bottleneck must be a multiple of 4; use 8",
        ),
        (
            lambda: blocks.conv_block(Unit(shortcut="A"), 8, 4),
            r"shortcut='A' cannot map c_in=8 to c_out=4 channels; use shortcut='B'",
        ),
        (
            lambda: initialisation.initialise(blocks.Linear(2, 2), generator(), "hee"),
            r"scheme='hee' is unknown; known: he, lecun, orthogonal, .*; closest: 'he'",
        ),
    ],
)
def test_errors_name_the_way_out(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_the_catalogue_is_the_same_in_both_modules():
    assert units.UNITS is units.UNITS
    assert set(IN_WORDS) >= set(ORDERS) - {"pre-norm"}
