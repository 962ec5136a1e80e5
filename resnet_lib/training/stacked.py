"""Networks of several seeds are handled as one: their parameters are stacked, their passes go together or in turn."""

from __future__ import annotations

import copy
import functools
import importlib.util
import pickle
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from resnet_lib.nets import effects

Stacked = dict[str, Tensor]
"""Tensors of all seeds by name; the first axis counts the seeds."""

Score = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Loss and hits of each network, from its outputs (networks, n, classes) and labels (networks, n)."""


@dataclass(frozen=True)
class Policy:
    """A policy of how the machine does the work; it changes the rounding of the numbers, and nothing else about them.

    Attributes:
        stacked: Whether all seeds go through each layer at once. For small networks of linear layers that is several
            times faster; convolutions with weights of their own for each seed are slower than one seed after another.
        channels_last: Whether images and convolutions lie in memory with their channels last. Needs `stacked=False`.
        bfloat16: Whether a GPU multiplies in bfloat16, under autocast; parameters, sums and losses stay in float32. A
            CPU computes in float32 all the same.
        compiled: Whether the gradients are compiled (`torch.compile`), which fuses what lies between the convolutions;
            on a GPU they are then one CUDA graph. The first step takes up to some minutes, and a compiler: of C++ on a
            CPU, Triton on a GPU. Needs `stacked=False`, and a network that draws no random numbers.
    """

    stacked: bool = True
    channels_last: bool = False
    bfloat16: bool = False
    compiled: bool = False

    def __post_init__(self):
        if self.channels_last and self.stacked:
            raise ValueError("channels_last=True needs stacked=False: vectorised convolutions are grouped ones")
        if self.compiled and self.stacked:
            raise ValueError("compiled=True needs stacked=False: one network is compiled and serves all seeds in turn")


STACKED = Policy()
"""All seeds at once: for small networks on a CPU."""

ONE_BY_ONE = Policy(stacked=False, channels_last=True, bfloat16=True)
"""One seed after another: for convolutional networks."""

COMPILED = replace(ONE_BY_ONE, compiled=True)
"""The same, compiled: for convolutional networks that train for longer than some minutes."""


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
        if policy.compiled:
            _require_compiler(next(iter(self.params.values())).device.type)
        if policy.channels_last:
            moved = {name: _channels_last(value.detach()) for name, value in self.params.items()}
            self.params = {name: value.requires_grad_() for name, value in moved.items()}
        # Views of each network's values, the same ones at every step, so that a CUDA graph can read them in place.
        self._each = [(_views(self.params, i), _views(self.buffers, i)) for i in range(len(nets))]
        if policy.compiled:
            for value in (value for state in self._each for part in state for value in part.values()):
                torch._dynamo.mark_static_address(value, guard=False)

    def logits(self, x: Tensor, *, shared: bool = False) -> Float[Tensor, "seeds n classes"]:
        """Outputs of each network.

        Args:
            x: Examples, for each network its own; or the same ones for all.
            shared: Whether they are the same for all, without an axis for the networks; they stay as they are.

        Raises:
            ValueError: Where the policy stacks networks with a layer that cannot be vectorised.
        """
        if self._policy.stacked:
            return effects.restoring(self._at_once, x) if shared else self._at_once(x, axis=0)
        alone = [functools.partial(self._one, *state) for state in self._each]
        return torch.stack([effects.restoring(one, x) if shared else one(x[i]) for i, one in enumerate(alone)])

    def _at_once(self, x: Tensor, axis: int | None = None) -> Tensor:
        call = functools.partial(_outputs, self.template, self._policy)
        try:
            return vmap(call, in_dims=(0, 0, axis))(self.params, self.buffers, x)
        except RuntimeError as error:
            if not str(error).startswith("vmap: "):
                raise
            raise ValueError(
                "policy=STACKED takes all seeds through each layer at once, and a layer of this network does what "
                f"cannot be done so ({str(error).removeprefix('vmap: ').partition('. ')[0]}); use "
                "policy=training.ONE_BY_ONE"
            ) from error

    @torch.enable_grad()
    def gradients(
        self, score: Score, x: Tensor, y: Int[Tensor, "seeds n"]
    ) -> tuple[list[Tensor], Float[Tensor, " seeds"], Float[Tensor, " seeds"]]:
        """Gradient of each network's loss in its own parameters, in their order; the losses and the hits.

        Args:
            score: The loss, and what is counted.
            x: Examples, for each network its own.
            y: Their labels.
        """
        if self._policy.stacked:
            losses, hits = score(self.logits(x), y)
            return list(torch.autograd.grad(losses.sum(), list(self.params.values()))), losses.detach(), hits
        gradients = [torch.empty_like(value) for value in self.params.values()]
        losses, hits = torch.empty(2, self._count, device=x.device)
        for i, state in enumerate(self._each):
            found, losses[i : i + 1], hits[i : i + 1] = self._learn(score, *state, x[i], y[i : i + 1])
            torch._foreach_copy_([value[i] for value in gradients], found)
        return gradients, losses, hits

    def copy(self) -> tuple[Stacked, Stacked]:
        """Parameters and buffers as they are now."""
        params, buffers = (
            {name: value.detach().clone() for name, value in part.items()} for part in (self.params, self.buffers)
        )
        return params, buffers

    def _learn(self, score: Score, params: Stacked, buffers: Stacked, x: Tensor, y: Tensor) -> tuple:
        """Gradients, loss and hits of one network, whose buffers change."""
        if self._policy.compiled:
            learn = _compiled(pickle.dumps(self.template), self._policy, x.device.type, score)
            gradients, loss, hit, after = learn(params, buffers, self._laid(x), y)
            for kind in {value.dtype for value in after}:  # one kernel for each
                changed = [i for i, value in enumerate(after) if value.dtype == kind]
                places = list(buffers.values())
                torch._foreach_copy_([places[i] for i in changed], [after[i] for i in changed])
            return gradients, loss, hit
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        loss, hit = score(self._one(leaves, buffers, x)[None], y)
        return torch.autograd.grad(loss.sum(), list(leaves.values())), loss.detach(), hit

    def _one(self, params: Stacked, buffers: Stacked, x: Tensor) -> Tensor:
        return _outputs(self.template, self._policy, params, buffers, self._laid(x))

    def _laid(self, x: Tensor) -> Tensor:
        """Images in the layout of the policy."""
        return x.contiguous(memory_format=torch.channels_last) if self._policy.channels_last and x.ndim == 4 else x


def _views(stacked: Stacked, i: int) -> Stacked:
    """The tensors of one network, without a gradient of their own."""
    return {name: value.detach()[i] for name, value in stacked.items()}


def _outputs(template: nn.Module, policy: Policy, params: Stacked, buffers: Stacked, x: Tensor) -> Tensor:
    """Outputs of one network, in float32."""
    device = x.device.type
    with torch.autocast(device, torch.bfloat16, enabled=policy.bfloat16 and device != "cpu"):
        # No two modules share a parameter, and looking for such costs as much as a layer.
        outputs = functional_call(template, (params, buffers), (x,), tie_weights=False)
    return outputs.float() if outputs.dtype == torch.bfloat16 else outputs


def _require_compiler(device: str) -> None:
    """Fail before the first step, and in words, where `torch.compile` would fail at it."""
    if device == "cuda":
        found, needed = importlib.util.find_spec("triton"), "the package triton"
    else:
        found, needed = shutil.which("g++") or shutil.which("clang++"), "a C++ compiler (g++ or clang++)"
    if not found:
        raise ValueError(f"compiled=True needs {needed}, and there is none; install it or use compiled=False")
    if device != "cuda":
        from torch._inductor.runtime.cache_dir_utils import cache_dir  # it takes a second, as compiling does anyway

        _require_plain(
            {"PyTorch": torch.__path__[0], "Python": sysconfig.get_path("include"), "its cache": cache_dir()}
        )


def _require_plain(folders: Mapping[str, str]) -> None:
    """Fail where a path would not reach the C++ compiler as one word: PyTorch splits its command as a shell does.

    Raises:
        ValueError: With the folder.
    """
    special = "'\"" if sys.platform == "win32" else "'\"\\"
    for what, folder in folders.items():
        if any(sign.isspace() or sign in special for sign in folder):
            raise ValueError(
                f"compiled=True cannot compile with {what} in {folder!r}, a path with a space, a quote or a backslash, "
                "which PyTorch does not quote for the compiler; use a folder without them (TORCHINDUCTOR_CACHE_DIR for "
                "the cache) or compiled=False"
            )


@functools.cache
def _compiled(pickled: bytes, policy: Policy, device: str, score: Score) -> Callable[..., tuple]:
    """What `Networks._learn` does, as one compiled function without side effects; once for each architecture."""
    template = pickle.loads(pickled)

    def loss(params: Stacked, buffers: Stacked, x: Tensor, y: Tensor) -> tuple[Tensor, tuple]:
        # The buffers that change are copies: a CUDA graph cannot hold what changes its input.
        after = {name: value.clone() for name, value in buffers.items()}
        losses, hits = score(_outputs(template, policy, params, after, x)[None], y)
        return losses.sum(), (losses, hits, list(after.values()))

    def learn(params: Stacked, buffers: Stacked, x: Tensor, y: Tensor) -> tuple:
        gradients, (_, (losses, hits, after)) = grad_and_value(loss, has_aux=True)(params, buffers, x, y)
        return list(gradients.values()), losses, hits, after

    if device == "cpu":
        return torch.compile(learn, fullgraph=True, dynamic=False)
    graphed = torch.compile(learn, fullgraph=True, dynamic=False, mode="reduce-overhead")

    def replayed(*arguments: Any) -> tuple:
        torch.compiler.cudagraph_mark_step_begin()  # what the last call returned may be written over from here on
        return graphed(*arguments)

    return replayed


def _channels_last(stacked: Tensor) -> Tensor:
    """The same numbers, each network's convolution with its channels last in memory."""
    return stacked.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) if stacked.ndim == 5 else stacked
