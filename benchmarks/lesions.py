"""All single lesions of ResNet-110 against one full pass per block: `python -m benchmarks.lesions`.

The peer is the loop that one writes: for every block a network without it, evaluated from the image on. Both sides
compute the same outputs, which is checked. Every batch is treated by itself, so the ratio does not depend on how many
there are; each side is judged by the best of several rounds in turns.
"""

from __future__ import annotations

import argparse
import time

import torch

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion, lesion_scores


def main() -> None:
    """Run both sides in turns and print the ratio of their best times, and each as a share of full passes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lesions", description=main.__doc__)
    parser.add_argument("--depth", type=int, default=110)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    net = nets.cifar_resnet(arguments.depth, generator=runtime.stream(0, "benchmark")).eval()
    x = torch.randn(arguments.images, 3, 32, 32, generator=runtime.stream(0, "images"))
    singles = list(lesion.singles(net).values())
    best = {"full pass": float("inf"), "one by one": float("inf"), "shared": float("inf")}
    values: dict[str, torch.Tensor] = {}
    calls = 0, 1
    with runtime.numerics(threads=arguments.threads), torch.no_grad():
        net(x)  # what the first call loads does not count
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            net(x)
            best["full pass"] = min(best["full pass"], time.perf_counter() - start)
            start = time.perf_counter()
            shared = lesion_scores.outputs(singles, x)
            best["shared"] = min(best["shared"], time.perf_counter() - start)
            values["shared"], calls = shared.values, (shared.calls, shared.alone)
            start = time.perf_counter()
            values["one by one"] = torch.stack([single(x) for single in singles])
            best["one by one"] = min(best["one by one"], time.perf_counter() - start)
    passes = best["full pass"] * len(singles)
    print(
        f"ResNet-{arguments.depth}, {len(singles)} single lesions, {arguments.images} images, "
        f"{arguments.threads} thread(s)"
    )
    for side in ("one by one", "shared"):
        print(f"{side:12} {best[side]:7.2f} s   {best[side] / passes:.0%} of one full pass for each lesion")
    print(f"ratio {best['one by one'] / best['shared']:.2f}; blocks computed: {calls[0]} of {calls[1]}", end="; ")
    print(f"outputs equal bit for bit: {torch.equal(values['shared'], values['one by one'])}")


if __name__ == "__main__":
    main()
