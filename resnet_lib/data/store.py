"""This module keeps datasets on this machine: they are fetched or copied once, and checked at every reading.

Each is a folder with the plain official files and a `manifest.json`, which says what they are: official, or a variant
that somebody accepted, with the records in which it differs.
"""

import csv
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from resnet_lib.data import downloads
from resnet_lib.data.official import DISTRIBUTIONS, DataError, Distribution, Images, known
from resnet_lib.files import write_atomically

MANIFEST = "manifest.json"
LIST = "substituted_images.csv"
"""Where a copy that is not the official one lists its records that differ: the columns `file` and `record`."""


@dataclass(frozen=True)
class Manifest:
    """The manifest of a kept dataset: what its files are.

    Attributes:
        name: Of the dataset.
        files: SHA-256 of each file.
        unofficial: Files that are not the official ones; none in an official copy.
        differing: Records of these that are known to differ, by file; None where nobody has listed them.
    """

    name: str
    files: dict[str, str]
    unofficial: tuple[str, ...] = ()
    differing: dict[str, list[int]] | None = None

    @property
    def official(self) -> bool:
        """Whether all files are the official ones."""
        return not self.unofficial

    @property
    def sha256(self) -> str:
        """One hash for all files."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def summary(self) -> str:
        """The kind of the files in one line: official, or a variant with its hash and how many records differ."""
        if self.official:
            return "official"
        count = "nobody has listed which" if self.differing is None else f"{sum(map(len, self.differing.values()))}"
        return f"variant {self.sha256[:16]}, records that differ from the official ones: {count}"

    def describe(self) -> str:
        """The account of the files beside every result: `summary`, and the records that differ by number."""
        listed = (self.differing or {}).items()
        return "; ".join([self.summary(), *(f"{file} {', '.join(map(str, rows))}" for file, rows in listed)])


def folder(given: Path | None = None) -> Path:
    """The folder in which datasets are kept: the given one, or the user's data folder."""
    return given or platformdirs.user_data_path("resnet-lib")


def fetch(
    name: str, place: Path | None = None, *, source: Path | None = None, accept_variant: bool = False
) -> Manifest:
    """Download a dataset, or take a local copy, check it, and keep its plain files. An official one is left as it is.

    Args:
        name: Of the dataset.
        place: Where datasets are kept; None for the user's data folder.
        source: A copy to take instead: a folder or a tar archive, its files plain, .gz or .xz.
        accept_variant: Whether a copy may differ from the official files.

    Raises:
        DataError: Where the dataset is not known, or the copy is not official (and that was not accepted), is another
            dataset, or holds what no copy could.
        ArchiveError: Where the download or the copy cannot be read, or the disk is full.
    """
    distribution, place = known(name), folder(place)
    target = place / name
    with_files = sum(distribution.sizes.values())
    if source is None:
        if target.is_dir() and (manifest := _manifest(target, name)).official and _intact(target, manifest):
            return manifest
        downloads.require_space(place, with_files + sum(item.size for item in distribution.downloads))
        fetched = place / "downloads" / name
        paths = [
            downloads.download(item.url, fetched, size=item.size, sha256=item.sha256) for item in distribution.downloads
        ]
        # Its hash is that of the official archive, so its files are the official ones.
        manifest = _keep(distribution, target, paths[0] if len(paths) == 1 else fetched, accept_variant, checked=True)
        shutil.rmtree(fetched)
        return manifest
    downloads.require_space(place, with_files)
    return _keep(distribution, target, source, accept_variant)


def read(name: str, place: Path | None = None) -> tuple[Images, Images]:
    """The training and the test images of a kept dataset, after its files have been checked.

    Raises:
        DataError: Where it is not there, or a file was altered.
    """
    distribution, target = known(name), folder(place) / name
    manifest = about(name, place)
    contents = {}
    for file in distribution.files:
        path = target / file.name
        contents[file.name] = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(contents[file.name]).hexdigest() != manifest.files.get(file.name):
            raise DataError(
                f"{path} is damaged: it is not the file that was checked when it was fetched; renew it: "
                f"remove {target} and run resnet-lib data fetch {name}"
            )
    return distribution.decode(contents)


def about(name: str, place: Path | None = None) -> Manifest:
    """The manifest of a kept dataset.

    Raises:
        DataError: Where it is not there.
    """
    target = folder(place) / known(name).name
    if not target.is_dir():
        raise DataError(
            f"the dataset {name!r} is not on this machine (looked in {target.parent}); get it with: resnet-lib data "
            f"fetch {name}, or from a copy that you have: resnet-lib data fetch {name} --from PATH"
        )
    return _manifest(target, name)


def kept(place: Path | None = None) -> Iterator[tuple[str, Manifest | None]]:
    """All datasets that are known, each with its manifest or None where it is not there."""
    for name in DISTRIBUTIONS:
        yield name, about(name, place) if (folder(place) / name).is_dir() else None


def _keep(
    distribution: Distribution, target: Path, source: Path, accept_variant: bool, *, checked: bool = False
) -> Manifest:
    """Check a copy and put its files in place: all of them at once or nothing."""
    contents = dict(downloads.contents(source, distribution.sizes))
    files = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    other = () if checked else (file for file in distribution.files if not file.is_official(contents[file.name]))
    unofficial = tuple(file.name for file in other)
    _refuse_others(distribution, contents, source)
    distribution.decode(contents)
    differing = _differing(distribution, source, contents, unofficial) if unofficial else None
    manifest = Manifest(distribution.name, files, unofficial, differing)
    if unofficial and not accept_variant:
        count = "nobody has listed the records that differ"
        if differing is not None:
            count = f"{sum(map(len, differing.values()))} records differ, by its {LIST}"
        raise DataError(
            f"{source} is not the official {distribution.name}: {', '.join(unofficial)} has another hash ({count}); "
            "to use it all the same, and have that said in every result, add --accept-variant"
        )
    _replace(target, contents, manifest)
    return manifest


def _refuse_others(distribution: Distribution, contents: Mapping[str, bytes], source: Path) -> None:
    """MNIST and Fashion-MNIST have the same file names and sizes."""
    for other in DISTRIBUTIONS.values():
        if other.name == distribution.name:
            continue
        theirs = [file for file in other.files if file.name in contents and file.is_official(contents[file.name])]
        if theirs:
            raise DataError(
                f"{source} holds the dataset {other.name!r} ({theirs[0].name} is the official one), not "
                f"{distribution.name!r}; give it its own name: resnet-lib data fetch {other.name} --from {source}"
            )


def _differing(
    distribution: Distribution, source: Path, contents: Mapping[str, bytes], unofficial: tuple[str, ...]
) -> dict[str, list[int]] | None:
    """The records that a copy's own list names; None without a list, or where the list leaves out a file."""
    path = source / LIST
    if not path.is_file():
        return None
    rows: dict[str, list[int]] = {}
    try:
        for row in csv.DictReader(io.StringIO(path.read_text())):
            file, position = row["file"], int(row["record"])
            label = distribution.record(file, position, contents.get(file, b""))
            if int(row.get("label", label)) != label:
                raise DataError(f"record {position} of {file} has the label {label}, not {row['label']}")
            rows.setdefault(file, []).append(position)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path} is no list of records of {distribution.name}: {error}; correct or remove it"
        ) from error
    return rows if set(rows) == set(unofficial) else None


def _replace(target: Path, contents: Mapping[str, bytes], manifest: Manifest) -> None:
    """Write a folder beside the old one, then put it in its place."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
            new, old = Path(temporary, "new"), Path(temporary, "old")
            for name, data in contents.items():
                write_atomically(new / name, data)
            text = json.dumps(asdict(manifest) | {"sha256": manifest.sha256}, indent=1) + "\n"
            write_atomically(new / MANIFEST, text.encode())
            if target.exists():
                target.replace(old)
            new.replace(target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error.strerror or error}); choose another folder with --data DIR"
        ) from error


def _manifest(target: Path, name: str) -> Manifest:
    try:
        record = json.loads((target / MANIFEST).read_bytes())
        manifest = Manifest(record["name"], record["files"], tuple(record["unofficial"]), record["differing"])
        if (manifest.sha256, manifest.name) != (record["sha256"], name):
            raise ValueError("its hash differs")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{target} has no readable {MANIFEST} ({type(error).__name__}: {error}), so nobody knows what its files "
            f"are; move them away and run resnet-lib data fetch {name} --from PATH"
        ) from error
    return manifest


def _intact(target: Path, manifest: Manifest) -> bool:
    paths = ((target / name, sha256) for name, sha256 in manifest.files.items())
    return all(path.is_file() and downloads.digest(path) == sha256 for path, sha256 in paths)
