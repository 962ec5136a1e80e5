"""This module changes training images in ways that keep their labels, by draws from a named stream."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def margin(size: int) -> int:
    """Pixels that an image of that side is padded with: an eighth, 4 for the 32 of CIFAR (he2016deep, sec. 4.2)."""
    return size // 8


def draw(n: int, shape: tuple[int, ...], generator: torch.Generator) -> Int[Tensor, "n 3"]:
    """For `n` images of a shape: the row and the column where the crop begins, and whether it is mirrored (0 or 1).

    Raises:
        ValueError: Where an example is no image.
    """
    if len(shape) != 3:
        raise ValueError(
            f"augment='crop-flip' needs images of shape (channels, height, width); the examples have shape {shape}; "
            "use augment='none', or load the data with flat=False"
        )
    sides = [torch.randint(2 * margin(size) + 1, (n,), generator=generator) for size in shape[1:]]
    return torch.stack([*sides, torch.randint(2, (n,), generator=generator)], dim=1)


def crop_flip(x: Float[Tensor, "n c h w"], choice: Int[Tensor, "n 3"]) -> Float[Tensor, "n c h w"]:
    """Pad each image with zeros, cut out a piece of the old size, and mirror it left to right where that was drawn.

    Zero is the mean of each channel of normalised images. No loop, no synchronisation.

    Args:
        x: Images.
        choice: Of `draw`.

    Example:
        >>> image = torch.arange(64.0).reshape(1, 1, 8, 8)
        >>> torch.equal(crop_flip(image, torch.tensor([[1, 1, 1]])), image.flip(-1))  # not moved, but mirrored
        True
    """
    height, width = x.shape[2:]
    vertical, horizontal = margin(height), margin(width)
    padded = nn.functional.pad(x, (horizontal, horizontal, vertical, vertical))
    rows = choice[:, 0, None] + torch.arange(height, device=x.device)
    columns = torch.arange(width, device=x.device).expand(len(x), width)
    columns = choice[:, 1, None] + torch.where(choice[:, 2, None] == 1, width - 1 - columns, columns)
    images = torch.arange(len(x), device=x.device)[:, None, None]
    # Indexing puts the channels last; as a view, so that a channels-last network reads them without a copy.
    return padded[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
