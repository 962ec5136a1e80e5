"""A dataset consists of values and their split before it is tensors; this module normalises and hashes them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Values:
    """Examples, labels, and which rows belong to which part.

    Attributes:
        x: One example per row.
        y: Its label.
        rows: Rows of the training, validation and test part.
        channels: Whether each channel, of bytes, has a mean and a standard deviation of its own.
    """

    x: np.ndarray
    y: np.ndarray
    rows: tuple[np.ndarray, ...]
    channels: bool = False

    def normalised(self) -> Iterator[np.ndarray]:
        """Each part in float32, shifted and scaled by the mean and the standard deviation of the training values."""
        if not self.channels:
            train = self.x[self.rows[0]].astype(np.float64)
            mean, deviation = train.mean(), train.std()
            yield from (((self.x[rows].astype(np.float64) - mean) / deviation).astype(np.float32) for rows in self.rows)
            return
        # A byte has 256 values: count them instead of converting hundreds of megabytes to double precision.
        levels = np.arange(256.0)
        count = np.stack([np.bincount(channel.ravel(), minlength=256) for channel in self._channels(self.rows[0])])
        mean = count @ levels / count.sum(axis=1)
        variance = (count * (levels - mean[:, None]) ** 2).sum(axis=1) / count.sum(axis=1)
        table = ((levels - mean[:, None]) / np.sqrt(variance)[:, None]).astype(np.float32)
        for rows in self.rows:
            part = np.empty((len(rows), *self.x.shape[1:]), np.float32)
            for i, channel in enumerate(self._channels(rows)):
                part[:, i] = table[i][channel]
            yield part

    def _channels(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        return (self.x[rows, channel] for channel in range(self.x.shape[1]))

    def checksum(self) -> str:
        """SHA-256 of the values, the labels and the split."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, *self.rows):
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{little.dtype.str}{little.shape}".encode())
            digest.update(little.tobytes())
        return digest.hexdigest()
