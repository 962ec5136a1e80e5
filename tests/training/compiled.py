"""What test_compiled.py runs in a process without type checks, for `torch.compile` cannot see through them."""

import sys

import torch
from torch._dynamo.utils import counters

from resnet_lib import data, nets, runtime, training
from resnet_lib.training import Policy, Recipe

RECIPE = Recipe(epochs=2, batch=50, lr=0.05, augment="crop-flip")
SEEDS = [0, 4]


def started(policy: Policy, seeds: list[int]) -> training.Run:
    """A run on 120 digits: batches of 50, 50 and 20."""
    return training.Run(
        lambda generator: nets.digits_resnet(2, 4, unit="pre", generator=generator),
        data.load("digits").subset(120),
        RECIPE,
        seeds,
        keep=[0],
        policy=policy,
    )


def finished(run: training.Run) -> training.Run:
    """The run at its end."""
    while not run.done:
        run.advance()
    return run


def main(folder: str) -> None:
    """Save the states at the end: not compiled, compiled, stopped and restored, and of one seed alone."""
    whole = finished(started(training.COMPILED, SEEDS))
    first, second = (started(training.COMPILED, SEEDS) for _ in range(2))
    for _ in range(4):
        first.advance()
    second.restore({name: value.clone() for name, value in first.state().items()})
    graphs = counters["stats"]["unique_graphs"]
    alone = finished(started(training.COMPILED, SEEDS[1:]))
    states = {
        "eager": finished(started(training.ONE_BY_ONE, SEEDS)).state(),
        "compiled": whole.state(),
        "restored": finished(second).state(),
        "alone": alone.state(),
        "graphs": {"before": torch.tensor(graphs), "after": torch.tensor(counters["stats"]["unique_graphs"])},
    }
    torch.save(states, f"{folder}/states.pt")


if __name__ == "__main__":
    with runtime.numerics():
        main(sys.argv[1])
