"""This module loads published networks as this package's own, and the images as these networks read them.

Nobody of this project trained them: one network a depth, on all 50,000 training images of CIFAR-10, without a
validation part, a plain twin or a second seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from resnet_lib.data import conversion, official, releases, shelf, store
from resnet_lib.data.parts import Split
from resnet_lib.nets.networks import Stack

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What published networks subtract from pixels over 255, and divide by: ImageNet's constants, not CIFAR-10's."""
PARTS = ("train", "test")
AT_ONCE = 250
"""Images in one call, where a network labels all of them."""


def published(depth: int, *, device: torch.device | str = "cpu", folder: Path | None = None) -> Stack:
    """The published network of that depth as this package's `Stack`, in evaluation mode.

    It is `nets.cifar_resnet(depth)`: the original unit (order `post`) with option A. `images` are what it reads.

    Args:
        depth: 20, 32, 44 or 56; 110 or 1202 where they were fetched.
        device: Where the tensors live.
        folder: Where fetched data are kept; None for the user's data folder.

    Raises:
        ValueError: Where there is no such network, it was not fetched (`resnet-lib data fetch published`), or its file
            was altered since.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as empty:
        ...     try:
        ...         net = published(20, folder=Path(empty))  # a Stack of 9 blocks, once its weights were fetched
        ...     except ValueError as error:
        ...         print(str(error).partition(" (")[0])
        the weights 'published-20' are not on this machine
    """
    return conversion.network(depth, shelf.read(depth, folder)).to(device)


def images(
    part: str = "test", *, count: int | None = None, device: torch.device | str = "cpu", folder: Path | None = None
) -> Split:
    """Images of CIFAR-10 as published networks read them: each channel over 255, less `MEAN`, over `DEVIATION`.

    Args:
        part: `train`, all 50,000 in the official order, which these networks have seen; or `test`.
        count: Only the first so many; None for all.
        device: Where the tensors live.
        folder: Where fetched data are kept; None for the user's data folder.

    Raises:
        ValueError: Where `part` is neither, `count` is not between 1 and the number of images, or CIFAR-10 was not
            fetched.

    Example:
        >>> try:
        ...     images("validation")
        ... except ValueError as error:
        ...     print(error)
        part='validation' is unknown; published networks have train, test
    """
    if part not in PARTS:
        raise ValueError(f"part={part!r} is unknown; published networks have {', '.join(PARTS)}")
    found = store.read(releases.TRAINED_ON, folder)[PARTS.index(part)]
    if count is not None and not 1 <= count <= len(found.y):
        raise ValueError(f"count={count} must lie between 1 and {len(found.y)}, the images of part={part!r}")
    x, y = found.x[:count], found.y[:count]
    levels = np.arange(256) / 255
    table = np.stack([(levels - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)])
    scaled = np.stack([table[i].astype(np.float32)[x[:, i]] for i in range(len(table))], axis=1)
    return Split(torch.from_numpy(scaled), torch.from_numpy(y)).to(device)


def mistakes(net: Stack, split: Split) -> int:
    """How many images a network in evaluation mode labels wrongly; one whose logits are no numbers is wrong.

    Example:
        >>> from torch import nn
        >>> always_zero = Stack(nn.Flatten(), [], nn.Linear(2, 2), shape=(2,)).eval()
        >>> _ = nn.init.zeros_(always_zero.head.weight), nn.init.constant_(always_zero.head.bias[:1].detach(), 1.0)
        >>> mistakes(always_zero, Split(torch.zeros(3, 2), torch.tensor([0, 0, 1])))
        1
    """
    wrong = 0
    with torch.no_grad():
        for x, y in zip(split.x.split(AT_ONCE), split.y.split(AT_ONCE), strict=True):
            logits = net(x)
            wrong += int(((logits.argmax(1) != y) | logits.isnan().any(1)).sum())
    return wrong


def compared(depth: int, *, folder: Path | None = None) -> str:
    """How the error of a published network on the test images compares with the published one, in a sentence.

    Raises:
        ValueError: Where they differ by more images than the copy of CIFAR-10 has that are not the official ones; and
            as `published` and `images` do.

    Example:
        >>> try:
        ...     compared(21)
        ... except ValueError as error:
        ...     print(error)
        depth=21 is no published network; known: 20, 32, 44, 56, 110, 1202; closest: 20
    """
    expected, split = releases.of_depth(depth).wrong, images(folder=folder)
    found = mistakes(published(depth, folder=folder), split)
    manifest = store.about(releases.TRAINED_ON, folder)
    test = {file.name for file in official.known(releases.TRAINED_ON).test}
    others = None if manifest.differing is None else sum(len(manifest.differing.get(name, ())) for name in test)
    if manifest.official or not test & set(manifest.unofficial):
        others = 0
    told = f"error {100 * found / len(split):.2f}% on {len(split):,} test images, published {expected / 100:.2f}%"
    if others != 0:
        told += f"; {'an unknown number' if others is None else others} of these images are not the official ones"
    if others is not None and abs(found - expected) > others:
        raise official.DataError(f"ResNet-{depth} is not as published: {told}")
    return told
