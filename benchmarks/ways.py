"""The ways to train several seeds of a convolutional network: `python -m benchmarks.ways`.

All seeds at once, which makes grouped convolutions of theirs (`torch.func.vmap` over stacked parameters); one after
another in each step; the same compiled. Networks of CIFAR's shape, eight seeds, random images, on each device.
`zoo.default_policy` takes the fastest of the simple ones at the published width of 16: one by one on a CPU,
compiled on a GPU. A quarter of that width is faster stacked.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator

import pandas as pd
import torch

from benchmarks.measure import clock, report
from benchmarks.training import RECIPE
from resnet_lib import data, nets, runtime, training

WAYS = {"stacked": training.STACKED, "one by one": training.ONE_BY_ONE, "compiled": training.COMPILED}


def steps(depth: int, width: int, seeds: int, batch: int, policy: training.Policy, device: torch.device) -> Iterator:
    """A run of all seeds; one step each time."""
    generator = runtime.stream(0, "benchmark")
    part = data.Split(torch.randn(8 * batch, 3, 32, 32, generator=generator), torch.arange(8 * batch) % 10)
    few = data.Split(part.x[:2], part.y[:2])
    dataset = data.Dataset("random images", part, few, few, 10, "").to(device)
    make = lambda generator: nets.cifar_resnet(depth, width=width, generator=generator)  # noqa: E731
    run = training.Run(make, dataset, dataclasses.replace(RECIPE, batch=batch), range(seeds), policy=policy)
    while True:
        run.advance()
        yield


def main() -> None:
    """Time the ways in turns; print images a second, summed over the seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ways", description=main.__doc__)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--widths", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32, help="images of each seed in a step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    rows = []
    with runtime.numerics(threads=arguments.threads):
        for device in [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]:
            for width in arguments.widths:
                options = (arguments.depth, width, arguments.seeds, arguments.batch)
                sides = {way: steps(*options, policy, device) for way, policy in WAYS.items()}
                for way, times in clock.in_turns(sides, device, rounds=arguments.rounds).items():
                    rate = arguments.seeds * arguments.batch / min(times)
                    rows.append({"device": str(device), "width": width, "way": way, "images/s": rate})
                    print(f"{device}, width {width:3}, {way:12} {rate:9.0f} images/s", flush=True)
    report.save("ways", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
