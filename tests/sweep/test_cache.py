import errno

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_lib import runtime
from resnet_lib.files import Damaged
from resnet_lib.sweep import cache
from resnet_lib.sweep.cache import Cache, CacheError, Entry


@pytest.fixture(autouse=True, scope="module")
def denormal_numbers():
    with runtime.numerics(flush_denormal=False):  # they are kept too
        yield


TABLE = pd.DataFrame(
    {
        "seed": [1, 2, 3],
        "value/of it": [0.1, np.nan, -0.0],
        "ok": [True, False, True],
        "name": ["a", "ä,\n\0", ""],
    }
)


def entry(table: pd.DataFrame = TABLE) -> Entry:
    return Entry(cache.columns(table), seconds=1.5, created="2026-01-01T00:00:00+00:00", peak_memory=7)


def same(a: Entry, b: Entry) -> bool:
    def parts(entry):
        for name, values in entry.columns.items():
            yield name, values if isinstance(values, list) else (values.dtype, values.tobytes())

    return list(parts(a)) == list(parts(b)) and (a.seconds, a.created, a.peak_memory) == (
        b.seconds,
        b.created,
        b.peak_memory,
    )


columns = st.one_of(
    st.lists(st.floats(), min_size=3, max_size=3),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(st.text(), min_size=3, max_size=3),
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), columns, min_size=1, max_size=4))
def test_an_entry_comes_back_bit_for_bit(table):
    original = entry(pd.DataFrame(table))
    assert same(cache.decode(cache.encode(original, "k"), "k"), original)


def test_the_same_entry_is_the_same_bytes():
    assert cache.encode(entry(), "k") == cache.encode(entry(), "k")


def test_small_numbers_are_kept_as_wide_ones():
    table = pd.DataFrame({"a": np.array([1], np.uint8), "b": np.array([0.1], np.float32), "c": np.array([2], np.int16)})
    kept = cache.columns(table)
    assert [np.asarray(kept[name]).dtype.name for name in "abc"] == ["int64", "float64", "int64"]
    assert np.asarray(kept["b"])[0] == np.float32(0.1)


@pytest.mark.parametrize(
    "values",
    [
        [1 + 2j],
        np.array([2**63], np.uint64),
        ["a", None],
        [object()],
        pd.array([1, None], "Int64"),
        pd.Categorical([1.5]),
    ],
)
def test_a_column_that_cannot_be_kept_is_named(values):
    with pytest.raises(ValueError, match=r"column 'x' of the table holds .*; allowed are bool, int64, float64 and str"):
        cache.columns(pd.DataFrame({"x": values}))


def test_columns_need_names_of_their_own():
    with pytest.raises(ValueError, match=r"columns are \['a', 'a'\]; each needs a name"):
        cache.columns(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ValueError, match=r"columns are \[0\]; each needs a name"):
        cache.columns(pd.DataFrame([[1]]))


def test_no_damaged_byte_is_taken_for_a_value():
    data = cache.encode(entry(), "k")
    harmless = 0
    for position in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        try:
            found = cache.decode(bytes(damaged), "k")
        except Damaged:
            continue
        assert same(found, entry())  # some bytes, such as a file's date, carry nothing
        harmless += 1
    assert harmless < len(data) / 3 / 2


def test_a_header_that_asks_for_less_is_damaged():
    data = cache.encode(entry(), "k")
    assert data.count(b"(3,)") == 3  # NumPy would stop reading before the end, where the checksum is compared
    with pytest.raises(Damaged, match="checksum"):
        cache.decode(data.replace(b"(3,)", b"(1,)"), "k")


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_entry_is_damaged(length):
    with pytest.raises(Damaged):
        cache.decode(cache.encode(entry(), "k")[:length], "k")


def test_an_entry_of_another_key_is_damaged():
    with pytest.raises(Damaged, match="holds another trial"):
        cache.decode(cache.encode(entry(), "other"), "k")


def test_an_entry_with_a_pickle_is_not_loaded(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.savez(file, about=np.array([print], dtype=object))
    with pytest.raises(Damaged, match="allow_pickle"):
        cache.decode((tmp_path / "a.npz").read_bytes(), "a")


def test_an_entry_is_read_where_it_was_written(tmp_path):
    folder = Cache(tmp_path / "new" / "folder", "name")
    assert folder.read("k") is None
    folder.write("k", cache.encode(entry(), "k"))
    found = folder.read("k")
    assert found is not None
    assert same(found, entry())
    assert folder.path("k") == tmp_path / "new" / "folder" / "name" / "k.npz"


def test_a_damaged_file_is_set_aside_and_not_lost(tmp_path):
    folder = Cache(tmp_path, "name")
    folder.require_writable()
    folder.path("k").write_text("precious")
    with pytest.raises(Damaged):
        folder.read("k")
    assert folder.set_aside("k").read_text() == "precious"
    assert folder.read("k") is None


@pytest.mark.parametrize("act", [Cache.require_writable, lambda folder: folder.write("k", b"")])
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path, act):
    (tmp_path / "file").touch()  # root may write anywhere, but not below a file
    with pytest.raises(CacheError, match=r"cache folder .*file/name cannot be written \(.*--cache DIR"):
        act(Cache(tmp_path / "file", "name"))


def test_a_full_disk_leaves_the_old_entry_and_no_remains(tmp_path, monkeypatch):
    folder = Cache(tmp_path, "name")
    folder.write("k", b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", full)
    with pytest.raises(CacheError, match="No space left on device"):
        folder.write("k", b"new")
    assert [path.name for path in folder.folder.iterdir()] == ["k.npz"]
    assert folder.path("k").read_bytes() == b"old"


def test_the_default_folder_is_that_of_the_user():
    import platformdirs

    assert Cache(None, "name").folder == platformdirs.user_cache_path("resnet-lib") / "name"
