"""The datasets that are kept on this machine: what comes in, how it is checked, what is said about it."""

import dataclasses
import functools
import gzip
import io
import json
import lzma
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import servers
from click.testing import CliRunner

from resnet_lib import data
from resnet_lib.cli import command
from resnet_lib.data import datasets, sources, store
from resnet_lib.data.downloads import ArchiveError
from resnet_lib.data.official import DISTRIBUTIONS, DataError
from tests import distributions as distributed

REAL = os.environ.get("RESNET_LIB_TEST_DATA")  # a folder with cifar10, fashion-mnist and mnist


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, bytes]]:
    """The contents of tiny datasets that take the place of the real ones."""
    made = {
        "cifar10": distributed.cifar(),
        "cifar100": distributed.cifar("cifar100", labels=2),
        "fashion-mnist": distributed.idx("fashion-mnist", seed=1),
        "mnist": distributed.idx(),
    }
    for name, (distribution, _) in made.items():
        monkeypatch.setitem(DISTRIBUTIONS, name, distribution)
    sources._read.cache_clear()
    return {name: contents for name, (_, contents) in made.items()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def copied(tmp_path: Path, contents: dict[str, bytes], **changes: bytes) -> Path:
    return distributed.written(tmp_path / "copy", contents | changes)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion-mnist", "mnist"])
@pytest.mark.parametrize("form", ["plain", "gz", "xz", "tar"])
def test_an_official_copy_is_kept_plain(name: str, form: str, tiny, place: Path, tmp_path: Path):
    contents = tiny[name]
    source = tmp_path / "copy"
    if form == "tar":
        source = tmp_path / "copy.tar.gz"
        with tarfile.open(source, "w:gz") as archive:
            for file, content in contents.items():
                info = tarfile.TarInfo(f"inner/{file}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        pack = {"plain": bytes, "gz": gzip.compress, "xz": lzma.compress}[form]
        suffix = "" if form == "plain" else f".{form}"
        distributed.written(source, {file + suffix: pack(content) for file, content in contents.items()})
    manifest = store.fetch(name, place, source=source)
    assert manifest.official
    assert manifest == store.about(name, place)
    assert {file: (place / name / file).read_bytes() for file in contents} == contents
    assert everything(place) == sorted([name, f"{name}/manifest.json", *(f"{name}/{file}" for file in contents)])
    assert datasets.provenance(name, folder=place) == {name: datasets.checksum(name, folder=place)}


def test_the_bytes_mean_what_the_formats_say(tiny, place: Path, tmp_path: Path):
    for name in tiny:
        store.fetch(name, place, source=distributed.written(tmp_path / name, tiny[name]))
    (train, test) = store.read("cifar10", place)
    record = tiny["cifar10"]["data_batch_2.bin"][2 * 3073 : 3 * 3073]
    assert train.y[8] == record[0]
    assert train.x[8, 2, 5, 7] == record[1 + 2 * 1024 + 5 * 32 + 7]  # blue, row 5, column 7
    assert (train.x.shape, test.x.shape) == ((12, 3, 32, 32), (4, 3, 32, 32))
    (train, _) = store.read("cifar100", place)
    record = tiny["cifar100"]["train.bin"][3 * 3074 : 4 * 3074]
    assert train.y[3] == record[1]  # the fine label is the second
    assert train.x[3, 0, 0, 1] == record[3]
    (_, test) = store.read("mnist", place)
    assert test.y[3] == tiny["mnist"]["t10k-labels-idx1-ubyte"][8 + 3]
    assert test.x[3, 0, 4, 9] == tiny["mnist"]["t10k-images-idx3-ubyte"][16 + 3 * 784 + 4 * 28 + 9]


def altered(contents: dict[str, bytes], file: str, at: int, value: int) -> dict[str, bytes]:
    changed = bytearray(contents[file])
    changed[at] = value
    return {file: bytes(changed)}


LIST = b"file,record,split,index_in_split,label\ndata_batch_2.bin,3,train,9,%d\n"


def test_a_variant_needs_to_be_accepted_and_says_what_differs(tiny, place: Path, tmp_path: Path):
    contents = tiny["cifar10"]
    label = contents["data_batch_2.bin"][3 * 3073]
    source = copied(tmp_path, contents | altered(contents, "data_batch_2.bin", 3 * 3073 + 1, 0))
    (source / "substituted_images.csv").write_bytes(LIST % label)
    with pytest.raises(DataError, match=r"data_batch_2.bin has another hash \(1 records differ.*add --accept-variant"):
        store.fetch("cifar10", place, source=source)
    assert not place.exists()
    manifest = store.fetch("cifar10", place, source=source, accept_variant=True)
    assert manifest == store.about("cifar10", place)
    assert (manifest.unofficial, manifest.differing) == (("data_batch_2.bin",), {"data_batch_2.bin": [3]})
    record = json.loads((place / "cifar10" / "manifest.json").read_bytes())
    assert record["differing"] == {"data_batch_2.bin": [3]}
    found = datasets.provenance("cifar10", folder=place)
    assert found["cifar10"] == datasets.checksum("cifar10", folder=place)
    assert found["cifar10 (files)"] == (
        f"variant {manifest.sha256[:16]}, records that differ from the official ones: 1; data_batch_2.bin 3"
    )


def test_a_variant_without_a_list_says_so(tiny, place: Path, tmp_path: Path):
    contents = tiny["mnist"]
    source = copied(tmp_path, contents | altered(contents, "train-images-idx3-ubyte", 100, 0))
    with pytest.raises(DataError, match="nobody has listed the records that differ"):
        store.fetch("mnist", place, source=source)
    manifest = store.fetch("mnist", place, source=source, accept_variant=True)
    assert manifest.differing is None
    assert "nobody has listed which" in datasets.provenance("mnist", folder=place)["mnist (files)"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"file,record\ndata_batch_2.bin,6\n", "has no record 6 in 'data_batch_2.bin'"),
        (b"file,record\ndata_batch_9.bin,0\n", "has no record 0 in 'data_batch_9.bin'"),
        (b"file,record\ndata_batch_2.bin,x\n", "invalid literal"),
        (b"name,record\ndata_batch_2.bin,1\n", "'file'"),
        (b"file,record,label\ndata_batch_2.bin,3,11\n", "not 11"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(text: bytes, problem: str, tiny, place: Path, tmp_path: Path):
    contents = tiny["cifar10"]
    source = copied(tmp_path, contents | altered(contents, "data_batch_2.bin", 3 * 3073 + 1, 0))
    (source / "substituted_images.csv").write_bytes(text)
    with pytest.raises(DataError, match=rf"substituted_images.csv is no list of records of cifar10: .*{problem}"):
        store.fetch("cifar10", place, source=source, accept_variant=True)


def test_a_list_that_leaves_out_a_file_is_not_taken_for_complete(tiny, place: Path, tmp_path: Path):
    contents = tiny["cifar10"]
    changed = altered(contents, "data_batch_2.bin", 3073 + 1, 0) | altered(contents, "test_batch.bin", 1, 0)
    source = copied(tmp_path, contents | changed)
    (source / "substituted_images.csv").write_bytes(b"file,record\ndata_batch_2.bin,1\n")
    assert store.fetch("cifar10", place, source=source, accept_variant=True).differing is None


def test_another_dataset_is_never_a_variant(tiny, place: Path, tmp_path: Path):
    source = copied(tmp_path, tiny["fashion-mnist"])
    with pytest.raises(
        DataError, match=r"holds the dataset 'fashion-mnist' .*not 'mnist'; .*fetch fashion-mnist --from"
    ):
        store.fetch("mnist", place, source=source, accept_variant=True)
    with pytest.raises(ArchiveError, match=r"lacks data_batch_1.bin, .*it holds t10k-images-idx3-ubyte"):
        store.fetch("cifar10", place, source=source)
    assert not place.exists()


@pytest.mark.parametrize(
    ("name", "file", "at", "value", "text"),
    [
        ("cifar10", "test_batch.bin", 3073, 10, r"test_batch.bin of cifar10: holds the label 10; labels are 0 to 9"),
        ("mnist", "t10k-labels-idx1-ubyte", 8, 77, r"holds the label 77"),
        (
            "mnist",
            "train-images-idx3-ubyte",
            3,
            1,
            r"train-images.* begins with \[2049, 12, 28, 28\]; .*\[2051, 12, 28",
        ),
    ],
)
def test_what_no_copy_could_hold_is_refused_even_as_a_variant(
    name: str, file: str, at: int, value: int, text: str, tiny, place: Path, tmp_path: Path
):
    source = copied(tmp_path, tiny[name] | altered(tiny[name], file, at, value))
    with pytest.raises(DataError, match=text):
        store.fetch(name, place, source=source, accept_variant=True)
    assert not place.exists()


def test_what_was_altered_since_is_not_read(tiny, place: Path, tmp_path: Path):
    store.fetch("cifar10", place, source=copied(tmp_path, tiny["cifar10"]))
    before = data.load("cifar10", folder=place)
    path = place / "cifar10" / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test_batch.bin is damaged: .*remove .*cifar10 and run resnet-lib data fetch"):
        data.load("cifar10", folder=place)
    path.unlink()
    with pytest.raises(DataError, match=r"test_batch.bin is damaged"):
        data.load("cifar10", folder=place)
    store.fetch("cifar10", place, source=tmp_path / "copy")
    assert data.load("cifar10", folder=place).checksum == before.checksum


def test_a_folder_without_its_manifest_is_refused(tiny, place: Path):
    distributed.written(place / "cifar10", tiny["cifar10"])
    for text in (
        "",
        "{}",
        json.dumps({"name": "cifar10", "files": {}, "unofficial": [], "differing": None, "sha256": ""}),
    ):
        if text:
            (place / "cifar10" / "manifest.json").write_text(text)
        with pytest.raises(DataError, match=r"no readable manifest.json .*fetch cifar10 --from PATH"):
            data.load("cifar10", folder=place)


def test_what_is_not_there_is_asked_for(tiny, place: Path):
    with pytest.raises(DataError, match=r"'cifar10' is not on this machine .*: resnet-lib data fetch cifar10"):
        data.load("cifar10", folder=place)
    with pytest.raises(DataError, match=r"name='cifar' is no dataset that can be fetched; .*closest: 'cifar10'"):
        store.fetch("cifar", place)


def test_an_interrupted_replacement_leaves_the_old_files(tiny, place: Path, tmp_path: Path, monkeypatch):
    source = copied(tmp_path, tiny["cifar10"])
    store.fetch("cifar10", place, source=source)
    before = everything(place)
    calls = []

    def full(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr(store, "write_atomically", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        store.fetch("cifar10", place, source=source)
    assert everything(place) == before
    assert len(calls) == 2
    assert data.load("cifar10", folder=place).classes == 10


def test_too_little_disk_is_said_before_anything_is_read(tiny, place: Path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))  # type: ignore[attr-defined]
    with pytest.raises(ArchiveError, match=r"0 MB free, and 0 MB are needed; free some"):
        store.fetch("cifar10", place, source=Path("nowhere"))


def test_a_download_end_to_end_and_offline_afterwards(tiny, place: Path, tmp_path: Path, monkeypatch):
    distribution = DISTRIBUTIONS["cifar10"]
    served = distributed.written(tmp_path / "served", {})
    with tarfile.open(served / "tiny.tar.gz", "w:gz") as archive:
        for file, content in tiny["cifar10"].items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    handler = functools.partial(servers.Files, directory=str(served))
    with servers.serving(servers.Server(handler)) as server:
        item = distributed.download(f"{server.address}tiny.tar.gz", (served / "tiny.tar.gz").read_bytes())
        # The hash of the archive vouches for its files, even if our list of their hashes were wrong.
        files = tuple(dataclasses.replace(file, sha256="?", blob=None) for file in distribution.train)
        changed = dataclasses.replace(distribution, downloads=(item,), train=files)
        monkeypatch.setitem(DISTRIBUTIONS, "cifar10", changed)
        done = CliRunner().invoke(command.main, ["data", "fetch", "cifar10", "--data", str(place)])
    assert done.exit_code == 0, done.output
    assert done.output == f"cifar10 is in {place / 'cifar10'}: official\n"
    assert everything(place / "downloads") == []
    again = CliRunner().invoke(command.main, ["data", "fetch", "cifar10", "--data", str(place)])
    assert again.exit_code == 0, again.output


def test_the_command_explains_itself(tiny, place: Path, tmp_path: Path):
    source = copied(tmp_path, tiny["mnist"])
    for arguments, text in (
        (["fetch", "mnist", "--from", str(source)], f"mnist is in {place / 'mnist'}: official"),
        (["list"], "mnist          12 + 4 images   official"),
        (["list"], "cifar10        12 + 4 images   not here"),
    ):
        done = CliRunner().invoke(command.main, ["data", *arguments, "--data", str(place)])
        assert done.exit_code == 0, done.output
        assert text in done.output
    done = CliRunner().invoke(command.main, ["data", "fetch", "mnits", "--data", str(place)])
    assert done.exit_code == 1
    assert done.output.startswith("Error: name='mnits' is no dataset that can be fetched")


@pytest.mark.skipif(REAL is None, reason="RESNET_LIB_TEST_DATA names no folder with the real datasets")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_the_real_datasets(name: str, place: Path):
    distribution = DISTRIBUTIONS[name]
    manifest = store.fetch(name, place, source=Path(REAL or "", name), accept_variant=name == "cifar10")
    assert manifest.official == (name != "cifar10")
    loaded = data.load(name, folder=place)
    counts = (distribution.counts[0] - 5000, 5000, distribution.counts[1])
    assert tuple(len(part) for part in (loaded.train, loaded.validation, loaded.test)) == counts
    assert np.abs(loaded.train.x.double().mean(dim=(0, 2, 3)).numpy()).max() < 1e-6
    if name == "cifar10":
        assert sum(map(len, (manifest.differing or {}).values())) == 98
        assert loaded.test.y.bincount().tolist() == [1000] * 10
        train, _ = store.read(name, place)
        # Mean and standard deviation of the 50,000 training images, as many pages give them.
        np.testing.assert_allclose(train.x.mean(axis=(0, 2, 3)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)
        np.testing.assert_allclose(train.x.std(axis=(0, 2, 3)) / 255, [0.2470, 0.2435, 0.2616], atol=1e-4)
    elif name == "mnist":
        assert loaded.test.y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_first_copy_needs_no_folder_to_be_there(tiny, tmp_path: Path):
    place = tmp_path / "not" / "there"
    assert store.fetch("mnist", place, source=copied(tmp_path, tiny["mnist"])).official
    assert (place / "mnist" / store.MANIFEST).is_file()
