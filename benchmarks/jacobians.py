"""Jacobians and their spectra in batches against the loop: `python -m benchmarks.jacobians`.

The peer is the loop that one writes in PyTorch: `torch.autograd.functional.jacobian` and `torch.linalg.eigvals`,
network by network, block by block, example by example. Both sides see the same weights and inputs, run in turns with
one thread and with two, and are judged by their best time. The loop does some of the examples; its time is scaled.

Of the eigenvalues of large blocks most of the time is LAPACK's on both sides, so there the ratio is smaller.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from resnet_lib import data, linalg, nets, runtime
from resnet_lib.analysis import jacobian
from resnet_lib.nets import Unit


@dataclass(frozen=True)
class Case:
    """Networks of one architecture and the examples at which all of their blocks are linearised."""

    name: str
    make: Callable[[torch.Generator], nets.Stack]
    seeds: int
    examples: int
    looped: int  # how many of the examples the peer does
    flat: bool


CASES = (
    Case(
        "MLP, 10 blocks of width 64, d = 64",
        lambda generator: nets.mlp(10, 64, unit=Unit(order="inside", norm="none"), generator=generator),
        seeds=5,
        examples=32,
        looped=1,
        flat=True,
    ),
    *(
        Case(
            f"digits ResNet, 2 {order}-activation blocks of {channels} channels, d = {64 * channels}",
            lambda generator, channels=channels, order=order: nets.digits_resnet(
                2, channels, unit=Unit(order=order), generator=generator
            ),
            seeds=1,
            examples=8,
            looped=1,
            flat=False,
        )
        for channels, order in ((8, "pre"), (8, "post"), (16, "pre"))
    ),
)


def batched(stacks: list[nets.Stack], x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Jacobians of all networks, blocks and examples; their eigenvalues; and the seconds that the first took."""
    params, buffers = stack_module_state(list[nn.Module](stacks))
    start = time.perf_counter()
    jacobians = jacobian.along_seeds(stacks[0], params, buffers, x)
    seconds = time.perf_counter() - start
    return jacobians, linalg.eigenvalues(jacobians), seconds


def loop(stacks: list[nets.Stack], x: Tensor) -> tuple[Tensor, Tensor, float]:
    """The same by the peer."""
    jacobians, values, seconds = [], [], 0.0
    for stack in stacks:
        with torch.no_grad():
            states = stack.states(x)
        for block, state in zip(stack.blocks, states, strict=False):
            for example in state:
                start = time.perf_counter()
                matrix = torch.autograd.functional.jacobian(block, example[None])
                assert isinstance(matrix, Tensor)
                matrix = matrix.reshape(example.numel(), example.numel())
                seconds += time.perf_counter() - start
                jacobians.append(matrix)
                values.append(torch.linalg.eigvals(matrix))
    shape = (len(stacks), len(stacks[0].blocks), len(x))
    return torch.stack(jacobians).unflatten(0, shape), torch.stack(values).unflatten(0, shape), seconds


def disagreement(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference of the mean powers of the eigenvalues, for which their order does not matter."""
    return max((ours.pow(p).mean(-1) - theirs.pow(p).mean(-1)).abs().max().item() for p in (1, 2, 3))


def compare(case: Case, rounds: int) -> dict[str, float]:
    """Best seconds of both sides, for the Jacobians and in all, and how far they disagree."""
    x = data.load("digits", flat=case.flat).test.x[: case.examples]
    stacks = [case.make(runtime.stream(seed, "benchmark")).eval() for seed in range(case.seeds)]
    for stack in stacks:
        stack.requires_grad_(False)
    best: dict[str, float] = {}
    for _ in range(rounds):
        for threads in (1, 2):
            with runtime.numerics(threads=threads):
                for side, run, count in (("batched", batched, case.examples), ("loop", loop, case.looped)):
                    start = time.perf_counter()
                    jacobians, values, seconds = run(stacks, x[:count])
                    total = time.perf_counter() - start
                    factor = case.examples / count
                    for name, value in ((side, total * factor), (f"{side} jacobians", seconds * factor)):
                        best[name] = min(value, best.get(name, value))
                    if side == "batched":
                        ours = jacobians[:, :, : case.looped], values[:, :, : case.looped]
                    else:
                        best["gap of jacobians"] = (ours[0] - jacobians).abs().max().item()
                        best["gap of spectra"] = disagreement(ours[1], values)
    return best


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description="Jacobians and spectra: batches against the loop.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for case in CASES:
        best = compare(case, arguments.rounds)
        blocks = len(case.make(runtime.stream(0, "benchmark")).blocks)
        print(f"{case.name}: {case.seeds} networks x {blocks} blocks x {case.examples} examples")
        for what, suffix in (("Jacobians", " jacobians"), ("Jacobians and eigenvalues", "")):
            slow, fast = best[f"loop{suffix}"], best[f"batched{suffix}"]
            print(f"  {what:26} loop {slow:8.2f} s   batched {fast:7.3f} s   ratio {slow / fast:6.1f}")
        lapack = best["batched"] - best["batched jacobians"]
        ceiling = best["loop"] / lapack
        print(f"  {'LAPACK alone':26} {lapack:.2f} s; with free Jacobians the ratio were {ceiling:.1f}")
        print(f"  they agree to {best['gap of jacobians']:.1e} (entries), {best['gap of spectra']:.1e} (mean powers)")
        assert best["gap of jacobians"] < 1e-4
        assert best["gap of spectra"] < 1e-3


if __name__ == "__main__":
    main()
