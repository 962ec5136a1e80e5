"""Downloads from a server on this machine, copies, and archives that mean harm."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import servers
from click.testing import CliRunner

from resnet_lib.cli import command
from resnet_lib.data import downloads
from resnet_lib.data.downloads import ArchiveError

CONTENT = bytes(range(256)) * 1200  # more than one read of a socket
HASH = hashlib.sha256(CONTENT).hexdigest()


class Server(servers.Server):
    """Serves `content`; ends the connection after `limit` bytes; knows ranges or not, tells the length or not."""

    daemon_threads = False  # closing waits for them, so that what they print belongs to their test
    content, limit, ranges, status = CONTENT, len(CONTENT), True, 200
    tells, kind = True, "application/octet-stream"

    def __init__(self):
        super().__init__(Handler)
        self.asked: list[str | None] = []
        self.url = f"{self.address}some/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self):
        self.send_response(self.server.status)
        if self.server.tells:
            self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        rest = self.server.content[start:]
        self.send_response(206 if wanted and self.server.ranges else self.server.status)
        if wanted and self.server.ranges:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
            )
        if self.server.tells:
            self.send_header("Content-Length", str(len(rest)))
        self.send_header("Content-Type", self.server.kind)
        self.end_headers()
        self.wfile.write(rest[: self.server.limit])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with servers.serving(Server()) as server:
        yield server


def get(server: Server, folder: Path, **changes: object) -> Path:
    return downloads.download(server.url, folder, **{"size": len(CONTENT), "sha256": HASH} | changes)  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_the_file_and_is_not_asked_for_twice(server: Server, tmp_path: Path):
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert get(server, tmp_path) == tmp_path / "file.bin"
    assert server.asked == [None]
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on_where_it_was(server: Server, tmp_path: Path, ranges: bool):
    server.limit, server.ranges = 100_000, ranges
    with pytest.raises(ArchiveError, match=r"100,000 of 307,200 bytes.* kept, run it again to continue"):
        get(server, tmp_path)
    assert names(tmp_path) == ["file.bin.part"]
    server.limit = len(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]
    assert names(tmp_path) == ["file.bin"]


def test_a_wrong_file_is_refused_and_removed(server: Server, tmp_path: Path):
    server.content = CONTENT[:-1] + b"!"
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(ArchiveError, match=rf"not the file .*: it has SHA-256 {found}; expected.*{HASH}"):
        get(server, tmp_path)
    assert names(tmp_path) == []


def test_a_file_that_does_not_end_is_not_read_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """The server is hung up on in the middle of its answer, and that is nothing it complains about."""
    with servers.serving(Server()) as server:
        server.content, server.limit, server.tells = CONTENT * 200, 10**9, False
        with pytest.raises(ArchiveError, match=r"it has more than 307,200 bytes"):
            get(server, tmp_path)
    assert names(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", CONTENT[:-1], CONTENT + b"!"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_file_of_another_length_is_refused_before_anything_is_kept(
    server: Server, tmp_path: Path, content: bytes, begun: bool
):
    part = tmp_path / "file.bin.part"
    if begun:
        part.write_bytes(CONTENT[:1000])
    server.content, server.ranges = content, False
    with pytest.raises(
        ArchiveError, match=rf"the server offers {len(content):,} bytes, and expected are 307,200 bytes"
    ):
        get(server, tmp_path)
    assert names(tmp_path) == (["file.bin.part"] if begun else [])
    assert not begun or part.read_bytes() == CONTENT[:1000]
    server.content = CONTENT
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("tells", [False, True])
def test_a_page_in_place_of_the_file_is_refused_whatever_its_length(server: Server, tmp_path: Path, tells: bool):
    server.content, server.kind, server.tells = b"<html>".ljust(len(CONTENT)), "text/html; charset=utf-8", tells
    with pytest.raises(ArchiveError, match=r"the server offers a page \(text/html\).*nothing of it was kept"):
        get(server, tmp_path)
    assert names(tmp_path) == []


def test_a_part_of_another_file_is_found_out_at_the_end(server: Server, tmp_path: Path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(ArchiveError, match="not the file that was asked for"):
        get(server, tmp_path)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_too_long_starts_anew(server: Server, tmp_path: Path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * (len(CONTENT) + 1))
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_refuses_or_is_not_there_is_named_with_the_way_out(server: Server, tmp_path: Path):
    server.status = 403
    with pytest.raises(ArchiveError, match=r"file.bin could not be downloaded .*403.*take a copy.*--from PATH"):
        get(server, tmp_path)
    with pytest.raises(ArchiveError, match="could not be downloaded"):
        downloads.download("http://127.0.0.1:1/x.gz", tmp_path, size=1, sha256="")


def test_a_file_of_which_the_server_alone_knows_the_size(server: Server, tmp_path: Path, monkeypatch):
    server.limit = 100_000
    with pytest.raises(ArchiveError, match=r"ended after 100,000 of 307,200 bytes"):
        downloads.download(server.url, tmp_path, size=None, sha256=HASH[:8])
    server.limit = len(CONTENT)
    found = downloads.download(server.url, tmp_path, size=None, sha256=HASH[:8])
    assert found.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]
    found.unlink()
    with pytest.raises(ArchiveError, match=r"is not the file that was asked for: it has SHA-256"):
        downloads.download(server.url, tmp_path, size=None, sha256=HASH[1:9])
    monkeypatch.setattr(downloads, "MOST", 307_199)
    with pytest.raises(ArchiveError, match=r"the server says 307200, and expected are at most 307,199 bytes; .*--from"):
        downloads.download(server.url, tmp_path, size=None, sha256=HASH[:8])
    server.tells = False
    with pytest.raises(ArchiveError, match=r"file.bin has no length that is known: the server says none"):
        downloads.download(server.url, tmp_path, size=None, sha256=HASH[:8])
    server.status = 404
    with pytest.raises(ArchiveError, match=r"file.bin could not be downloaded .*404"):
        downloads.download(server.url, tmp_path, size=None, sha256=HASH[:8])
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_an_error_of_its_own(server: Server, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveError, match=r"cannot be written.*--data DIR"):
        get(server, tmp_path / "file" / "below")


def test_too_little_disk_is_found_before_the_work(tmp_path: Path):
    downloads.require_space(tmp_path / "not" / "there", 1)
    with pytest.raises(ArchiveError, match=r"MB free, and 1,000,000,000,000 MB are needed; .*--data DIR"):
        downloads.require_space(tmp_path, 10**18)


FILES = {"one.bin": b"first" * 10, "two.bin": b"second" * 20}
SIZES = {name: len(data) for name, data in FILES.items()}


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data) if info.isfile() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def members(prefix: str = "data/") -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(prefix + name), data) for name, data in FILES.items()]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_the_wanted_files_of_a_tar_archive(tmp_path: Path, mode: str):
    more = (tarfile.TarInfo("data/readme.html"), b"...")
    assert dict(downloads.contents(tar(tmp_path / "a.tar", more, *members(), mode=mode), SIZES)) == FILES
    assert names(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("below", [".", "inner"])
def test_the_wanted_files_of_a_folder_plain_or_compressed(tmp_path: Path, below: str):
    folder = tmp_path / below
    folder.mkdir(exist_ok=True)
    (folder / "one.bin.gz").write_bytes(gzip.compress(FILES["one.bin"]))
    (folder / "two.bin.xz").write_bytes(lzma.compress(FILES["two.bin"]))
    assert dict(downloads.contents(tmp_path, SIZES)) == FILES
    (folder / "one.bin").write_bytes(b"plain" * 10)
    assert dict(downloads.contents(tmp_path, SIZES))["one.bin"] == b"plain" * 10


def test_a_file_of_unknown_size_has_a_largest_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "one.bin").write_bytes(FILES["one.bin"])
    assert dict(downloads.contents(tmp_path, {"one.bin": None})) == {"one.bin": FILES["one.bin"]}
    monkeypatch.setattr(downloads, "MOST", 49)
    with pytest.raises(ArchiveError, match=r"one.bin in .* has more than 49 bytes; expected are at most 49; take"):
        dict(downloads.contents(tmp_path, {"one.bin": None}))


def link(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info, b""


@pytest.mark.parametrize(
    ("evil", "text"),
    [
        ((tarfile.TarInfo("../one.bin"), b"x"), "leads out of the archive"),
        ((tarfile.TarInfo("data/../../one.bin"), b"x"), "leads out of the archive"),
        ((tarfile.TarInfo("..\\one.bin"), b"x"), "leads out of the archive"),
        ((tarfile.TarInfo("/one.bin"), b"x"), "leads out of the archive"),
        ((tarfile.TarInfo("C:/one.bin"), b"x"), "leads out of the archive"),
        (link("data/one.bin", tarfile.SYMTYPE), "is a link"),
        (link("data/one.bin", tarfile.LNKTYPE), "is a link"),
        (link("data/pipe", tarfile.FIFOTYPE), "is no regular file"),
        (link("data/disk", tarfile.BLKTYPE), "is no regular file"),
    ],
)
def test_an_archive_that_means_harm_is_refused_whole(tmp_path: Path, evil: tuple[tarfile.TarInfo, bytes], text: str):
    path = tar(tmp_path / "evil.tar.gz", *members(), evil)
    with pytest.raises(ArchiveError, match=rf"evil.tar.gz is refused: .*{text}.*; nothing was unpacked"):
        next(downloads.contents(path, SIZES))


def test_files_that_are_missing_twice_there_or_of_another_size_are_named(tmp_path: Path):
    first, second = members()
    cases = {
        r"lacks two.bin .*it holds data/one.bin": (first,),
        r"holds one.bin twice": (first, second, first),
        r"two.bin in .* has 3 bytes; expected are 120": (first, (second[0], b"abc")),
        r"one.bin in .* has more than 50 bytes": ((first[0], b"x" * 10_000_000), second),
    }
    for text, given in cases.items():
        path = tar(tmp_path / "a.tar.gz", *given)
        with pytest.raises(ArchiveError, match=text):
            dict(downloads.contents(path, SIZES))
    with pytest.raises(ArchiveError, match=r"lacks one.bin, two.bin .*it holds a.tar.gz"):
        dict(downloads.contents(tmp_path, SIZES))


def test_no_more_is_unpacked_than_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with lzma.open(tmp_path / "one.bin.xz", "wb") as file:
        file.write(bytes(50_000_000))
    (tmp_path / "two.bin").write_bytes(FILES["two.bin"])
    read = []
    original = lzma.LZMAFile.read
    monkeypatch.setattr(lzma.LZMAFile, "read", lambda self, size=-1: read.append(size) or original(self, size))
    with pytest.raises(ArchiveError, match=r"one.bin in .* has more than 50 bytes"):
        dict(downloads.contents(tmp_path, SIZES))
    assert read == [51]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_damaged_copies_are_no_surprise(tmp_path: Path, suffix: str, pack):
    packed = pack(FILES["one.bin"])
    (tmp_path / "two.bin").write_bytes(FILES["two.bin"])
    for damaged in (packed[:-4], packed[:20] + b"\x00\x01" + packed[22:], b"not compressed at all"):
        (tmp_path / f"one.bin{suffix}").write_bytes(damaged)
        with pytest.raises(ArchiveError, match=rf"one.bin{suffix} cannot be read .*take another copy"):
            dict(downloads.contents(tmp_path, SIZES))


def whole_archives() -> dict[str, bytes]:
    """A tar archive of one file, in every packing that `downloads.contents` reads."""
    packed = {}
    for mode in ("w", "w:gz", "w:xz", "w:bz2"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
            info = tarfile.TarInfo("a.bin")
            info.size = 4000
            archive.addfile(info, io.BytesIO(bytes(i * i % 251 for i in range(4000))))
        packed[mode] = file.getvalue()
    return packed


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_an_archive_cut_off_anywhere_is_one_sentence(tmp_path: Path, mode: str):
    data, path = whole_archives()[mode], tmp_path / "t.tar"
    path.write_bytes(data)
    (whole,) = dict(downloads.contents(path, {"a.bin": 4000})).values()
    said = []
    for length in {*range(0, 200, 10), *range(200, len(data), max(1, len(data) // 50)), len(data) - 1}:
        path.write_bytes(data[:length])
        try:
            found = dict(downloads.contents(path, {"a.bin": 4000}))
        except ArchiveError as error:
            said.append(str(error))
        else:  # what lies behind the last file, zeros and checksums, is not missed
            assert found == {"a.bin": whole}
    assert len(said) > 20
    assert all(str(path) in text and "\n" not in text for text in said)


@pytest.mark.parametrize(
    "data", [b"", b"<html><body>403</body></html>", b"PK\x03\x04" + bytes(60), b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh9"]
)
def test_what_is_no_archive_is_one_sentence_and_nothing_is_kept(tmp_path: Path, data: bytes):
    (tmp_path / "t.tar.gz").write_bytes(data)
    (tmp_path / "folder").mkdir()
    for name in ("a.bin", "a.bin.gz", "a.bin.xz"):
        (tmp_path / "folder" / name).write_bytes(data)
    place = tmp_path / "data"
    for source in (tmp_path / "t.tar.gz", tmp_path / "folder", tmp_path / "nowhere"):
        with pytest.raises(ArchiveError):
            dict(downloads.contents(source, {"a.bin": 4000}))
        done = CliRunner().invoke(command.main, ["data", "fetch", "mnist", "--from", str(source), "--data", str(place)])
        assert done.exit_code == 1
        assert str(source) in done.output
        assert "Aborted" not in done.output
        assert not place.exists() or not list(place.iterdir())


def test_a_truncated_archive_and_what_is_none(tmp_path: Path):
    path = tar(tmp_path / "a.tar.gz", *members())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArchiveError, match="cannot be read"):
        dict(downloads.contents(path, SIZES))
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(
        ArchiveError, match=r"is not a tar archive; give a folder or a tar.gz that holds one.bin, two.bin"
    ):
        dict(downloads.contents(path, SIZES))
    with pytest.raises(ArchiveError, match="does not exist"):
        dict(downloads.contents(tmp_path / "nowhere", SIZES))
