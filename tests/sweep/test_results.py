import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_lib import runtime, sweep
from resnet_lib.sweep import Result, Stamp, results
from resnet_lib.sweep.results import ResultError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def denormal_numbers():
    with runtime.numerics(flush_denormal=False):  # they are kept too
        yield


def result(table: pd.DataFrame, **fields) -> Result:
    record = {"experiment": "name", "preset": "full", "command": "c", "commit": "abc", "dirty": False, "source": "s"}
    record |= {
        "data": {"digits": "d"},
        "settings": [{"x": 1}],
        "seeds": [0, 1],
        "device": "cpu",
        "versions": {"torch": "2"},
    }
    record |= {"seconds": 1.5, "created": "2026-01-01T00:00:00+00:00", "peak_memory": 1}
    return Result(table, Stamp(**record | fields))


TABLE = pd.DataFrame(
    {"seed": [0, 1], "x": [0.1, np.nan], "ok": [True, False], "kind": ["", "nan"], "None": ["NA", "a,b"]}
)


def test_what_is_stored_lies_where_the_book_expects_it(tmp_path):
    assert results.read("name", tmp_path) is None
    assert sweep.store(result(TABLE), tmp_path) == tmp_path / "results" / "name" / "full.csv"
    found = results.read("name", tmp_path)
    assert found is not None
    pd.testing.assert_frame_equal(found.table, TABLE, check_exact=True)
    assert found.stamp == result(TABLE).stamp
    text = (tmp_path / "results" / "name" / "full.csv").read_text()
    assert text.startswith("seed,x,ok,kind,None\n0,0.1,True,,NA\n")


def test_the_recorded_hash_is_that_of_sha256sum(tmp_path):
    import subprocess

    path = sweep.store(result(TABLE), tmp_path)
    digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert json.loads(path.with_suffix(".json").read_text())["sha256"] == digest


# A CSV has no place for control characters and surrogates; everything else comes back.
text = st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(
    ["a\nb", 'say "x"', "nan", "1", "True"]
)


@settings(deadline=None, max_examples=60)
@given(
    floats=st.lists(st.floats(), min_size=2, max_size=2),
    integers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2),
    texts=st.lists(text, min_size=2, max_size=2),
)
def test_every_value_comes_back_exactly(tmp_path_factory, floats, integers, texts):
    folder = tmp_path_factory.mktemp("results")
    table = pd.DataFrame({"floats": floats, "integers": integers, "texts": texts, "seed": [0, 1]})
    sweep.store(result(table), folder)
    found = results.read("name", folder)
    assert found is not None
    assert found.table["integers"].tolist() == integers
    assert found.table["texts"].tolist() == texts
    read, written = found.table["floats"].to_numpy(), table["floats"].to_numpy()
    finite = ~np.isnan(written)
    assert read[finite].tobytes() == written[finite].tobytes()
    assert np.isnan(read[~finite]).all()


def test_an_altered_table_is_refused_with_the_way_out(tmp_path):
    path = sweep.store(result(TABLE), tmp_path)
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(
        ResultError,
        match=r"full\.csv is refused: its SHA-256 is .* full\.json was written for .*; it was altered, "
        r"or only one of the two was renewed; .*git checkout -- results/name.*resnet-lib run name --preset full",
    ):
        results.read("name", tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda csv, about: about.unlink(), "FileNotFoundError"),
        (lambda csv, about: csv.unlink(), "FileNotFoundError"),
        (lambda csv, about: about.write_text(""), "JSONDecodeError"),
        (lambda csv, about: about.write_text("[]"), "TypeError"),
        (
            lambda csv, about: about.write_text(about.read_text().replace('"seeds"', '"sedes"')),
            "missing or unknown sedes, seeds",
        ),
        (
            lambda csv, about: about.write_text(about.read_text().replace('"name"', '"other"')),
            "it is stamped other, full",
        ),
    ],
)
def test_half_a_result_or_a_broken_stamp_is_refused(tmp_path, damage, message):
    path = sweep.store(result(TABLE), tmp_path)
    damage(path, path.with_suffix(".json"))
    with pytest.raises(
        ResultError, match=rf"full\.csv cannot be read with its stamp .*{message}.*; restore both files"
    ):
        results.read("name", tmp_path)


def test_line_endings_of_another_system_alter_nothing(tmp_path):
    table = pd.DataFrame({"seed": [0, 1], "kind": ["a\nb", "c,d"]})
    path = sweep.store(result(table), tmp_path)
    for file in (path, path.with_suffix(".json")):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    found = results.read("name", tmp_path)
    assert found is not None
    pd.testing.assert_frame_equal(found.table, table, check_exact=True)


def test_every_stored_stamp_of_the_book_has_its_hash():
    folders = sorted(path.parent for path in (ROOT / "results").glob("*/full.json"))
    assert folders
    for folder in folders:
        assert results.read(folder.name, ROOT) is not None


def test_what_a_csv_cannot_hold_is_refused(tmp_path):
    """A carriage return, where Python's csv does not quote it; from 3.13 on it does, and the text survives."""
    table = pd.DataFrame({"x": ["a\rb"]})
    if sys.version_info >= (3, 13):
        sweep.store(result(table), tmp_path)
        found = results.read("name", tmp_path)
        assert found is not None
        pd.testing.assert_frame_equal(found.table, table, check_exact=True)
        return
    with pytest.raises(ValueError, match="a column of name does not survive as CSV"):
        sweep.store(result(table), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_comes_back_as_another_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(results.pd, "read_csv", lambda *_, **__: pd.DataFrame({"x": ["a"]}))
    with pytest.raises(ValueError, match="a column of name does not survive as CSV"):
        sweep.store(result(pd.DataFrame({"x": ["b"]})), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_a_full_result_is_stored(tmp_path):
    with pytest.raises(ValueError, match="preset='quick' is not stored; run name with preset='full'"):
        sweep.store(result(TABLE, preset="quick"), tmp_path)
    assert list(tmp_path.iterdir()) == []
