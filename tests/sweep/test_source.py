import hashlib
import importlib.util
import itertools
import os
import sys
import textwrap
from pathlib import Path

import pytest

from resnet_lib.sweep import source
from resnet_lib.sweep.source import syntax

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
    now = file.stat().st_mtime_ns + next(COUNTER)  # another time, even where the clock is coarse
    os.utime(file, ns=(now, now))


class Package:
    """A package on disk that can be imported and changed."""

    def __init__(self, folder: Path):
        self.folder, self.name = folder, f"synthetic{next(COUNTER)}"
        for path, text in PACKAGE.items():
            write(folder, self.name, path, text)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / self.name / path
        text, old, new = file.read_text(), old.replace("NAME", self.name), new.replace("NAME", self.name)
        assert old in text
        write(self.folder, self.name, path, text.replace(old, new, 1))

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


def test_what_is_reached_is_what_is_named(package):
    found = {(module.removeprefix(package.name), name) for module, name in source.reached(package.trial)}
    assert found == {
        *((".experiments.chapter", name) for name in ("trial", "step", "LIMIT")),
        *((".experiments.shared", name) for name in ("scaled", "SCALE")),
        *((".linear", "double"), (".deep", "FACTOR"), (".late", "Y")),
    }


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("experiments/chapter.py", "double(x) + LIMIT", "double(x) - LIMIT"),
        ("experiments/chapter.py", "LIMIT = 3", "LIMIT = 3.0"),
        ("experiments/chapter.py", "sin as wave", "cos as wave"),
        ("experiments/chapter.py", "LIMIT = 3", "LIMIT = 3\nprint('hello')"),
        ("experiments/shared.py", "SCALE = 1.0", "SCALE = -1.0"),
        ("linear.py", "deep.FACTOR * x", "deep.FACTOR * x + 1"),
        ("linear.py", "double(x)", "double(x, y=1)"),  # a default argument
        ("deep.py", "FACTOR = 2", "FACTOR = 3"),  # two imports away
        ("deep.py", "FACTOR = 2", "FACTOR = 2\nFACTOR += 1"),
        ("deep.py", "FACTOR = 2", "FACTOR = 2\nif bystander():\n    FACTOR = 3"),
        ("late.py", "Y = 1", "Y = 2"),  # imported inside a function
        ("__init__.py", "from", "import os; os.environ.update()\nfrom"),  # acts on import
        ("unused.py", "X = 1", "import os\nos.environ['X'] = '1'"),  # is imported, though nothing of it is used
        ("unused.py", "X = 1", "from . import deep\ndeep.FACTOR = 5"),  # assigns to what another module has
        ("unused.py", "X = 1", "from .deep import FACTOR as x\nsetattr(x, 'a', 5)"),
        ("unused.py", "X = 1", "import numpy\nnumpy.pi = 3"),
        ("unused.py", "X = 1", "_ = print('hello')"),
        ("unused.py", "X = 1", "assert 1 < 0"),
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
        ("experiments/chapter.py", 'TABLE["a"] = 1', 'TABLE["a"] = 2'),  # acts on a table that the trial does not use
        ("experiments/shared.py", "OTHER = 2.0", "OTHER = 3.0"),
        ("deep.py", "return 1", "return 2"),  # beside what is used
        ("deep.py", "FACTOR = 2", "import os\n\n\n@os.fspath\nclass New: x = os.name\n\n\nFACTOR = 2"),
        ("deep.py", "return 1", "return globals()"),
        ("unused.py", "X = 1", "X = 2"),
        ("unused.py", "X = 1", "if __name__ == '__main__':\n    print(1)"),
        ("engine.py", "pass", "x = 1"),
        ("__init__.py", '__version__ = "1"', '__version__ = "2"'),
        ("deep.py", "FACTOR = 2", "OTHER, FACTOR = 5, 2"),  # two assignments in one line
        ("linear.py", "from . import deep", "from NAME import deep"),  # from here on: the same by other ways
        ("linear.py", "from . import deep", "import NAME.deep as deep"),
        ("linear.py", "from . import deep", "from NAME.facade import deep"),
        ("experiments/chapter.py", "sin as wave", "sin as wave, cos"),
        ("experiments/chapter.py", "from numpy import sin as wave", "import numpy; from numpy import sin as wave"),
    ],
)
def test_any_other_change_does_not(package, path, old, new):
    write(package.folder, package.name, "facade.py", "from NAME import deep\n")
    before = source.digest(package.trial)
    package.edit(path, old, new)
    assert source.digest(package.trial) == before


def test_neither_an_alias_nor_the_place_of_an_import_counts(package):
    before = source.digest(package.trial)
    package.edit("linear.py", "from . import deep", "from . import deep as abyss")
    package.edit("linear.py", "deep.FACTOR", "abyss.FACTOR")
    package.edit("experiments/chapter.py", "import linear, unused", "import unused")
    package.edit(
        "experiments/chapter.py", "return linear.double(x)", "from NAME.linear import double as d; return d(x)"
    )
    package.edit("experiments/chapter.py", "from numpy import sin as wave", "import numpy as n")
    package.edit("experiments/chapter.py", "wave(setting)", "n.sin(setting)")
    assert source.digest(package.trial) == before


def test_a_definition_may_move_to_another_file(package):
    before = source.digest(package.trial)
    package.edit("deep.py", "FACTOR = 2", "")
    write(package.folder, package.name, "rooms/constants.py", "FACTOR = 2\n")
    package.edit("__init__.py", "from .deep import", "from .rooms.constants import")
    package.edit("linear.py", "from . import deep", "from .rooms import constants")
    package.edit("linear.py", "deep.FACTOR", "constants.FACTOR")
    assert source.digest(package.trial) == before
    write(package.folder, package.name, "rooms/constants.py", "FACTOR = 22\n")
    assert source.digest(package.trial) != before


BLIND = {
    "a table that is filled by assignments": ("TABLE = {}\n", 'TABLE["a"] = <>', "1", "2"),
    "the order of its assignments": (
        "TABLE = {}\n",
        "<>\n",
        'TABLE["a"] = 1\nTABLE["a"] = 2',
        'TABLE["a"] = 2\nTABLE["a"] = 1',
    ),
    "a decorator that fills it": (
        "TABLE = {}\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n",
        "@register\ndef hidden():\n    return <>",
        "1",
        "2",
    ),
    "a decorator with arguments": (
        "TABLE = {}\ndef register(name):\n    def inner(f):\n        TABLE[name] = f\n        return f\n"
        "    return inner\n",
        "@register('a')\ndef hidden():\n    return <>",
        "1",
        "2",
    ),
    "a method as a decorator": ("TABLE = []\n", "@TABLE.append\ndef hidden():\n    return <>", "1", "2"),
    "a base class that fills it": (
        "TABLE = []\nclass Base:\n    def __init_subclass__(cls):\n        TABLE.append(cls)\n",
        "class Hidden(Base):\n    x = <>",
        "1",
        "2",
    ),
    "a function that fills it, called by an assignment": (
        "TABLE = {}\ndef fill(key, value):\n    TABLE.update({key: value})\n",
        "done = fill('a', <>)",
        "1",
        "2",
    ),
    "a loop over what it fills": (
        "TABLE, SECOND = {}, {}\n",
        "for each in (TABLE, SECOND):\n    each['a'] = <>",
        "1",
        "2",
    ),
    "another name for it": ("TABLE = {}\nsame = TABLE\n", "same['a'] = <>", "1", "2"),
    "an element of it": ("TABLE = {'a': []}\n", "TABLE['a'].append(<>)", "1", "2"),
    "an attribute of a class": ("class TABLE:\n    x = 1\n", "TABLE.x = <>", "2", "3"),
    "a method that is exchanged": ("class TABLE:\n    pass\n", "TABLE.f = lambda self: <>", "1", "2"),
    "a second binding": ("TABLE = 1\n", "TABLE = <>", "2", "3"),
    "a deletion": ("TABLE = 1\n", "<>", "", "del TABLE"),
    "a binding among others": ("", "<>", "if 1:\n    TABLE = 1", "if 0:\n    TABLE = 1"),
    "the place of a use": ("<>", "", "N = 1\nTABLE = N\nN = 2\n", "N = 1\nN = 2\nTABLE = N\n"),
    "names that are exchanged": ("A, B = 1, 2\n<>\n", "", "TABLE = A", "TABLE = B"),
    "names of one statement": ("A, B = C = (1, 2)\n<>\n", "", "TABLE = A", "TABLE = B"),
    "an import that is tried": (
        "try:\n    from math import <> as TABLE\nexcept ImportError:\n    TABLE = None\n",
        "",
        "sin",
        "cos",
    ),
    "a dispatched function": (
        "import functools\n@functools.singledispatch\ndef TABLE(x):\n    pass\n",
        "@TABLE.register\ndef _(x: int):\n    return <>",
        "1",
        "2",
    ),
    "a base class": ("class B:\n    x = <>\nclass TABLE(B):\n    pass\n", "", "1", "2"),
    "a metaclass": ("class M(type):\n    x = <>\nclass TABLE(metaclass=M):\n    pass\n", "", "1", "2"),
    "a method that another calls": (
        "def f():\n    return <>\nclass TABLE:\n    def g(self):\n        return f()\n",
        "",
        "1",
        "2",
    ),
    "a module of that name and a field": (
        "import math\nclass TABLE:\n    <>: int = 1\n    def g(self):\n        return math.pi\n",
        "",
        "math",
        "maths",
    ),
    "a variable of a comprehension": ("x = <>\ndef TABLE(y):\n    return [x for x in y], x\n", "", "1", "2"),
    "what a comprehension goes through": ("x = <>\ndef TABLE():\n    return [x for x in x]\n", "", "(1,)", "(2,)"),
    "a default argument": ("x = <>\ndef TABLE(x=x):\n    return x\n", "", "1", "2"),
    "a name in a class body": ("x = <>\nclass TABLE:\n    x = x\n", "", "1", "2"),
    "a global of a function": ("x = <>\ndef TABLE():\n    global x\n    x = x + 1\n    return x\n", "", "1", "2"),
    "a global below a variable": (
        "x = <>\ndef TABLE(x):\n    def f():\n        global x\n        return x\n    return f\n",
        "",
        "1",
        "2",
    ),
    "a variable of a class body": (
        "x = <>\nclass TABLE:\n    x: int\n    def f(self):\n        return x\n",
        "",
        "1",
        "2",
    ),
    "a function called by the other": (
        "def f(x):\n    return g(x)\ndef g(x):\n    return f(x) + <>\ndef TABLE():\n    return f(1)\n",
        "",
        "1",
        "2",
    ),
    "a longer circle": (
        "def f(x):\n    return g(x)\ndef g(x):\n    return h(x)\ndef h(x):\n    return f(x) + <>\n"
        "def TABLE():\n    return f(1)\n",
        "",
        "1",
        "2",
    ),
    "who is called in a circle": (
        "def f(x):\n    return g(x), h(x)\ndef g(x):\n    return <>(x)\ndef h(x):\n    return f(x)\n"
        "def TABLE():\n    return f(1)\n",
        "",
        "f",
        "h",
    ),
    "what a circle names": (
        "N = <>\ndef f(x):\n    return g(x)\ndef g(x):\n    return f(x) + N\ndef TABLE():\n    return f(1)\n",
        "",
        "1",
        "2",
    ),
    "a nested attribute": ("class A:\n    class B:\n        x = <>\nTABLE = A.B.x\n", "", "1", "2"),
    "what is asked of the module": ("x = <>\ndef TABLE():\n    return globals()['x']\n", "", "1", "2"),
    "a match pattern": (
        "x = <>\ndef TABLE(y):\n    match y:\n        case [x]:\n            pass\n    return 1\n"
        "def g():\n    return x\nTABLE = g\n",
        "",
        "1",
        "2",
    ),
    "a lambda": ("x = <>\nTABLE = lambda y: x + y\n", "", "1", "2"),
    "an annotation that makes a field": (
        "import dataclasses\n@dataclasses.dataclass\nclass TABLE:\n    a: int = 1\n    b: <> = 2\n",
        "",
        "int",
        "'typing.ClassVar'",
    ),
    "the order of fields": ("class TABLE:\n    <>\n", "", "a: int; b: int", "b: int; a: int"),
}
"""What could hide a change: a file, and a statement behind it, with `<>` for what is changed; the trial uses TABLE."""


@pytest.mark.parametrize("case", BLIND)
@pytest.mark.parametrize("how", ["from .hidden import TABLE", "from . import hidden"])
def test_a_change_is_not_hidden_by(package, case, how):
    first, then, old, new = BLIND[case]
    package.edit("experiments/chapter.py", "LIMIT = 3", "from NAME.shown import use\nLIMIT = use")
    write(
        package.folder,
        package.name,
        "shown.py",
        f"{how}\ndef use():\n    return TABLE\n".replace(
            "return TABLE", "return TABLE" if "TABLE" in how else "return hidden.TABLE"
        ),
    )
    digests = []
    for value in (old, new):
        write(package.folder, package.name, "hidden.py", f"{first.replace('<>', value)}\n{then.replace('<>', value)}\n")
        digests.append(source.digest(package.trial))
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from NAME import hidden\ndef use(name):\n    return getattr(hidden, name)", "hidden"),
        ("import NAME.hidden\ndef use(name):\n    return NAME.hidden.__dict__[name]", "hidden"),
        ("from NAME.hidden import *\ndef use():\n    return x()", "hidden"),
        ("from NAME import hidden\ndef use(name):\n    return hidden.asked_for", "hidden"),  # by `__getattr__`
        ("from NAME import inner\ndef use(name):\n    return getattr(inner, name)", "inner/hidden"),  # of a package
        ("def use(name):\n    import NAME.hidden as h\n    return getattr(h, name)", "hidden"),
        (
            "def use(name):\n    try:\n        from NAME import hidden as h\n"
            "    except ImportError:\n        h = None\n    return h.x()",
            "hidden",
        ),
        (
            "try:\n    from NAME import hidden as h\nexcept ImportError:\n    h = None\ndef use():\n    return h.x()",
            "hidden",
        ),
    ],
)
def test_a_module_whose_names_cannot_be_told_counts_whole(package, line, module):
    package.edit("experiments/chapter.py", "LIMIT = 3", "from NAME.shown import use\nLIMIT = use")
    write(package.folder, package.name, "inner/__init__.py", "")
    write(package.folder, package.name, f"{module}.py", "def x():\n    return 1\n")
    write(package.folder, package.name, "shown.py", line + "\n")
    before = source.digest(package.trial)
    package.edit(f"{module}.py", "return 1", "return 2")
    assert source.digest(package.trial) != before


def test_what_is_behind_a_facade_is_what_the_facade_hands_on(package):
    write(
        package.folder,
        package.name,
        "room/__init__.py",
        "from NAME.room.verb import verb\nfrom NAME.room.other import verb as o\n",
    )
    write(package.folder, package.name, "room/verb.py", "def verb():\n    return 1\n")  # a module of the same name
    write(package.folder, package.name, "room/other.py", "def verb():\n    return 1\n")
    package.edit("experiments/chapter.py", "LIMIT = 3", "from NAME import room\nLIMIT = room.verb")
    before = source.digest(package.trial)
    package.edit("room/other.py", "1", "2")
    assert source.digest(package.trial) == before
    package.edit("room/verb.py", "1", "2")
    assert source.digest(package.trial) != before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "import importlib\n\n\ndef use(name):\n    return importlib.import_module(name)",
            "use in .*shown uses importlib.import_module",
        ),
        ("from importlib import import_module as i\n\n\ndef use(name):\n    return i(name)", "importlib.import_module"),
        ("import sys\n\n\ndef use(name):\n    return sys.modules[name]", "sys.modules"),
        ("def use(name):\n    return __import__(name)", "__import__"),
        ("def use(base):\n    return base.__subclasses__()", "__subclasses__.*name what is meant"),
    ],
)
def test_what_cannot_be_told_is_refused(package, line, told):
    package.edit("experiments/chapter.py", "LIMIT = 3", "from NAME.shown import use\nLIMIT = use")
    write(package.folder, package.name, "shown.py", line + "\n")
    with pytest.raises(ValueError, match=told):
        source.digest(package.trial)


def test_a_name_from_a_package_is_followed_through_its_init(package):
    package.edit("linear.py", "from . import deep", f"import {package.name} as deep")
    package.edit("experiments/chapter.py", "LIMIT = 3", f"from {package.name} import FACTOR as LIMIT")
    package.edit("linear.py", "deep.FACTOR", "1")
    before = source.digest(package.trial)
    package.edit("deep.py", "FACTOR = 2", "FACTOR = 4")
    assert source.digest(package.trial) != before


def test_what_asks_a_thing_for_its_names_does_not_count_whole(package):
    package.edit("experiments/chapter.py", "return linear.double(x)", "return vars(x).values(), linear.double(x)")
    before = source.digest(package.trial)
    package.edit("experiments/chapter.py", "return unused.X", "return 2 * unused.X")
    assert source.digest(package.trial) == before
    package.edit("experiments/chapter.py", "vars(x).values()", "vars()")
    package.edit("experiments/chapter.py", "OTHER = 5", "OTHER = 6")
    before = source.digest(package.trial)
    package.edit("experiments/chapter.py", "return 2 * unused.X", "return unused.X")
    assert source.digest(package.trial) != before


def test_what_is_remembered_on_import_is_not_read_before_it_is_needed(package, monkeypatch):
    """It is that of the files as they were, even where they change, or go, before anyone asks."""
    trial = package.trial
    wanted = source.digest(trial)
    source.remember(trial)
    package.edit("deep.py", "FACTOR = 2", "FACTOR = 3")
    (package.folder / package.name / "late.py").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read once more"))
        assert source.digest_as_imported(trial) == wanted
    with pytest.raises(ValueError, match=r"cannot be imported by its name"):
        source.remember(lambda: 1)


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
    kinds = '''
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
    write(package.folder, package.name, "experiments/chapter.py", kinds + "\n")
    text = (package.folder / package.name / "experiments/chapter.py").read_bytes()
    module = syntax.Module("chapter", text, is_package=False)
    texts = [syntax.canonical(statement.node) for statement in module.statements]
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16] == "d9c7fa2401f02352"
    everything = source.Definition(f"{package.name}.experiments.chapter", "*")
    digest = source._now([everything]).of(everything)
    assert digest[:16] == "16fb6c8bf87c865a"  # another rule needs lines in results/same-source.csv


def test_a_function_that_nobody_can_import_is_refused(package):
    with pytest.raises(ValueError, match=r"lambda.*cannot be imported by its name.*top level of a module"):
        source.digest(lambda setting, seeds: None)
    trial = package.trial
    importlib.reload(sys.modules[trial.__module__])
    with pytest.raises(ValueError, match="cannot be imported by its name"):
        source.digest(trial)
