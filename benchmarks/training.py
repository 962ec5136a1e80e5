"""Training of CIFAR's ResNets against the loop that one would write: `python -m benchmarks.training`.

Images a second of the peer (`measure.peer`) and of the package, as it trains networks one by one and compiled, in turns
on each device that the machine has: float32 on a CPU, bfloat16 on a GPU (the peer's usual script trains in float32).
The same images, batch and optimiser; no side measures accuracy in between.

Two ceilings are measured in the same run, multiplication of matrices and copying of memory, and what a step asks of
either is counted. `share` is the part reached of the images a second that the smaller ceiling allows without fusing.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from benchmarks.measure import ceilings, peer, report
from benchmarks.measure.clock import in_turns
from resnet_lib import data, nets, runtime, training
from resnet_lib.training import Recipe

RECIPE = Recipe(10**6, lr=0.01, weight_decay=1e-4, schedule="constant", warmup=0.0, augment="crop-flip")


def steps(
    depth: int, images: np.ndarray, labels: np.ndarray, batch: int, policy: training.Policy, device: torch.device
) -> Iterator[None]:
    """The package's run; one step each time."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).div(255)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (peer.MEAN, peer.DEVIATION))
    part = data.Split((x - mean) / deviation, torch.from_numpy(labels))
    few = data.Split(part.x[:2], part.y[:2])
    dataset = data.Dataset("random images", part, few, few, 10, "").to(device)
    recipe = dataclasses.replace(RECIPE, batch=batch)
    make = lambda generator: nets.cifar_resnet(depth, generator=generator)  # noqa: E731
    run = training.Run(make, dataset, recipe, [0], policy=policy)
    while True:
        run.advance()
        yield


def measured(depth: int, batch: int, device: torch.device, *, rounds: int, count: int, workers: int) -> pd.DataFrame:
    """A row for each side: images a second in every round, and the share of each ceiling at the best."""
    generator = runtime.rng(0, "benchmark")
    images = generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, len(images))
    gpu = device.type == "cuda"
    sides = {
        "peer": peer.steps(depth, images, labels, batch, device=device, workers=workers),
        "one by one": steps(depth, images, labels, batch, training.ONE_BY_ONE, device),
        "compiled": steps(depth, images, labels, batch, training.COMPILED, device),
    }
    tops = {"matrix": ceilings.matrix(device, bfloat16=gpu), "memory": ceilings.memory(device)}
    best = {name: max(top() for _ in range(3)) for name, top in tops.items()}
    times = in_turns(sides, device, rounds=rounds, steps=count // batch if gpu else 1)
    best = {name: max(best[name], *(top() for _ in range(3))) for name, top in tops.items()}
    net = nets.cifar_resnet(depth, generator=runtime.stream(0, "init")).to(device)
    x, y = torch.zeros(batch, 3, 32, 32, device=device), torch.zeros(batch, dtype=torch.int64, device=device)
    asked = ceilings.demand(net, x, y, bfloat16=gpu)
    rows = []
    for side, values in times.items():
        rate = batch / min(values)
        rows.append(
            {
                "device": str(device),
                "depth": depth,
                "batch": batch,
                "side": side,
                "images/s": rate,
                "median": batch / float(np.median(values)),
                "times the peer": min(times["peer"]) / min(values),
                "of matrix": rate * asked.operations / best["matrix"],
                "of memory": rate * asked.traffic / best["memory"],
                "GFLOP/image": asked.operations / 1e9,
                "MB/image": asked.traffic / 1e6,
                "matrix TFLOP/s": best["matrix"] / 1e12,
                "memory GB/s": best["memory"] / 1e9,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Time all sides in turns; print images a second, their ratio, and the share of the ceilings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=main.__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=[20, 56])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    tables = []
    with runtime.numerics(threads=arguments.threads):
        for device in [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]:
            gpu = device.type == "cuda"
            for depth in arguments.depths:
                options = {"rounds": arguments.rounds, "count": (100 if gpu else 8) * arguments.batch}
                workers = arguments.threads if gpu else 0
                tables.append(measured(depth, arguments.batch, device, workers=workers, **options))
                print(tables[-1].round(3).to_string(index=False), flush=True)
    report.save("training", pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    main()
