"""This module knows the official distributions of image datasets: their files, how to recognise and how to read them.

Nothing is downloaded here, and no file is a pickle.
"""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

PUBLISHED = "published"
"""What the published weights of `releases` are fetched as, beside the datasets of this module."""


class DataError(ValueError):
    """Files of a dataset are missing, or are not what they should be; the message says what to do."""


class Images(NamedTuple):
    """Images as they are stored, before anything is computed with them."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Download:
    """A file on a server.

    Attributes:
        url: Where it is.
        size: Its bytes.
        sha256: Its hash.
    """

    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class File:
    """One file of a distribution, unpacked.

    Attributes:
        name: Its name, also in the archives that hold it.
        records: How many examples it is about.
        size: Its bytes.
        sha256: Hash of the official file.
        blob: Git's id of the official file, where one is published: SHA-1 of `blob <size>`, a zero byte, the content.
    """

    name: str
    records: int
    size: int
    sha256: str
    blob: str | None = None

    def is_official(self, data: bytes) -> bool:
        """Whether these are the bytes of the official file."""
        if hashlib.sha256(data).hexdigest() == self.sha256:
            return True
        return self.blob == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Distribution:
    """The distribution of a dataset by its authors.

    Attributes:
        name: What `data.load` calls it.
        classes: Number of labels.
        shape: Of one image: channels, height, width.
        train: Files of the training images, in order; for IDX the images before their labels.
        test: Files of the test images.
        labels: Label bytes before the pixels of a record, of which the last one counts; 0 for IDX files.
        downloads: Where the authors, or a mirror, offer it.
        url: The authors' page.
        validation: How many of the training images are set aside.
    """

    name: str
    classes: int
    shape: tuple[int, int, int]
    train: tuple[File, ...]
    test: tuple[File, ...]
    labels: int
    downloads: tuple[Download, ...]
    url: str
    validation: int = 5000

    @property
    def files(self) -> tuple[File, ...]:
        """All files."""
        return self.train + self.test

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of all files by name."""
        return {file.name: file.size for file in self.files}

    @property
    def counts(self) -> tuple[int, int]:
        """Number of training and of test images."""
        halves = (self.train, self.test) if self.labels else (self.train[:1], self.test[:1])
        return sum(file.records for file in halves[0]), sum(file.records for file in halves[1])

    def decode(self, contents: Mapping[str, bytes]) -> tuple[Images, Images]:
        """Training and test images from the contents of the files.

        Raises:
            DataError: Where a file has another size or another format, or holds a label that does not exist.
        """
        for file in self.files:
            if len(contents[file.name]) != file.size:
                raise DataError(f"{file.name} of {self.name} has {len(contents[file.name]):,} bytes, not {file.size:,}")
        read = self._records if self.labels else self._idx
        parts = read(self.train, contents), read(self.test, contents)
        for part, files in zip(parts, (self.train, self.test), strict=True):
            if int(part.y.max()) >= self.classes:
                names = ", ".join(file.name for file in files)
                raise DataError(
                    f"{names} of {self.name}: holds the label {int(part.y.max())}; "
                    f"labels are 0 to {self.classes - 1}; take another copy"
                )
        return parts

    def _records(self, files: tuple[File, ...], contents: Mapping[str, bytes]) -> Images:
        """The binary format of CIFAR: one or two label bytes, then a plane of each colour, row by row."""
        width = self.labels + int(np.prod(self.shape))
        records = np.concatenate([np.frombuffer(contents[file.name], np.uint8).reshape(-1, width) for file in files])
        y = records[:, self.labels - 1].astype(np.int64)
        return Images(records[:, self.labels :].reshape(-1, *self.shape), y)

    def _idx(self, files: tuple[File, ...], contents: Mapping[str, bytes]) -> Images:
        """The IDX format of MNIST: big-endian magic number and sizes, then bytes."""
        images, labels = files
        arrays = []
        for file, shape in ((images, (images.records, *self.shape[1:])), (labels, (labels.records,))):
            header = np.frombuffer(contents[file.name], ">i4", count=1 + len(shape))
            expected = (0x800 + len(shape), *shape)  # 8: unsigned bytes; then the number of dimensions
            if tuple(header) != expected:
                raise DataError(
                    f"{file.name} of {self.name} begins with {header.tolist()}; an IDX file of this kind begins with "
                    f"{list(expected)}; take another copy"
                )
            arrays.append(np.frombuffer(contents[file.name], np.uint8, offset=header.nbytes).reshape(shape))
        return Images(arrays[0].reshape(-1, *self.shape), arrays[1].astype(np.int64))

    def record(self, file: str, position: int, contents: bytes) -> int:
        """Label of one record of a file of records.

        Raises:
            DataError: Where there is no such record.
        """
        records = {known.name: known.records for known in self.files}
        if not self.labels or not 0 <= position < records.get(file, 0):
            raise DataError(f"{self.name} has no record {position} in {file!r}")
        return contents[position * (self.labels + int(np.prod(self.shape))) + self.labels - 1]


def known(name: str) -> Distribution:
    """The distribution of that name.

    Raises:
        DataError: Where there is none.
    """
    if name not in DISTRIBUTIONS:
        names = (*DISTRIBUTIONS, PUBLISHED)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
        raise DataError(
            f"name={name!r} is no dataset that can be fetched; known: {', '.join(names)}; closest: {close!r}"
        )
    return DISTRIBUTIONS[name]


# Name, hash of the official file and, where a repository holds it, git's blob id.
# CIFAR: single files as in TorchVision for Ruby (lib/torchvision/datasets/cifar10.rb, cifar100.rb), blob ids as in the
# repository NTU-ALComLab/IWLS2021 (cfe48c1); archives as in TensorFlow Datasets (url_checksums/cifar10.txt and
# cifar100.txt; their MD5, on the authors' page, c32a1d4ab5d03f1284b67883e8d87530 and 03b5dce01913d631647c71ecec9e9cb8).
# The official CIFAR files were not at hand, so none of these was computed again. MNIST and Fashion-MNIST: computed from
# files with the MD5 sums that their authors publish.
_CIFAR10 = """
data_batch_1 cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5 da09f891072747be90e69e4f00ba7cba870dc87e
data_batch_2 a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed 7e958840b7a55df3353574298ebc9ca0e4bba48e
data_batch_3 bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67 5259a3e9674ffdf2d5c33a1067f7192ff06c9e2f
data_batch_4 014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48 301e7d16d78428f13262e87a5bc78ed45b8224aa
data_batch_5 755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add 51fe428dfbdd065852912743ae8b7b63bb1e9d8d
test_batch 8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b e3f3b4653f18f27ada1558cabc3352a3ed1b25cc
"""
_CIFAR100 = """
train f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29
test d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a
"""
_FASHION = """
train-images-idx3-ubyte c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
train-labels-idx1-ubyte bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
t10k-images-idx3-ubyte 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
t10k-labels-idx1-ubyte 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
"""
_MNIST = """
train-images-idx3-ubyte ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
train-labels-idx1-ubyte 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
t10k-images-idx3-ubyte 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
t10k-labels-idx1-ubyte ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
"""
# Address, bytes, hash. The page of MNIST's authors refuses downloads; torchvision takes this mirror.
_DOWNLOADS = {
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        """
cifar-10-binary.tar.gz 170052171 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
""",
    ),
    "cifar100": (
        "https://www.cs.toronto.edu/~kriz/",
        """
cifar-100-binary.tar.gz 168513733 58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec
""",
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        """
train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
""",
    ),
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        """
train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
""",
    ),
}


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def _cifar(name: str, classes: int, table: str, records: int, labels: int) -> Distribution:
    """The last file holds the 10,000 test images, the others the training images."""
    width = labels + 3 * 32 * 32
    *train, test = (
        File(f"{file}.bin", count := 10_000 if "test" in file else records, count * width, *hashes)
        for file, *hashes in _rows(table)
    )
    page = "https://www.cs.toronto.edu/~kriz/cifar.html"
    return Distribution(name, classes, (3, 32, 32), tuple(train), (test,), labels, _downloads(name), page)


def _mnist(name: str, table: str, page: str) -> Distribution:
    files = []
    for file, sha256 in _rows(table):
        count = 60_000 if file.startswith("train") else 10_000
        size = 16 + count * 28 * 28 if "images" in file else 8 + count
        files.append(File(file, count, size, sha256))
    return Distribution(name, 10, (1, 28, 28), tuple(files[:2]), tuple(files[2:]), 0, _downloads(name), page)


def _downloads(name: str) -> tuple[Download, ...]:
    base, table = _DOWNLOADS[name]
    return tuple(Download(base + file, int(size), sha256) for file, size, sha256 in _rows(table))


DISTRIBUTIONS = {
    "cifar10": _cifar("cifar10", 10, _CIFAR10, 10_000, labels=1),
    "cifar100": _cifar("cifar100", 100, _CIFAR100, 50_000, labels=2),
    "fashion-mnist": _mnist("fashion-mnist", _FASHION, "https://github.com/zalandoresearch/fashion-mnist"),
    "mnist": _mnist("mnist", _MNIST, "http://yann.lecun.com/exdb/mnist/"),
}
"""All that are known, by name."""
