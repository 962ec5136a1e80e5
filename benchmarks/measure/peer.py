"""The peer of CIFAR's ResNets: the network and the loop that one would write.

A network of torchvision's BasicBlock in its default memory layout, trained as the usual CIFAR script does: a `Dataset`
of PIL images, random crop and mirror, conversion, normalisation, a `DataLoader`, SGD with momentum. (The transforms are
written out here, on PIL and tensors, as torchvision does them.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

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


def network(depth: int) -> nn.Module:
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


def steps(
    depth: int, images: np.ndarray, labels: np.ndarray, batch: int, *, device: torch.device, workers: int = 0
) -> Iterator[None]:
    """The usual loop; one step each time.

    Args:
        depth: Layers of the network.
        images: Bytes, (n, 32, 32, 3).
        labels: Numbers of classes.
        batch: Images in a step.
        device: Where the network is.
        workers: Processes of the `DataLoader`; on a GPU all cores, or the loop would wait for images alone.
    """
    net = network(depth).to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    loader = DataLoader(
        Photographs(images, labels),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )
    while True:
        for x, y in loader:
            loss = cross_entropy(net(x.to(device, non_blocking=True)), y.to(device, non_blocking=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()  # for the running average that such a script prints
            yield
