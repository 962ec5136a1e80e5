"""This module brings files from elsewhere: by downloads that resume, and out of copies and archives that it checks.

It knows no dataset: the caller says which file is wanted, and of which size and hash.
"""

import contextlib
import gzip
import hashlib
import lzma
import shutil
import tarfile
import urllib.request
import zlib
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from tqdm import tqdm

SUFFIXES = ("", ".gz", ".xz")
"""How a single file may be compressed."""

MOST = 200_000_000
"""Bytes of a file whose size nobody knows beforehand: no more of it are read."""

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds of silence after which a server counts as gone


class ArchiveError(RuntimeError):
    """A download, a copy or an archive is not what it should be; the message says what to do."""


class _Bar(tqdm):
    monitor_interval = 0  # tqdm would start a thread


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_space(folder: Path, needed: int) -> None:
    """Fail before the work where the disk of `folder` (or of the nearest folder above that exists) has too little room.

    Raises:
        ArchiveError: With what is needed and what is free.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ArchiveError(
            f"{there} has {free / 1e6:,.0f} MB free, and {needed / 1e6:,.0f} MB are needed; free some, or choose "
            "another folder with --data DIR (from Python: folder=Path(...))"
        )


def download(url: str, folder: Path, *, size: int | None, sha256: str) -> Path:
    """Download a file, or the rest of it where an earlier attempt was cut off, and check its hash.

    Until then it is called `<name>.part`; so a file without that ending is whole.

    Args:
        url: Where it is.
        folder: Where to put it; made where it is missing.
        size: Its bytes; None where the server alone knows, which is then asked.
        sha256: Its hash, or the first digits of it that are known.

    Returns:
        The path of the checked file.

    Raises:
        ArchiveError: Where the server cannot be reached, the download ends early (the part is kept, and the next call
            goes on from there), the server offers a page or a file of another length (nothing of it is kept), or the
            file has another size or hash (it is removed).
    """
    target = folder / url.rpartition("/")[2]
    if target.is_file() and digest(target).startswith(sha256):
        return target
    size = _length(url) if size is None else size
    part = target.with_name(f"{target.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        start = part.stat().st_size if part.exists() else 0
        if start > size:
            part.unlink()
            start = 0
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be written ({error}); choose another folder with --data DIR") from error
    if start < size:
        _receive(url, part, start, size)
    found = part.stat().st_size
    if found < size:
        raise ArchiveError(f"{url} ended after {found:,} of {size:,} bytes; they are kept, run it again to continue")
    if found > size or not digest(part).startswith(sha256):
        what = f"more than {size:,} bytes" if found > size else f"SHA-256 {digest(part)}"
        part.unlink()
        raise ArchiveError(
            f"{url} is not the file that was asked for: it has {what}; expected is SHA-256 {sha256}. It was removed; "
            "run it again, or take a copy that you trust with --from PATH"
        )
    return part.replace(target)


def _length(url: str) -> int:
    """Bytes of a file, as its server says.

    Raises:
        ArchiveError: Where the server cannot be reached, does not say it, or says more than `MOST`.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "resnet-lib"}, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            said = response.headers.get("Content-Length") or "none"
    except (OSError, HTTPException) as error:
        raise ArchiveError(
            f"{url} could not be downloaded ({error}); run it again later, or take a copy that you have with --from "
            "PATH"
        ) from error
    if not said.isdigit() or int(said) > MOST:
        raise ArchiveError(
            f"{url} has no length that is known: the server says {said}, and expected are at most {MOST:,} bytes; "
            "try it in a browser, or take a copy that you trust with --from PATH"
        )
    return int(said)


def _require_offered(url: str, headers: Message, start: int, size: int) -> None:
    """Fail before anything is kept where a server offers a page, or a file of another length than is wanted."""
    kind, length = headers.get("Content-Type") or "", headers.get("Content-Length") or ""
    other = ""
    if kind.startswith("text/html"):
        other = "a page (text/html)"
    elif length.isdigit() and start + int(length) != size:
        other = f"{start + int(length):,} bytes"
    if other:
        raise ArchiveError(
            f"{url} is not the file that was asked for: the server offers {other}, and expected are {size:,} bytes; "
            "nothing of it was kept; try it in a browser, run it again later, or take a copy that you trust with "
            "--from PATH"
        )


def _receive(url: str, part: Path, start: int, size: int) -> None:
    """Append to a part what is missing of it; begin anew where the server sends all."""
    headers = {"User-Agent": "resnet-lib"} | ({"Range": f"bytes={start}-"} if start else {})
    options = {"unit": "B", "unit_scale": True, "desc": part.stem, "disable": None}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as response:
            given = response.headers.get("Content-Range") or ""
            if response.status != HTTPStatus.PARTIAL_CONTENT or not given.startswith(f"bytes {start}-"):
                start = 0
            _require_offered(url, response.headers, start, size)
            with part.open("ab" if start else "wb") as file, _Bar(total=size, initial=start, **options) as bar:
                # One byte too many is enough to know that it is another file.
                while start <= size and (data := response.read(min(_CHUNK, size + 1 - start))):
                    file.write(data)
                    start += len(data)
                    bar.update(len(data))
    except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
        kept = part.stat().st_size if part.exists() else 0
        raise ArchiveError(
            f"{url} could not be downloaded ({error}); {kept:,} of {size:,} bytes are kept, run it again to continue, "
            "or take a copy that you have with --from PATH"
        ) from error


def contents(path: Path, sizes: Mapping[str, int | None]) -> Iterator[tuple[str, bytes]]:
    """The wanted files in a folder or an archive, one after the other.

    A folder may hold a file plain, as .gz or as .xz, directly or in one folder below; a tar archive may be compressed.
    Nothing is written. No more of a file is unpacked than its size allows.

    Args:
        path: A folder or a tar archive.
        sizes: The bytes of each wanted file, by name; None where they are not known.

    Yields:
        Names and contents.

    Raises:
        ArchiveError: Where a file is missing, is there twice, has another size or is damaged, or the archive holds
            links, devices, absolute paths or paths that lead out of it.
    """
    if path.is_dir():
        found = _in_folder(path, sizes)
    elif path.is_file() and _is_tar(path):
        found = _in_tar(path, sizes)
    else:
        problem = "is not a tar archive" if path.exists() else "does not exist"
        raise ArchiveError(
            f"{path} {problem}; give a folder or a tar.gz that holds {', '.join(sizes)} (each also as .gz or .xz)"
        )
    for name, data in found:
        expected = sizes[name]
        if len(data) > _most(expected) or (expected is not None and len(data) < expected):
            size = f"more than {_most(expected):,}" if len(data) > _most(expected) else f"{len(data):,}"
            wanted = f"at most {MOST:,}" if expected is None else f"{expected:,}"
            raise ArchiveError(f"{name} in {path} has {size} bytes; expected are {wanted}; take another copy")
        yield name, data


def _most(size: int | None) -> int:
    return MOST if size is None else size


def _is_tar(path: Path) -> bool:
    with _readable(path):  # cut off within its first bytes, a compressed one raises EOFError here
        return tarfile.is_tarfile(path)


def _in_folder(folder: Path, sizes: Mapping[str, int | None]) -> Iterator[tuple[str, bytes]]:
    below = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    paths = {}
    for name in sizes:
        choices = (place / (name + suffix) for place in below for suffix in SUFFIXES)
        paths[name] = next((path for path in choices if path.is_file()), None)
    _require(paths, folder, (path.name for path in folder.iterdir()))
    for name, path in paths.items():
        opened = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
        with _readable(path), opened(path, "rb") as file:
            yield name, file.read(_most(sizes[name]) + 1)


def _in_tar(path: Path, sizes: Mapping[str, int | None]) -> Iterator[tuple[str, bytes]]:
    with _readable(path), tarfile.open(path) as archive:
        members: dict[str, tarfile.TarInfo | None] = dict.fromkeys(sizes)
        everything = archive.getmembers()
        for member in everything:
            _require_harmless(member, path)
            name = PurePosixPath(member.name).name
            if name in sizes and member.isfile():
                if members[name] is not None:
                    raise ArchiveError(f"{path} holds {name} twice; take another copy")
                members[name] = member
        _require(members, path, (member.name for member in everything))
        for name, member in members.items():
            file = archive.extractfile(member) if member else None
            assert file is not None  # a regular file
            yield name, file.read(_most(sizes[name]) + 1)


def _require_harmless(member: tarfile.TarInfo, path: Path) -> None:
    place = PurePosixPath(member.name.replace("\\", "/"))
    if not (member.isfile() or member.isdir()):
        problem = "a link" if member.issym() or member.islnk() else "no regular file"
    elif place.is_absolute() or ".." in place.parts or (place.parts[:1] and place.parts[0].endswith(":")):
        problem = "a path that leads out of the archive"
    else:
        return
    raise ArchiveError(f"{path} is refused: its member {member.name!r} is {problem}; nothing was unpacked")


def _require(found: Mapping[str, object], path: Path, there: Iterable[str]) -> None:
    if missing := [name for name, value in found.items() if value is None]:
        names = sorted(there)
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "nothing"
        raise ArchiveError(f"{path} lacks {', '.join(missing)} (plain, .gz or .xz); it holds {shown}")


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What the readers of compressed files raise on damage, as one error."""
    try:
        yield
    except (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError) as error:
        raise ArchiveError(f"{path} cannot be read ({type(error).__name__}: {error}); take another copy") from error
