"""Published weights on this machine: fetched or copied, converted once, and nothing wrong is kept."""

import functools
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import servers
from click.testing import CliRunner, Result

from resnet_lib.cli import command
from resnet_lib.data import conversion, datasets, releases, shelf, store
from resnet_lib.data.downloads import ArchiveError
from resnet_lib.data.official import DataError
from resnet_lib.data.releases import Weights
from resnet_lib.sweep import trial
from tests import distributions, published

SHALLOW, DEEP = (8, 14), 20
FILES = {depth: published.saved(published.state(depth)) for depth in (*SHALLOW, DEEP)}


def known(monkeypatch: pytest.MonkeyPatch, files: dict[int, bytes]) -> dict[int, Weights]:
    """The catalogue is made of these files, of which the last one was never seen."""
    found = {depth: published.weights(data, depth, seen=depth != DEEP) for depth, data in files.items()}
    monkeypatch.setattr(releases, "WEIGHTS", found)
    monkeypatch.setattr(releases, "SHALLOW", SHALLOW)
    return found


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[int, Weights]:
    return known(monkeypatch, FILES)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def copied(tmp_path: Path, catalogue: dict[int, Weights], **changes: bytes) -> Path:
    contents = {each.file: FILES[depth] for depth, each in catalogue.items()}
    return distributions.written(tmp_path / "copy", contents | changes)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def call(*arguments: object) -> Result:
    return CliRunner().invoke(command.main, ["data", *map(str, arguments)])


def test_a_copy_is_converted_once_and_read_as_it_was_written(catalogue, place: Path, tmp_path: Path):
    found = shelf.fetch("published", place, source=copied(tmp_path, catalogue))
    assert [each.weights.depth for each in found] == [8, 14, 20]
    assert everything(place) == [f"published/resnet{depth}.safetensors" for depth in (14, 20, 8)]
    for depth, data in FILES.items():
        arrays = shelf.read(depth, place)
        expected = conversion.converted(data, catalogue[depth], "it")
        assert arrays.keys() == expected.keys()
        assert all(np.array_equal(arrays[name], value) for name, value in expected.items())
    about = found[0].about
    assert about["licence"] == "BSD-2-Clause, copyright 2018 Yerlan Idelbayev"
    assert about["file"] == catalogue[8].file
    assert about["commit"] in catalogue[8].url
    assert [each.about for each in shelf.kept(place)] == [each.about for each in found]


def test_the_checksum_is_that_of_the_values(catalogue, place: Path, tmp_path: Path):
    shelf.fetch("published", place, source=copied(tmp_path, catalogue))
    found = {depth: shelf.checksum(f"published-{depth}", place) for depth in FILES}
    assert len(set(found.values())) == 3
    with pytest.raises(DataError, match=r"name='published' is several networks; name one of published-8, published-14"):
        shelf.checksum("published", place)


def test_a_trial_is_named_by_the_weights_that_it_measures(
    catalogue, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shelf.fetch("published-8", place, source=copied(tmp_path, catalogue))
    monkeypatch.setattr(store, "folder", lambda given=None: place)
    found = shelf.checksum("published-8")
    assert trial.data_checksum("published-8") == found
    assert trial.data_provenance("published-8") == {"published-8": found}
    assert trial.data_checksum("spirals") == datasets.checksum("spirals")
    assert trial.data_provenance("spirals") == datasets.provenance("spirals")


@pytest.mark.parametrize("form", ["folder", "tar", "file"])
def test_one_network_from_whatever_holds_it(form: str, catalogue, place: Path, tmp_path: Path):
    source = copied(tmp_path, catalogue)
    if form == "tar":
        with tarfile.open(tmp_path / "copy.tar.gz", "w:gz") as archive:
            archive.add(source, "inner")
        source = tmp_path / "copy.tar.gz"
    elif form == "file":
        source = source / catalogue[14].file
    (found,) = shelf.fetch("published-14", place, source=source)
    assert found.path == place / "published" / "resnet14.safetensors"
    assert everything(place) == ["published/resnet14.safetensors"]


def test_the_deepest_may_be_missing_and_the_others_not(catalogue, place: Path, tmp_path: Path):
    source = copied(tmp_path, catalogue)
    (source / catalogue[DEEP].file).unlink()
    *others, deep = shelf.fetch("published", place, source=source)
    assert all(each.path for each in others)
    assert deep.path is None
    assert f"lacks {catalogue[DEEP].file}" in deep.summary()
    with pytest.raises(ArchiveError, match=f"lacks {catalogue[DEEP].file}"):
        shelf.fetch(f"published-{DEEP}", place, source=source)
    (source / catalogue[8].file).unlink()
    with pytest.raises(ArchiveError, match=f"lacks {catalogue[8].file}"):
        shelf.fetch("published", place, source=source)


DATA = FILES[14]
WRONG = {
    "wrong hash": (DATA[:-1] + bytes([DATA[-1] ^ 1]), "is not the published file: .*SHA-256 .*; it was not read"),
    "cut": (DATA[:-1], r"has [\d,]+ bytes; expected are"),
    "empty": (b"", r"has 0 bytes; expected are"),
    "page": (b"<html>Sign in</html>", r"has 20 bytes; expected are"),
    "page of that length": (b"<html>".ljust(len(DATA)), "is not the published file"),
    "too long": (DATA + b"!", r"has more than [\d,]+ bytes; expected are"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_the_published_file_is_one_sentence_and_nothing_is_kept(
    kind: str, catalogue, place: Path, tmp_path: Path
):
    data, text = WRONG[kind]
    source = copied(tmp_path, catalogue, **{catalogue[14].file: data})
    with pytest.raises((DataError, ArchiveError), match=text) as error:
        shelf.fetch("published-14", place, source=source)
    assert catalogue[14].file in str(error.value)
    assert "\n" not in str(error.value)
    assert not place.exists()
    done = call("fetch", "published", "--from", source, "--data", place)
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert everything(place) == ["published/resnet8.safetensors"]


def test_a_file_with_the_right_hash_that_is_not_right_is_not_kept_either(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bad = {
        "more than plain weights": pickle.dumps({"state_dict": Path("x")}),
        "has no key 'state_dict'": published.saved(published.state(14), key="model"),
        "is not ResNet-14 .* it lacks 'layer1.1": published.saved(published.state(8)),
    }
    for text, data in bad.items():
        catalogue = known(monkeypatch, {14: data})
        source = distributions.written(tmp_path / "bad", {catalogue[14].file: data})
        with pytest.raises(DataError, match=text):
            shelf.fetch("published-14", place, source=source)
    assert not place.exists()


def test_another_networks_file_is_named(catalogue, place: Path, tmp_path: Path):
    source = copied(tmp_path, catalogue) / catalogue[8].file
    with pytest.raises(DataError, match=rf"is another file than {catalogue[14].file}; give a folder"):
        shelf.fetch("published-14", place, source=source)


@pytest.mark.parametrize("depth", [14, DEEP])
def test_a_download_is_checked_converted_and_tidied_away(
    depth: int, catalogue, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = copied(tmp_path, catalogue)
    handler = functools.partial(servers.Files, directory=str(folder))
    with servers.serving(servers.Server(handler)) as server:
        monkeypatch.setattr(releases, "RAW", server.address)
        (found,) = shelf.fetch(f"published-{depth}", place)
        assert found.path
        assert everything(place) == [f"published/resnet{depth}.safetensors"]
        data = bytearray(FILES[depth])
        data[-1] ^= 1
        distributions.written(folder, {catalogue[depth].file: bytes(data)})
        assert shelf.fetch(f"published-{depth}", place) == [found]  # which is there, and not fetched again
        found.path.unlink()
        with pytest.raises((DataError, ArchiveError), match=r"not the (published )?file"):
            shelf.fetch(f"published-{depth}", place)
    assert everything(place) == []
    with pytest.raises(ArchiveError, match=r"could not be downloaded .*--from PATH"):
        shelf.fetch(f"published-{depth}", place)


def test_a_damaged_file_is_found_and_made_anew(catalogue, place: Path, tmp_path: Path):
    source = copied(tmp_path, catalogue)
    (found,) = shelf.fetch("published-8", place, source=source)
    assert found.path
    whole = found.path.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:100], b""):
        found.path.write_bytes(damaged)
        with pytest.raises(
            DataError, match=r"resnet8.safetensors is damaged: .*remove it and run resnet-lib data fetch"
        ):
            shelf.read(8, place)
    assert shelf.fetch("published-8", place, source=source) == [found]
    found.path.rename(shelf.file(catalogue[14], place))
    with pytest.raises(DataError, match=r"resnet14.safetensors is damaged"):
        shelf.read(14, place)


def test_what_was_not_fetched_says_how(catalogue, place: Path):
    with pytest.raises(DataError, match=r"'published-8' are not on this machine .*resnet-lib data fetch published, or"):
        shelf.read(8, place)
    with pytest.raises(DataError, match="are not on this machine"):
        shelf.checksum("published-8", place)


def test_the_command_says_what_is_there(catalogue, place: Path, tmp_path: Path):
    source = copied(tmp_path, catalogue)
    done = call("fetch", "published", "--from", source, "--data", place)
    assert done.exit_code == 0, done.output
    assert (
        f"published-8 is in {place / 'published' / 'resnet8.safetensors'}: made from {catalogue[8].file}" in done.output
    )
    (place / "published" / "resnet14.safetensors").unlink()
    done = call("list", "--data", place)
    assert f"published-8    8.27% test error   {catalogue[8].file}, converted" in done.output
    assert "published-14   8.27% test error   not here" in done.output
    done = call("fetch", "published", "--from", source, "--accept-variant")
    assert done.exit_code == 2
    assert "--accept-variant is for datasets; of published there is one version" in done.output
    done = call("fetch", "mnist", "--check")
    assert done.exit_code == 2
    assert "--check is for published networks" in done.output
