"""Shortcuts as layers: against other ways to say the same, and what they refuse."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import orthogonal

from resnet_lib import nets, runtime
from resnet_lib.nets import blocks, initialisation, projections
from resnet_lib.nets.units import SHORTCUTS, UNITS

POST = UNITS["post"]


def generator(seed: int = 0) -> torch.Generator:
    return runtime.stream(seed, "test")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def build(name: str, c_in: int, c_out: int, *, stride: int = 1) -> nn.Module:
    layer = projections.build(name, c_in, c_out, stride=stride)
    assert layer is not None
    return initialisation.initialise(layer, generator()).double()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_orthonormal_is_orthonormal_and_spans_what_its_argument_spans(m, n, seed):
    a = draw(m, n, seed=seed)
    w = projections.orthonormal(a)
    rows, source = (w, a) if m <= n else (w.mT, a.mT)
    torch.testing.assert_close(rows @ rows.mT, torch.eye(min(m, n), dtype=torch.float64), atol=1e-12, rtol=0)
    # Projecting the argument onto the span of the result changes nothing.
    torch.testing.assert_close(source @ rows.mT @ rows, source, atol=1e-9, rtol=1e-9)


def test_orthonormal_is_the_triangular_half_of_qr_and_leaves_orthonormal_matrices_alone():
    a = draw(3, 7)
    q, r = torch.linalg.qr(a.mT)
    torch.testing.assert_close(projections.orthonormal(a), (q * r.diagonal().sign()).mT, atol=1e-12, rtol=0)
    w = torch.linalg.qr(draw(7, 7)).Q[:4]
    torch.testing.assert_close(projections.orthonormal(w), w, atol=1e-13, rtol=0)


def test_orthonormal_has_the_derivative_of_finite_differences():
    assert torch.autograd.gradcheck(projections.orthonormal, draw(3, 5).requires_grad_())


def test_orthonormal_of_a_deficient_matrix_is_nan_and_disturbs_no_other():
    batch = draw(3, 2, 4)
    batch[1, 1] = batch[1, 0]
    batch[2, 0, 0] = torch.nan
    w = projections.orthonormal(batch)
    assert torch.isfinite(w[0]).all()
    assert w[2].isnan().all()
    assert w[1].isnan().any() or (w[1] @ w[1].mT - torch.eye(2)).norm() < 1e-6  # rounding may make it full


def test_orthonormal_works_on_stacked_seeds_under_vmap():
    a = draw(4, 3, 6)
    torch.testing.assert_close(torch.func.vmap(projections.orthonormal)(a), projections.orthonormal(a))


@pytest.mark.parametrize(
    ("name", "c_in", "c_out", "kernel"), [("rows", 6, 4, 1), ("columns", 4, 6, 1), ("2x2", 3, 5, 2)]
)
def test_orthonormal_layers_apply_their_effective_kernel_as_torchs_parametrised_layer_does(name, c_in, c_out, kernel):
    layer, x = build(name, c_in, c_out, stride=2), draw(2, c_in, 6, 4)
    assert isinstance(layer, projections.Orthonormal)
    with torch.no_grad():
        layer.weight.mul_(3).add_(draw(*layer.weight.shape, seed=1))  # whatever the weights become
    peer = nn.Linear(c_in * kernel**2, c_out, bias=False, dtype=torch.float64)
    orthogonal(peer)
    peer.weight = layer.effective().flatten(1).detach()  # its own parametrisation of the same matrix
    patches = x[..., ::2, ::2] if kernel == 1 else None
    patches = nn.functional.unfold(x, kernel, stride=2) if patches is None else patches.flatten(2)
    expected = peer(patches.transpose(1, 2)).transpose(1, 2).unflatten(2, (3, 2))
    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=0)
    assert peer.weight.shape == layer.effective().flatten(1).shape


def test_a_pool_is_an_average_before_a_1x1_convolution():
    layer, x = build("pool", 3, 4, stride=2), draw(2, 3, 4, 6)
    mean = x.unflatten(3, (3, 2)).unflatten(2, (2, 2)).mean((3, 5))
    weight = layer[1].weight[:, :, 0, 0]  # pyright: ignore[reportIndexIssue]
    torch.testing.assert_close(layer(x), torch.einsum("oc,nchw->nohw", weight, mean))


@pytest.mark.parametrize("name", SHORTCUTS)
def test_every_shortcut_joins_the_branch_in_a_network_that_changes_shape(name):
    c_out = 4 if name == "rows" else 8
    unit = replace(POST, shortcut=name)
    if name == "identity":
        block, c_out, stride = blocks.conv_block(unit, 8, 8), 8, 1
    else:
        block, stride = blocks.conv_block(unit, c_out if name == "rows" else 4, c_out, stride=2), 2
    initialisation.initialise(block, generator())
    x = torch.randn(2, 8 if name == "identity" else 4, 8, 8, generator=generator())
    assert block(x).shape == (2, c_out, 8 // stride, 8 // stride)


def test_orthonormal_projections_have_no_normalisation_and_learned_ones_of_post_activation_do():
    kinds = {
        name: [
            type(layer).__name__
            for layer in blocks.conv_block(replace(POST, shortcut=name), 4, 8, stride=2).shortcut.modules()
        ]
        for name in ("B", "C", "pool", "2x2", "columns", "pca")
    }
    assert all(("BatchNorm2d" in layers) == (name in ("B", "C", "pool")) for name, layers in kinds.items())
    bare = blocks.conv_block(replace(UNITS["pre"], shortcut="pool"), 4, 8, stride=2).shortcut
    assert [type(layer).__name__ for layer in bare.children()] == ["AvgPool2d", "Conv2d"]


def test_none_leaves_the_shortcut_out_where_the_shape_changes_and_nowhere_else():
    net = nets.conv_net((2, 2), (4, 8), unit=replace(POST, shortcut="none"), in_channels=1, generator=generator())
    kinds = [type(block.shortcut).__name__ for block in net.blocks]
    assert kinds == ["Identity", "Identity", "Absent", "Identity"]


def test_a_plain_block_asks_nothing_of_a_shortcut_that_it_has_not():
    block = blocks.conv_block(replace(POST.plain(), shortcut="identity"), 4, 8, stride=2)
    assert isinstance(block.shortcut, blocks.Absent)


def test_orthonormal_starts_with_the_orthogonal_scheme_and_pca_waits_for_data():
    rows = projections.build("2x2", 4, 8, stride=2)
    assert isinstance(rows, projections.Orthonormal)
    initialisation.initialise(rows, generator(), "he")
    torch.testing.assert_close(rows.weight, rows.effective(), atol=1e-6, rtol=0)
    pca = projections.build("pca", 4, 8, stride=2)
    assert isinstance(pca, projections.Principal)
    assert initialisation.initialise(pca, generator()).weight.isnan().all()


@pytest.mark.parametrize(
    ("name", "c_in", "c_out", "stride", "text"),
    [
        ("identity", 4, 8, 1, "'identity' cannot map c_in=4 to c_out=8 channels at stride=1: .* use 'A' .* or 'B'"),
        ("identity", 4, 4, 2, "'identity' cannot map .* at stride=2: it changes no shape; use 'A' .* or 'none'"),
        ("A", 8, 4, 2, "'A' cannot map c_in=8 to c_out=4 channels; use shortcut='B'"),
        ("rows", 4, 8, 2, "8 rows of 4 entries are not orthonormal; use '2x2', which reads every pixel, or 'columns'"),
        ("rows", 4, 8, 1, "8 rows of 4 entries are not orthonormal; use 'columns'"),
        ("columns", 8, 4, 2, "8 columns of 4 entries are not orthonormal; use shortcut='rows'"),
        ("2x2", 4, 17, 2, "17 rows of 16 entries are not orthonormal; use 'columns'"),
        ("pca", 4, 17, 2, "17 rows of 16 entries are not orthonormal"),
        ("b", 4, 8, 2, "shortcut='b' is unknown; known: A, B, C, identity"),
    ],
)
def test_shapes_that_cannot_be_joined_are_refused_with_the_way_out(name, c_in, c_out, stride, text):
    with pytest.raises(ValueError, match=text):
        projections.build(name, c_in, c_out, stride=stride)
    if name in SHORTCUTS:
        with pytest.raises(ValueError, match=text):
            blocks.conv_block(replace(POST, shortcut=name), c_in, c_out, stride=stride)


def test_pixels_that_patches_would_leave_out_are_refused():
    layer = build("2x2", 2, 4, stride=2)
    with pytest.raises(ValueError, match=r"3 x 4 pixels, which patches of 2 x 2 do not cover; .* or shortcut='pool'"):
        layer(draw(1, 2, 3, 4))
    assert build("pool", 2, 4, stride=2)(draw(1, 2, 3, 3)).shape == (1, 4, 2, 2)
