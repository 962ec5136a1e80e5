"""Many seeds at once against one after the other: `python -m benchmarks.seeds`.

The peer is the loop that one writes in PyTorch: a module of `nn.Linear`, `torch.optim.SGD`, one network after another.
Each side runs with one and with two threads, in turns, and is judged by its best time (on a busy machine two threads
wait for each other; `--threads 1` measures there). Both start from the same weights and see the same batches, so that
the losses have to agree; that is checked in double precision, where rounding does not grow to anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from resnet_lib import data, nets, runtime, training
from resnet_lib.nets import Unit

BLOCKS, WIDTH = 10, 64


class ResidualMLP(nn.Module):
    """The peer's network: x + W2 relu(W1 x) / sqrt(BLOCKS), ten times."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(64, WIDTH)
        self.first = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.second = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits."""
        x = torch.relu(self.stem(x))
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(torch.relu(first(x))) / BLOCKS**0.5
        return self.head(x)


def ours(generator: torch.Generator) -> nets.Stack:
    """The same network, of the package."""
    unit = Unit(order="inside", norm="none", alpha=BLOCKS**-0.5)
    return nets.mlp(BLOCKS, WIDTH, unit=unit, generator=generator)


def same_start(seed: int) -> ResidualMLP:
    """The peer's network with the package's initial weights: layer for layer, in the order of the forward pass."""
    peer, source = ResidualMLP(), ours(runtime.stream(seed, "init"))
    pairs = [layer for pair in zip(peer.first, peer.second, strict=True) for layer in pair]
    layers = [module for module in source.modules() if isinstance(module, nn.Linear)]
    for layer, origin in zip([peer.stem, *pairs, peer.head], layers, strict=True):
        layer.load_state_dict(origin.state_dict())
    return peer


def one_after_the_other(dataset: data.Dataset, recipe: training.Recipe, seeds: range) -> np.ndarray:
    """Mean training loss of the last epoch, for each seed."""
    x, y = dataset.train.x, dataset.train.y
    losses = []
    for seed in seeds:
        net, order = same_start(seed).to(x.dtype), runtime.stream(seed, "order")
        optimizer = torch.optim.SGD(net.parameters(), lr=recipe.lr, momentum=recipe.momentum)
        total = torch.zeros(())
        for _ in range(recipe.epochs):
            net.train()
            total = torch.zeros(())
            for batch in torch.randperm(len(y), generator=order).split(recipe.batch):
                optimizer.zero_grad()
                loss = cross_entropy(net(x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(batch)
            # The package measures these after every epoch, so the loop does too.
            net.eval()
            with torch.no_grad():
                for part in (dataset.validation, dataset.test):
                    (net(part.x).argmax(1) == part.y).sum()
        losses.append(total.item() / len(y))
    return np.array(losses)


def at_once(dataset: data.Dataset, recipe: training.Recipe, seeds: range) -> np.ndarray:
    """The same, by `training.fit`."""
    dtype = dataset.train.x.dtype
    history = training.fit(lambda generator: ours(generator).to(dtype), dataset, recipe, seeds).history
    return history.loc[history["epoch"] == recipe.epochs, "train_loss"].to_numpy()


def in_double(dataset: data.Dataset) -> data.Dataset:
    """The dataset in double precision."""
    parts = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    return dataclasses.replace(dataset, **{name: data.Split(part.x.double(), part.y) for name, part in parts.items()})


def main() -> None:
    """Run both sides in turns and print the ratio of their best times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    dataset, seeds = data.load("digits", flat=True), range(arguments.seeds)
    recipe = training.Recipe(arguments.epochs, batch=50, lr=0.02, schedule="constant", warmup=0.0)
    sides = {"one after the other": one_after_the_other, "at once": at_once}
    times: dict[str, list[tuple[float, int]]] = {side: [] for side in sides}
    for train in sides.values():
        train(dataset, recipe, range(1))  # what the first call loads does not count
    for _ in range(arguments.rounds):
        for threads in arguments.threads:
            with runtime.numerics(threads=threads):
                for side, train in sides.items():
                    start = time.perf_counter()
                    train(dataset, recipe, seeds)
                    times[side].append((time.perf_counter() - start, threads))
    print(f"{arguments.seeds} networks of {BLOCKS} blocks, width {WIDTH}, digits, {arguments.epochs} epochs")
    best = {side: min(values) for side, values in times.items()}
    for side, (seconds, threads) in best.items():
        every = ", ".join(f"{seconds:.2f} ({threads})" for seconds, threads in times[side])
        print(f"{side:20} {seconds:6.2f} s with {threads} thread(s)   all, with (threads): {every}")
    once = dataclasses.replace(recipe, epochs=1)
    peer, package = (train(in_double(dataset), once, seeds[:4]) for train in sides.values())
    print(f"ratio {best['one after the other'][0] / best['at once'][0]:.1f}", end="; ")
    print(f"the losses of one epoch agree to {np.abs(package / peer - 1).max():.0e}")


if __name__ == "__main__":
    main()
