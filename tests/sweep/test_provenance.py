import subprocess
import sys

import pandas as pd
import pytest

from resnet_lib.sweep import Result, Stamp, provenance


def test_commit_is_that_of_the_checkout_and_dirty_where_code_differs(tmp_path, monkeypatch):
    def git(*arguments):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    module = tmp_path / "lib" / "provenance.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    (tmp_path / "other.py").touch()
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert provenance.commit() == ("unknown", False)  # no repository
    git("init", "-q")
    assert provenance.commit() == ("unknown", False)  # the package is no part of it
    git("add", ".")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert provenance.commit() == (head, False)
    (tmp_path / "chapter.ipynb").touch()
    assert provenance.commit() == (head, False)
    (tmp_path / "other.py").write_text("y = 1\n")
    assert provenance.commit() == (head, True)
    git("checkout", "-q", "other.py")
    (tmp_path / "new.py").touch()
    assert provenance.commit() == (head, True)


def test_versions_name_what_computes():
    import numpy
    import scipy
    import torch

    found = provenance.versions()
    assert list(found) == ["python", "torch", "numpy", "scipy"]
    assert found["torch"] == torch.__version__
    assert (found["numpy"], found["scipy"]) == (numpy.__version__, scipy.__version__)
    assert found["python"] == sys.version.split()[0]


def test_the_build_of_torch_is_part_of_its_version(monkeypatch):
    """The metadata of PyPI's builds for CUDA do not name it."""
    from torch.torch_version import TorchVersion

    monkeypatch.setattr("torch.__version__", TorchVersion("2.14.1+cu130"))
    found = provenance.versions()["torch"]
    assert (type(found), found) == (str, "2.14.1+cu130")


def stamp(**fields) -> Stamp:
    record = {"experiment": "e", "preset": "quick", "command": "c", "commit": "abc", "dirty": False, "source": "s"}
    record |= {"data": {"digits": "d"}, "settings": [{"x": 1}], "seeds": [0, 1], "device": "cpu", "versions": {}}
    return Stamp(**record | {"seconds": 1.5, "created": "2026-01-01T00:00:00+00:00", "peak_memory": 1} | fields)


def test_stamp_comes_back_from_its_dictionary():
    original = stamp()
    assert Stamp.from_dict(original.as_dict()) == original
    broken = original.as_dict()
    del broken["seeds"]
    with pytest.raises(ValueError, match="missing or unknown more, seeds; run the experiment again"):
        Stamp.from_dict(broken | {"more": 1})


def test_of_selects_from_the_quick_and_the_full_table():
    full = Result(pd.DataFrame({"x": [1, 2, 3]}), stamp(preset="full"), stale=True)
    result = Result(pd.DataFrame({"x": [1, 2]}), stamp(), full=full)
    selected = result.of(lambda table: table[table["x"] > 1])
    assert selected.table["x"].tolist() == [2]
    assert selected.full is not None
    assert selected.full.table["x"].tolist() == [2, 3]
    assert (selected.full.stale, selected.full.stamp, selected.stamp) == (True, full.stamp, result.stamp)
    assert result.table["x"].tolist() == [1, 2]


def test_a_selection_that_fails_on_the_stored_table_says_so():
    full = Result(pd.DataFrame({"old": [1]}), stamp(preset="full"), stale=True)
    with pytest.raises(KeyError) as caught:
        Result(pd.DataFrame({"x": [1]}), stamp(), full=full).of(lambda table: table[["x"]])
    assert "stored FULL result of e, older than the code" in caught.value.__notes__[0]
