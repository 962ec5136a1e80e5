"""Before its first step a training refuses what it could not do as promised, in words that say the way out."""

from __future__ import annotations

import copy

import torch
from torch import nn

from resnet_lib.data.parts import Dataset
from resnet_lib.nets import effects
from resnet_lib.training.recipes import Recipe


def _check(data: Dataset, recipe: Recipe, seeds: tuple[int, ...], keep: tuple[int, ...]) -> None:
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
            raise ValueError(f"keep={keep} names epoch {epoch}; epochs={recipe.epochs} allows 0 to {recipe.epochs}")


def _check_net(net: nn.Module, data: Dataset, recipe: Recipe) -> None:
    """Fail before the first step where the network does not fit the data, or cannot be trained as `fit` promises."""
    kinds = {value.dtype for value in net.parameters() if value.is_floating_point()}
    if kinds and data.train.x.dtype not in kinds:
        raise TypeError(
            f"make_net gives parameters of {', '.join(sorted(map(str, kinds)))}, and {data.name!r} holds inputs of "
            f"{data.train.x.dtype}; give the data as Split(x.float(), y), or make the network with .to(x.dtype)"
        )
    owners: dict[int, set[int]] = {}
    for module in net.modules():
        for value in module._parameters.values():
            owners.setdefault(id(value), set()).add(id(module))
    shared = [name for name, value in net.named_parameters() if len(owners[id(value)]) > 1]
    if shared:
        raise ValueError(
            f"make_net shares the parameter {shared[0]!r} between two modules, which several seeds as one cannot; use "
            "one module twice (dynamics.Repeat), or a parameter for each"
        )
    # On two examples and not on the device `meta`, whose first use in a process imports for seconds.
    with torch.no_grad():
        outputs = copy.deepcopy(net).eval()(data.train.x[:2].clone())
    if outputs.shape != (2, data.classes):
        raise ValueError(
            f"make_net gives outputs of shape {tuple(outputs.shape[1:])} for each example; "
            f"{data.name!r} needs ({data.classes},), one logit a class"
        )
    n = len(data.train)
    if (recipe.batch == 1 or n % recipe.batch == 1) and _normalises(net):
        way = next((size for size in range(recipe.batch + 1, n + 1) if n % size != 1), None)
        raise ValueError(
            f"batch={recipe.batch} leaves a batch of one of the {n} training examples, whose variance batch "
            f"normalisation cannot estimate; use {f'e.g. batch={way}' if way else 'more examples'}"
        )
    effects.check(copy.deepcopy(net).eval(), effects.DEPENDS, name="the network that make_net gives")
    if recipe.epochs and (drawing := effects.drawing(net, data.train.x[:2])):
        raise ValueError(
            f"make_net gives a network in which {drawing} draws random numbers while it trains, so that a seed would "
            "not train to the same numbers again, or in a group; leave dropout and noise out, or use "
            "stochastic_depth.wrap, whose draws belong to the seed"
        )


def _normalises(net: nn.Module) -> bool:
    """Whether an output depends on the other examples of the batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())
