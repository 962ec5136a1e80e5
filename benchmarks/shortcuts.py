"""A training step of ResNet-20 with orthonormal shortcuts against free ones: `python -m benchmarks.shortcuts`.

The product is the parametrisation of `projections.Orthonormal` (Cholesky twice), in both forms that the chapter trains:
1x1 with orthonormal columns and 2x2 with orthonormal rows. It is compared with a free convolution of the same kernel,
so that the ratio is what the parametrisation costs, and with torch's `parametrizations.orthogonal` on the same kernel.
The sides take turns, and each is judged by its best step. At the end the distance of the kernels from orthonormal is
printed: both parametrisations have to keep it small.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import orthogonal

from resnet_lib import nets, runtime
from resnet_lib.linalg.stiefel import defect
from resnet_lib.nets import projections, units


def network(change: Callable[[projections.Orthonormal], nn.Module] | None, shortcut: str) -> nets.Stack:
    """ResNet-20 with that orthonormal shortcut, which `change` replaces by another layer of the same kernel."""
    unit = replace(units.UNITS["post"], shortcut=shortcut)
    net = nets.cifar_resnet(20, unit=unit, generator=runtime.stream(0, "benchmark"))
    for block in net.blocks:
        if change and isinstance(block.shortcut, projections.Orthonormal):
            block.shortcut = change(block.shortcut)
    return net


def free(layer: projections.Orthonormal) -> nn.Module:
    """The same kernel without a parametrisation."""
    plain = projections.Patches(layer.in_channels, layer.out_channels, layer.stride[0], kernel=layer.kernel_size[0])
    plain.weight = nn.Parameter(layer.effective().detach().clone())
    return plain


class Matrix(nn.Module):
    """The kernel as a matrix, so that torch's parametrisation, which looks at the last two axes, can work on it."""

    def __init__(self, layer: projections.Orthonormal):
        super().__init__()
        self.shape, self.stride = layer.weight.shape, layer.stride
        self.kernel = nn.Linear(layer.weight[0].numel(), layer.weight.shape[0], bias=False)
        self.kernel.weight = nn.Parameter(layer.effective().detach().flatten(1).clone())
        orthogonal(self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution."""
        return nn.functional.conv2d(x, self.kernel.weight.view(self.shape), stride=self.stride)


def kernels(net: nets.Stack) -> list[Tensor]:
    """The kernels of the shortcuts that are orthonormal by construction, as matrices whose rows should be so."""
    found = []
    for module in net.modules():
        if isinstance(module, projections.Orthonormal):
            found.append(module.effective().flatten(1))
        elif parametrize.is_parametrized(module):
            found.append(module.weight)
    return [kernel if kernel.shape[0] <= kernel.shape[1] else kernel.mT for kernel in found]  # pyright: ignore[reportCallIssue, reportArgumentType, reportIndexIssue, reportAttributeAccessIssue, reportReturnType]


def main() -> None:
    """Time steps of all sides in turns and print the ratios of their best."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shortcuts", description=main.__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = runtime.device(arguments.device)
    random = runtime.stream(0, "images")
    x = torch.randn(arguments.batch, 3, 32, 32, generator=random).to(device)
    y = torch.randint(10, (arguments.batch,), generator=random).to(device)
    for shortcut in ("columns", "2x2"):
        changes: dict[str, Callable[[projections.Orthonormal], nn.Module] | None] = {
            "free": free,
            "ours (Cholesky twice)": None,
            "torch (orthogonal)": Matrix,
        }
        sides = {name: network(change, shortcut).to(device) for name, change in changes.items()}
        optimizers = {name: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for name, net in sides.items()}
        times: dict[str, list[float]] = {name: [] for name in sides}
        with runtime.numerics():
            for turn in range(arguments.rounds + 1):
                for name, net in sides.items():
                    start = time.perf_counter()
                    optimizers[name].zero_grad()
                    cross_entropy(net(x), y).backward()
                    optimizers[name].step()
                    if device.type == "cuda":
                        torch.cuda.synchronize(device)
                    if turn:  # what the first call loads does not count
                        times[name].append(time.perf_counter() - start)
        print(
            f"ResNet-20, shortcut {shortcut!r}, batch {arguments.batch}, {device}, one thread, "
            f"{arguments.rounds} rounds"
        )
        best = {name: min(values) for name, values in times.items()}
        for name, seconds in best.items():
            worst = max((float(defect(kernel.detach().double())) for kernel in kernels(sides[name])), default=None)
            kept = "" if worst is None else f"   distance from orthonormal {worst:.0e}"
            print(f"{name:22} {1000 * seconds:8.1f} ms a step   {100 * (seconds / best['free'] - 1):+5.1f}%{kept}")


if __name__ == "__main__":
    main()
