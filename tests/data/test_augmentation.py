"""Cropping and mirroring, against one image at a time and slices."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib import runtime
from resnet_lib.data import augmentation


def by_hand(image: np.ndarray, row: int, column: int, flip: int) -> np.ndarray:
    """One image, as one would do it with NumPy."""
    channels, height, width = image.shape
    padded = np.zeros((channels, height + 2 * (height // 8), width + 2 * (width // 8)), image.dtype)
    padded[:, height // 8 : height // 8 + height, width // 8 : width // 8 + width] = image
    piece = padded[:, row : row + height, column : column + width]
    return piece[:, :, ::-1] if flip else piece


@given(st.integers(0, 10**6), st.sampled_from([(3, 32, 32), (1, 28, 28), (2, 8, 16)]), st.integers(1, 5))
def test_a_batch_is_what_slices_of_each_image_are(seed: int, shape: tuple[int, int, int], n: int):
    generator = runtime.stream(seed, "test")
    x = torch.randn(n, *shape, generator=generator)
    choice = augmentation.draw(n, shape, generator)
    found = augmentation.crop_flip(x, choice)
    for image, changed, one in zip(x.numpy(), found.numpy(), choice.tolist(), strict=True):
        np.testing.assert_array_equal(changed, by_hand(image, *one))


def test_all_places_and_both_directions_are_drawn_equally_often():
    n = 90_000
    choice = augmentation.draw(n, (3, 32, 32), runtime.stream(0, "test"))
    for column, values in enumerate((9, 9, 2)):
        counts = choice[:, column].bincount().numpy()
        assert len(counts) == values
        assert np.abs(counts - n / values).max() < 5 * np.sqrt(n / values)
    joint = np.corrcoef(choice.numpy().T.astype(float))
    assert np.abs(joint - np.eye(3)).max() < 5 / np.sqrt(n)


def test_the_middle_without_mirror_is_the_image_itself():
    x = torch.randn(2, 3, 32, 32, generator=runtime.stream(1, "test"))
    middle = torch.tensor([[4, 4, 0], [4, 4, 1]])
    found = augmentation.crop_flip(x, middle)
    assert torch.equal(found[0], x[0])
    assert torch.equal(found[1], x[1].flip(2))


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match=r"augment='crop-flip' needs images .*; the examples have shape \(64,\)"):
        augmentation.draw(3, (64,), runtime.stream(0))
