"""Training: one seed or many at once, by the same code. Takes any network, knows no experiment.

The seeds' parameters are stacked, the forward pass is vectorised over them (`torch.func`), and the optimiser works on
the stack, elementwise. So a step costs one launch for all seeds, and no seed sees another.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from resnet_lib import runtime
from resnet_lib.data import Dataset, Split

SCHEDULES = ("one-cycle", "cosine", "constant")
OPTIMIZERS = ("sgd", "adam")

_EVALUATED_AT_ONCE = 1000
"""Examples in one evaluation call: bounds the memory of activations, and changes no result."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: Passes over the training examples; 0 only initialises.
        batch: Examples in one step; the last step of an epoch takes what is left.
        lr: Highest learning rate.
        momentum: Momentum of SGD, or beta1 of Adam.
        weight_decay: Factor of the parameters that is added to their gradient (decoupled from it for Adam: AdamW).
        schedule: `one-cycle`, from `lr / 25` up and down to `lr / 250000` along half-cosines (as `OneCycleLR` of torch,
            but with a fixed momentum); `cosine`, up linearly and down along a half-cosine; `constant`, up linearly.
        warmup: Fraction of all steps in which the rate rises.
        optimizer: `sgd` or `adam`.

    Raises:
        ValueError: Where a field has a value that is not allowed.
    """

    epochs: int
    batch: int = 50
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    warmup: float = 0.25
    optimizer: str = "sgd"

    def __post_init__(self):
        for field, known in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS)):
            value = getattr(self, field)
            if value not in known:
                close = difflib.get_close_matches(str(value), known, n=1, cutoff=0)[0]
                raise ValueError(f"{field}={value!r} is unknown; known: {', '.join(known)}; closest: {close!r}")
        if self.epochs < 0:
            raise ValueError(f"epochs={self.epochs} must be 0 or more")
        if self.batch < 1:
            raise ValueError(f"batch={self.batch} must be at least 1")
        for field in ("lr", "weight_decay"):
            if not 0 <= getattr(self, field) < math.inf:
                raise ValueError(f"{field}={getattr(self, field)} must be 0 or more, and finite")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum} must be at least 0 and less than 1")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup={self.warmup} is a fraction of all steps, between 0 and 1")


Stacked = dict[str, Tensor]
"""Tensors of all seeds by name; the first axis counts the seeds."""


@dataclass(frozen=True)
class Fit:
    """Trained networks, one for each seed.

    Attributes:
        seeds: In the order of the stacked tensors.
        history: One row for each seed and epoch, 1 to `epochs`: `seed`, `epoch`, `lr` (of the epoch's last step),
            `train_loss` and `train_accuracy` (mean over the epoch's examples as they were seen, while learning),
            `validation_accuracy` and `test_accuracy` (after the epoch, in evaluation mode). The loss is the mean
            cross-entropy in nats; an accuracy is a fraction. Where a seed's loss or logits are not finite they are NaN.
        checkpoints: Parameters and buffers after some epochs, always the last; 0 is the initialisation.
        diverged: For each seed, whether a loss, an output or a parameter became NaN or infinite.
        template: The architecture, without values: `torch.func.functional_call(template, state, x)` evaluates it.
    """

    seeds: tuple[int, ...]
    history: pd.DataFrame
    checkpoints: dict[int, tuple[Stacked, Stacked]]
    diverged: tuple[bool, ...]
    template: nn.Module

    def params(self, epoch: int = -1) -> tuple[Stacked, Stacked]:
        """Stacked parameters and buffers after an epoch; -1 is the last.

        Raises:
            ValueError: Where that epoch was not kept.
        """
        wanted = max(self.checkpoints) if epoch == -1 else epoch
        if wanted not in self.checkpoints:
            raise ValueError(
                f"epoch={epoch} was not kept; kept: {', '.join(map(str, sorted(self.checkpoints)))}; "
                f"use fit(..., keep=({epoch},))"
            )
        return self.checkpoints[wanted]

    def net(self, seed: int, epoch: int = -1) -> nn.Module:
        """One seed's network as a plain module in evaluation mode, with tensors of its own.

        Raises:
            ValueError: Where the seed was not trained, or that epoch was not kept.
        """
        if seed not in self.seeds:
            raise ValueError(f"seed={seed} was not trained; trained: {', '.join(map(str, self.seeds))}")
        params, buffers = self.params(epoch)
        index = self.seeds.index(seed)
        state = {name: value[index] for name, value in (params | buffers).items()}
        device = next(iter(state.values())).device
        net = copy.deepcopy(self.template).to_empty(device=device)
        net.load_state_dict(state)
        return net.eval()


def fit(
    make_net: Callable[[torch.Generator], nn.Module],
    data: Dataset,
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    keep: Sequence[int] = (),
    penalty: Callable[[Stacked], Float[Tensor, " seeds"]] | None = None,
) -> Fit:
    """Train one network for each seed, all at once.

    The loss is the cross-entropy. A seed's initial weights come from `stream(seed, "init")` and its order of the data
    from `stream(seed, "order")`: alone or in a group it trains to the same numbers, up to the rounding of the batched
    products. A seed whose loss becomes NaN or infinite goes on as NaN, is marked in `diverged`, and disturbs no other.
    Training runs on the device of `data`.

    Args:
        make_net: Makes the network from a generator for its initial weights, e.g.
            `lambda generator: nets.mlp(10, 64, generator=generator)`.
        data: What to train on.
        recipe: How to train.
        seeds: One network each.
        keep: Epochs whose parameters are kept besides the last; 0 is the initialisation.
        penalty: What is added to the loss, a number a seed from the stacked parameters; the history shows the loss
            without it.

    Raises:
        ValueError: Where there is no seed or one is given twice, a batch is larger than the training set, an epoch to
            keep does not exist, the networks have another number of logits than the data classes, or normalise over
            a last batch of one.
    """
    seeds = tuple(seeds)
    _check(data, recipe, seeds, keep)
    nets = [make_net(runtime.stream(seed, "init")).to(data.train.x.device) for seed in seeds]
    params, buffers = stack_module_state(nets)
    template = copy.deepcopy(nets[0]).to("meta")
    _check_net(nets[0], data, recipe)

    def logits(params: Stacked, buffers: Stacked, x: Tensor) -> Tensor:
        return functional_call(template, (params, buffers), (x,))

    orders = [runtime.stream(seed, "order") for seed in seeds]
    n = len(data.train)
    optimizer = _optimizer(recipe, list(params.values()))
    scheduler = _scheduler(recipe, optimizer, steps=recipe.epochs * math.ceil(n / recipe.batch))
    checkpoints = {0: _copy(params, buffers)} if 0 in keep or recipe.epochs == 0 else {}
    records = []
    for epoch in range(1, recipe.epochs + 1):
        order = torch.stack([torch.randperm(n, generator=generator) for generator in orders]).to(data.train.y.device)
        lr = optimizer.param_groups[0]["lr"]
        train = torch.zeros(2, len(seeds), device=order.device)
        template.train()
        for rows in order.split(recipe.batch, dim=1):
            lr = optimizer.param_groups[0]["lr"]
            optimizer.zero_grad()
            outputs = vmap(logits)(params, buffers, data.train.x[rows])
            losses, hits = _score(outputs, data.train.y[rows])
            (losses if penalty is None else losses + penalty(params)).sum().backward()
            optimizer.step()
            scheduler.step()
            train += torch.stack([losses.detach() * rows.shape[1], hits])
        template.eval()
        measured = [_accuracy(logits, params, buffers, part) for part in (data.validation, data.test)]
        records.append((epoch, lr, torch.stack([*(train / n), *measured])))
        if epoch in keep or epoch == recipe.epochs:
            checkpoints[epoch] = _copy(params, buffers)

    history = _history(seeds, records)
    final = checkpoints[recipe.epochs][0]
    finite = torch.stack([value.flatten(1).isfinite().all(dim=1) for value in final.values()]).all(dim=0).tolist()
    lost = set(history.loc[history.isna().any(axis=1), "seed"])
    diverged = tuple(seed in lost or not kept for seed, kept in zip(seeds, finite, strict=True))
    return Fit(seeds, history, checkpoints, diverged, template.eval())


def _score(
    outputs: Float[Tensor, "seeds n classes"], y: Int[Tensor, "seeds n"]
) -> tuple[Float[Tensor, " seeds"], Float[Tensor, " seeds"]]:
    """Mean cross-entropy and number of hits, for each seed; NaN hits where a logit is not finite."""
    losses = nn.functional.cross_entropy(outputs.transpose(1, 2), y, reduction="none").mean(dim=1)
    outputs = outputs.detach()
    hits = (outputs.argmax(dim=2) == y).sum(dim=1)
    return losses, torch.where(outputs.isfinite().flatten(1).all(dim=1), hits, math.nan)


@torch.no_grad()
def _accuracy(logits: Callable, params: Stacked, buffers: Stacked, part: Split) -> Float[Tensor, " seeds"]:
    """Fraction of a part's examples that each seed's network labels rightly."""
    total = torch.zeros(1, device=part.x.device)
    for x, y in zip(part.x.split(_EVALUATED_AT_ONCE), part.y.split(_EVALUATED_AT_ONCE), strict=True):
        outputs = vmap(logits, in_dims=(0, 0, None))(params, buffers, x)
        total = total + _score(outputs, y.expand(len(outputs), -1))[1]
    return total / len(part)


def _history(seeds: tuple[int, ...], records: list[tuple[int, float, Tensor]]) -> pd.DataFrame:
    """The table of `Fit.history`; the only place where values leave the device."""
    columns = ["train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"]
    frames = [
        pd.DataFrame(values.T.double().cpu().numpy(), columns=columns).assign(seed=seeds, epoch=epoch, lr=lr)
        for epoch, lr, values in records
    ]
    names = ["seed", "epoch", "lr", *columns]
    if not frames:
        return pd.DataFrame(columns=names)
    table = pd.concat(frames).replace([math.inf, -math.inf], math.nan)
    return table.sort_values(["seed", "epoch"], kind="stable", ignore_index=True).reindex(columns=names)


def _copy(params: Stacked, buffers: Stacked) -> tuple[Stacked, Stacked]:
    params, buffers = ({name: value.detach().clone() for name, value in part.items()} for part in (params, buffers))
    return params, buffers


def _optimizer(recipe: Recipe, params: list[Tensor]) -> torch.optim.Optimizer:
    """An elementwise optimiser, so that the stacked seeds stay independent: no norm is taken over a tensor."""
    if recipe.optimizer == "adam":
        betas = (recipe.momentum, 0.999)
        return torch.optim.AdamW(params, lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay, foreach=True)
    return torch.optim.SGD(
        params, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
    )


def _scheduler(recipe: Recipe, optimizer: torch.optim.Optimizer, *, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule of the learning rate; one step of it for each of the optimiser's."""
    rising = recipe.warmup * steps

    def cosine(start: float, end: float, progress: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2

    def one_cycle(step: int) -> float:
        # torch's own OneCycleLR divides by zero where a phase has no step.
        peak = max(rising - 1, 0)
        if step < peak:
            return cosine(1 / 25, 1, step / peak)
        return cosine(1, 1 / 25e4, (step - peak) / max(steps - 1 - peak, 1))

    def others(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return 1.0 if recipe.schedule == "constant" else cosine(1, 0, (step - rising) / max(steps - rising, 1))

    factor = one_cycle if recipe.schedule == "one-cycle" else others
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _check(data: Dataset, recipe: Recipe, seeds: tuple[int, ...], keep: Sequence[int]) -> None:
    if not seeds:
        raise ValueError("seeds is empty; give at least one, e.g. seeds=(0,)")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds={seeds} names a seed twice; every seed is one network")
    if recipe.batch > len(data.train):
        raise ValueError(
            f"batch={recipe.batch} is larger than the {len(data.train)} training examples of {data.name!r}; "
            f"use batch={len(data.train)} or less"
        )
    for epoch in keep:
        if not 0 <= epoch <= recipe.epochs:
            raise ValueError(
                f"keep={tuple(keep)} names epoch {epoch}; epochs={recipe.epochs} allows 0 to {recipe.epochs}"
            )


def _check_net(net: nn.Module, data: Dataset, recipe: Recipe) -> None:
    """Fail before the first step where the network does not fit the data."""
    # On two examples and not on the device `meta`, whose first use in a process imports for seconds.
    with torch.no_grad():
        outputs = copy.deepcopy(net).eval()(data.train.x[:2])
    if outputs.shape != (2, data.classes):
        raise ValueError(
            f"make_net gives outputs of shape {tuple(outputs.shape[1:])} for each example; "
            f"{data.name!r} needs ({data.classes},), one logit a class"
        )
    single = recipe.batch == 1 or len(data.train) % recipe.batch == 1
    if single and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules()):
        raise ValueError(
            f"batch={recipe.batch} leaves a batch of one of the {len(data.train)} training examples, whose variance "
            f"batch normalisation cannot estimate; use e.g. batch={recipe.batch + 1}"
        )
