"""One network is trained on several devices: each process takes its share of a batch, and their gradients are added.

The processes are started by `torchrun`. This module knows no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """The processes that train one network together, seen from one of them.

    Attributes:
        rank: Number of this one, from 0.
        size: How many there are.
        device: What this one computes on.
    """

    rank: int
    size: int
    device: torch.device

    def share(self, start: int, stop: int) -> slice:
        """This process's part of a batch: every so many-th example."""
        return slice(start + self.rank, stop, self.size)

    def require(self, examples: int, least: int) -> None:
        """Fail where the smallest batch gives a process fewer than `least` examples.

        Raises:
            ValueError: With the sizes.
        """
        if examples // self.size < least:
            raise ValueError(
                f"a batch of {examples} examples leaves a process of {self.size} with fewer than {least}; use a larger "
                "batch, one that divides the training examples, or fewer processes"
            )

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes; one message for all of them."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes that `torchrun` has started; each takes a GPU of its own, or the CPU.

        with ranks.joined() as together:
            training.fit(make_net, data.load("cifar10", device=together.device), recipe, [0], ranks=together)

    Yields:
        The processes. All of them end up with the same networks.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    dist.init_process_group("nccl" if gpus else "gloo")
    try:
        device = torch.device("cuda", dist.get_node_local_rank()) if gpus else torch.device("cpu")
        yield Ranks(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
