"""The rooms of the package: none imports to its right, no chapter imports another, no imports go in circles.

Every module has tests in a file of its name, in the room of its name.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

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


def arrows(modules: dict[str, str]) -> dict[str, set[str]]:
    """Which modules each module imports, a face (`__init__`) counted where a name of it is meant."""
    found = {name: set() for name in modules}
    for module, source in modules.items():
        for name in imported(module, source):
            above = name.rpartition(".")[0]
            ends = (end for end in (name, f"{name}.__init__", above, f"{above}.__init__") if end in modules)
            found[module].add(next(ends))
    return found


def test_no_room_imports_to_its_right_and_no_chapter_another():
    assert complaints(sources()) == []


def test_every_room_is_inhabited():
    assert {room(name) for name in sources()} - {""} == set(ROOMS)


def test_no_imports_go_in_circles():
    graphlib.TopologicalSorter(arrows(sources())).prepare()


def test_no_module_is_too_long():
    assert {name: n for name, text in sources().items() if (n := len(text.splitlines())) > LONGEST} == {}


def untested(modules: dict[str, str], tests: set[str]) -> list[str]:
    """The test files that are missing: one for each module in its room, or in the folder of all tests for the first.

    A package in a room is tested like a module of its name. A chapter's modules are tested together, in a file of the
    chapter's name or several.

    Args:
        modules: By dotted name.
        tests: The test files, relative to the folder of all tests.
    """
    wanted = set()
    for name in modules:
        parts = name.split(".")[1:]
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts[:1] == ["experiments"] or parts == ["cli", "__main__"]:
            continue
        if len(parts) == 1 and parts[0] in ROOMS[:3]:
            wanted.add(f"test_{parts[0]}.py")
        elif len(parts) > 1:
            wanted.add(f"{parts[0]}/test_{parts[-1]}.py")
    return sorted(wanted - tests)


def test_every_module_has_a_test_file_of_its_name():
    here = Path(__file__).parent
    assert untested(sources(), {path.relative_to(here).as_posix() for path in here.rglob("test_*.py")}) == []


def test_a_module_without_a_test_file_is_found():
    modules = PACKAGE | {"resnet_lib.nets.inner.__init__": "", "resnet_lib.nets.inner.deep": ""}
    everything = {"test_whole.py", "test_runtime.py", "test_files.py", "linalg/test_krylov.py", "nets/test_blocks.py"}
    everything |= {"nets/test_networks.py", "nets/test_inner.py", "nets/test_deep.py"}
    assert untested(modules, everything) == []
    assert untested(modules, everything - {"test_files.py", "nets/test_deep.py"}) == [
        "nets/test_deep.py",
        "test_files.py",
    ]
    assert untested(modules, everything - {"linalg/test_krylov.py"} | {"nets/test_krylov.py"}) == [
        "linalg/test_krylov.py"
    ]


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
