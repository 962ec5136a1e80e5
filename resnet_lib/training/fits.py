"""The outcome of a training is a `Fit`: the networks of several seeds with their history. Nothing is trained here."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import SupportsIndex

import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from resnet_lib.training.stacked import Stacked
from resnet_lib.whole import whole


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

    def params(self, epoch: SupportsIndex = -1) -> tuple[Stacked, Stacked]:
        """Stacked parameters and buffers after an epoch; -1 is the last.

        Raises:
            TypeError: Where the epoch is no whole number.
            ValueError: Where that epoch was not kept.
        """
        epoch = whole("epoch", epoch)
        wanted = max(self.checkpoints) if epoch == -1 else epoch
        if wanted not in self.checkpoints:
            raise ValueError(
                f"epoch={epoch} was not kept; kept: {', '.join(map(str, sorted(self.checkpoints)))}; "
                f"use fit(..., keep=({epoch},))"
            )
        return self.checkpoints[wanted]

    def net(self, seed: SupportsIndex, epoch: SupportsIndex = -1) -> nn.Module:
        """One seed's network as a plain module in evaluation mode, with tensors of its own.

        Raises:
            TypeError: Where the seed or the epoch is no whole number.
            ValueError: Where the seed was not trained, or that epoch was not kept.
        """
        seed = whole("seed", seed)
        if seed not in self.seeds:
            raise ValueError(f"seed={seed} was not trained; trained: {', '.join(map(str, self.seeds))}")
        params, buffers = self.params(epoch)
        index = self.seeds.index(seed)
        state = {name: value[index] for name, value in (params | buffers).items()}
        device = next(iter(state.values())).device
        net = copy.deepcopy(self.template).to_empty(device=device)
        with torch.no_grad():
            for name, value in (*net.named_parameters(), *net.named_buffers()):  # also buffers that no file would hold
                value.copy_(state[name])
        return net.eval()


RECORDS = ("measured/", "rate/", "kept/")
"""How the names of the tensors begin that a fit is made of."""

Measured = list[tuple[int, float, Tensor]]
"""For each epoch its number, the learning rate of its last step, and four measurements of each seed."""


def to_records(measured: Measured, checkpoints: dict[int, tuple[Stacked, Stacked]]) -> dict[str, Tensor]:
    """Measurements and checkpoints as tensors by name, as a file holds them."""
    found = {}
    for epoch, lr, values in measured:
        found |= {f"measured/{epoch}": values, f"rate/{epoch}": torch.tensor(lr, dtype=torch.float64)}
    for epoch, parts in checkpoints.items():
        for kind, part in zip(("params", "buffers"), parts, strict=True):
            found |= {f"kept/{epoch}/{kind}/{name}": value for name, value in part.items()}
    return found


def parsed(records: Mapping[str, Tensor]) -> tuple[Measured, dict[int, tuple[Stacked, Stacked]]]:
    """The measurements and checkpoints that `to_records` was given."""
    epochs = sorted(int(name.removeprefix("rate/")) for name in records if name.startswith("rate/"))
    measured = [(epoch, records[f"rate/{epoch}"].item(), records[f"measured/{epoch}"]) for epoch in epochs]
    checkpoints: dict[int, tuple[Stacked, Stacked]] = {}
    for name, value in records.items():
        if name.startswith("kept/"):
            _, epoch, kind, tensor = name.split("/", 3)
            params, buffers = checkpoints.setdefault(int(epoch), ({}, {}))
            (params if kind == "params" else buffers)[tensor] = value
    return measured, dict(sorted(checkpoints.items()))


def from_records(seeds: tuple[int, ...], records: Mapping[str, Tensor], template: nn.Module) -> Fit:
    """The fit of a run that is done.

    Args:
        seeds: In the order of the stacked tensors.
        records: Of `to_records`, at the end.
        template: The architecture.
    """
    measured, checkpoints = parsed(records)
    history = _history(seeds, measured)
    params = checkpoints[max(checkpoints)][0]
    lost = set(history.loc[history.isna().any(axis=1), "seed"])
    diverged = tuple(seed in lost or not kept for seed, kept in zip(seeds, finite(params).tolist(), strict=True))
    return Fit(seeds, history, checkpoints, diverged, template.eval())


def finite(params: Stacked) -> Bool[Tensor, " seeds"]:
    """For each seed, whether all of its parameters are numbers and none is infinite."""
    return torch.stack([value.flatten(1).isfinite().all(dim=1) for value in params.values()]).all(dim=0)


def _history(seeds: tuple[int, ...], measured: Measured) -> pd.DataFrame:
    """The table of `Fit.history`; the only place where values leave the device."""
    columns = ["train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"]
    frames = [
        pd.DataFrame(values.T.double().cpu().numpy(), columns=columns).assign(seed=seeds, epoch=epoch, lr=lr)
        for epoch, lr, values in measured
    ]
    names = ["seed", "epoch", "lr", *columns]
    if not frames:
        return pd.DataFrame(columns=names)
    table = pd.concat(frames).replace([math.inf, -math.inf], math.nan)
    return table.sort_values(["seed", "epoch"], kind="stable", ignore_index=True).reindex(columns=names)
