"""A module of the package imports only from layers below its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import resnet_lib

# fmt: off
LAYERS = (
    ("agreement",),
    ("runtime", "linalg", "provenance", "source", "units", "cache", "progress", "markup", "rules", "vega",
     "projections", "stiefel", "information", "archives", "distributions", "values", "roots", "tableaus",
     "augmentation", "parallel", "optimizers", "schemes", "effects", "whole", "texts", "kernels"),
    ("initialisation",),
    ("significance", "stacked",
     "blocks", "statements", "grid", "results", "collection", "steppers", "checkpoints", "recipes",
     "manuscript"),
    ("nets", "data", "ode", "dynamics", "fits"),
    ("trial", "costs", "shortcuts", "training", "jacobian", "lipschitz", "lesion", "lesion_runs", "paths",
     "stochastic_depth", "ensembles", "convergence", "flow"),
    ("workers", "trained"),
    ("sweep", "claims", "figures"),
    ("experiments", "ledger", "audit"),
    ("replicas", "backlog", "crate", "catalogue"),
    ("comparison",),
    ("replication",),
    ("held",),
    ("book",),
    ("runs",),
    ("cli",),
)
# fmt: on
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


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


def unit(dotted: str) -> str:
    """The unit that layers are about: a module, or all modules of one chapter."""
    parts = dotted.removesuffix(".__init__").split(".")[1:]
    return ".".join(parts[:2] if parts[:1] == ["experiments"] else parts[:1])


def complaints(modules: dict[str, str]) -> list[str]:
    """What is wrong with the imports of these modules."""
    known = {unit(name) for name in modules}
    found = []
    for module, source in modules.items():
        own = unit(module)
        layer = LAYER.get(own.split(".")[0]) if own else -1
        if layer is None:
            found.append(f"{module} is in no layer: give it one in LAYERS")
            continue
        for name in imported(module, source):
            other = unit(name)
            # A name of the package itself, such as __version__, has no layer.
            if other == own or (other not in known and other.split(".")[0] not in known):
                continue
            if LAYER.get(other.split(".")[0], -1) >= layer:
                found.append(f"{module} (layer {layer}) imports {name} (layer {LAYER[other.split('.')[0]]})")
    return found


def test_modules_import_from_layers_below_their_own():
    assert complaints(sources()) == []


def test_every_layer_is_inhabited():
    assert {unit(name).split(".")[0] for name in sources()} - {""} == set(LAYER)


PACKAGE = {f"resnet_lib.{name}": "" for name in LAYER} | {
    "resnet_lib.__init__": "__version__ = '0'",
    "resnet_lib.experiments.one.__init__": "",
    "resnet_lib.experiments.one.draw": "",
    "resnet_lib.experiments.two": "",
}


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("linalg", "from resnet_lib import nets", "resnet_lib.nets (layer 4)"),
        ("linalg", "from resnet_lib.nets import mlp", "resnet_lib.nets.mlp (layer 4)"),
        ("linalg", "import resnet_lib.nets as n", "resnet_lib.nets (layer 4)"),
        ("linalg", "from . import runtime", "resnet_lib.runtime (layer 1)"),
        ("linalg", "from .runtime import key", "resnet_lib.runtime.key (layer 1)"),
        ("jacobian", "def f():\n    from resnet_lib import training", "resnet_lib.training (layer 5)"),
        ("nets", "if TYPE_CHECKING:\n    from resnet_lib import cli", "resnet_lib.cli (layer 15)"),
        ("sweep", "from resnet_lib import runtime, claims", "resnet_lib.claims (layer 7)"),
        ("experiments.two", "from resnet_lib.experiments.one import draw", "resnet_lib.experiments.one.draw (layer 8)"),
        ("experiments.one.draw", "from ..two import x", "resnet_lib.experiments.two.x (layer 8)"),
        ("__init__", "from resnet_lib.cli import main", "resnet_lib.cli.main (layer 15)"),
    ],
)
def test_a_wrong_import_is_found(module: str, line: str, wrong: str):
    (found,) = complaints(PACKAGE | {f"resnet_lib.{module}": line})
    assert found.startswith(f"resnet_lib.{module} (layer ")
    assert found.endswith(f"imports {wrong}")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("jacobian", "from resnet_lib import linalg, nets, __version__\nimport torch\nfrom . import blocks"),
        ("cli", "from resnet_lib import book, experiments"),
        ("experiments.one.__init__", "from resnet_lib.experiments.one import draw\nfrom . import draw"),
    ],
)
def test_a_right_import_is_not(module: str, line: str):
    assert complaints(PACKAGE | {f"resnet_lib.{module}": line}) == []


def test_a_module_needs_a_layer():
    assert complaints(PACKAGE | {"resnet_lib.utils": ""}) == ["resnet_lib.utils is in no layer: give it one in LAYERS"]
