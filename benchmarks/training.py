"""Training of CIFAR's ResNets: images a second against the loop that one would write: `python -m benchmarks.training`.

The peer is a network of torchvision's BasicBlock in its default memory layout, trained as the usual CIFAR script does:
a `Dataset` of PIL images, random crop and mirror, conversion, normalisation, a `DataLoader`, SGD with momentum. (The
transforms are written out below, on PIL and tensors, as torchvision does them.) The same images, batch and optimiser;
neither side measures accuracy in between.

Both sides are timed in turns, with one thread, by the CPU time of the process: on a machine that others use, too, this
does not count the time in which they have it. The ceiling is matrix multiplication, measured in the same rounds.
What counts as work are the multiplications and additions of the convolutions and of the last layer: forward, and twice
as much backward.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from resnet_lib import data, nets, runtime, training

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class BasicBlock(nn.Module):
    """torchvision's block, with the shortcut of option A."""

    def __init__(self, c_in: int, c_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.stride, self.extra = stride, c_out - c_in

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's output."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.extra:
            x = pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2)
            )
        out += x
        return self.relu(out)


def peer_net(depth: int) -> nn.Module:
    """A CIFAR ResNet, put together as in the usual script."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    c_in = 16
    for stage, width in enumerate((16, 32, 64)):
        for position in range((depth - 2) // 6):
            layers.append(BasicBlock(c_in, width, 2 if stage and not position else 1))
            c_in = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Photographs(TorchDataset):
    """Images as bytes, transformed one by one as torchvision's transforms do it."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = ImageOps.expand(Image.fromarray(self.x[index]), border=4, fill=0)
        top, left = (int(torch.randint(0, 9, (1,))) for _ in range(2))
        image = image.crop((left, top, left + 32, top + 32))
        if torch.rand(1) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(np.array(image, copy=True)).permute(2, 0, 1).contiguous().div(255)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        return tensor.sub_(mean).div_(deviation), int(self.y[index])


def peer(depth: int, images: np.ndarray, labels: np.ndarray, batch: int) -> Iterator[None]:
    """The usual loop; one step each time."""
    net = peer_net(depth).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    while True:
        for x, y in DataLoader(Photographs(images, labels), batch_size=batch, shuffle=True):
            loss = cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()  # for the running average that such a script prints
            yield


def ours(
    depth: int, images: np.ndarray, labels: np.ndarray, batch: int, policy: training.Policy = training.ONE_BY_ONE
) -> Iterator[None]:
    """The package's run; one step each time."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).div(255)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    part = data.Split((x - mean) / deviation, torch.from_numpy(labels))
    few = data.Split(part.x[:2], part.y[:2])
    dataset = data.Dataset("random images", part, few, few, 10, "")
    recipe = training.Recipe(
        10**6, batch=batch, lr=0.01, weight_decay=1e-4, schedule="constant", warmup=0.0, augment="crop-flip"
    )
    run = training.Run(
        lambda generator: nets.cifar_resnet(depth, generator=generator),
        dataset,
        recipe,
        [0],
        policy=policy,
    )
    while True:
        run.advance()
        yield


def work(depth: int) -> float:
    """Multiplications and additions for one image, counted at the convolutions: forward, and twice as much backward."""
    count = 0

    def hook(module: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal count
        if isinstance(module, nn.Conv2d):
            count += 2 * out[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            count += 2 * module.weight.numel()

    net = peer_net(depth)
    for module in net.modules():
        module.register_forward_hook(hook)
    with torch.no_grad():
        net(torch.zeros(1, 3, 32, 32))
    return 3.0 * count


def timed(step: Callable[[], object]) -> float:
    """CPU time of a step."""
    start = time.process_time()
    step()
    return time.process_time() - start


@dataclasses.dataclass
class Side:
    """One way of training, and the times of its steps."""

    steps: Iterator[None]
    times: list[float] = dataclasses.field(default_factory=list)

    def step(self) -> None:
        """One more."""
        self.times.append(timed(lambda: next(self.steps)))


def main() -> None:
    """Time both sides in turns; print images a second, their ratio, and the share of the ceiling."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=main.__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=[20, 56])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    generator = runtime.rng(0, "benchmark")
    images = generator.integers(0, 256, (2 * arguments.batch, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, len(images))
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    with runtime.numerics(threads=arguments.threads):
        for depth in arguments.depths:
            sides = {
                "peer": Side(peer(depth, images, labels, arguments.batch)),
                "ours": Side(ours(depth, images, labels, arguments.batch)),
            }
            for side in sides.values():
                next(side.steps)  # what the first step loads does not count
            ceiling = []
            for _ in range(arguments.rounds):
                for side in sides.values():
                    side.step()
                ceiling.append(2 * 2048**3 / timed(lambda: a @ b))
            print(f"ResNet-{depth}, batch {arguments.batch}, float32, {arguments.threads} thread(s), CPU time")
            best = {name: min(side.times) for name, side in sides.items()}
            for name, side in sides.items():
                rate = work(depth) * arguments.batch / best[name]
                every = ", ".join(f"{arguments.batch / seconds:.0f}" for seconds in side.times)
                print(
                    f"  {name}: {arguments.batch / best[name]:6.0f} images/s, {rate / 1e9:5.0f} GFLOP/s, "
                    f"{rate / max(ceiling):4.0%} of matrix multiplication ({max(ceiling) / 1e9:.0f})   all: {every}"
                )
            print(f"  ratio {best['peer'] / best['ours']:.2f}")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
