"""What two processes do together in test_ranks.py; torchrun starts it."""

import sys

import torch

from resnet_lib import data, nets, training
from resnet_lib.nets import Unit
from resnet_lib.training import Recipe, ranks

RECIPE = Recipe(epochs=2, batch=50, lr=0.05, augment="crop-flip")


def fit(norm: str, ranks: ranks.Ranks | None = None) -> training.Run:
    """A run on 120 digits: batches of 50, 50 and 20."""
    dataset = data.load("digits").subset(120)
    run = training.Run(
        lambda generator: nets.digits_resnet(1, 4, unit=Unit(norm=norm), generator=generator),
        dataset,
        RECIPE,
        [3],
        policy=training.ONE_BY_ONE,
        ranks=ranks,
    )
    while not run.done:
        run.advance()
    return run


if __name__ == "__main__":
    with ranks.joined() as joined:
        for kind in ("none", "batch"):
            torch.save(fit(kind, joined).state(), f"{sys.argv[1]}/{kind}-{joined.rank}.pt")
