import importlib
import itertools
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from resnet_lib import provenance
from resnet_lib.provenance import Result, Stamp

COUNTER = itertools.count()

PACKAGE = {
    "__init__.py": '"""A package."""\n__version__ = "1"\nfrom NAME.deep import FACTOR\n',
    "deep.py": "FACTOR = 2\n\n\ndef bystander():\n    return 1\n",
    "linear.py": '''
        """Lines."""
        from . import deep


        def double(x):
            """Twice."""
            return deep.FACTOR * x  # why not
        ''',
    "engine.py": "class Experiment:\n    pass\n",
    "unused.py": "X = 1\n",
    "late.py": "Y = 1\n",
    "experiments/__init__.py": "",
    "experiments/shared.py": """
        from NAME.engine import Experiment

        SCALE = 1.0
        OTHER = 2.0


        def scaled(x):
            from NAME import late
            return SCALE * x + late.Y
        """,
    "experiments/chapter.py": """
        from NAME import linear, unused
        from NAME.engine import Experiment
        from NAME.experiments.shared import scaled
        from numpy import sin as wave

        LIMIT = 3
        TABLE = {}
        TABLE["a"] = 1


        def step(x):
            return linear.double(x) + LIMIT


        def trial(setting, seeds):
            return step(scaled(wave(setting)))


        def measure(table):
            return unused.X
        """,
}


def write(folder: Path, name: str, path: str, text: str) -> None:
    file = folder / name / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).replace("NAME", name))


class Package:
    """A package on disk that can be imported and changed."""

    def __init__(self, folder: Path):
        self.folder, self.name = folder, f"synthetic{next(COUNTER)}"
        for path, text in PACKAGE.items():
            write(folder, self.name, path, text)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / self.name / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    @property
    def trial(self):
        return importlib.import_module(f"{self.name}.experiments.chapter").trial


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Package(tmp_path)
    yield found
    for name in [name for name in sys.modules if name.split(".")[0] == found.name]:
        del sys.modules[name]


def test_modules_are_those_that_the_trial_reaches(package):
    reached = {name.removeprefix(package.name) for name in provenance.modules(package.trial)}
    assert reached == {".experiments.chapter", ".experiments.shared", ".linear", ".deep", ".late"}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("experiments/chapter.py", "double(x) + LIMIT", "double(x) - LIMIT"),
        ("experiments/chapter.py", "LIMIT = 3", "LIMIT = 3.0"),
        ("experiments/chapter.py", 'TABLE["a"] = 1', 'TABLE["a"] = 2'),
        ("experiments/chapter.py", "sin as wave", "cos as wave"),
        ("experiments/chapter.py", "LIMIT = 3", "LIMIT = 3\nprint('hello')"),
        ("experiments/shared.py", "SCALE = 1.0", "SCALE = -1.0"),
        ("linear.py", "deep.FACTOR * x", "deep.FACTOR * x + 1"),
        ("deep.py", "FACTOR = 2", "FACTOR = 3"),  # two imports away
        ("deep.py", "return 1", "return 2"),  # a library module counts whole
        ("late.py", "Y = 1", "Y = 2"),  # imported inside a function
        ("__init__.py", "from", "import os; os.environ.update()\nfrom"),  # acts on import
    ],
)
def test_a_change_that_the_trial_reaches_changes_the_hash(package, path, old, new):
    before = provenance.source_hash(package.trial)
    package.edit(path, old, new)
    assert provenance.source_hash(package.trial) != before
    package.edit(path, new, old)
    assert provenance.source_hash(package.trial) == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("linear.py", '"""Lines."""', '"""Other lines."""'),
        ("linear.py", '"""Twice."""', '"""Two times."""'),
        ("linear.py", '"""Twice."""', ""),
        ("linear.py", "# why not", "# because\n\n"),
        ("linear.py", "deep.FACTOR * x", "(deep.FACTOR\n            *x)"),
        ("experiments/chapter.py", "LIMIT = 3", "LIMIT = 0x3; '''a string'''"),
        ("experiments/chapter.py", "return unused.X", "return 2 * unused.X"),  # a measure beside the trial
        ("experiments/chapter.py", "return unused.X", "return unused.X\n\n\nNEW = 5"),
        ("experiments/shared.py", "OTHER = 2.0", "OTHER = 3.0"),
        ("unused.py", "X = 1", "X = 2"),
        ("engine.py", "pass", "x = 1"),
        ("__init__.py", '__version__ = "1"', '__version__ = "2"'),
    ],
)
def test_any_other_change_does_not(package, path, old, new):
    before = provenance.source_hash(package.trial)
    package.edit(path, old, new)
    assert provenance.source_hash(package.trial) == before


def test_a_name_from_a_package_is_followed_through_its_init(package):
    package.edit("linear.py", "from . import deep", f"import {package.name} as deep")
    package.edit("experiments/chapter.py", "LIMIT = 3", f"from {package.name} import FACTOR as LIMIT")
    package.edit("linear.py", "deep.FACTOR", "1")
    before = provenance.source_hash(package.trial)
    package.edit("deep.py", "FACTOR = 2", "FACTOR = 4")
    assert provenance.source_hash(package.trial) != before


def test_what_hides_its_names_counts_whole(package):
    package.edit("experiments/chapter.py", "return linear.double(x)", "return globals()['linear'].double(x)")
    before = provenance.source_hash(package.trial)
    package.edit("unused.py", "X = 1", "X = 2")
    assert provenance.source_hash(package.trial) != before


def test_loaded_source_remembers_what_was_imported(package):
    trial = package.trial
    before = provenance.loaded_source(trial)
    package.edit("deep.py", "FACTOR = 2", "FACTOR = 3")
    assert provenance.loaded_source(trial) == before != provenance.source_hash(trial)


def test_the_hash_is_the_same_in_every_version_of_python(package):
    # Computed by Python 3.11; run by 3.12 and 3.13 it has to be the same, or every stored result looks outdated there.
    source = '''
        """Many kinds of syntax."""
        from __future__ import annotations
        import os as o, sys
        X: int = -1_000 if (y := 2) else None
        def f(a, /, b: "int" = 1.50, *c, d=b"\\x00", **e) -> None:
            global X
            x = [*a, {**e}, {1, 2}, (3,), ..., f"{a!r:>{b}} and {{c}} {c}" "more", 2j, True]
            z = f'{a:{b}.{c}f}{b=}' f"{{{d}" f"{a!s:x}y"
            async def g():
                async with a as b, c: await d
                return [i async for i in x if i]
            try:
                while a[1:2, ::3] < b <= c: del x[0]
            except* (ValueError, OSError) as error: raise error from None
            match a:
                case {"k": [1, *rest], **more} | None: yield lambda q=1: (yield)
            return not a @ b
        @f(1)
        class C(A, metaclass=M):
            "text"
            x, *y = z = 1, 2
        '''
    write(package.folder, package.name, "experiments/chapter.py", source + "\n")
    module = provenance._find(f"{package.name}.experiments.chapter")
    assert module is not None
    texts = [module.text(i).replace(package.name, "") for i in range(len(module.body))]
    assert provenance.hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16] == "d9c7fa2401f02352"


def test_a_function_that_nobody_can_import_is_refused(package):
    with pytest.raises(ValueError, match=r"lambda.*cannot be imported by its name.*top level of a module"):
        provenance.source_hash(lambda setting, seeds: None)
    trial = package.trial
    importlib.reload(sys.modules[trial.__module__])
    with pytest.raises(ValueError, match="cannot be imported by its name"):
        provenance.source_hash(trial)


def test_root_is_the_nearest_folder_with_the_ledger(tmp_path):
    inner = tmp_path / "book" / "chapters" / "part"
    inner.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"no claims\.yml in .*part or above it; change to the book's folder"):
        provenance.root(inner)
    (tmp_path / "claims.yml").touch()
    (tmp_path / "book" / "claims.yml").touch()
    assert provenance.root(inner) == tmp_path / "book"


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
    import torch

    found = provenance.versions()
    assert list(found) == ["python", "torch", "numpy", "scipy"]
    assert found["torch"] == torch.__version__
    assert found["python"] == sys.version.split()[0]


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
