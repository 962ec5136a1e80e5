import ast
import hashlib
import importlib.util
import itertools
import sys
import textwrap
from pathlib import Path

import pytest

from resnet_lib import catalogue, source

COUNTER = itertools.count()

PACKAGE = {
    "__init__.py": '"""A package."""\n__version__ = "1"\nfrom .deep import FACTOR\n',
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
            measure = [OTHER := 1 for unused in ()]
            return linear.double(x) + LIMIT


        def trial(setting, seeds):
            return step(scaled(wave(setting)))


        def measure(table):
            return unused.X + OTHER


        OTHER = 5
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
    reached = {name.removeprefix(package.name) for name in source.modules(package.trial)}
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
    before = source.digest(package.trial)
    package.edit(path, old, new)
    assert source.digest(package.trial) != before
    package.edit(path, new, old)
    assert source.digest(package.trial) == before


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
        ("experiments/chapter.py", "OTHER = 5", "OTHER = 6"),  # the trial has a variable of that name
        ("experiments/shared.py", "OTHER = 2.0", "OTHER = 3.0"),
        ("unused.py", "X = 1", "X = 2"),
        ("engine.py", "pass", "x = 1"),
        ("__init__.py", '__version__ = "1"', '__version__ = "2"'),
    ],
)
def test_any_other_change_does_not(package, path, old, new):
    before = source.digest(package.trial)
    package.edit(path, old, new)
    assert source.digest(package.trial) == before


def test_a_name_from_a_package_is_followed_through_its_init(package):
    package.edit("linear.py", "from . import deep", f"import {package.name} as deep")
    package.edit("experiments/chapter.py", "LIMIT = 3", f"from {package.name} import FACTOR as LIMIT")
    package.edit("linear.py", "deep.FACTOR", "1")
    before = source.digest(package.trial)
    package.edit("deep.py", "FACTOR = 2", "FACTOR = 4")
    assert source.digest(package.trial) != before


def test_what_hides_its_names_counts_whole(package):
    package.edit("experiments/chapter.py", "return linear.double(x)", "return globals()['linear'].double(x)")
    before = source.digest(package.trial)
    package.edit("unused.py", "X = 1", "X = 2")
    assert source.digest(package.trial) != before


def test_the_digest_as_imported_is_what_was_imported(package):
    trial = package.trial
    before = source.digest_as_imported(trial)
    package.edit("deep.py", "FACTOR = 2", "FACTOR = 3")
    assert source.digest_as_imported(trial) == before != source.digest(trial)


def test_the_hash_is_the_same_in_every_version_of_python(package):
    # Computed by Python 3.11; run by 3.12 and 3.13 it has to be the same, or every stored result looks outdated there.
    syntax = '''
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
    write(package.folder, package.name, "experiments/chapter.py", syntax + "\n")
    module = source._find(f"{package.name}.experiments.chapter")
    assert module is not None
    texts = [module.text(i).replace(package.name, "") for i in range(len(module.body))]
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16] == "d9c7fa2401f02352"


def test_an_empty_piece_of_an_f_string_is_nothing():
    plain, padded = ast.parse("f'{x}'"), ast.parse("f'{x}'")
    padded.body[0].value.values.append(ast.Constant(""))  # pyright: ignore[reportAttributeAccessIssue]
    assert source._canonical(padded) == source._canonical(plain)


def test_a_function_that_nobody_can_import_is_refused(package):
    with pytest.raises(ValueError, match=r"lambda.*cannot be imported by its name.*top level of a module"):
        source.digest(lambda setting, seeds: None)
    trial = package.trial
    importlib.reload(sys.modules[trial.__module__])
    with pytest.raises(ValueError, match="cannot be imported by its name"):
        source.digest(trial)


def test_how_trials_are_kept_does_not_count_and_what_they_compute_does():
    assert all(importlib.util.find_spec(name) for name in source.PLUMBING)
    reached = {
        experiment.name: set(source.modules(*experiment.roots))
        for members in catalogue.known().values()
        for experiment in members
    }
    assert not {name: found for name, names in reached.items() if (found := names & source.PLUMBING)}
    assert {"resnet_lib.training", "resnet_lib.data", "resnet_lib.linalg"} <= {
        m for names in reached.values() for m in names
    }
