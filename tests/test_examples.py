"""Every public verb of the library has an example in its docstring, or in that of its module, and `make test` runs it.

A verb is a public function that a room's `__init__` hands on, or that a chapter or its notebook calls. No chapter calls
`replication`, whose verbs are those that the commands and the making of the pages call.
"""

import ast
import doctest
import functools
import importlib.util
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from test_rooms import ROOMS, room, sources

ROOT = Path(__file__).parents[1]
LIBRARY = ROOMS[: ROOMS.index("experiments")]


def defined(modules: dict[str, str]) -> set[str]:
    """The public functions of the library's rooms by their dotted names."""
    return {
        f"{name.removesuffix('.__init__')}.{node.name}"
        for name, source in modules.items()
        for node in ast.parse(source).body
        if room(name) in LIBRARY and isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def handed_on(modules: dict[str, str]) -> dict[str, str]:
    """What rooms, and rooms in them, have in `__all__`: from the name there to the name where it is defined."""
    found = {}
    for name, source in modules.items():
        if name.endswith(".__init__") and room(name) in LIBRARY and "__all__" in source:
            nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
            aliases = [(node.module, alias.name) for node in nodes for alias in node.names]
            found |= {f"{name.removesuffix('.__init__')}.{alias}": f"{module}.{alias}" for module, alias in aliases}
    return found


def named(source: str) -> Iterator[str]:
    """Dotted names of what a piece of source names of the package, through its imports."""
    nodes = list(ast.walk(ast.parse(source)))
    imports = (node for node in nodes if isinstance(node, ast.ImportFrom) and node.module)
    known = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    for node in nodes:
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in known:
            yield ".".join((known[node.id], *attributes))


def verbs(modules: dict[str, str], notebooks: Iterable[str] = ()) -> set[str]:
    """The public verbs among the functions of some modules."""
    handed = handed_on(modules)
    chapters = [source for name, source in modules.items() if room(name) == "experiments"]
    commands = [source for name, source in modules.items() if room(name) in ("book", "cli")]
    called = {name for source in (*chapters, *notebooks) for name in named(source)}
    called |= {name for source in commands for name in named(source) if room(name) == "replication"}
    return defined(modules) & {*handed.values(), *(handed.get(name, name) for name in called)}


def code(notebook: Path) -> str:
    """The code cells of a notebook, without IPython's own commands."""
    cells = json.loads(notebook.read_text())["cells"]
    lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


@functools.cache
def examples(module: str) -> dict[str, str]:
    """The source of the examples of each docstring in a module, as doctest finds them."""
    found = doctest.DocTestFinder().find(import_module(module))
    return {test.name: "".join(example.source for example in test.examples) for test in found if test.examples}


def shown(verb: str) -> bool:
    """Whether a function has an example: its own, or one of its module that names it."""
    module, _, name = verb.rpartition(".")
    found = examples(module)
    return verb in found or bool(re.search(rf"\b{name}\b", found.get(module, "")))


def test_every_public_verb_has_an_example():
    known = verbs(sources(), map(code, sorted((ROOT / "chapters").glob("*.ipynb"))))
    assert len(known) > 100
    without = sorted(verb for verb in known if not shown(verb))
    assert not without, f"{', '.join(without)}: show in the docstring how it is called (Example: >>> ...)"


def test_a_verb_is_what_a_room_hands_on_or_a_chapter_calls():
    modules = {
        "resnet_lib.ode.__init__": "from resnet_lib.ode.solver import solve\n__all__ = ['solve']\n",
        "resnet_lib.ode.solver": "def solve(): ...\ndef order(): ...\ndef _check(): ...\ndef inner(): ...\n",
        "resnet_lib.ode.inner.__init__": "from resnet_lib.ode.solver import inner\n",
        "resnet_lib.replication.held": "def hold(): ...\ndef told(): ...\n",
        "resnet_lib.experiments.steps": "from resnet_lib.ode import solver as s, solve\ns.order()\n",
        "resnet_lib.cli.runs": "from resnet_lib.replication import held\nfrom resnet_lib.ode import solver\n"
        "held.hold()\nsolver.inner()\n",
    }
    assert verbs(modules) == {
        "resnet_lib.ode.solver.solve",
        "resnet_lib.ode.solver.order",
        "resnet_lib.replication.held.hold",
    }
    cell = "from resnet_lib.ode.solver import inner\ninner()"
    assert verbs(modules, [cell]) - verbs(modules) == {"resnet_lib.ode.solver.inner"}


def test_an_example_is_found_where_doctest_finds_it():
    assert shown("resnet_lib.ode.solver.solve")
    assert shown("resnet_lib.analysis.paths.expand")  # in its module's docstring
    assert not shown("resnet_lib.nets.effects.check")


def test_make_test_runs_the_examples():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "--doctest-modules" in options["addopts"].split()
    (recipe,) = re.findall(r"^test:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    runs = [line.split() for line in recipe.splitlines() if "pytest" in line]
    assert any("resnet_lib" in words for words in runs)


def there(name: str) -> bool:
    """Whether a dotted name of the package is there: a module, or what a module has."""
    module, *attributes = name.split(".")
    found = import_module(module)
    for attribute in attributes:
        if hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{attribute}"):
            import_module(f"{module}.{attribute}")
        if not hasattr(found, attribute):
            return False
        found, module = getattr(found, attribute), f"{module}.{attribute}"
    return True


def test_what_the_texts_import_is_there():
    """Code that a reader copies from the guide or the README names what the package has today."""
    blocks = [
        (path.name, block)
        for path in sorted(ROOT.glob("*.md"))
        for block in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    ]
    assert len(blocks) >= 4
    names = [(page, name) for page, block in blocks for name in named(block) if name.startswith("resnet_lib")]
    assert len(names) > 10
    assert [(page, name) for page, name in names if not there(name)] == []
    assert not there("resnet_lib.parallel.joined")
    assert there("resnet_lib.training.ranks.joined")
