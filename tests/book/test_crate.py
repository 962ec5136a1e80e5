"""The archive: a valid RO-Crate, with a Frictionless schema that fits for every table, and nothing left out."""

import csv
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from frictionless import Package
from rocrate.rocrate import ROCrate

from resnet_lib import sweep
from resnet_lib.book import crate
from resnet_lib.evidence import ledger, texts
from resnet_lib.sweep import results
from resnet_lib.sweep.results import ResultError
from tests import books
from tests.book_fixture import fixture_experiment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with a chapter, a figure and a stored result."""
    folder = tmp_path_factory.mktemp("book")
    root = books.copy(folder / "book")
    books.write(root, books.verdict(root), books.figure(root))
    shutil.copy(ROOT / "CITATION.cff", root)
    result = sweep.run(fixture_experiment.FIXTURE, "full", workers=1, cache=folder / "cache", progress=False)
    sweep.store(result, root)
    return root


@pytest.fixture(scope="module")
def packed(root: Path) -> Path:
    return crate.write(ledger.read(root), root, root.parent / "crate")


def test_everything_is_in_it_as_it_was(root: Path, packed: Path):
    for name in ("results/fixture-radius/full.csv", "figures/fixture-radius/data.csv", "claims.yml", "CITATION.cff"):
        assert (packed / name).read_bytes() == (root / name).read_bytes()
    described = {entity.id: entity for entity in ROCrate(packed).data_entities}
    files = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert files - set(described) == {"ro-crate-metadata.json"}
    for name, entity in described.items():
        assert entity["sha256"] == hashlib.sha256((packed / name).read_bytes()).hexdigest()


def test_the_crate_says_what_it_is_and_where_results_come_from(root: Path, packed: Path):
    found = ROCrate(packed)
    assert found.name == "Residual Networks, Tested"
    assert found.license == "https://spdx.org/licenses/CC-BY-4.0"
    stored = results.read("fixture-radius", root)
    assert stored is not None
    run = found.dereference("#run-fixture-radius")
    assert run is not None
    assert run["name"] == "resnet-lib run fixture-radius --preset full"
    assert run["result"].id == "results/fixture-radius/full.csv"
    assert run["instrument"].id == "#resnet-lib"
    assert stored.stamp.commit in run["description"]


def test_every_table_has_a_schema_that_fits(packed: Path):
    package = json.loads((packed / "datapackage.json").read_text())
    tables = {path.relative_to(packed).as_posix() for path in packed.rglob("*.csv")}
    assert {resource["path"] for resource in package["resources"]} == tables
    assert {"ledger.csv", "results/fixture-radius/full.csv"} <= tables
    report = Package(str(packed / "datapackage.json")).validate()
    assert report.valid, report.flatten(["type", "message"])
    schemas = {resource["path"]: resource["schema"]["fields"] for resource in package["resources"]}
    kinds = {field["name"]: field["type"] for field in schemas["results/fixture-radius/full.csv"]}
    assert kinds == {"dimension": "integer", "scale": "number", "seed": "integer", "radius": "number", "half": "number"}


@pytest.mark.parametrize(
    ("old", "new"), [(",", ";"), ("dimension", "dim"), ("\n256", "\nlarge"), ("256", "256 "), ("256,", "257,")]
)
def test_a_table_that_does_not_fit_is_found(packed: Path, tmp_path: Path, old: str, new: str):
    copy = shutil.copytree(packed, tmp_path / "copy")
    table = copy / "results/fixture-radius/full.csv"
    text = table.read_text()
    table.write_text(text.replace(old, new))
    assert table.read_text() != text
    assert not Package(str(copy / "datapackage.json")).validate().valid


def test_the_ledger_is_a_table(root: Path, packed: Path):
    with (packed / "ledger.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["claim"], row["preset"], row["status"]) == (books.CLAIM, "quick", "holds")
    assert float(row["effect"]) == ledger.read(root).verdicts[books.CLAIM].record["quick"]["effect"]
    assert 0 < float(row["p"]) == float(row["adjusted_p"]) < 0.05


def test_the_book_itself_can_be_packed(tmp_path: Path):
    target = crate.write(ledger.read(ROOT), ROOT, tmp_path / "book.zip")
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "out")
    assert Package(str(tmp_path / "out" / "datapackage.json")).validate().valid


def test_values_that_are_no_number_and_truth_values_have_their_place(tmp_path: Path):
    table = pd.DataFrame({"x": [1.5, float("nan"), float("inf")], "ok": [True, False, True], "t": ["nan", "", "True"]})
    path = sweep.store(books.replace(books.result(preset="full"), table=table), tmp_path)
    path.rename(tmp_path / "t.csv")
    kinds = json.loads(path.with_suffix(".json").read_text())["columns"]
    resource = {"name": "t", "path": "t.csv", "schema": crate.schema(kinds)}
    (tmp_path / "datapackage.json").write_text(json.dumps({"name": "p", "resources": [resource]}))
    package = Package(str(tmp_path / "datapackage.json"))
    assert package.validate().valid
    table_resource: Any = package.get_resource("t")
    assert table_resource.read_rows()[1]["ok"] is False


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        ("title: B\u00fccher".encode("latin-1"), "line 1, is not UTF-8"),
        (b"title: a\n<<<<<<< HEAD\n", "line 2, holds the mark of a merge conflict"),
        (b"title: [", "is no citation file"),
        (b"title", "is no citation file"),
        (b"- title", "is no citation file"),
        (b"title: a\nauthors: [{given-names: A}]", "is no citation file"),
        (b"title: a\nabstract: b", "lacks keywords, date-released, version, authors; write it there"),
    ],
)
def test_a_citation_file_that_is_none_is_one_sentence(root: Path, tmp_path: Path, content: bytes | None, said: str):
    damaged = shutil.copytree(root, tmp_path / "damaged")
    (damaged / "CITATION.cff").unlink()
    if content is not None:
        (damaged / "CITATION.cff").write_bytes(content)
    with pytest.raises(texts.TextError, match=said) as raised:
        crate.write(ledger.read(root), damaged, tmp_path / "new")
    assert "CITATION.cff" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "new").exists()


def test_a_stamp_with_the_mark_of_another_editor_can_be_packed(root: Path, tmp_path: Path):
    marked = shutil.copytree(root, tmp_path / "marked")
    stamp = results.path("fixture-radius", marked).with_suffix(".json")
    stamp.write_bytes(b"\xef\xbb\xbf" + stamp.read_bytes())
    assert crate.write(ledger.read(marked), marked, tmp_path / "new").exists()


def test_what_is_refused(root: Path, packed: Path, tmp_path: Path):
    with pytest.raises(FileExistsError, match=r"crate exists; choose a new folder, or a new file that ends in \.zip"):
        crate.write(ledger.read(root), root, packed)
    damaged = shutil.copytree(root, tmp_path / "damaged")
    results.path("fixture-radius", damaged).write_text("seed\n")
    with pytest.raises(ResultError, match="is refused"):
        crate.write(ledger.read(damaged), damaged, tmp_path / "new")
