"""This module knows the weights that others have trained and published: their files, hashes, licence and errors.

Nothing is downloaded or read here. The networks are those for CIFAR-10 of he2016deep, sec. 4.2, with the original unit
and option A, trained and released by Y. Idelbayev in 2018.
"""

import difflib
import hashlib
from dataclasses import dataclass

from resnet_lib.data.official import PUBLISHED, DataError

LICENCE = "BSD-2-Clause, copyright 2018 Yerlan Idelbayev"
PAGE = "https://github.com/akamaster/pytorch_resnet_cifar10"
COMMIT = "d5489e8995e81e91ce6b1d69dcc98ad579b0b153"
RAW = f"https://raw.githubusercontent.com/akamaster/pytorch_resnet_cifar10/{COMMIT}/pretrained_models/"
TRAINED_ON = "cifar10"
"""The dataset that all of them were trained on, all 50,000 training images: there is no validation part."""


@dataclass(frozen=True)
class Weights:
    """The published weights of one network.

    Attributes:
        depth: Weight layers of the network, as `nets.cifar_resnet` counts them.
        file: Name of the file, whose eight hexadecimal digits are the first ones of its SHA-256.
        blob: Git's id of the file: SHA-1 of `blob <size>`, a zero byte, the content.
        wrong: The published error on CIFAR-10: of 10,000 test images, how many the network labels wrongly.
        size: Bytes of the file; None where nobody of this project has seen it.
        sha256: Hash of the file, or the digits in its name where nobody of this project has seen it.
    """

    depth: int
    file: str
    blob: str
    wrong: int
    size: int | None
    sha256: str

    @property
    def name(self) -> str:
        """What `resnet-lib data fetch` and the `data` of an experiment call it."""
        return f"{PUBLISHED}-{self.depth}"

    @property
    def url(self) -> str:
        """Where it is, at the commit that was looked at."""
        return RAW + self.file

    def is_published(self, data: bytes) -> bool:
        """Whether these are the bytes of the published file, by both hashes."""
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        return blob == self.blob and hashlib.sha256(data).hexdigest().startswith(self.sha256)


# Depth, file, git's blob id (git ls-tree at COMMIT), published error in hundredths of a percent, bytes, SHA-256. The
# first four were at hand, and their hashes computed; of the other two the repository's own record is all there was.
_TABLE = """
20 resnet20-12fca82f.th f7c370bc38314d1c98166b834cd50988aec2ca50 827 1099231 \
12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8
32 resnet32-d509ac18.th 8be5f1b233fe23955f050b24a0ef08094b3220db 737 1890043 \
d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850
44 resnet44-014dd654.th 95b2a26a7e6bd2902453b3f1f3994e0e4ff91bb9 690 2680855 \
014dd6541728a1c700b1642ab640e211dc6eb8ed507d70697458dc8f8a0ae2e4
56 resnet56-4bfd9763.th 5df0ea2530c843f9eaa9c602b28d37505de64378 661 3471733 \
4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367
110 resnet110-1d1ed7c2.th 45daff3ec1b813c24feb5e17d2208a79066e42d2 632 - 1d1ed7c2
1202 resnet1202-f3b1deed.th bdb9ff6fbe6b0b4f63f0af9713589e89c453c1cf 618 - f3b1deed
"""


def _weights(line: str) -> Weights:
    depth, file, blob, wrong, size, sha256 = line.split()
    return Weights(int(depth), file, blob, int(wrong), None if size == "-" else int(size), sha256)


WEIGHTS = {each.depth: each for each in map(_weights, _TABLE.strip().splitlines())}
"""All that are known, by depth."""

SHALLOW = (20, 32, 44, 56)
"""Depths of those that experiments measure; 110 and 1202 are taken where they can be had."""


def names() -> tuple[str, ...]:
    """What can be asked for: all of them together, or one."""
    return (PUBLISHED, *(weights.name for weights in WEIGHTS.values()))


def find(name: str) -> tuple[Weights, ...]:
    """The weights that a name stands for: all for `published`, else those of one network.

    Raises:
        DataError: Where there are none of that name.

    Example:
        >>> [weights.file for weights in find("published-20")], len(find("published"))
        (['resnet20-12fca82f.th'], 6)
    """
    if name == PUBLISHED:
        return tuple(WEIGHTS.values())
    for weights in WEIGHTS.values():
        if weights.name == name:
            return (weights,)
    close = difflib.get_close_matches(name, names(), n=1, cutoff=0)[0]
    raise DataError(f"name={name!r} is no published network; known: {', '.join(names())}; closest: {close!r}")


def of_depth(depth: int) -> Weights:
    """The weights of the network of that depth.

    Raises:
        DataError: Where none are known.

    Example:
        >>> of_depth(56).wrong
        661
    """
    if depth not in WEIGHTS:
        close = min(WEIGHTS, key=lambda known: abs(known - depth))
        raise DataError(
            f"depth={depth} is no published network; known: {', '.join(map(str, WEIGHTS))}; closest: {close}"
        )
    return WEIGHTS[depth]
