"""This module trains networks, one seed or many at once, by the same code. It knows no experiment.

The seeds' parameters are stacked, the forward pass is vectorised over them (`torch.func`) or goes through them one by
one, and the optimiser works on the stack, elementwise. So no seed sees another. A `Run` can be stopped after any step:
its state is a dictionary of tensors.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import SupportsIndex

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.data import augmentation
from resnet_lib.data.parts import Dataset, Split
from resnet_lib.training.checks import _check, _check_net, _normalises
from resnet_lib.training.fits import RECORDS, Fit, finite, from_records, parsed, to_records
from resnet_lib.training.ranks import Ranks
from resnet_lib.training.recipes import Recipe
from resnet_lib.training.stacked import STACKED, Networks, Policy, Stacked
from resnet_lib.whole import wholes

__all__ = ["Run", "fit"]

_logger = logging.getLogger(__name__)

_EVALUATED_AT_ONCE = 100
"""Examples in one evaluation call: so few that many seeds' activations stay in a CPU's cache. Changes no result."""


class Run:
    """A training run, step by step. The same arguments as for `fit`, and the same numbers.

    Attributes:
        epoch: Epochs done.
        step: Steps done of the one that has begun.
    """

    def __init__(
        self,
        make_net: Callable[[torch.Generator], nn.Module],
        data: Dataset,
        recipe: Recipe,
        seeds: Iterable[SupportsIndex],
        *,
        keep: Iterable[SupportsIndex] = (),
        penalty: Callable[[Stacked], Float[Tensor, " seeds"]] | None = None,
        policy: Policy = STACKED,
        ranks: Ranks | None = None,
    ):
        self.seeds, keep = wholes("seeds", seeds), wholes("keep", keep)
        _check(data, recipe, self.seeds, keep)
        self._data, self._recipe, self._keep, self._penalty = data, recipe, keep, penalty
        self._ranks = ranks
        nets = [make_net(runtime.stream(seed, "init")).to(data.train.x.device) for seed in self.seeds]
        self._nets = Networks(nets, policy)
        _check_net(nets[0], data, recipe)
        if ranks is not None:
            last = len(data.train) % recipe.batch or recipe.batch
            ranks.require(last, 2 if _normalises(nets[0]) else 1)
        self._optimizer = recipe.optimizer_of(list(self._nets.params.values()))
        self._streams = [
            [runtime.stream(seed, name) for seed in self.seeds]
            for name in ("order", *(["augment"] if recipe.augment != "none" else []))
        ]
        self.epoch = self.step = 0
        self._steps = math.ceil(len(data.train) / recipe.batch)
        self._records: list[tuple[int, float, Tensor]] = []
        self._checkpoints = {0: self._nets.copy()} if 0 in keep or recipe.epochs == 0 else {}
        self._begin()

    @property
    def done(self) -> bool:
        """Whether all epochs are over."""
        return self.epoch == self._recipe.epochs

    def _begin(self) -> None:
        """Draw what the next epoch does, for all of its steps."""
        self._drawn_from = [[stream.get_state() for stream in streams] for streams in self._streams]
        train = self._data.train
        n, device = len(train), train.y.device
        self._order = torch.stack([torch.randperm(n, generator=stream) for stream in self._streams[0]]).to(device)
        if len(self._streams) > 1:
            shape = tuple(train.x.shape[1:])
            self._choice = torch.stack([augmentation.draw(n, shape, stream) for stream in self._streams[1]]).to(device)
        self._seen = torch.zeros(2, len(self.seeds), device=device)

    def advance(self) -> None:
        """One step of the optimiser; after the last one of an epoch, the measurements.

        Raises:
            RuntimeError: Where the run is done.
        """
        if self.done:
            raise RuntimeError(f"the run is done: {self.epoch} of {self._recipe.epochs} epochs")
        recipe, train = self._recipe, self._data.train
        self._nets.template.train()
        lr = recipe.rate(self.epoch * self._steps + self.step, recipe.epochs * self._steps)
        self._optimizer.param_groups[0]["lr"] = lr
        start = self.step * recipe.batch
        stop = min(start + recipe.batch, len(train))
        part = slice(start, stop) if self._ranks is None else self._ranks.share(start, stop)
        rows = self._order[:, part]
        x = train.x[rows]
        if recipe.augment != "none":
            x = augmentation.crop_flip(x.flatten(0, 1), self._choice[:, part].flatten(0, 1)).unflatten(0, rows.shape)
        gradients, losses, hits = self._nets.gradients(_score, x, train.y[rows])
        parameters = list(self._nets.params.values())
        if self._penalty is not None:
            added = torch.autograd.grad(self._penalty(dict(self._nets.params)).sum(), parameters, allow_unused=True)
            gradients = [a if b is None else a + b for a, b in zip(gradients, added, strict=True)]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient  # `backward` would copy each, for it adds to what is there
        seen = torch.stack([losses * rows.shape[1], hits])
        if self._ranks is not None:
            torch._foreach_mul_(gradients, rows.shape[1] / (stop - start))
            self._meet(self._ranks, seen)
        self._optimizer.step()
        self._seen += seen
        self.step += 1
        if self.step == self._steps:
            self._end(lr)

    def _meet(self, ranks: Ranks, seen: Tensor) -> None:
        """Add gradients and counts over the processes, and take the mean of what their normalisations remember."""
        buffers = [buffer for buffer in self._nets.buffers.values() if buffer.is_floating_point()]
        for buffer in buffers:
            buffer.div_(ranks.size)
        ranks.add([seen, *buffers, *(value.grad for value in self._nets.params.values() if value.grad is not None)])

    def _end(self, lr: float) -> None:
        self._nets.template.eval()
        measured = [self._accuracy(part) for part in (self._data.validation, self._data.test)]
        self.epoch, self.step = self.epoch + 1, 0
        self._records.append((self.epoch, lr, torch.stack([*(self._seen / len(self._data.train)), *measured])))
        if not self.done and not finite(self._nets.params).any():
            self._give_up()
        if self.epoch in self._keep or self.done:
            self._checkpoints[self.epoch] = self._nets.copy()
        if not self.done:
            self._begin()

    def _give_up(self) -> None:
        """Take the remaining epochs as done: what is not a number stays so, whatever is added to it."""
        _logger.info(
            "no seed of %s has finite parameters after epoch %d of %d at lr=%g; what is left of the training is "
            "recorded as NaN; use a lower Recipe.lr",
            *(self.seeds, self.epoch, self._recipe.epochs, self._recipe.lr),
        )
        self._checkpoints |= {epoch: self._nets.copy() for epoch in self._keep if epoch >= self.epoch}
        lost = torch.full_like(self._records[-1][2], math.nan)
        recipe = self._recipe
        for epoch in range(self.epoch + 1, recipe.epochs + 1):
            self._records.append((epoch, recipe.rate(epoch * self._steps - 1, recipe.epochs * self._steps), lost))
        self.epoch = recipe.epochs

    @torch.no_grad()
    def _accuracy(self, part: Split) -> Float[Tensor, " seeds"]:
        """Fraction of a part's examples that each seed's network labels rightly."""
        total = torch.zeros(1, device=part.x.device)
        size = _EVALUATED_AT_ONCE if part.x.device.type == "cpu" else 20 * _EVALUATED_AT_ONCE
        for x, y in zip(part.x.split(size), part.y.split(size), strict=True):
            outputs = self._nets.logits(x, shared=True)
            total = total + _score(outputs, y.expand(len(outputs), -1))[1]
        return total / len(part)

    def result(self) -> Fit:
        """The fit, as `fit` returns it.

        Raises:
            RuntimeError: Where the run is not done.
        """
        if not self.done:
            raise RuntimeError(f"the run is not done: {self.epoch} of {self._recipe.epochs} epochs; use advance()")
        return from_records(self.seeds, self.records(), self._nets.template)

    def state(self) -> dict[str, Tensor]:
        """All that it takes to go on: parameters, the optimiser's averages, random streams, measurements, place."""
        found = {"place": torch.tensor([self.epoch, self.step]), "seen": self._seen}
        for name, value in self._nets.params.items():
            found[f"params/{name}"] = value.detach()
            averages = self._optimizer.state[value].items()
            found |= {f"optimizer/{name}/{kind}": average for kind, average in averages if average is not None}
        found |= {f"buffers/{name}": value for name, value in self._nets.buffers.items()}
        for i, states in enumerate(self._drawn_from):
            found |= {f"streams/{i}/{seed}": state for seed, state in zip(self.seeds, states, strict=True)}
        # Copies: what a caller holds does not change with the next step.
        return {name: value.clone() for name, value in found.items()} | self.records()

    def records(self) -> dict[str, Tensor]:
        """What `fits.from_records` makes a fit of: the measurements and the checkpoints so far."""
        return to_records(self._records, self._checkpoints)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where another run with the same arguments was, to the same numbers.

        Raises:
            KeyError: Where the state is that of another run.
        """
        with torch.no_grad():
            for name, value in self._nets.params.items():
                value.copy_(state[f"params/{name}"])
                start = f"optimizer/{name}/"
                averages = {key.removeprefix(start): state[key] for key in state if key.startswith(start)}
                # In the memory order of the parameter; Adam's count of steps is a single number.
                self._optimizer.state[value] = {
                    kind: torch.empty_like(value).copy_(average) if average.shape == value.shape else average.clone()
                    for kind, average in averages.items()
                }
            for name, value in self._nets.buffers.items():
                value.copy_(state[f"buffers/{name}"])
        for i, streams in enumerate(self._streams):
            for seed, stream in zip(self.seeds, streams, strict=True):
                stream.set_state(state[f"streams/{i}/{seed}"].cpu())
        self._begin()
        self._seen.copy_(state["seen"])
        self.epoch, self.step = state["place"].tolist()
        records = {name: value.to(self._seen.device) for name, value in state.items() if name.startswith(RECORDS)}
        self._records, self._checkpoints = parsed(records)


def fit(
    make_net: Callable[[torch.Generator], nn.Module],
    data: Dataset,
    recipe: Recipe,
    seeds: Iterable[SupportsIndex],
    *,
    keep: Iterable[SupportsIndex] = (),
    penalty: Callable[[Stacked], Float[Tensor, " seeds"]] | None = None,
    policy: Policy = STACKED,
    ranks: Ranks | None = None,
) -> Fit:
    """Train one network for each seed.

    The loss is the cross-entropy. A seed's initial weights come from `stream(seed, "init")`, its order of the data from
    `stream(seed, "order")`, its augmentation from `stream(seed, "augment")`: alone or in a group it trains to the same
    numbers, up to the rounding of the batched products; so a network that draws by itself is refused.

    A seed whose loss becomes NaN or infinite goes on as NaN, is marked in `diverged`, and disturbs no other; when none
    is left, the training ends, and a message of level INFO from the logger `resnet_lib.training` says so. Training runs
    on the device of `data`.

    Args:
        make_net: Makes the network from a generator for its initial weights, e.g.
            `lambda generator: nets.mlp(10, 64, generator=generator)`.
        data: What to train on.
        recipe: How to train.
        seeds: One network each.
        keep: Epochs whose parameters are kept besides the last; 0 is the initialisation.
        penalty: What is added to the loss, one number per seed from the stacked parameters; the history shows the loss
            without it.
        policy: How the machine does the work.
        ranks: The processes that share the work (`ranks.joined`); each normalises over its own part of a batch.

    Raises:
        TypeError: Where a seed or an epoch to keep is no whole number, or the data and the parameters are of different
            types.
        ValueError: Where there is no seed or one is given twice, a batch is larger than the training set, an epoch to
            keep does not exist, what is to be cropped is no image, or the policy cannot pass the networks' layers; or
            where the networks have another number of logits than the data classes, normalise over a last batch of
            one, draw random numbers (dropout), normalise without running statistics, or share a parameter between
            two modules.

    Example:
        >>> from resnet_lib import data, nets
        >>> def net(generator):
        ...     return nets.mlp(1, 8, in_features=2, classes=2, generator=generator)
        >>> found = fit(net, data.load("spirals").subset(100), Recipe(epochs=2), [0, 1])
        >>> found.seeds, len(found.history), found.diverged
        ((0, 1), 4, (False, False))
    """
    run = Run(make_net, data, recipe, seeds, keep=keep, penalty=penalty, policy=policy, ranks=ranks)
    while not run.done:
        run.advance()
    return run.result()


def _score(
    outputs: Float[Tensor, "seeds n classes"], y: Int[Tensor, "seeds n"]
) -> tuple[Float[Tensor, " seeds"], Float[Tensor, " seeds"]]:
    """Mean cross-entropy and number of hits, for each seed; NaN hits where a logit is not finite."""
    losses = nn.functional.cross_entropy(outputs.transpose(1, 2), y, reduction="none").mean(dim=1)
    outputs = outputs.detach()
    hits = (outputs.argmax(dim=2) == y).sum(dim=1)
    return losses, torch.where(outputs.isfinite().flatten(1).all(dim=1), hits, math.nan)
