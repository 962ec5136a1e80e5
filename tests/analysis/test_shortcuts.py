"""Shortcuts as linear maps: true matrices by hand, identities to 1e-12, ranks, and PCA from data."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import shortcuts
from resnet_lib.linalg import subspaces
from resnet_lib.nets import blocks, initialisation, projections
from resnet_lib.nets.units import UNITS


def generator(seed: int = 0) -> torch.Generator:
    return runtime.stream(seed, "test")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def build(name: str, c_in: int, c_out: int, *, stride: int = 2, seed: int = 0) -> nn.Module:
    layer = projections.build(name, c_in, c_out, stride=stride)
    assert layer is not None
    return initialisation.initialise(layer, generator(seed)).double()


def digits_net(name: str, seed: int = 0) -> nets.Stack:
    unit = replace(UNITS["post"], shortcut=name)
    return nets.conv_net((1, 1), (4, 8), unit=unit, in_channels=1, size=(8, 8), generator=generator(seed))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 1000))
def test_the_matrix_of_a_strided_1x1_convolution_is_a_kronecker_product(c_in, c_out, seed):
    layer = build("B", c_in, c_out, seed=seed)
    kernel = layer.weight[:, :, 0, 0].detach().numpy()  # pyright: ignore[reportIndexIssue]
    picks = np.kron(np.eye(4)[::2], np.eye(6)[::2])  # pixels (0, 2) x (0, 2, 4) of 4 x 6
    if (c_in, c_out) != (1, 1):
        np.testing.assert_allclose(shortcuts.matrix(layer, (c_in, 4, 6)), np.kron(kernel, picks), atol=1e-14)


def test_the_matrix_multiplies_as_the_layer_does_and_zero_padding_is_a_partial_identity():
    for name in ("A", "B", "columns", "2x2", "pool"):
        layer, x = build(name, 3, 6), draw(1, 3, 4, 4)
        a = shortcuts.matrix(layer, (3, 4, 4))
        torch.testing.assert_close(a @ x.flatten(), layer(x).flatten(), atol=1e-12, rtol=0)
    a = shortcuts.matrix(build("A", 3, 6), (3, 4, 4))
    assert a.sum() == (a**2).sum() == 3 * 2 * 2


@given(st.integers(1, 3), st.integers(0, 2**20), st.data())
def test_orthonormal_rows_keep_gradients_and_columns_keep_what_they_read(half, seed, data):
    rows = data.draw(st.integers(1, 4 * half))
    a = shortcuts.matrix(build("2x2", half, rows, seed=seed), (half, 4, 4)) if rows != half else None
    if a is not None:
        np.testing.assert_allclose(shortcuts.ratios(a.mT, draw(5, a.shape[0], seed=seed)), 1, atol=1e-12)
    columns = shortcuts.matrix(build("columns", half, 2 * half, stride=1, seed=seed), (half, 3, 3))
    np.testing.assert_allclose(shortcuts.ratios(columns, draw(5, columns.shape[1], seed=seed)), 1, atol=1e-12)
    # The other way each loses: there are directions outside of the span.
    assert (shortcuts.ratios(columns.mT, draw(5, columns.shape[0], seed=seed)) < 1 - 1e-6).all()


def test_ranks_of_the_operators_are_those_of_the_argument():
    shape, c = (4, 8, 8), 4
    rows = 2 * c * 16
    expected = {"A": c * 16, "B": c * 16, "columns": c * 16, "pool": c * 16, "2x2": rows}
    for name, value in expected.items():
        found = shortcuts.rank(shortcuts.matrix(build(name, c, 2 * c), shape))
        assert (found.value, found.rows, found.columns) == (value, rows, c * 64)
        assert found.dropped < 1e-9 < found.kept
    assert shortcuts.rank(torch.zeros(2, 3, dtype=torch.float64)).value == 0


def test_row_defects_tell_orthonormal_from_other_kernels():
    net = digits_net("2x2")
    assert all(value < 1e-5 for value in shortcuts.row_defects(net).values())
    assert set(shortcuts.row_defects(net)) == {"blocks.1.shortcut"}
    with torch.no_grad():
        net.get_parameter("blocks.1.shortcut.weight").mul_(7)  # the parametrisation undoes it
    assert all(value < 1e-5 for value in shortcuts.row_defects(net).values())
    pca = shortcuts.pca_(digits_net("pca"), data.load("digits").train.x)
    with torch.no_grad():
        pca.get_parameter("blocks.1.shortcut.weight").mul_(2)
    (value,) = shortcuts.row_defects(pca).values()
    assert value == pytest.approx(3 * 8**0.5, rel=1e-5)  # ||4I - I||


def test_orthonormal_stays_so_through_training_where_pca_does_not():
    digits = data.load("digits")
    recipe = training.Recipe(epochs=2, batch=50, lr=0.1)
    kept = training.fit(
        lambda g: nets.conv_net(
            (1, 1), (4, 8), unit=replace(UNITS["post"], shortcut="2x2"), in_channels=1, generator=g
        ),
        digits,
        recipe,
        (100, 101),
    )
    left = training.fit(
        lambda g: shortcuts.pca_(
            nets.conv_net((1, 1), (4, 8), unit=replace(UNITS["post"], shortcut="pca"), in_channels=1, generator=g),
            digits.train.x,
        ),
        digits,
        recipe,
        (100, 101),
        keep=(0,),
    )
    for seed in (100, 101):
        assert max(shortcuts.row_defects(kept.net(seed)).values()) < 1e-5
        assert max(shortcuts.row_defects(left.net(seed, 0)).values()) < 1e-5
        assert max(shortcuts.row_defects(left.net(seed)).values()) > 1e-3
    assert kept.history["test_accuracy"].iloc[-1] > 0.3


def test_pca_sets_the_principal_directions_of_the_patches_that_a_block_reads():
    x = data.load("digits").train.x
    net = digits_net("pca")
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    shortcuts.pca_(net, x)
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    assert net.training
    with torch.no_grad():
        state = net.blocks[0](net.stem(x))  # batch statistics of x, as in training mode
    patches = state.unflatten(3, (4, 2)).unflatten(2, (4, 2)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2).flatten(1)
    expected = subspaces.principal(subspaces.covariance(patches), 8)
    weight = net.get_parameter("blocks.1.shortcut.weight").flatten(1).double()
    np.testing.assert_allclose(weight.detach(), expected, atol=1e-4)


def test_ratios_are_those_of_numpy():
    a, v = draw(3, 5), draw(4, 5)
    expected = [np.linalg.norm(a @ x) / np.linalg.norm(x) for x in v]
    np.testing.assert_allclose(shortcuts.ratios(a, v), expected, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-36, 1e-25, 1e-19, 1e19, 1e25, 1e36])
def test_a_scale_of_vectors_is_no_digit_of_their_ratio(scale):
    """In single precision the squares of such numbers are zero or infinite."""
    a, v = draw(3, 5).float(), draw(4, 5).float()
    expected = shortcuts.ratios(a, v)
    np.testing.assert_allclose(shortcuts.ratios(a, v * scale), expected, rtol=1e-5)
    np.testing.assert_allclose(shortcuts.ratios(a * scale, v) / scale, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: shortcuts.matrix(blocks.Absent(), (1, 2, 2)), TypeError, "a block without a shortcut has no matrix"),
        (
            lambda: shortcuts.matrix(nn.BatchNorm2d(2).double(), (2, 2, 2)),
            ValueError,
            "is in training mode, where it is no linear map; use .eval",
        ),
        (
            lambda: shortcuts.ratios(draw(3, 5), draw(2, 3)),
            ValueError,
            "3 entries and the matrix 5 columns; .* matrix.mT",
        ),
        (lambda: shortcuts.ratios(draw(3, 5), 0 * draw(2, 5)), ValueError, "zero vector, which has no ratio"),
        (lambda: shortcuts.rank(draw(2, 2), tolerance=0.0), ValueError, "tolerance=0.0 is relative"),
        (
            lambda: shortcuts.pca_(digits_net("B"), torch.zeros(9, 1, 8, 8)),
            ValueError,
            "no PCA projection; use .*'pca'",
        ),
        (lambda: shortcuts.pca_(digits_net("pca"), torch.randn(2, 1, 2, 2)), ValueError, "expects"),
    ],
)
def test_errors_name_the_way_out(call, error, text, unchecked):
    with pytest.raises(error, match=text):
        call()


def test_too_few_patches_are_refused():
    unit = replace(UNITS["post"], shortcut="pca")
    net = nets.conv_net((1, 1), (4, 8), unit=unit, in_channels=1, generator=generator())
    with pytest.raises(ValueError, match="4 patches of 16 entries, too few for their directions"):
        shortcuts.pca_(net, torch.randn(4, 1, 2, 2, generator=generator()))


def test_a_normalisation_in_evaluation_mode_is_part_of_the_matrix():
    block = blocks.conv_block(replace(UNITS["post"], shortcut="B"), 2, 4, stride=2)
    shortcut = initialisation.initialise(block, generator()).shortcut.double()
    shortcut(10 * draw(50, 2, 4, 4) + 3)  # statistics that are not those of a start
    shortcut.eval()
    a, x, y = shortcuts.matrix(shortcut, (2, 4, 4)), draw(1, 2, 4, 4), draw(1, 2, 4, 4, seed=1)
    torch.testing.assert_close(a @ (x - y).flatten(), (shortcut(x) - shortcut(y)).flatten(), atol=1e-12, rtol=0)


class Clipped(nn.Module):
    """Linear but for the large entries of one sign."""

    def __init__(self, sign: int):
        super().__init__()
        self.sign = sign

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sign * (self.sign * x).clamp(max=10)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_map_that_bends_on_one_side_is_not_linear(sign):
    with pytest.raises(ValueError, match="is no linear map"):
        shortcuts.matrix(Clipped(sign), (1,))
