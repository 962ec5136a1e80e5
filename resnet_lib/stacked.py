"""Networks of several seeds as one: their parameters stacked, their forward pass together. Trains nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

Stacked = dict[str, Tensor]
"""Tensors of all seeds by name; the first axis counts the seeds."""


@dataclass(frozen=True)
class Policy:
    """How the machine does the work; it changes the rounding of the numbers, and nothing else about them.

    Attributes:
        stacked: Whether all seeds go through each layer at once. For small networks of linear layers that is several
            times faster; convolutions with weights of their own for each seed are slower than one seed after another.
        channels_last: Whether images and convolutions lie in memory with their channels last. Needs `stacked=False`.
        bfloat16: Whether a GPU multiplies in bfloat16, under autocast; parameters, sums and losses stay in float32. A
            CPU computes in float32 all the same.
    """

    stacked: bool = True
    channels_last: bool = False
    bfloat16: bool = False

    def __post_init__(self):
        if self.channels_last and self.stacked:
            raise ValueError("channels_last=True needs stacked=False: vectorised convolutions are grouped ones")


STACKED = Policy()
"""All seeds at once: for small networks on a CPU."""

ONE_BY_ONE = Policy(stacked=False, channels_last=True, bfloat16=True)
"""One seed after another: for convolutional networks."""


class Networks:
    """Networks of one architecture, each with values of its own.

    Args:
        nets: The networks.
        policy: How the machine evaluates them.

    Attributes:
        params: Their parameters.
        buffers: Their buffers, which a forward pass in training mode changes in place.
        template: The architecture, without values.
    """

    def __init__(self, nets: Sequence[nn.Module], policy: Policy):
        self.params, self.buffers = stack_module_state(list(nets))
        self.template = copy.deepcopy(nets[0]).to("meta")
        self._count, self._policy = len(nets), policy
        if policy.channels_last:
            moved = {name: _channels_last(value.detach()) for name, value in self.params.items()}
            self.params = {name: value.requires_grad_() for name, value in moved.items()}

    def logits(self, x: Tensor, *, shared: bool = False) -> Float[Tensor, "seeds n classes"]:
        """Outputs of each network.

        Args:
            x: Examples, for each network its own; or the same ones for all.
            shared: Whether they are the same for all, without an axis for the networks.
        """
        device, policy = x.device.type, self._policy
        with torch.autocast(device, torch.bfloat16, enabled=policy.bfloat16 and device != "cpu"):
            if policy.stacked:
                outputs = vmap(self._call, in_dims=(0, 0, None if shared else 0))(self.params, self.buffers, x)
            else:
                parts = [x] * self._count if shared else list(x.unbind(0))
                if policy.channels_last and parts[0].ndim == 4:
                    parts = [part.contiguous(memory_format=torch.channels_last) for part in parts]
                states = zip(self._apart(self.params), self._apart(self.buffers), parts, strict=True)
                outputs = torch.stack([self._call(*state) for state in states])
        return outputs.float() if outputs.dtype == torch.bfloat16 else outputs

    def copy(self) -> tuple[Stacked, Stacked]:
        """Parameters and buffers as they are now."""
        params, buffers = (
            {name: value.detach().clone() for name, value in part.items()} for part in (self.params, self.buffers)
        )
        return params, buffers

    def _call(self, params: Stacked, buffers: Stacked, x: Tensor) -> Tensor:
        # No two modules share a parameter, and looking for such costs as much as a layer.
        return functional_call(self.template, (params, buffers), (x,), tie_weights=False)

    def _apart(self, stacked: Stacked) -> list[Stacked]:
        """The tensors of each network, as views."""
        parts = {name: (value.squeeze(0),) if self._count == 1 else value.unbind(0) for name, value in stacked.items()}
        return [{name: part[i] for name, part in parts.items()} for i in range(self._count)]


def _channels_last(stacked: Tensor) -> Tensor:
    """The same numbers, each network's convolution with its channels last in memory."""
    return stacked.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) if stacked.ndim == 5 else stacked
