"""What a name stands for in a package on disk, through imports, aliases, submodules and a room's face."""

import os
from pathlib import Path

import pytest

from resnet_lib.sweep.source.definitions import Definition, Sources, files

PACKAGE = {
    "__init__.py": "from pack.inner import verb as act\n",
    "inner.py": "import math as m\nLIMIT = 3\n\n\ndef verb(x):\n    return m.sqrt(x) + LIMIT\n\n\ndef other(): ...\n",
    "user.py": "from pack import act\nimport pack.inner as i\nfrom pack.gone import lost\ndef go(x): return act(x)\n",
    "room/__init__.py": "",
    "room/wide.py": "from pack.inner import *\n\n\ndef all_of_it(name):\n    return globals()[name]\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path / "pack"


@pytest.fixture
def sources(folder: Path) -> Sources:
    return Sources(files(folder, "pack"))


def test_the_files_of_a_package_have_the_names_that_they_are_imported_by(folder: Path):
    (folder / "notes.txt").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "inner.cpython-311.py").touch()
    assert [file.name for file in files(folder, "pack")] == [
        "pack",
        "pack.inner",
        "pack.room",
        "pack.room.wide",
        "pack.user",
    ]


@pytest.mark.parametrize(
    ("name", "rest", "meaning"),
    [
        ("act", (), (Definition("pack.inner", "verb"), ())),
        ("i", ("LIMIT",), (Definition("pack.inner", "LIMIT"), ())),
        ("i", ("LIMIT", "real"), (Definition("pack.inner", "LIMIT"), ("real",))),
        ("i", ("m", "sqrt"), ("math.sqrt", ())),
        ("i", (), (Definition("pack.inner", "*"), ())),  # the module itself, whose names cannot be told
        ("go", (), (Definition("pack.user", "go"), ())),
        ("lost", (), ("absent lost", ())),
        ("len", (), ("len", ())),
        ("globals", (), (Definition("pack.user", "*"), ("globals",))),
    ],
)
def test_a_name_is_followed_to_where_it_is_defined(sources: Sources, name: str, rest: tuple, meaning: tuple):
    assert sources.follow("pack.user", name, rest) == meaning


def test_behind_a_star_import_every_name_is_the_whole_module(sources: Sources):
    assert sources.follow("pack.room.wide", "verb") == (Definition("pack.room.wide", "*"), ("verb",))


def test_what_is_reached_is_what_is_named_and_no_neighbour(sources: Sources):
    assert sources.reach([Definition("pack.user", "go")]) == {
        Definition("pack.user", "go"),
        Definition("pack.inner", "verb"),
        Definition("pack.inner", "LIMIT"),
    }


def test_of_plumbing_the_name_alone_counts(folder: Path):
    sources = Sources(files(folder, "pack"), plumbing={"pack.inner"})
    assert sources.follow("pack.user", "act") == ("plumbing verb", ())
    assert sources.reach([Definition("pack.user", "go")]) == {Definition("pack.user", "go")}


def test_a_file_that_has_changed_is_read_again(folder: Path, sources: Sources):
    before = sources.text(Definition("pack.inner", "LIMIT"))
    path = folder / "inner.py"
    status = path.stat()
    path.write_text(path.read_text().replace("LIMIT = 3", "LIMIT = 4"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert sources.text(Definition("pack.inner", "LIMIT")) == before  # of that moment
    assert Sources(files(folder, "pack")).text(Definition("pack.inner", "LIMIT")) != before


def test_what_is_in_no_file_is_refused(sources: Sources):
    with pytest.raises(ValueError, match=r"pack\.none is in no Python file, so nobody can tell when x changes"):
        sources.bound(Definition("pack.none", "x"))
