"""This module keeps published weights on this machine: fetched or copied and converted once, checked at every reading.

Each network is one safetensors file, whose metadata say which published file it was made from, under which licence, and
what its values are. A published file has no variants: one with another hash is refused, and never read.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_lib.data import downloads, releases, store
from resnet_lib.data.official import PUBLISHED, DataError
from resnet_lib.data.releases import Weights
from resnet_lib.files import write_atomically


@dataclass(frozen=True)
class Kept:
    """Published weights on this machine, or why they are not.

    Attributes:
        weights: Which ones.
        path: Their file; None where they are not there.
        about: What the file says of them: what it was made from, its licence, the hash of its values.
        why: Why they are not there.
    """

    weights: Weights
    path: Path | None
    about: Mapping[str, Any]
    why: str = ""

    def summary(self) -> str:
        """The same in one line."""
        if self.path is None:
            return f"{self.weights.name} is not here: {self.why}"
        return f"{self.weights.name} is in {self.path}: made from {self.about['file']} ({self.about['licence']})"


def file(weights: Weights, place: Path | None = None) -> Path:
    """Where the converted weights of a network are kept."""
    return store.folder(place) / PUBLISHED / f"resnet{weights.depth}.safetensors"


def fetch(name: str, place: Path | None = None, *, source: Path | None = None) -> list[Kept]:
    """Download published weights, or take a local copy, check and convert them, and keep what was made.

    Args:
        name: `published` for all, where the two deepest may be missing, or one of `releases.names()`.
        place: Where data are kept; None for the user's data folder.
        source: A copy to take instead: a folder or a tar archive with the published files, or one of these itself.

    Raises:
        DataError: Where the name is not known, a file is not the published one, or its conversion is another network.
        ArchiveError: Where a download or a copy cannot be read, or the disk is full.
    """
    chosen, found = releases.find(name), []
    for weights in chosen:
        try:
            found.append(_fetched(weights, store.folder(place), source))
        except (DataError, downloads.ArchiveError) as error:
            if len(chosen) == 1 or weights.depth in releases.SHALLOW:
                raise
            found.append(Kept(weights, None, {}, str(error)))
    return found


def kept(place: Path | None = None) -> Iterator[Kept]:
    """All published weights that are known, with what is said of those that are there.

    Raises:
        DataError: Where a file is damaged.
    """
    for weights in releases.WEIGHTS.values():
        path = file(weights, place)
        there = path.is_file()
        yield Kept(weights, path if there else None, _read(path, weights)[1] if there else {}, "it was not fetched")


def read(depth: int, place: Path | None = None) -> dict[str, np.ndarray]:
    """The tensors of a published network as arrays, by this package's names, after they have been checked.

    Raises:
        DataError: Where it is not known or not there, or its file was altered.
    """
    return _about(depth, place)[0]


def checksum(name: str, place: Path | None = None) -> str:
    """SHA-256 of the names, shapes and values of a published network's tensors, by its name.

    Raises:
        DataError: As `read`.
    """
    weights, *others = releases.find(name)
    if others:
        raise DataError(f"name={name!r} is several networks; name one of {', '.join(releases.names()[1:])}")
    return _about(weights.depth, place)[1]["values"]


def _about(depth: int, place: Path | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    weights = releases.of_depth(depth)
    path = file(weights, place)
    if not path.is_file():
        raise DataError(
            f"the weights {weights.name!r} are not on this machine (looked in {path.parent}); get them with: "
            f"resnet-lib data fetch {PUBLISHED}, or from a copy that you have: resnet-lib data fetch {PUBLISHED} --from"
            " PATH"
        )
    return _read(path, weights)


def _fetched(weights: Weights, place: Path, source: Path | None) -> Kept:
    path = file(weights, place)
    if source is None and path.is_file():
        try:
            return Kept(weights, path, _read(path, weights)[1])
        except DataError:
            pass  # made again below
    downloads.require_space(place, 4 * (weights.size or downloads.MOST // 2))
    if source is not None:
        return _keep(weights, path, _copied(weights, source), str(source))
    fetched = place / "downloads" / PUBLISHED
    try:
        got = downloads.download(weights.url, fetched, size=weights.size, sha256=weights.sha256)
        made = _keep(weights, path, got.read_bytes(), weights.url)
    except DataError:
        shutil.rmtree(fetched, ignore_errors=True)
        raise
    shutil.rmtree(fetched)
    return made


def _copied(weights: Weights, source: Path) -> bytes:
    """The content of a published file in a copy, or of the copy itself where that is the file."""
    if source.is_file() and source.suffix == Path(weights.file).suffix:
        if source.name in {other.file for other in releases.WEIGHTS.values()} - {weights.file}:
            raise DataError(f"{source} is another file than {weights.file}; give a folder that holds it, or itself")
        with source.open("rb") as opened:
            return opened.read(downloads.MOST + 1)
    return dict(downloads.contents(source, {weights.file: weights.size}))[weights.file]


def _keep(weights: Weights, path: Path, data: bytes, source: str) -> Kept:
    """Check a published file, convert it, compare both networks, and only then write."""
    if not weights.is_published(data):
        raise DataError(
            f"{weights.file} from {source} is not the published file: it has {len(data):,} bytes and the SHA-256 "
            f"{hashlib.sha256(data).hexdigest()}; expected is {weights.sha256}; it was not read; take another copy"
        )
    from resnet_lib.data import conversion  # imports torch, which to list what is there takes not

    tensors = conversion.converted(data, weights, source)
    conversion.check(data, weights, tensors, source)
    about = {"name": weights.name, "file": weights.file, "sha256": hashlib.sha256(data).hexdigest()}
    about |= {"licence": releases.LICENCE, "page": releases.PAGE, "commit": releases.COMMIT, "values": _digest(tensors)}
    try:
        write_atomically(path, _packed(tensors, about))
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}); choose another folder with --data DIR"
        ) from error
    return Kept(weights, path, about)


def _packed(tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> bytes:
    from safetensors.numpy import save

    return save(dict(tensors), {"about": json.dumps(about, sort_keys=True)})


def _read(path: Path, weights: Weights) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118, it is no dictionary
            about = json.loads((opened.metadata() or {})["about"])
        whole = (about["name"], about["values"]) == (weights.name, _digest(tensors))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        whole, tensors, about = False, {}, {}
    if not whole:
        raise DataError(
            f"{path} is damaged: it does not hold what was written there; remove it and run resnet-lib data fetch "
            f"{weights.name}"
        )
    return tensors, about


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.tobytes())
    return found.hexdigest()
