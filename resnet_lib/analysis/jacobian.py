"""This module computes Jacobians of blocks and networks: in batches where they fit in memory, as operators elsewhere.

A map here is what calling an `nn.Module` is: a batch of examples in, a batch out, each example on its own. Its Jacobian
at an example is the matrix of that example's flattened output by its flattened input.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.func import jacrev, vmap

from resnet_lib import linalg
from resnet_lib.nets import effects
from resnet_lib.nets.networks import Stack
from resnet_lib.whole import Wholes, wholes

Map = Callable[[Tensor], Tensor]

ALONE = "an example has no Jacobian of its own"

AT_ONCE = 4 * 2**20
"""Bytes of Jacobians that are computed in one go; beyond the CPU's caches more are slower, not faster."""


def dense(f: Map, x: Float[Tensor, "n ..."], *, at_once: int | None = None) -> Float[Tensor, "n out in"]:
    """The Jacobian of `f` at each example.

    Rows are computed together, and examples too: `vmap` of `jacrev`. What `vmap` does not take, such as a solver that
    decides its steps by the state, is differentiated row by row, which is slower.

    Args:
        f: A map of batches, e.g. a block or its branch. Modules have to be in evaluation mode where that matters, those
            too that a lambda or a bound method calls. It is given copies, so that it may work in place.
        x: The examples, in the type of the parameters of `f`.
        at_once: How many to treat together; by default as many as make 16 MiB of Jacobians.

    Returns:
        One matrix for each example, on the device of `x`, without a graph.

    Raises:
        ValueError: Where `x` is no batch of real numbers, `f` does not keep the batch, or an example has no Jacobian of
            its own: where a batch normalisation or dropout that `f` calls is in training mode, a batch normalisation
            keeps no running statistics, `f` draws random numbers, changes a buffer, or mixes the examples otherwise.

    Example:
        >>> dense(lambda x: x**2, torch.tensor([[1.0, 2.0]])).tolist()
        [[[2.0, 0.0], [0.0, 4.0]]]
    """
    return torch.cat(list(_pieces(f, x, at_once)))


def operator(f: Map, x: Float[Tensor, ...]) -> linalg.Operator:
    """The Jacobian of `f` at one example, known by its products and never formed.

    How it multiplies is said at `linalg.tangent`. On convolutions this takes a quarter of the time of `torch.func.jvp`.

    Args:
        f: A map of batches, as for `dense`.
        x: One example, without the batch's dimension.

    Returns:
        The operator of shape (out, in).

    Raises:
        ValueError: As `dense` does.

    Example:
        >>> torch.equal(operator(nn.Tanh(), torch.zeros(3)).to_dense(), torch.eye(3))
        True
    """
    _check(f, x[None])
    found = linalg.tangent(f, x[None])
    shape = (found.value.numel(), x.numel())
    return linalg.Operator(
        shape, x.dtype, x.device, lambda v: found.push(v).flatten(), lambda u: found.pull(u).flatten()
    )


def eigenvalues(f: Map, x: Float[Tensor, "n ..."]) -> Complex[Tensor, "n d"]:
    """All eigenvalues of the Jacobian of `f` at each example, sorted as in `linalg.eigenvalues`.

    Args:
        f: A map of batches, as for `dense`, that keeps the number of coordinates.
        x: The examples.

    Returns:
        The eigenvalues, for each example.

    Raises:
        ValueError: Where `f` changes the number of coordinates; else as `dense` and `linalg.eigenvalues` do.
    """
    _check_square(f, x)
    return torch.cat([linalg.eigenvalues(piece) for piece in _pieces(f, x, None)])


def singular_values(f: Map, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
    """All singular values of the Jacobian of `f` at each example, the largest first.

    Args:
        f: A map of batches, as for `dense`.
        x: The examples.

    Returns:
        `min(in, out)` values for each example.

    Raises:
        ValueError: As `dense` and `linalg.singular_values` do.
    """
    return torch.cat([linalg.singular_values(piece) for piece in _pieces(f, x, None)])


def departure(f: Map, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """How far the Jacobian of `f` at each example is from normal, as `linalg.departure`.

    Args:
        f: A map of batches, as for `dense`, that keeps the number of coordinates.
        x: The examples.

    Returns:
        `||J J^T - J^T J||_F / ||J||_F^2` for each example. For one that is too large to form:
        `linalg.estimate_departure(operator(f, x))`.

    Raises:
        ValueError: As `eigenvalues` does.
    """
    _check_square(f, x)
    return torch.cat([linalg.departure(piece) for piece in _pieces(f, x, None)])


def lyapunov(stack: Stack, x: Float[Tensor, ...], k: int, *, generator: torch.Generator) -> linalg.Growth:
    """The `k` largest growth rates of a perturbation through the blocks of a network, without a matrix.

    Args:
        stack: A network whose blocks keep their shape, in evaluation mode.
        x: One input.
        k: How many rates.
        generator: Draws the first directions.

    Returns:
        As `linalg.lyapunov`, with the blocks as factors.

    Raises:
        TypeError: Where `stack` is no `nets.Stack`.
        ValueError: Where a block changes the number of coordinates; else as `along` and `linalg.lyapunov` do.
    """
    _check_stack(stack)
    with torch.no_grad():
        states = [state[0] for state in stack.states(x[None])]
    operators = [operator(block, state) for block, state in zip(stack.blocks, states[:-1], strict=True)]
    for i, op in enumerate(operators):
        if op.shape[0] != op.shape[1]:
            raise ValueError(f"block {i} maps {op.shape[1]} coordinates to {op.shape[0]}; take a network of one stage")

    def columns(op: linalg.Operator) -> Callable[[Tensor], Tensor]:
        return lambda frame: torch.stack([op.matvec(v.to(op.dtype)).double() for v in frame.mT], dim=1)

    return linalg.lyapunov(map(columns, operators), states[0].numel(), k, generator=generator)


def along(
    stack: nn.Module, x: Float[Tensor, "n ..."], *, blocks: Wholes | None = None
) -> list[Float[Tensor, "n out in"]]:
    """The Jacobians of the blocks of a network, each at the states that `x` reaches there.

    Args:
        stack: A `nets.Stack`, in evaluation mode.
        x: Inputs of the network.
        blocks: Positions of the blocks to take, all by default.

    Returns:
        One batch of matrices for each block; those of a block that changes shape are not square.

    Raises:
        TypeError: Where `stack` is no `nets.Stack`, or a position is no whole number.
        ValueError: Where a position is not one of a block, or `x` has another shape than the network expects; else as
            `dense` does.

    Example:
        >>> from resnet_lib import nets
        >>> net = nets.mlp(2, 4, generator=torch.Generator().manual_seed(0)).eval()
        >>> [tuple(jacobians.shape) for jacobians in along(net, torch.ones(3, 64))]
        [(3, 4, 4), (3, 4, 4)]
    """
    stack = _check_stack(stack)
    chosen = _positions(stack, blocks)
    with torch.no_grad():
        states = stack.states(x)
    return [dense(stack.blocks[i], states[i]) for i in chosen]


def along_seeds(
    stack: nn.Module,
    params: Mapping[str, Float[Tensor, "seed ..."]],
    buffers: Mapping[str, Tensor],
    x: Float[Tensor, "n ..."],
    *,
    blocks: Wholes | None = None,
) -> Float[Tensor, "seed block n d d"]:
    """`along` for networks of one architecture whose parameters are stacked, as many-seed training keeps them.

    Args:
        stack: The architecture in evaluation mode; its own tensors are not used and may be on the device `meta`.
        params: Parameters by name, stacked along the first dimension.
        buffers: Buffers by name, stacked likewise.
        x: Inputs, the same for all networks, on the device of the parameters.
        blocks: Positions of the blocks to take, all by default.

    Returns:
        All Jacobians; for their spectra pass them to `linalg.eigenvalues` at once.

    Raises:
        ValueError: Where the blocks that are taken do not all map a state to one of equal shape; else as `along` does.
    """
    chosen = _positions(_check_stack(stack), blocks)
    net = copy.deepcopy(stack)
    seeds = len(next(iter(params.values())))
    results = []
    for seed in range(seeds):
        net.load_state_dict({name: value[seed] for name, value in {**params, **buffers}.items()}, assign=True)
        jacobians = along(net, x, blocks=chosen)
        shapes = [tuple(j.shape[1:]) for j in jacobians]
        if any(a != b or (a, b) != shapes[0] for a, b in shapes):
            position = dict(zip(chosen, shapes, strict=True))
            kept = [i for i, (a, b) in position.items() if a == b]
            raise ValueError(f"the Jacobians have shapes {position}; take blocks of one square shape: blocks={kept}")
        results.append(torch.stack(jacobians))
    return torch.stack(results)


def _pieces(f: Map, x: Tensor, at_once: int | None) -> Iterator[Tensor]:
    n_out, n_in = _check(f, x)
    if at_once is None:
        at_once = max(1, AT_ONCE // (n_out * n_in * x.element_size()))
    # Reverse mode for every shape: on square blocks forward mode is no faster, and torch warns at its first use.
    one, together = vmap(jacrev(lambda v: f(v[None].clone()).flatten())), True
    for piece in x.detach().split(at_once):
        found = None
        if together:
            try:
                with torch.no_grad():
                    found = one(piece).flatten(2)
            except (RuntimeError, ValueError):  # what vmap refuses; an error of f itself comes again below
                together = False
        yield torch.stack([_rows(f, v) for v in piece]) if found is None else found


def _rows(f: Map, x: Tensor) -> Tensor:
    """The Jacobian at one example, row by row."""
    found = linalg.tangent(f, x[None])
    basis = torch.eye(found.value.numel(), dtype=found.value.dtype, device=found.value.device)
    return torch.stack([found.pull(row).flatten() for row in basis])


def _check(f: Map, x: Tensor) -> tuple[int, int]:
    """Number of coordinates of an output and of an input, where `f` is a map of batches."""
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected a batch (n, ...), n >= 1; one example is x[None]")
    if not x.is_floating_point():
        raise ValueError(f"x has dtype {x.dtype}; expected a real type, in which f can be differentiated: use .float()")
    if isinstance(f, nn.Module):
        types = {parameter.dtype for parameter in f.parameters()}
        if types and x.dtype not in types:
            kinds = ", ".join(sorted(map(str, types)))
            raise ValueError(f"x has dtype {x.dtype} and the parameters of f have {kinds}; use x.to(...) or f.to(...)")
    with torch.no_grad():
        y = effects.watched(f, x[:1], ALONE)
        if not isinstance(y, Tensor):
            raise ValueError(f"f gives a {type(y).__name__}; it has to map a tensor to one tensor")
        if y.ndim < 2 or len(y) != 1:
            raise ValueError(f"f maps shape {(1, *x.shape[1:])} to {tuple(y.shape)}; it has to map a batch to a batch")
        y = y.clone()
        if len(x) > 1:
            _check_apart(f, x[:2], y)
    return y.numel(), x[0].numel()


def _check_apart(f: Map, pair: Tensor, alone: Tensor) -> None:
    """Refuse a map in which the second example changes what becomes of the first by more than rounding."""
    first = f(pair.clone())[:1]
    if first.shape != alone.shape:
        raise ValueError(
            f"f maps one example to shape {tuple(alone.shape)} and the first of two to {tuple(first.shape)}; it has to "
            "map a batch to a batch"
        )
    apart = (first - alone).abs().max() if first.numel() else torch.zeros(())
    if apart > 0.01 * torch.maximum(first.abs().max(), alone.abs().max()):
        raise ValueError(
            f"f makes another output of an example beside a second one, where {ALONE}; use a map that treats each "
            "example on its own"
        )


def _check_square(f: Map, x: Tensor) -> None:
    n_out, n_in = _check(f, x)
    if n_out != n_in:
        raise ValueError(
            f"f maps {n_in} coordinates to {n_out}, so its Jacobian is {n_out} x {n_in} and has no eigenvalues; "
            "use singular_values, or choose a block that keeps its shape"
        )


def _check_stack(stack: nn.Module) -> Stack:
    if not isinstance(stack, Stack):
        raise TypeError(f"stack is a {type(stack).__name__}; expected a nets.Stack; for other modules use dense")
    effects.check(stack, ALONE)
    return stack


def _positions(stack: Stack, blocks: Wholes | None) -> list[int]:
    count = len(stack.blocks)
    chosen = list(range(count) if blocks is None else wholes("blocks", blocks))
    for i in chosen:
        if not 0 <= i < count:
            raise ValueError(f"blocks holds {i}; this network's blocks are 0 to {count - 1}")
    return chosen
