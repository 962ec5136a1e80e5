"""What a dataset consists of before it is tensors: its normalisation written out, and a hash that sees every change."""

import dataclasses

import numpy as np
import pytest

from resnet_lib.data import sources
from resnet_lib.data.values import Values


@pytest.mark.parametrize("field", ["x", "y", "rows"])
def test_checksum_sees_a_changed_value(field):
    raw = sources._digits(0)
    changed = np.array(raw.rows[0] if field == "rows" else getattr(raw, field))
    changed.flat[0] ^= 1
    other = dataclasses.replace(raw, **{field: (changed, *raw.rows[1:]) if field == "rows" else changed})
    assert other.checksum() != raw.checksum()


def bytes_of_images(seed: int = 0) -> Values:
    """Ten images of two channels, of which the last four are validation and test."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (10, 2, 3, 4), dtype=np.uint8)
    x[:, 1] //= 4
    rows = np.array([5, 1, 0, 2, 4, 3]), np.array([6, 7]), np.array([9, 8])
    return Values(x, np.arange(10) % 3, rows, channels=True)


@pytest.mark.parametrize("channels", [True, False])
def test_values_are_shifted_and_scaled_by_those_of_the_training_part(channels):
    values = dataclasses.replace(bytes_of_images(), channels=channels)
    train = values.x[values.rows[0]].astype(float)
    axes = (0, 2, 3) if channels else (0, 1, 2, 3)
    mean, deviation = train.mean(axes, keepdims=True), train.std(axes, keepdims=True)
    parts = list(values.normalised())
    assert [part.dtype for part in parts] == [np.float32] * 3
    for rows, part in zip(values.rows, parts, strict=True):
        np.testing.assert_allclose(part, (values.x[rows] - mean) / deviation, rtol=1e-5, atol=1e-6)
    assert abs(parts[0].mean()) < 1e-6
    assert abs(parts[2].mean()) > 1e-3


def test_a_hash_does_not_depend_on_how_the_numbers_lie_in_memory():
    values = bytes_of_images()
    other = dataclasses.replace(values, x=np.asfortranarray(values.x), y=values.y.astype(">i8"))
    assert other.checksum() == values.checksum()


@pytest.mark.parametrize("change", ["shape", "type", "rows", "label"])
def test_a_hash_sees_more_than_the_bytes(change):
    values = bytes_of_images()
    other = {
        "shape": lambda: dataclasses.replace(values, x=values.x.reshape(10, 2, 4, 3)),
        "type": lambda: dataclasses.replace(values, x=values.x.view(np.int8)),
        "rows": lambda: dataclasses.replace(values, rows=(*values.rows[:2], values.rows[2][::-1])),
        "label": lambda: dataclasses.replace(values, y=np.roll(values.y, 1)),
    }[change]()
    assert other.checksum() != values.checksum()
