"""The hash of each experiment of the book: what makes it another one, and what does not."""

import ast
import gc
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages import Copy, roots

import resnet_lib
from resnet_lib import experiments, runtime
from resnet_lib.cli import catalogue
from resnet_lib.evidence.choices import Choices
from resnet_lib.sweep import source

ROOT = Path(resnet_lib.__file__).parent
PRESENTATION = ("evidence", "replication", "book", "cli")
EULER = {"ode-orders", "ode-step", "ode-trained", "ode-trained-cifar"}
SOLVED = EULER | {"stability-explorer", "stability-layers", "stability-oscillator", "stability-thresholds"}
NO_NETWORK = {
    *("distinct-alphabets", "distinct-collapse", "distinct-singular"),
    *("eigenvalues-disc", "eigenvalues-formula", "eigenvalues-gains", "eigenvalues-products", "eigenvalues-shift"),
    *("lipschitz-condition", "lipschitz-signal", "misleading-stacks", "misleading-turning"),
    *("scalar-chains", "scalar-defaults", "scalar-paths", "scalar-steps"),
    *("ode-fixed-points", "ode-limits", "ode-orders", "ode-topology", "ode-trajectories", "plain-drift"),
    *("plain-jacobians", "shortcuts-defects", "shortcuts-determinants", "shortcuts-ellipse", "shortcuts-labels"),
    *("shortcuts-norms", "shortcuts-pixels", "stability-contracting", "stability-contracting-fashion"),
    *("solvers-learned", "solvers-leapfrog", "solvers-propagation"),
    "solvers-rounding",
    "solvers-waves-shown",
    *("stability-explorer", "stability-layers", "stability-methods", "stability-oscillator", "stability-thresholds"),
    *("fields-averages", "stability-tuning", "variation-rough"),
}
"""Those that make no residual network of `blocks`: matrices, functions, or layers of their own."""
BLOCKS = {"solvers-conservation", "solvers-heat", "solvers-heat-shown", "solvers-waves"}
"""Those that make blocks of branches of their own, without a unit."""
NO_DATA = NO_NETWORK - {
    "shortcuts-pixels",
    "stability-tuning",
    "stability-contracting",
    "stability-contracting-fashion",
}
PUBLISHED = {f"published-{what}" for what in ("errors", "flow", "lesions", "spectra", "steps")}
CORRECTED = {"difference-published"}
NO_DATA |= {"distinct-blocks", "distinct-inverses", "distinct-original"}
FIELDS = {"fields-border", "fields-probes", "fields-published"}
NO_DATA |= {"fields-maps", "fields-untrained", *FIELDS, *CORRECTED}
NO_DATA |= {"dropping-linear", "ode-step", "paths-unrolled", "skip-signals"} | PUBLISHED | BLOCKS
"""Those that load none of the data that `datasets.load` knows; published networks read their images otherwise."""
OWN_BLOCKS = {"variation-band", "variation-pairs", "variation-tents"}
SINGLE = {f"difference-{what}" for what in ("classes", "linear", "targets", "tuning", "turning", "twins")}
OWN_BLOCKS |= SINGLE
"""Blocks of branches of their own, and no recipe of a unit."""
REGRESSED = ("branches", "depth", "depth-tuning", "networks", "penalised", "tuning")
NO_DATA |= OWN_BLOCKS | {f"variation-{what}" for what in REGRESSED}
COUNTED = {"cost-blocks", "cost-growth", "cost-networks", "cost-times"}
NO_DATA |= COUNTED | {"gates-carry"}
NO_DRAW = {
    "cost-blocks",
    "scalar-chains",
    "scalar-steps",
    "misleading-turning",
    "stability-explorer",
    "stability-methods",
    "solvers-heat-shown",
    "solvers-waves-shown",
}
DEPTH = {"depth-cifar10", "depth-cifar10-tuning", "he-table"}
LABELLED = {"difference-digits", "difference-labels", "difference-labels-tuning"}
"""Those that find what chapter 2 keeps, or train the same with other labels."""
KEPT = {"plain-cause", "plain-cifar-tuning", "plain-degrade", "plain-rescue", "plain-tuning", "scalar-layers"}
DROPPED = {
    "paths-members",
    "paths-shares",
    *(f"dropping-{x}" for x in ("cifar10", "common", "depth", "digits", "linear", "rates", "sizes")),
}
ALL = {each.name for each in catalogue.find(None) if not each.name.endswith(("-choices", "-divided"))}
"""Without the experiments under other choices, which have the source of their own."""
CHANGES = [
    ("nets/merges.py", "return s + b", "return s - b", ALL - NO_NETWORK),
    ("nets/units.py", '"NAWNAW+"', '"NAWNWA+"', ALL - NO_NETWORK - BLOCKS - OWN_BLOCKS),  # the order `pre`
    (
        "linalg/grids.py",
        "2 * self.points - 1 - places",
        "2 * self.points - 2 - places",
        {name for name in ALL if name.startswith("solvers-")} - {"solvers-conservation"},
    ),
    (
        "ode/propagators.py",
        "p = p + kick",
        "p = p - kick",
        {"solvers-leapfrog", "solvers-waves", "solvers-waves-shown", "solvers-rounding"},
    ),
    (
        "data/sources.py",
        "DIGITS_SIZES = (1000, 200, 597)",
        "DIGITS_SIZES = (900, 300, 597)",
        set(),
    ),  # their checksum is
    ("data/datasets.py", "x.flatten(1) if flat else x", "x.flatten(1) if not flat else x", ALL - NO_DATA),
    (
        "data/values.py",
        "mean, deviation = train.mean(), train.std()",
        "mean, deviation = train.mean(), 1",
        ALL - NO_DATA,
    ),
    ("analysis/ensembles.py", "BINS = 15", "BINS = 16", {"paths-members"}),
    (
        "linalg/subspaces.py",
        "RIDGE = 1e-3",
        "RIDGE = 1e-2",
        {f"shortcuts-{x}" for x in ("cifar", "digits", "labels", "pixels")},
    ),
    ("linalg/krylov.py", "-np.real(values)", "np.real(values)", {"eigenvalues-resnet20"}),
    (
        "linalg/nonnormal.py",
        "scaled @ scaled.mH - scaled.mH",
        "scaled @ scaled.mH + scaled.mH",
        {"misleading-trained-conv", "misleading-trained-mlp"},
    ),
    (
        "linalg/newton.py",
        "iterations: int = 50",
        "iterations: int = 51",
        SOLVED | {"ode-fixed-points"},
    ),  # a default argument
    ("linalg/newton.py", "damping /= 2", "damping /= 3", SOLVED | {"ode-fixed-points"}),
    ("ode/solver.py", "CEILING = 1e9", "CEILING = 1e8", SOLVED),
    (
        "ode/solver.py",
        "class BlowUp(SolverError)",
        "class BlowUp(SolverError, ArithmeticError)",
        SOLVED,
    ),  # a base class
    (
        "analysis/lesion.py",
        "PROBE = 32",
        "PROBE = 33",
        DROPPED
        | {f"shortcuts-{x}" for x in ("cifar", "digits")}
        | PUBLISHED - {"published-errors"}
        | {"published-small"},
    ),
    ("analysis/lesion_scores.py", "AT_ONCE = 256", "AT_ONCE = 255", DROPPED | {"published-lesions", "published-small"}),
    ("analysis/paths.py", "MOST = 14", "MOST = 15", {"dropping-linear", "paths-unrolled"}),
    (
        "analysis/lipschitz/ascent.py",
        "ALONG = (0.0, 0.25",
        "ALONG = (0.0, 0.2",
        {"lipschitz-block", "lipschitz-networks", "lipschitz-scaled"},
    ),
    (
        "training/recipes.py",
        "ONE_CYCLE = Recipe(epochs=60",
        "ONE_CYCLE = Recipe(epochs=61",
        KEPT - {"scalar-layers"} | DEPTH - {"he-table"} | {"photographs", "photographs-tuning"},
    ),
    (
        "data/conversion.py",
        "cifar_resnet(depth, generator=torch.Generator().manual_seed(0)).eval()",
        "cifar_resnet(depth, generator=torch.Generator().manual_seed(0))",
        PUBLISHED | FIELDS | CORRECTED,
    ),
    ("data/pretrained.py", "DEVIATION = (0.485", "DEVIATION = (0.48", PUBLISHED | FIELDS | CORRECTED),
    ("training/recipes.py", "HE = Recipe(", "HE = Recipe(momentum=0.8, ", {"he-table"}),
    ("training/zoo.py", '"cifar-resnet", "digits-resnet"', '"digits-resnet", "cifar-resnet"', KEPT | LABELLED | DEPTH),
    (
        "experiments/euler_and_its_limit/orders.py",
        "def gaussian(",
        "@staticmethod\ndef gaussian(",  # a decorator
        {"ode-fixed-points", "ode-limits", "ode-orders", "ode-trajectories"},
    ),
    (
        "experiments/plain_networks/families.py",
        "CHANCE = 0.1",
        "CHANCE = 0.2",
        KEPT - {"plain-cifar-tuning", "plain-tuning", "scalar-layers"},
    ),
    ("experiments/dropping_blocks/linear.py", "tuple(range(10))", "tuple(range(11))", set()),  # seeds: the grid says so
    ("runtime.py", ">> 1", ">> 2", ALL - NO_DRAW),
    ("evidence/claims.py", "class Evidence", "class Evidence2", set()),
]


@pytest.fixture(scope="module")
def origins() -> dict[str, list[source.Definition]]:
    return roots()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def before(copy: Copy, origins: dict[str, list[source.Definition]]) -> dict[str, str]:
    return copy.digests(origins)


def test_a_copy_has_the_digests_of_the_package(before: dict[str, str], origins: dict[str, list[source.Definition]]):
    assert before == {each.name: source.digest(*each.roots) for each in catalogue.find(None)}
    assert len(set(before.values())) == len(set(map(tuple, origins.values())))  # another trial, another digest


def test_what_is_new_in_each_module_makes_nothing_stale(
    copy: Copy, origins: dict[str, list[source.Definition]], before: dict[str, str]
):
    paths = sorted(copy.folder.rglob("*.py"))
    texts = {path: path.read_text() for path in paths}
    new = "NEW_TABLE = {'a': 1}\nNEW_TABLE['b'] = 2\nclass NewClass:\n    x = 1\ndef new_function(x=1):\n    return x\n"
    new = {
        path: f"{text}\n{new}" if "__future__" in text else f"import json as x_\n{new}\n{text}"
        for path, text in texts.items()
    }
    with copy.changed(new):
        after = copy.digests(origins)
    assert len(paths) > 130
    assert after == before


def test_other_choices_have_the_source_of_their_experiment(before: dict[str, str]):
    for module in pkgutil.walk_packages(experiments.__path__, f"{experiments.__name__}."):
        for choices in vars(importlib.import_module(module.name)).values():
            if isinstance(choices, Choices):
                assert before[choices.experiment.name] == before[choices.base.name]


@pytest.mark.parametrize(("path", "old", "new", "stale"), CHANGES)
def test_a_real_change_makes_stale_what_reaches_it_and_nothing_else(
    copy: Copy,
    origins: dict[str, list[source.Definition]],
    before: dict[str, str],
    path: str,
    old: str,
    new: str,
    stale: set[str],
):
    file = copy.folder / path
    text = file.read_text()
    assert old in text, f"{path} no longer has {old!r}, so that this change would test nothing"
    with copy.changed({file: text.replace(old, new, 1)}):
        after = copy.digests(origins)
    assert {name for name in ALL if after[name] != before[name]} == stale
    assert stale <= ALL


def test_presentation_and_plumbing_are_in_no_source(
    copy: Copy, origins: dict[str, list[source.Definition]], before: dict[str, str]
):
    shown = [path for room in PRESENTATION for path in (copy.folder / room).glob("*.py")]
    emptied = [copy.folder.parent / f"{name.replace('.', '/')}.py" for name in source.PLUMBING]
    emptied = [path if path.exists() else path.with_suffix("") / "__init__.py" for path in emptied]
    emptied += [*shown, copy.folder / "sweep/agreement.py"]
    assert len(set(emptied)) == len(source.PLUMBING) + len(shown) + 1
    with copy.changed(dict.fromkeys(emptied, "")):
        after = copy.digests(origins)
    assert after == before


def test_modules_may_move(tmp_path: Path, origins: dict[str, list[source.Definition]], before: dict[str, str]):
    moved = Copy(tmp_path)
    assert moved.move() > 70
    assert not (moved.folder / "nets/networks.py").exists()
    assert "from resnet_lib.nets_networks import Stack" in (moved.folder / "analysis_lesion.py").read_text()
    assert moved.digests(origins) == before


QUICK = (
    *("paths-unrolled", "eigenvalues-shift", "eigenvalues-products", "ode-step", "ode-limits", "lipschitz-scaled"),
    *("plain-drift", "skip-signals", "shortcuts-norms", "shortcuts-labels", "stability-layers", "misleading-stacks"),
    *("variation-band", "variation-tents"),
)


def ran(experiment: source.Any) -> set[tuple[str, str]]:
    """Definitions of the package whose code a trial runs: what Python itself calls, not what its text says.

    What other tests left to be collected is collected first: a generator that is closed is called once more.
    """
    codes = set()
    gc.collect()
    with runtime.numerics():
        before = sys.getprofile()
        sys.setprofile(lambda frame, event, _: codes.add(frame.f_code) if event == "call" else None)
        try:
            experiment.trial(experiment.quick.settings[0], experiment.quick.groups[0][:2])
        finally:
            sys.setprofile(before)
    found = {(Path(code.co_filename), code.co_qualname.partition(".")[0]) for code in codes}
    found = {(path.relative_to(ROOT), name) for path, name in found if path.is_relative_to(ROOT) and name != "<module>"}
    return {
        (".".join(("resnet_lib", *path.with_suffix("").parts)).removesuffix(".__init__"), name) for path, name in found
    }


@pytest.mark.parametrize("name", QUICK)
def test_all_that_runs_is_reached(name: str):
    (experiment,) = catalogue.find(name)
    found = {(module, name) for module, name in ran(experiment) if module not in source.PLUMBING}
    assert len(found) >= 4
    assert found <= source.reached(*experiment.roots)


def words(node: ast.AST) -> Iterator[str]:
    """All identifiers in a piece of syntax."""
    for part in ast.walk(node):
        yield from (value for value in (getattr(part, field, None) for field in ("id", "attr", "name")) if value)


def test_all_that_is_reached_is_named_on_the_way(origins: dict[str, list[source.Definition]]):
    """By a rule that knows no module: whatever has a name that occurs in what is reached is reached."""
    named: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    named.setdefault(alias.asname or alias.name, set()).add(alias.name)
                continue
            inner = set(words(node))
            for word in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
                getattr(node, "name", "")
            }:
                named.setdefault(word, set()).update(inner)
    for experiment in catalogue.find(None):
        found, todo = set(), [origin.name for origin in origins[experiment.name]]
        while todo:
            if (word := todo.pop()) not in found:
                found.add(word)
                todo += named.get(word, set()) - found
        assert {name for _, name in source.reached(*experiment.roots)} <= found
