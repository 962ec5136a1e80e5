import copy
import math
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import jacobian
from resnet_lib.nets import Block, Unit, blocks, initialisation, merges, units

INSIDE = Unit(order="inside", norm="none")
DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "test"), dtype=DOUBLE)


def linear_block(unit: Unit, width: int, seed: int = 0) -> Block:
    block = blocks.linear_block(unit, width)
    return initialisation.initialise(block, runtime.stream(seed, "block")).double().eval()  # pyright: ignore[reportReturnType]


def conv_block(unit: Unit, c_in: int, c_out: int | None = None, *, stride: int = 1, seed: int = 0) -> Block:
    """A block in evaluation mode whose batch normalisations have statistics and scales of their own."""
    block = blocks.conv_block(unit, c_in, c_out or c_in, stride=stride)
    initialisation.initialise(block, runtime.stream(seed, "block")).double().eval()
    for i, part in enumerate(m for m in block.modules() if isinstance(m, nn.BatchNorm2d)):
        for j, tensor in enumerate((part.running_mean, part.running_var, part.weight, part.bias)):
            assert tensor is not None
            noise = torch.rand(tensor.shape, generator=runtime.stream(seed, "norm", i, j), dtype=DOUBLE)
            tensor.data = noise + 0.5 if j in (1, 2) else noise - 0.5
    return block


def looped(f: jacobian.Map, x: Tensor) -> Tensor:
    """The oracle: row by row, example by example, by torch's older interface."""
    rows = [torch.autograd.functional.jacobian(f, example[None]).flatten(len(example.shape) + 1) for example in x]  # pyright: ignore
    return torch.stack([row.reshape(-1, x[0].numel()) for row in rows])


@settings(max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 4))
def test_a_relu_block_has_the_jacobian_of_its_formula(seed, width, n):
    block, x = linear_block(INSIDE, width, seed), normal(n, width, seed=seed)
    branch: Any = block.branch
    first, second = branch.weight1.weight, branch.weight2.weight
    slopes = (x @ first.T > 0).double()
    expected = torch.eye(width) + second @ (slopes[:, :, None] * first)
    torch.testing.assert_close(jacobian.dense(block, x), expected)
    torch.testing.assert_close(jacobian.dense(block.branch, x), expected - torch.eye(width))


def convolution_matrix(weight: Tensor, size: int) -> Tensor:
    """The matrix of a 3 x 3 convolution with zero padding, entry by entry from its definition."""
    c_out, c_in = weight.shape[:2]
    matrix = torch.zeros(c_out, size, size, c_in, size, size, dtype=DOUBLE)
    for row in range(size):
        for column in range(size):
            for i in range(3):
                for j in range(3):
                    if 0 <= row + i - 1 < size and 0 <= column + j - 1 < size:
                        matrix[:, row, column, :, row + i - 1, column + j - 1] = weight[:, :, i, j]
    return matrix.reshape(c_out * size**2, c_in * size**2)


def test_a_convolutional_block_has_the_jacobian_of_its_formula():
    block, x = conv_block(units.unit("pre"), 3), normal(2, 3, 4, 4)
    branch: Any = block.branch

    def scale(norm: Any) -> Tensor:
        return (norm.weight / (norm.running_var + norm.eps).sqrt()).repeat_interleave(16)

    for example, found in zip(x, jacobian.dense(block, x), strict=True):
        first = scale(branch.norm1) * (branch.norm1(example[None]) > 0).flatten()
        inner = branch.norm2(branch.weight1(branch.norm1(example[None]).relu()))
        second = scale(branch.norm2) * (inner > 0).flatten()
        outer = convolution_matrix(branch.weight2.weight, 4) * second
        expected = torch.eye(48) + outer @ (convolution_matrix(branch.weight1.weight, 4) * first)
        torch.testing.assert_close(found, expected)


SHAPES = {
    "post": (conv_block(units.unit("post"), 4), (4, 5, 5)),
    "plain": (conv_block(units.unit("plain"), 4), (4, 5, 5)),
    "scaled": (conv_block(units.unit("scaled"), 4), (4, 5, 5)),
    "bottleneck": (conv_block(units.unit("bottleneck"), 8), (8, 3, 3)),
    "fewer outputs": (conv_block(replace(units.unit("post"), shortcut="A"), 4, 6, stride=2), (4, 6, 6)),
    "more outputs": (conv_block(replace(units.unit("pre"), shortcut="B"), 2, 5), (2, 4, 4)),
    "vectors": (linear_block(Unit(norm="none"), 7), (7,)),
    "images to logits": (nn.Sequential(nn.Flatten(), nn.Linear(12, 3, dtype=DOUBLE)), (3, 2, 2)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_batches_agree_with_torchs_loop(name):
    f, shape = SHAPES[name]
    x = normal(5, *shape)
    expected = looped(f, x)
    for at_once in (None, 1, 2, 100):
        found = jacobian.dense(f, x, at_once=at_once)
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(jacobian.singular_values(f, x), torch.linalg.svdvals(expected))


@pytest.mark.parametrize("name", SHAPES)
def test_operators_agree_with_the_matrix_and_its_transpose(name):
    f, shape = SHAPES[name]
    x = normal(2, *shape)
    matrix, op = looped(f, x)[1], jacobian.operator(f, x[1])
    assert op.shape == tuple(matrix.shape)
    assert op.rmatvec is not None
    torch.testing.assert_close(op.to_dense(), matrix, rtol=1e-12, atol=1e-12)
    rows = torch.stack([op.rmatvec(e) for e in torch.eye(len(matrix), dtype=DOUBLE)])
    torch.testing.assert_close(rows, matrix, rtol=1e-12, atol=1e-12)
    assert not op.matvec(torch.ones(op.shape[1], dtype=DOUBLE)).requires_grad


def test_a_smooth_map_agrees_with_finite_differences():
    def f(x: Tensor) -> Tensor:
        return torch.sin(x.roll(1, -1)) * x**2

    x, step = normal(3, 6), 1e-6
    ends = [f(x + sign * step * e) for e in torch.eye(6, dtype=DOUBLE) for sign in (1, -1)]
    expected = torch.stack([(a - b) / (2 * step) for a, b in zip(ends[::2], ends[1::2], strict=True)], -1)
    torch.testing.assert_close(jacobian.dense(f, x), expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(jacobian.operator(f, x[0]).to_dense(), expected[0], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(jacobian.eigenvalues(f, x), linalg.eigenvalues(jacobian.dense(f, x)))


def stack(seed: int = 0, unit: Unit = INSIDE, depth: int = 4) -> nets.Stack:
    return (
        nets.mlp(depth, 6, unit=unit, in_features=5, classes=3, generator=runtime.stream(seed, "net")).double().eval()
    )


def test_jacobians_along_a_network_multiply_to_that_of_the_trunk():
    net, x = stack(), normal(3, 5)
    along = jacobian.along(net, x)
    product = torch.eye(6, dtype=DOUBLE)
    for factor in along:
        product = factor @ product
    trunk = nn.Sequential(*net.blocks)
    torch.testing.assert_close(product, looped(trunk, net.stem(x).detach()))
    assert [torch.equal(a, along[i]) for a, i in zip(jacobian.along(net, x, blocks=[2, 0]), (2, 0), strict=True)] == [
        True
    ] * 2


def test_blocks_that_change_shape_have_jacobians_that_are_not_square():
    net = nets.cifar_resnet(20, width=2, generator=runtime.stream(0, "net")).eval()
    states = net.states(torch.rand(1, 3, 8, 8, generator=runtime.stream(0, "x")))
    shapes = [tuple(j.shape[1:]) for j in jacobian.along(net, states[0][:, :1].expand(1, 3, 8, 8), blocks=[2, 3])]
    assert shapes == [(128, 128), (64, 128)]
    params, buffers = torch.func.stack_module_state([net, net])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"shapes \{2: \(128, 128\), 3: \(64, 128\)\}; .* square shape: blocks=\[2\]"):
        jacobian.along_seeds(net, params, buffers, torch.zeros(1, 3, 8, 8), blocks=[2, 3])
    with pytest.raises(
        ValueError, match=r"f maps 128 coordinates to 64, .* 64 x 128 and has no eigenvalues; use singular"
    ):
        jacobian.eigenvalues(net.blocks[3], states[3])


@pytest.mark.parametrize("unit", [INSIDE, units.unit("post")], ids=["bare", "normalised"])
def test_stacked_networks_agree_with_each_alone(unit):
    several, x = [stack(seed, unit) for seed in range(3)], normal(2, 5)
    for i, net in enumerate(several):
        for part in net.modules():
            if isinstance(part, nn.BatchNorm1d):
                assert part.running_var is not None
                part.running_var += i
    params, buffers = torch.func.stack_module_state(several)  # pyright: ignore[reportArgumentType]
    skeleton = copy.deepcopy(several[0]).to("meta")
    found = jacobian.along_seeds(skeleton, params, buffers, x)
    expected = [
        torch.stack([looped(b, s.detach()) for b, s in zip(net.blocks, net.states(x), strict=False)]) for net in several
    ]
    torch.testing.assert_close(found, torch.stack(expected))
    some = jacobian.along_seeds(skeleton, params, buffers, x, blocks=[1, 3])
    torch.testing.assert_close(some, found[:, [1, 3]])
    assert next(skeleton.parameters()).is_meta


@pytest.mark.parametrize("channels", [8, 16])
def test_arnoldi_and_lanczos_agree_with_dense_spectra_of_convolutional_blocks(channels):
    block, x = conv_block(units.unit("pre"), channels), normal(1, channels, 8, 8)
    op = jacobian.operator(block.branch, x[0])
    dense = jacobian.eigenvalues(block.branch, x)[0]
    for which in get_args(linalg.Which):
        key = {"LM": dense.abs(), "LR": dense.real, "SR": -dense.real}[which]
        found = linalg.extreme_eigenvalues(op, 4, which=which, tol=1e-8, generator=runtime.stream(0, which))
        outermost = dense[key.argsort(descending=True)[:5]]  # one more, for a pair may be cut
        assert found.converged
        assert max((outermost - value).abs().min() for value in found.values) < 1e-6
    found = linalg.extreme_singular_values(op, 4, tol=1e-8, generator=runtime.stream(0, "sigma"))
    torch.testing.assert_close(found.values, jacobian.singular_values(block.branch, x)[0, :4])


def test_a_block_of_true_size_has_the_spectrum_of_its_formula():
    """16 x 32 x 32 = 16,384 coordinates, which no dense solver takes: x + w (k * x) with k = (1 2 1) x (1 2 1)."""
    kernel = torch.tensor([1.0, 2.0, 1.0])
    weights = torch.arange(16, 0, -1) / 160
    conv = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
    conv.weight.data = (weights[:, None, None] * kernel[:, None] * kernel)[:, None]
    block = Block(conv, nn.Identity(), merges.Add())
    op = jacobian.operator(block, torch.zeros(16, 32, 32))
    assert op.shape == (16_384, 16_384)
    found = linalg.extreme_eigenvalues(op, 2, tol=1e-5, generator=runtime.stream(0, "start"), basis=60)
    assert found.products < 1000  # of about a millisecond each; the matrix alone would take 16,384
    # Zero padding makes each direction a tridiagonal Toeplitz matrix: eigenvalues 2 + 2 cos(j pi / 33).
    ladder = [2 + 2 * math.cos(j * math.pi / 33) for j in (1, 2)]
    expected = torch.tensor([1 + 0.1 * ladder[0] ** 2, 1 + 0.1 * ladder[0] * ladder[1]], dtype=torch.complex128)
    assert found.converged
    torch.testing.assert_close(found.values, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("wrong", [nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 4), nn.Dropout())])
def test_training_mode_is_refused(wrong):
    for call in (jacobian.dense, lambda f, x: jacobian.operator(f, x[0]), jacobian.eigenvalues):
        with pytest.raises(
            ValueError, match=r"(f|'1') \((BatchNorm1d|Dropout)\) is in training mode, .*use \.eval\(\)"
        ):
            call(wrong, torch.zeros(2, 4))
    assert jacobian.dense(wrong.eval(), torch.zeros(2, 4)).shape == (2, 4, 4)


def test_networks_in_training_mode_are_refused():
    net = stack(unit=units.unit("post")).train()
    with pytest.raises(ValueError, match=r"'stem\.norm1' \(BatchNorm1d\) is in training mode"):
        jacobian.along(net, normal(2, 5))


@pytest.mark.usefixtures("unchecked")
def test_batches_of_the_wrong_shape_are_refused():
    with pytest.raises(
        ValueError, match=r"x has shape \(6,\); expected a batch \(n, \.\.\.\), n >= 1; one example is x\[None\]"
    ):
        jacobian.dense(linear_block(INSIDE, 6), normal(6))
    with pytest.raises(ValueError, match=r"x has shape \(0, 6\); expected a batch"):
        jacobian.dense(linear_block(INSIDE, 6), normal(0, 6))
    with pytest.raises(ValueError, match=r"f maps shape \(1, 6\) to \(\); it has to map a batch to a batch"):
        jacobian.dense(torch.sum, normal(3, 6))
    with pytest.raises(ValueError, match=r"x has shape \(3, 4\); this network expects \(batch, 5\)"):
        jacobian.along(stack(), normal(3, 4))
    with pytest.raises(ValueError, match=r"blocks holds 4; this network's blocks are 0 to 3"):
        jacobian.along(stack(), normal(3, 5), blocks=[4])
    with pytest.raises(TypeError, match=r"stack is a Linear; expected a nets\.Stack; for other modules use dense"):
        jacobian.along(nn.Linear(3, 3), normal(3, 3))


def test_a_network_that_diverged_is_named():
    net = stack()
    next(net.blocks[1].parameters()).data[0, 0] = math.nan
    with pytest.raises(ValueError, match=r"NaN or infinite values in 2 of 2 matrices, the first at index \(0,\)"):
        jacobian.eigenvalues(net.blocks[1], normal(2, 6))
    with pytest.raises(ValueError, match=r"op.matvec gave NaN .*check the point where the map is linearised"):
        linalg.extreme_eigenvalues(jacobian.operator(net.blocks[1], normal(6)), 1, generator=runtime.stream(0))
