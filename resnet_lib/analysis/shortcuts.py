"""Shortcuts are linear maps: this module finds their matrix, what it does to norms, its rank, and weights from data.

Projections are built in `nets.projections`, and their weights optimised in `linalg.stiefel`. What they keep of a state
is in `linalg.subspaces`, what they cost in `analysis.costs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from resnet_lib import linalg
from resnet_lib.linalg import subspaces
from resnet_lib.linalg.scaling import row_norms
from resnet_lib.linalg.stiefel import defect
from resnet_lib.nets import effects
from resnet_lib.nets.blocks import Absent, Block
from resnet_lib.nets.networks import Stack
from resnet_lib.nets.projections import Orthonormal, Principal


@dataclass(frozen=True)
class Rank:
    """The rank of a map: how many directions it keeps.

    Attributes:
        value: Number of singular values above `tolerance` times the largest.
        rows: Coordinates of the output.
        columns: Coordinates of the input.
        kept: The smallest singular value that counts.
        dropped: The largest that does not; 0 where all count. Far below `kept`, the rank is beyond doubt.
    """

    value: int
    rows: int
    columns: int
    kept: float
    dropped: float


LONG = 1024.0
"""Length of the entries of a vector beside which the biases of a layer are small; a power of two rounds nothing."""


@torch.no_grad()
def matrix(shortcut: nn.Module, shape: tuple[int, ...]) -> Float[Tensor, "out in"]:
    """The matrix of a shortcut on inputs of that shape, e.g. (C, H, W), in its own precision.

    The shortcut is linear, up to the shift of a normalisation in evaluation mode: a column is what it makes of a basis
    vector, less what it makes of zero.

    Raises:
        TypeError: Where there is no shortcut.
        ValueError: Where a normalisation is in training mode or keeps no running statistics, and so is no linear map of
            one example, or the map is not linear.

    Example:
        >>> matrix(nn.Flatten(), (1, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if isinstance(shortcut, Absent):
        raise TypeError("shortcut is Absent: a block without a shortcut has no matrix; use a recipe with residual=True")
    example = next(shortcut.parameters(), torch.zeros((), dtype=torch.float64))
    effects.check(shortcut, "it is no linear map")
    basis = torch.eye(math.prod(shape), dtype=example.dtype, device=example.device)
    shift = effects.watched(shortcut, torch.zeros_like(basis[:1]).view(1, *shape), "it is no linear map").clone()
    columns = [(shortcut(part.view(-1, *shape).clone()) - shift).flatten(1) for part in basis.split(1024)]
    found = torch.cat(columns).mT
    _check_linear(shortcut, found, shift, shape)
    return found


def _check_linear(shortcut: nn.Module, found: Tensor, shift: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a map that makes something else of a long vector, or of its opposite, than the matrix does.

    A short one can lie where a ReLU behind a bias is linear.
    """
    v = LONG * torch.cos(torch.arange(found.shape[1], dtype=torch.float64) + 2).to(found)
    for x in (v, -v):
        seen, said = (shortcut(x.view(1, *shape).clone()) - shift).flatten(), found @ x
        if (seen - said).abs().max() > 1e-3 * (found.abs() @ x.abs()).max():
            raise ValueError(
                f"shortcut ({type(shortcut).__name__}) is no linear map, so that it has no matrix; use jacobian"
            )


def ratios(matrix: Float[Tensor, "out in"], vectors: Float[Tensor, "n in"]) -> Float[Tensor, " n"]:
    r"""$\lVert Ax\rVert/\lVert x\rVert$ for each vector: of the signal with `A`, of the gradient with its transpose.

    Raises:
        ValueError: Where the vectors have another length than the matrix has columns, or one is zero.

    Example:
        >>> ratios(torch.diag(torch.tensor([2.0, 0.5])), torch.eye(2)).tolist()
        [2.0, 0.5]
    """
    if vectors.shape[-1] != matrix.shape[-1]:
        raise ValueError(
            f"vectors have {vectors.shape[-1]} entries and the matrix {matrix.shape[-1]} columns; for gradients, which "
            "come from the output, use matrix.mT"
        )
    lengths = row_norms(vectors)
    if not (lengths > 0).all():
        raise ValueError("vectors holds a zero vector, which has no ratio of norms; draw them from a Gaussian")
    return row_norms(vectors @ matrix.mT) / lengths


def rank(matrix: Float[Tensor, "out in"], *, tolerance: float = 1e-9) -> Rank:
    """The numerical rank, with the gap that it is read from; for float32 use `tolerance=1e-5`.

    Raises:
        ValueError: Where the tolerance is not between 0 and 1; else as `linalg.singular_values`.

    Example:
        >>> found = rank(torch.diag(torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)))
        >>> found.value, found.rows
        (2, 3)
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance={tolerance} is relative to the largest singular value: between 0 and 1")
    sigma = linalg.singular_values(matrix)
    value = int((sigma > tolerance * sigma[0]).sum()) if sigma[0] > 0 else 0
    kept = float(sigma[value - 1]) if value else 0.0
    dropped = float(sigma[value]) if value < len(sigma) else 0.0
    return Rank(value, matrix.shape[0], matrix.shape[1], kept, dropped)


def row_defects(net: nn.Module) -> dict[str, float]:
    r"""For every orthonormal or PCA projection of a network, how far its kernel is from orthonormal, by its name.

    $\lVert WW^\top-I\rVert_F$ of the kernel that is applied, as a matrix of `c_out` rows; of its transpose where there
    are more rows than columns.

    Example:
        >>> from resnet_lib import nets
        >>> unit = nets.Unit(shortcut="2x2")
        >>> net = nets.cifar_resnet(8, unit=unit, width=4, generator=torch.Generator().manual_seed(0))
        >>> [(name, defect < 1e-5) for name, defect in row_defects(net).items()]
        [('blocks.1.shortcut', True), ('blocks.2.shortcut', True)]
    """
    found = {}
    for name, module in net.named_modules():
        if isinstance(module, Orthonormal | Principal):
            kernel = module.effective().detach().flatten(1).double()
            found[name] = float(defect(kernel if kernel.shape[0] <= kernel.shape[1] else kernel.mT))
    return found


@torch.no_grad()
def pca_(net: Stack, x: Float[Tensor, "n ..."]) -> Stack:
    """Set every PCA projection to the principal directions of the patches that it reads, in the order of the network.

    Args:
        net: A network, whose blocks before a projection decide what it reads; batch normalisation uses the statistics
            of `x`, and its running statistics stay what they were, and so does the mode of every layer. Where this
            raises, the projections do too.
        x: Examples, e.g. the training images; at least as many patches as a patch has entries.

    Returns:
        `net`.

    Raises:
        ValueError: Where there is no PCA projection, or too few patches for its rows.

    Example:
        >>> from resnet_lib import nets
        >>> draw = torch.Generator().manual_seed(0)
        >>> net = nets.cifar_resnet(8, unit=nets.Unit(shortcut="pca"), width=2, generator=draw)
        >>> max(row_defects(pca_(net, torch.randn(8, 3, 8, 8, generator=draw))).values()) < 1e-5
        True
    """
    waiting = [block.shortcut for block in net.blocks if isinstance(block, Block)]
    waiting = [shortcut for shortcut in waiting if isinstance(shortcut, Principal)]
    if not waiting:
        raise ValueError("net has no PCA projection; use a recipe with shortcut='pca' in a network that changes shape")
    before = [(shortcut, shortcut.weight.clone()) for shortcut in waiting]
    with effects.unchanged(net, device=x.device):
        try:
            net.eval().states(x[:1])  # the network's own check of the shape
            for module in net.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.train()  # batch statistics of x
            state: Tensor = net.stem(x.clone())
            for block in net.blocks:
                if isinstance(block, Block) and isinstance(block.shortcut, Principal):
                    _set(block.shortcut, _directions(state, block.shortcut.weight))
                state = block(state)
        except BaseException:
            for layer, weight in before:
                _set(layer, weight)
            raise
    return net


def _directions(state: Tensor, weight: Tensor) -> Tensor:
    """The principal directions of the patches of a state, as a kernel of that shape."""
    patches = _patches(state, weight.shape[-1])
    if len(patches) < patches.shape[1]:
        raise ValueError(
            f"x gives {len(patches)} patches of {patches.shape[1]} entries, too few for their directions; "
            "use more examples"
        )
    return subspaces.principal(subspaces.covariance(patches), len(weight)).view_as(weight)


def _set(layer: Principal, weight: Tensor) -> None:
    if parametrize.is_parametrized(layer, "weight"):
        layer.weight = weight.to(layer.weight)  # what the attribute holds is a computed copy
    else:
        layer.weight.copy_(weight)


def _patches(x: Tensor, size: int) -> Tensor:
    """The patches of that size that cover the images, flattened like the rows of a kernel."""
    columns = nn.functional.unfold(x, size, stride=size)
    return columns.transpose(1, 2).flatten(0, 1)
