"""Trained networks are read as flows here: by finer steps, other methods, blocks between blocks, and roughness.

Everything here makes a new network around the given one or measures it; nothing is changed in place.

Example:
    >>> stack = Stack(nn.Identity(), [Repeat(nn.Identity(), 2)], nn.Identity(), shape=(1,))
    >>> [steps(block) for block in layers(stack)]  # passed twice, and nothing is added to what comes in
    [False, False]
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib.nets import effects
from resnet_lib.nets.blocks import Block
from resnet_lib.nets.dynamics import Repeat
from resnet_lib.nets.merges import Add, Scaled
from resnet_lib.nets.networks import Stack
from resnet_lib.ode import solver
from resnet_lib.ode.steppers import own, readable
from resnet_lib.whole import whole


def layers(stack: Stack) -> list[nn.Module]:
    """The blocks as they are passed; a repeated one as often as it is."""
    return [block for entry in stack.blocks for block in _unrolled(entry)]


def _unrolled(entry: nn.Module) -> list[nn.Module]:
    return [entry.block] * entry.times if isinstance(entry, Repeat) else [entry]


def field(block: nn.Module) -> Callable[[float, Tensor], Tensor]:
    """The field of which a block is one Euler step of size 1: its branch with the branch's factor.

    Raises:
        TypeError: Where the block is not of the form `x + a branch(x)`, or changes the shape.

    Example:
        >>> from resnet_lib.nets.dynamics import euler_block
        >>> field(euler_block(nn.Identity(), 0.5))(0.0, torch.ones(1, 2)).tolist()
        [[0.5, 0.5]]
    """
    if not steps(block):
        raise TypeError(
            f"{type(block).__name__} is no Euler step x + a F(x): it needs an identity shortcut and nothing behind the "
            "addition; use blocks of order 'pre' or 'inside' with beta=0, and see flow.steps"
        )
    assert isinstance(block, Block)
    factor = block.merge.branch if isinstance(block.merge, Scaled) else 1.0
    branch = block.branch
    return lambda t, x: factor * branch(x)


def steps(block: nn.Module) -> bool:
    """Whether a block is of the form `x + a F(x)`."""
    plain = isinstance(block, Block) and isinstance(block.shortcut, nn.Identity)
    merge = block.merge if isinstance(block, Block) else None
    return plain and (isinstance(merge, Add) or (isinstance(merge, Scaled) and merge.skip == 1))


class Flow(nn.Module):
    """A block with its field followed for a time of 1 by another method, or in smaller steps.

    Args:
        block: Of the form `x + a F(x)`.
        substeps: Steps of size `1 / substeps`.
        method: One of `tableaus.METHODS`.
        time: How long the field is followed.
    """

    def __init__(self, block: nn.Module, *, substeps: int = 1, method: str = "euler", time: float = 1.0):
        super().__init__()
        field(block)
        self.block = block
        self.substeps = substeps
        self.method = method
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """The state at the end.

        Raises:
            ode.BlowUp: Where the steps blow up.
        """
        return solver.solve(field(self.block), x, (0.0, self.time), method=self.method, steps=self.substeps).end


def refine(stack: Stack, substeps: SupportsIndex, *, method: str = "euler", time: float = 1.0) -> Stack:
    """The network in which each block of the form `x + a F(x)` is followed in `substeps` steps; the weights are shared.

    Blocks that change the shape stay as they are. `substeps=1` with `euler` is the network itself.

    Raises:
        TypeError: Where `substeps` is no whole number.
        ValueError: Where no block is a step, so that nothing would be refined, or `substeps` is below 1.

    Example:
        >>> from resnet_lib.nets.dynamics import euler_block
        >>> growth = Stack(nn.Identity(), [euler_block(nn.Identity(), 1.0)], nn.Identity(), shape=(1,))
        >>> [net(torch.ones(1, 1)).item() for net in (growth, refine(growth, 2))]  # (1 + 1)^1 and (1 + 1/2)^2, to e
        [2.0, 2.25]
    """
    if (substeps := whole("substeps", substeps)) < 1:
        raise ValueError(f"substeps={substeps} must be at least 1")
    blocks = layers(stack)
    if not any(steps(block) for block in blocks):
        raise ValueError("stack has no block of the form x + a F(x); use units of order 'pre' or 'inside'")
    replaced = [Flow(block, substeps=substeps, method=method, time=time) if steps(block) else block for block in blocks]
    return _around(stack, replaced)


def interpolate(stack: Stack, factor: SupportsIndex = 2) -> Stack:
    """The network of which the given one is every `factor`-th layer: weights linear in depth between the blocks.

    Block `l + j/factor` has the weights `(1 - j/factor) W_l + (j/factor) W_(l+1)`, and a step `1/factor` of the given
    one's. The last block has no right neighbour and keeps its weights. Statistics of normalisations are treated alike.
    A block is refined with its own weights where the next one has other shapes, and stays where it is no step.

    Raises:
        TypeError: Where `factor` is no whole number.
        ValueError: Where `factor` is below 1, or no block is a step.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(3, 8, unit="pre", generator=torch.Generator().manual_seed(0))
        >>> len(interpolate(net, 2).blocks)
        6
    """
    if (factor := whole("factor", factor)) < 1:
        raise ValueError(f"factor={factor} must be at least 1")
    blocks = layers(stack)
    if not any(steps(block) for block in blocks):
        raise ValueError("stack has no block of the form x + a F(x); use units of order 'pre' or 'inside'")
    finer: list[nn.Module] = []
    for left, right in zip(blocks, [*blocks[1:], blocks[-1]], strict=True):
        if not steps(left):
            finer.append(left)
            continue
        like = steps(right) and _shapes(left) == _shapes(right)
        for j in range(factor):
            part = j / factor if like else 0.0
            mixed = copy.deepcopy(left)
            pairs = zip(left.state_dict().items(), right.state_dict().values(), strict=like)
            mixed.load_state_dict(
                {k: torch.lerp(a, b, part) if a.is_floating_point() and part else a for (k, a), b in pairs}
            )
            finer.append(Flow(mixed, time=1 / factor))
    return _around(stack, finer)


def _around(stack: Stack, blocks: Sequence[nn.Module]) -> Stack:
    """A network of the given one's stem and head; only what is new here takes a mode, that of the given one."""
    made = Stack(stack.stem, blocks, stack.head, shape=stack.shape)
    for part in (made, made.blocks, *(block for block in blocks if isinstance(block, Flow))):
        part.training = stack.training
    return made


def _shapes(block: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in block.state_dict().items()}


@dataclass(frozen=True)
class Path:
    """The path of a batch of states through the blocks; means over the examples.

    Attributes:
        relative: `||x_(l+1) - x_l|| / ||x_l||` of each block that keeps the shape.
        length: Their sum.
    """

    relative: Float[Tensor, " blocks"]
    length: float


@torch.no_grad()
def path(stack: Stack, x: Tensor) -> Path:
    """The path of a batch through a network, in units of the state.

    Raises:
        ValueError: Where the network is in training mode, where the states hang on the batch, no block keeps the shape
            of the state, or `x` has another shape than the network takes.

    Example:
        >>> from resnet_lib.nets.dynamics import euler_block
        >>> blocks = [euler_block(nn.Identity(), 0.5)] * 3
        >>> path(Stack(nn.Identity(), blocks, nn.Identity(), shape=(2,)).eval(), torch.ones(4, 2)).length
        1.5
    """
    stack._check(x)
    with effects.alone({"stack": stack}, effects.DEPENDS, x.device):
        state, moves = effects.restoring(stack.stem, x), []
        for block in layers(stack):
            new = effects.restoring(block, state)
            if new.shape == state.shape:
                moves.append(((new - state).flatten(1).norm(dim=1) / state.flatten(1).norm(dim=1)).mean())
            state = new
    if not moves:
        raise ValueError("no block of the network keeps the shape of the state, so that nothing can be said of a path")
    relative = torch.stack(moves)
    return Path(relative, float(relative.sum()))


def roughness(stack: Stack) -> float:
    r"""Root mean square of `||W_(l+1) - W_l||` over that of `||W_l||`, over all weight matrices of neighbouring blocks.

    0 where the weights do not depend on depth, $\sqrt2$ where they are independent with mean zero.

    Raises:
        ValueError: Where no two neighbours have weights of equal shape.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(4, 64, unit="pre", generator=torch.Generator().manual_seed(0))  # weights are drawn apart
        >>> round(roughness(net), 1)
        1.4
    """
    changes, sizes = 0.0, 0.0
    blocks = layers(stack)
    for left, right in pairwise(blocks):
        mine, others = _weights(left), _weights(right)
        for name, value in mine.items():
            if name in others and others[name].shape == value.shape:
                changes += float((others[name] - value).double().square().sum())
                sizes += float((others[name].double().square().sum() + value.double().square().sum()) / 2)
    if not sizes:
        raise ValueError("no two neighbouring blocks have weights of equal shape; roughness compares neighbours")
    return (changes / sizes) ** 0.5


def _weights(block: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in block.named_parameters() if value.ndim > 1}


def smoothness(names: Sequence[str]) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The penalty `sum_l ||W_(l+1) - W_l||^2` for parameters stacked over seeds, as `training.fit` takes it.

    Args:
        names: Of the network's parameters; those called `blocks.<l>.<rest>` are compared with `blocks.<l+1>.<rest>`.

    Raises:
        ValueError: Where no parameter has a neighbour.

    Example:
        >>> penalty = smoothness(["blocks.0.weight", "blocks.1.weight"])
        >>> penalty({"blocks.0.weight": torch.zeros(2, 3), "blocks.1.weight": torch.ones(2, 3)}).tolist()
        [3.0, 3.0]
    """
    pairs = []
    for name in names:
        parts = name.split(".")
        if parts[0] == "blocks":
            other = ".".join(["blocks", str(int(parts[1]) + 1), *parts[2:]])
            if other in names:
                pairs.append((name, other))
    if not pairs:
        raise ValueError("names holds no neighbours, such as blocks.0.weight and blocks.1.weight")

    def penalty(params: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([(params[b] - params[a]).square().flatten(1).sum(1) for a, b in pairs]).sum(0)

    return penalty


FIXED = ("euler", "midpoint", "heun2", "heun3", "rk4")
"""Methods of torchdiffeq that take one step, whatever the error."""


class NeuralODE(effects.Adapts):
    """The flow of a learned field for a time of 1, by torchdiffeq's adaptive solver (chen2018neural).

    Args:
        field: A module of the state alone.
        extra: Dimensions that are appended to the state as zeros (dupont2019augmented), and stay in the output.
        tol: Relative and absolute tolerance.
        method: One of torchdiffeq's.
    """

    def __init__(self, field: nn.Module, *, extra: int = 0, tol: float = 1e-5, method: str = "dopri5"):
        super().__init__()
        self.field = field
        self.extra = extra
        self.tol = tol
        self.method = method

    def adapts(self) -> bool:
        """Whether the number of steps depends on the state."""
        return self.method not in FIXED

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d2"]:
        """The state at the end.

        Raises:
            ValueError: Under `torch.func.vmap`, where the solver cannot choose its steps.
        """
        from torchdiffeq import odeint  # its import costs what other chapters need not pay

        if not readable(x):
            raise ValueError(
                "NeuralODE looks at the size of its error, which torch.func.vmap does not allow; use jacobian.operator "
                "in place of jacobian.dense, or training.fit(..., policy=training.ONE_BY_ONE)"
            )
        x = nn.functional.pad(x, (0, self.extra))
        ends = torch.tensor([0.0, 1.0], dtype=x.dtype, device=x.device)
        states = odeint(own(lambda t, y: self.field(y)), x, ends, rtol=self.tol, atol=self.tol, method=self.method)
        return torch.as_tensor(states)[-1]
