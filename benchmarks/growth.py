"""How the time of training grows with depth and with the number of seeds: `python -m benchmarks.growth`.

Depth: a step of CIFAR's ResNets of 8 to 1202 layers, of the package's run and of the usual loop (`measure.peer`), in
turns; the smaller batch on a CPU keeps the deepest to seconds. Seeds: an epoch of a residual MLP on digits for 1 to 64
seeds at once, against one network after the other (`benchmarks.seeds`). An exponent is the slope of the line that fits
the logarithms: 1 where twice as much takes twice as long.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks import seeds as together
from benchmarks import training as cifar
from benchmarks.measure import clock, peer, report
from resnet_lib import data, runtime, training
from resnet_lib.evidence import style

DEPTHS = (8, 20, 56, 110, 302, 1202)
SEEDS = (1, 2, 4, 8, 16, 32, 64)


def by_depth(depths: list[int], batch: int, device: torch.device, rounds: int) -> pd.DataFrame:
    """Milliseconds per image, of both sides at each depth."""
    generator = runtime.rng(0, "benchmark")
    images = generator.integers(0, 256, (4 * batch, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, len(images))
    rows = []
    for depth in depths:
        sides = {
            "peer": peer.steps(depth, images, labels, batch, device=device),
            "resnet_lib": cifar.steps(depth, images, labels, batch, training.ONE_BY_ONE, device),
        }
        for side, times in clock.in_turns(sides, device, rounds=rounds).items():
            rows.append({"grows": "depth", "size": depth, "side": side, "seconds": min(times) / batch})
            print(f"{device}, {depth:5} layers, {side:12} {1e3 * min(times) / batch:9.3f} ms an image", flush=True)
    return pd.DataFrame(rows)


def by_seeds(counts: list[int], rounds: int) -> pd.DataFrame:
    """Seconds per epoch, of seeds at once and one after the other."""
    dataset = data.load("digits", flat=True)
    recipe = training.Recipe(1, batch=50, lr=0.02, schedule="constant", warmup=0.0)
    rows = []
    for count in counts:
        # One after the other takes as long as so many times one; measuring the first four shows it.
        sides = {"resnet_lib": together.at_once} | ({"peer": together.one_after_the_other} if count <= 4 else {})
        times: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side, train in sides.items():
                start = time.perf_counter()
                train(dataset, recipe, range(count))
                times[side].append(time.perf_counter() - start)
        for side, values in times.items():
            rows.append({"grows": "seeds", "size": count, "side": side, "seconds": min(values)})
            print(f"{count:3} seeds, {side:12} {min(values):7.3f} s an epoch", flush=True)
    return pd.DataFrame(rows)


def exponents(table: pd.DataFrame) -> pd.Series:
    """Slope of log seconds against log size, of each line."""
    slope = lambda part: np.polyfit(np.log(part["size"]), np.log(part["seconds"]), 1)[0]  # noqa: E731
    return table.groupby(["device", "grows", "side"])[["size", "seconds"]].apply(slope).rename("exponent")


def drawing(table: pd.DataFrame) -> Figure:
    """Both growths, on logarithmic axes."""
    labels = {"depth": ("layers", "seconds an image"), "seeds": ("seeds", "seconds an epoch")}
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, (grows, (x, y)) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        for (device, side), part in table[table["grows"] == grows].groupby(["device", "side"]):
            axes.loglog(part["size"], part["seconds"], marker="o", label=f"{side}, {device}")
        axes.set(xlabel=x, ylabel=y)
        axes.legend()
    return figure


def main() -> None:
    """Time depths and seeds; print the exponents, write the table and the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=main.__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=list(DEPTHS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--batch", type=int, default=16, help="images in a step on the CPU; a GPU takes eight times that"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with runtime.numerics(threads=arguments.threads):
        cpu = torch.device("cpu")
        tables = [by_depth(arguments.depths, arguments.batch, cpu, arguments.rounds).assign(device="cpu")]
        tables.append(by_seeds(arguments.seeds, arguments.rounds).assign(device="cpu"))
        if torch.cuda.is_available():
            gpu = torch.device("cuda")
            tables.append(by_depth(arguments.depths, 8 * arguments.batch, gpu, arguments.rounds).assign(device="cuda"))
    table = pd.concat(tables, ignore_index=True)
    print(exponents(table).round(2).to_string())
    with style.style():
        report.save("growth", table, drawing(table))


if __name__ == "__main__":
    main()
