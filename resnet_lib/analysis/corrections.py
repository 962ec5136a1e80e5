r"""What residual blocks add to their states is measured here: how large it is, and whether it points the right way.

An inner block has no target of its own. What stands in for the error of its state is the direction in which the
*margin* grows fastest, the right class's output minus the largest of the others. Its gradient vanishes nowhere, as that
of the cross-entropy does for examples that have been learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from resnet_lib.nets.blocks import Block
from resnet_lib.nets.merges import formula
from resnet_lib.nets.networks import Stack


@dataclass(frozen=True)
class Correction:
    """What one block adds, example by example, flattened.

    Attributes:
        block: Its place in the network.
        state: The state that it reads.
        added: What its branch adds, before whatever stands behind the addition.
        gradient: Gradient of the margin by the state that it reads.
        behind: Gradient of the margin by the state that it returns.
    """

    block: int
    state: Float[Tensor, "n d"]
    added: Float[Tensor, "n d"]
    gradient: Float[Tensor, "n d"]
    behind: Float[Tensor, "n d"]

    def sizes(self) -> Float[Tensor, " n"]:
        r"""$\lVert F(x)\rVert/\lVert x\rVert$ of each example; infinite where the state is 0."""
        return self.added.norm(dim=1) / self.state.norm(dim=1)

    def cosines(self, order: Int[Tensor, " n"] | None = None, *, behind: bool = False) -> Float[Tensor, " n"]:
        """Cosine of what is added and the margin's gradient, at each example; 0 where one of them is 0.

        Args:
            order: What is added at these examples is compared with the gradients in their places: a permutation keeps
                both, and what all examples have in common, and takes away what is each example's own.
            behind: Whether the gradient is that at the state which the block returns.
        """
        added = self.added if order is None else self.added[order]
        return nn.functional.cosine_similarity(added, self.behind if behind else self.gradient, dim=1)


def margins(logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The right class's output minus the largest of the others, one per example.

    Example:
        >>> margins(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1])).item()
        2.0
    """
    right = nn.functional.one_hot(y, logits.shape[1]).bool()
    return logits[right] - logits.masked_fill(right, -torch.inf).amax(1)


def corrections(stack: Stack, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"]) -> Iterator[Correction]:
    """What each block with an identity shortcut adds to the states of a batch, block by block.

    Args:
        stack: The network, in evaluation mode.
        x: The examples.
        y: Their labels.

    Raises:
        ValueError: Where the network is in training mode, or no block has an identity shortcut.

    Example:
        >>> from resnet_lib.nets.dynamics import euler_block
        >>> net = Stack(nn.Identity(), [euler_block(nn.Identity(), 0.5)], nn.Identity(), shape=(2,)).eval()
        >>> found = next(corrections(net, torch.tensor([[1.0, 0.0]]), torch.tensor([0])))
        >>> found.sizes().tolist(), found.gradient.tolist(), round(found.cosines().item(), 4)
        ([0.5], [[1.5, -1.5]], 0.7071)
    """
    if stack.training:
        raise ValueError("stack is in training mode, where an example's state hangs on the batch; use stack.eval()")
    shared = [i for i, block in enumerate(stack.blocks) if isinstance(block, Block) and _is_step(block)]
    if not shared:
        raise ValueError("no block has an identity shortcut, so that none adds to a state; use a residual network")
    stack._check(x)
    with torch.enable_grad():
        states = [stack.stem(x).detach().requires_grad_()]
        for block in stack.blocks:
            states.append(block(states[-1]))
        gradients = torch.autograd.grad(margins(stack.head(states[-1]), y).sum(), states)
    for i in shared:
        block, state = stack.blocks[i], states[i].detach()
        assert isinstance(block, Block)
        with torch.no_grad():
            added = formula(block.merge).branch * block.branch(state)
        parts = (state, added, gradients[i], gradients[i + 1])
        yield Correction(i, *(part.flatten(1) for part in parts))


def _is_step(block: Block) -> bool:
    return isinstance(block.shortcut, nn.Identity) and formula(block.merge).skip is not None
