r"""Single blocks and what they are asked to learn: turns by one angle, a swirl of the plane, blocks of several kinds.

A turn by the angle $\theta$ turns each of $d/2$ orthogonal planes by $\theta$. So
$\lVert(R-I)x\rVert=2\sin(\theta/2)\,\lVert x\rVert$ for every $x$, and $R-I$ is $2\sin(\theta/2)$ times an orthogonal
matrix.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import nets
from resnet_lib.nets import initialisation
from resnet_lib.nets.blocks import Absent, Add, After, BranchOnly, Linear, series

PLAIN, RESIDUAL, POST = "plain", "residual", "post"
"""Without a shortcut; with it; and with it and a ReLU behind the addition."""


def turn(degrees: float, frame: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """The matrix that turns the plane of each two columns of an orthogonal frame by the angle.

    Example:
        >>> turn(90.0, torch.eye(2)).round(decimals=6).tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    plane = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=frame.dtype)
    return frame @ torch.block_diag(*[plane] * (len(frame) // 2)) @ frame.T


def frame(width: int, generator: torch.Generator) -> Float[Tensor, "d d"]:
    """A random orthogonal matrix in float64."""
    return torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q


def swirl(x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    r"""The plane turned about 0 by $90°\,e^{-\lVert x\rVert^2/2}$: more in the middle, and symmetric about it.

    Example:
        >>> swirl(torch.zeros(1, 2)).abs().tolist()
        [[0.0, 0.0]]
    """
    angle = math.pi / 2 * torch.exp(-x.square().sum(1) / 2)
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([cosine * x[:, 0] - sine * x[:, 1], sine * x[:, 0] + cosine * x[:, 1]], 1)


def around(branch: nn.Module, kind: str) -> nets.Block:
    """The block of a kind whose branch is the given one.

    Example:
        >>> around(nn.Identity(), RESIDUAL)(torch.ones(1, 1)).item(), around(nn.Identity(), PLAIN)(torch.ones(1)).item()
        (2.0, 1.0)
    """
    if kind == PLAIN:
        return nets.Block(branch, Absent(), BranchOnly())
    return nets.Block(branch, nn.Identity(), After(Add(), nn.ReLU()) if kind == POST else Add())


def linear(kind: str, weight: Float[Tensor, "d d"]) -> nets.Block:
    """A block whose branch is one matrix, without a bias."""
    layer = Linear(*weight.shape, bias=False, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return around(layer, kind)


def mlp(kind: str, width: int, hidden: int, gain: float, generator: torch.Generator) -> nets.Block:
    r"""A block in float64 whose branch is $W_2\,\mathrm{relu}(W_1x+b_1)+b_2$, drawn as by He, $W_2$ times the gain."""
    branch = series("WAW", width, [Linear(width, hidden), Linear(hidden, width)], nn.BatchNorm1d)
    initialisation.initialise(branch, generator)
    with torch.no_grad():
        branch.get_parameter("weight2.weight").mul_(gain)
    return around(branch.double(), kind)


def two_layers(first: Float[Tensor, "h d"], second: Float[Tensor, "k h"], bias: Float[Tensor, " h"]) -> nn.Sequential:
    r"""The branch $W_2\,\mathrm{relu}(W_1x+b_1)$ of given weights; $b_2=0$."""
    hidden, width = first.shape
    layers = [Linear(width, hidden, dtype=first.dtype), Linear(hidden, len(second), dtype=first.dtype)]
    branch = series("WAW", width, layers, nn.BatchNorm1d)
    values = {"weight1.weight": first, "weight1.bias": bias, "weight2.weight": second}
    branch.load_state_dict(values | {"weight2.bias": torch.zeros(len(second), dtype=first.dtype)})
    return branch
