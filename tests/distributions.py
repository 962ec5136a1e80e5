"""Tiny datasets in the formats of CIFAR and MNIST, with the official files' names, for tests without a download."""

import hashlib
from pathlib import Path

import numpy as np

from resnet_lib.data.official import Distribution, Download, File

N_TRAIN, N_TEST, VALIDATION = 12, 4, 5


def cifar(name: str = "cifar10", *, labels: int = 1, seed: int = 0) -> tuple[Distribution, dict[str, bytes]]:
    """A dataset of records: two training files for one label byte, one for two, as CIFAR-10 and CIFAR-100 have."""
    rng = np.random.default_rng(seed)
    classes = 10 if labels == 1 else 100
    train = {"data_batch_1.bin": 6, "data_batch_2.bin": 6} if labels == 1 else {"train.bin": N_TRAIN}
    test = {"test_batch.bin" if labels == 1 else "test.bin": N_TEST}
    contents = {}
    for file, count in (train | test).items():
        parts = [rng.integers(0, 20, (count, labels - 1)), rng.integers(0, classes, (count, 1))]
        contents[file] = np.hstack([*parts, rng.integers(0, 256, (count, 3072))]).astype(np.uint8).tobytes()
    records = train | test
    files = {file: File(file, records[file], len(data), sha256(data), blob(data)) for file, data in contents.items()}
    split = tuple(files[file] for file in train), tuple(files[file] for file in test)
    return Distribution(name, classes, (3, 32, 32), *split, labels, (), "https://example.org", VALIDATION), contents


def idx(name: str = "mnist", *, seed: int = 0) -> tuple[Distribution, dict[str, bytes]]:
    """A dataset of four IDX files."""
    rng = np.random.default_rng(seed)
    contents, files = {}, []
    for kind, count in (("train", N_TRAIN), ("t10k", N_TEST)):
        images = (
            np.array([2051, count, 28, 28], ">i4").tobytes() + rng.integers(0, 256, count * 784, np.uint8).tobytes()
        )
        labels = np.array([2049, count], ">i4").tobytes() + rng.integers(0, 10, count, np.uint8).tobytes()
        contents |= {f"{kind}-images-idx3-ubyte": images, f"{kind}-labels-idx1-ubyte": labels}
    for file, data in contents.items():
        files.append(File(file, N_TRAIN if "train" in file else N_TEST, len(data), sha256(data)))
    split = tuple(files[:2]), tuple(files[2:])
    return Distribution(name, 10, (1, 28, 28), *split, 0, (), "https://example.org", VALIDATION), contents


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()


def written(folder: Path, contents: dict[str, bytes]) -> Path:
    """A folder with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def download(url: str, data: bytes) -> Download:
    return Download(url, len(data), sha256(data))
