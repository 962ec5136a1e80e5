"""The rooms of the package: none imports to its right, no chapter imports another, no imports go in circles.

Every module has tests in a file of its name, in the room or the chapter of its name.
"""

import ast
import graphlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePath

import pytest

import resnet_lib

ROOMS = (
    *("whole", "runtime", "files", "linalg", "ode", "nets", "data", "sweep", "training", "analysis", "evidence"),
    *("replication", "experiments", "book", "cli"),
)
"""From left to right; the first three are modules."""
LONGEST = 320  # lines of a module


def sources() -> dict[str, str]:
    """The package's modules by dotted name."""
    root = Path(resnet_lib.__file__).parent
    paths = sorted(root.rglob("*.py"))
    return {".".join(("resnet_lib", *p.relative_to(root).with_suffix("").parts)): p.read_text() for p in paths}


def imported(module: str, source: str) -> Iterator[str]:
    """Dotted names of what a module imports from the package, at the top or inside, `TYPE_CHECKING` included."""
    package = module.removesuffix(".__init__") if module.endswith(".__init__") else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in found if name.split(".")[0] == "resnet_lib")


def room(dotted: str) -> str:
    """The room of a module, or of a name in one; "" for the package itself."""
    return ".".join(dotted.removesuffix(".__init__").split(".")[1:2])


def chapter(dotted: str) -> str:
    """The chapter that a module, or a name in one, belongs to; "" where it is none's."""
    parts = dotted.removesuffix(".__init__").split(".")
    return parts[2] if parts[1:2] == ["experiments"] and len(parts) > 2 else ""


def complaints(modules: dict[str, str]) -> list[str]:
    """What is wrong with the imports of these modules."""
    known = {room(name) for name in modules}
    found = [
        f"{name} is in no room: move it into one, or add one to ROOMS"
        for name in modules
        if room(name) not in {"", *ROOMS}
    ]
    for module, source in modules.items():
        own = room(module)
        for name in imported(module, source):
            other = room(name)
            if other not in known or not {own, other} <= {"", *ROOMS}:  # a name of the package, such as __version__
                continue
            if not own or ROOMS.index(other) > ROOMS.index(own):
                found.append(f"{module} imports {name}, which is to the right of {own or 'every room'}")
            elif chapter(module) and chapter(name) not in ("", chapter(module)):
                found.append(f"{module} imports {name}, of another chapter")
    return found


def ends(module: str, source: str, modules: Collection[str]) -> set[str]:
    """Which of the modules a source imports, a face (`__init__`) counted where a name of it is meant."""
    found = set()
    for name in imported(module, source):
        above = name.rpartition(".")[0]
        found.add(next(end for end in (name, f"{name}.__init__", above, f"{above}.__init__") if end in modules))
    return found


def arrows(modules: dict[str, str]) -> dict[str, set[str]]:
    """Which modules each module imports."""
    return {module: ends(module, source, modules) for module, source in modules.items()}


def test_no_room_imports_to_its_right_and_no_chapter_another():
    assert complaints(sources()) == []


def test_every_room_is_inhabited():
    assert {room(name) for name in sources()} - {""} == set(ROOMS)


def test_no_imports_go_in_circles():
    graphlib.TopologicalSorter(arrows(sources())).prepare()


def test_no_module_is_too_long():
    assert {name: n for name, text in sources().items() if (n := len(text.splitlines())) > LONGEST} == {}


def home(module: str) -> str:
    """The file of a module's tests, relative to the folder of all tests; "" where none is wanted.

    It stands in the folder of the module's room, or of its chapter, and has the module's name. A package in a room is
    tested like a module of its name; a face, which only hands on, is not.
    """
    *above, own = module.removesuffix(".__init__").split(".")[1:] or [""]
    if chapter(module):
        folder = "/".join(above)
        return "" if above == ["experiments"] and module.endswith(".__init__") else f"{folder}/test_{own}.py"
    if not above:
        return f"test_{own}.py" if own in ROOMS[:3] else ""
    return "" if (above, own) == (["cli"], "__main__") else f"{above[0]}/test_{own}.py"


def read_by(test: str, graph: dict[str, set[str]]) -> set[str]:
    """The modules that a test imports, or of whose room it imports what imports them: a face, as a rule.

    A chapter hands nothing on but its experiments, so that its modules have to be imported by themselves.
    """
    found, new = set[str](), ends("tests.test", test, graph)
    while new:
        found |= new
        new = {to for at in new if not chapter(at) for to in graph[at] if room(to) == room(at)} - found
    return found


def untested(modules: dict[str, str], tests: dict[str, str]) -> list[str]:
    """What is missing of the rule that every module has a test file of its name, which imports it.

    Args:
        modules: By dotted name.
        tests: The test files, by their place relative to the folder of all tests.
    """
    found, graph = [], arrows(modules)
    for name, file in ((name, home(name)) for name in modules):
        if file and file not in tests:
            found.append(f"{file} is missing")
        elif file and name not in read_by(tests[file], graph):
            found.append(f"{file} does not import {name}")
    return sorted(found)


def twice(tests: Iterable[str], packages: Collection[str]) -> list[str]:
    """The names by which pytest would import two test files: the file's own, behind that of its package if it has one.

    Args:
        tests: The test files, relative to the folder of all tests.
        packages: The folders with an `__init__.py`, of which none holds another.
    """
    paths = [PurePath(test) for test in tests]
    names = [f"{path.parent.name}.{path.stem}" if path.parent.as_posix() in packages else path.stem for path in paths]
    return sorted(name for name, count in Counter(names).items() if count > 1)


TESTS = Path(__file__).parent


def test_every_module_has_a_test_file_of_its_name():
    files = {path.relative_to(TESTS).as_posix(): path.read_text() for path in TESTS.rglob("test_*.py")}
    assert untested(sources(), files) == []


def test_no_two_test_files_share_a_name_but_in_chapters():
    packages = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("__init__.py")}
    faces = (name for name in sources() if name.endswith(".__init__"))
    assert packages == {f"experiments/{chapter(name)}" for name in faces if chapter(name)}
    assert twice((path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")), packages) == []


def test_a_module_without_a_test_file_is_found():
    modules = PACKAGE | {"resnet_lib.nets.inner.__init__": "", "resnet_lib.nets.inner.deep": ""}
    files = {
        "test_whole.py": "from resnet_lib import whole",
        "test_runtime.py": "import resnet_lib.runtime",
        "test_files.py": "from resnet_lib.files import root",
        "linalg/test_krylov.py": "from resnet_lib.linalg import krylov",
        "nets/test_blocks.py": "def test():\n    from resnet_lib.nets.blocks import Block",
        "nets/test_networks.py": "from resnet_lib.nets import networks",
        "nets/test_inner.py": "from resnet_lib.nets import inner",
        "nets/test_deep.py": "from resnet_lib.nets.inner import deep",
        "experiments/one/test_draw.py": "from resnet_lib.experiments.one import draw",
        "experiments/test_two.py": "from resnet_lib.experiments import two",
    }
    assert untested(modules, files) == []
    for file in ("test_files.py", "nets/test_deep.py", "experiments/one/test_draw.py", "experiments/test_two.py"):
        assert untested(modules, {name: text for name, text in files.items() if name != file}) == [f"{file} is missing"]
    elsewhere = files | {"nets/test_krylov.py": files["linalg/test_krylov.py"]}
    del elsewhere["linalg/test_krylov.py"]
    assert untested(modules, elsewhere) == ["linalg/test_krylov.py is missing"]


def test_a_test_file_that_does_not_import_its_module_is_found():
    modules = PACKAGE | {
        "resnet_lib.nets.__init__": "from resnet_lib.nets.networks import mlp",
        "resnet_lib.nets.networks": "from resnet_lib.nets import blocks",
        "resnet_lib.experiments.one.more": "from resnet_lib.experiments.one import draw",
    }
    everything = {home(name): f"import {name.removesuffix('.__init__')}" for name in modules if home(name)}
    assert untested(modules, everything) == []
    handed = {
        "nets/test_networks.py": "from resnet_lib import nets",
        "nets/test_blocks.py": "from resnet_lib import nets",
    }
    assert untested(modules, everything | handed) == []
    assert untested(modules, everything | {"nets/test_blocks.py": "from resnet_lib import linalg, runtime"}) == [
        "nets/test_blocks.py does not import resnet_lib.nets.blocks"
    ]
    for other in ("from resnet_lib.experiments.one import more", "from resnet_lib.experiments import one"):
        assert untested(modules, everything | {"experiments/one/test_draw.py": other}) == [
            "experiments/one/test_draw.py does not import resnet_lib.experiments.one.draw"
        ]


def test_two_test_files_of_one_name_are_found():
    chapters = {"experiments/one", "experiments/two"}
    files = ["nets/test_networks.py", "experiments/one/test_networks.py", "experiments/two/test_networks.py"]
    assert twice(files, chapters) == []
    assert twice(files, {"experiments/one"}) == ["test_networks"]
    assert twice([*files, "ode/test_networks.py"], chapters) == ["test_networks"]


PACKAGE = {f"resnet_lib.{name}": "" for name in ROOMS[:3]} | {f"resnet_lib.{name}.__init__": "" for name in ROOMS[3:]}
PACKAGE |= {
    "resnet_lib.__init__": "__version__ = '0'",
    "resnet_lib.linalg.krylov": "",
    "resnet_lib.nets.blocks": "",
    "resnet_lib.nets.networks": "",
    "resnet_lib.experiments.one.__init__": "",
    "resnet_lib.experiments.one.draw": "",
    "resnet_lib.experiments.two": "",
}


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("linalg.krylov", "from resnet_lib import nets", "resnet_lib.nets, which is to the right of linalg"),
        ("linalg.krylov", "from resnet_lib.nets import mlp", "resnet_lib.nets.mlp, which is to the right of linalg"),
        (
            "linalg.__init__",
            "import resnet_lib.nets.blocks as n",
            "resnet_lib.nets.blocks, which is to the right of linalg",
        ),
        ("runtime", "from . import linalg", "resnet_lib.linalg, which is to the right of runtime"),
        ("runtime", "from .files import root", "resnet_lib.files.root, which is to the right of runtime"),
        (
            "nets.blocks",
            "def f():\n    from ..training import fit",
            "resnet_lib.training.fit, which is to the right of nets",
        ),
        (
            "nets.blocks",
            "if TYPE_CHECKING:\n    from resnet_lib import cli",
            "resnet_lib.cli, which is to the right of nets",
        ),
        (
            "experiments.two",
            "from resnet_lib.experiments.one import draw",
            "resnet_lib.experiments.one.draw, of another chapter",
        ),
        ("experiments.one.draw", "from ..two import x", "resnet_lib.experiments.two.x, of another chapter"),
        ("__init__", "from resnet_lib.cli import main", "resnet_lib.cli.main, which is to the right of every room"),
    ],
)
def test_a_wrong_import_is_found(module: str, line: str, wrong: str):
    assert complaints(PACKAGE | {f"resnet_lib.{module}": line}) == [f"resnet_lib.{module} imports {wrong}"]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("training.__init__", "from resnet_lib import linalg, nets, __version__\nimport torch\nfrom . import loop"),
        ("nets.networks", "from resnet_lib.nets import blocks"),
        ("cli.__init__", "from resnet_lib import book, experiments\nfrom resnet_lib.experiments.two import x"),
        ("experiments.one.__init__", "from resnet_lib.experiments.one import draw\nfrom . import draw"),
    ],
)
def test_a_right_import_is_not(module: str, line: str):
    assert complaints(PACKAGE | {f"resnet_lib.{module}": line}) == []


def test_a_module_needs_a_room():
    (found,) = complaints(PACKAGE | {"resnet_lib.utils": ""})
    assert found == "resnet_lib.utils is in no room: move it into one, or add one to ROOMS"


def test_a_circle_is_found():
    circle = {"resnet_lib.nets.blocks": "from . import networks", "resnet_lib.nets.networks": "from .blocks import x"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(arrows(PACKAGE | circle)).prepare()
