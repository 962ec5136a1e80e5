"""Draw mutants of the library with a seed, run the tests that read what was changed, and report how many of them die.

The changes are those of Cosmic Ray (https://cosmic-ray.readthedocs.io), and dropped statements. Left out is what no
test has to see: annotations, decorators, messages of errors, the `strict` of a `zip`. A file is drawn first, then a
kind of change, then a place, so that neither long files nor frequent operators fill the sample.

    make mutants                                   200 mutants that are not equivalent; an hour or two
    python -m tests.mutants --number 20 --seed 1   some others
"""
# pyright: reportMissingImports=false, reportGeneralTypeIssues=false
# Cosmic Ray is no part of the environment; `make mutants` adds it.

import argparse
import ast
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator

from tests import forks, planted

LIBRARY = planted.ROOT / "resnet_lib"
CORE = (
    *("whole", "linalg/*", "ode/*", "nets/*", "analysis/*", "analysis/lipschitz/*"),
    *(f"data/{name}" for name in ("datasets", "values", "augmentation")),
    *(f"training/{name}" for name in ("recipes", "optimizers", "stacked", "loop", "checks", "fits")),
    *(f"sweep/{name}" for name in ("agreement", "experiment", "key", "table", "trial", "runner", "source/*")),
    *(f"evidence/{name}" for name in ("rules", "intervals", "significance", "claims", "statements")),
    *(f"replication/{name}" for name in ("comparison", "report", "held")),
    "experiments/*/measures",
)
"""What computes a number, a verdict or the name of a result."""
KINDS = {
    "arithmetic": "ReplaceBinaryOperator",
    "comparison": "ReplaceComparisonOperator",
    "sign": "ReplaceUnaryOperator",
    "number": "NumberReplacer",
    "condition": "AddNot",
    "logic": "Replace(AndWithOr|OrWithAnd)",
    "constant": "Replace(TrueWithFalse|FalseWithTrue)",
    "loop": "ZeroIterationForLoop|ReplaceBreakWithContinue|ReplaceContinueWithBreak",
}
STATEMENT = "statement"
LARGEST = 12
"""A number above it is a limit or a tolerance, whose last digit means nothing: 100 or 101 iterations."""
FILES = 4
"""Test files that are tried for a mutant, the likeliest first."""
LIMIT = 400
"""Seconds of a processor for one of them; a mutant that needs more is in an endless loop, and is told as such."""
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "resnet_lib/sweep/source/definitions.py",
        'return f"#{before}" if 1 < len(touched) > before else ""',
    ): "what comes before a statement is never more than all",
    (
        "resnet_lib/replication/report.py",
        'average = Rule.parse(record["rule"]).statistic > "every"',
    ): "mean and median are behind every in the alphabet",
    (
        "resnet_lib/analysis/ensembles.py",
        "index = (confidence * bins).ceil().long().clamp( 0, bins) - 1",
    ): "the largest of some probabilities is never 0",
    **{
        (
            "resnet_lib/analysis/alignment.py",
            f"ahead, behind = (flow.field(block)( {time}, states[i]).flatten(1) for block in (left, right))",
        ): "the field of a block is the same at all times"
        for time in ("1.0", "-1.0")
    },
}
"""Mutants that no test can see: the file and the line that the mutant has, and why it computes the same."""


class DropStatement(Operator):
    """A call whose value nobody takes, or an augmented assignment, becomes `pass`."""

    def mutation_positions(self, node):
        expression = node.type == "expr_stmt" and node.children[1].type == "operator" and node.children[1].value != "="
        call = (
            node.type in ("atom_expr", "power")
            and node.parent.type == "simple_stmt"
            and node.children[-1].type == "trailer"
        )
        if expression or call:
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        return parso.parse(node.get_first_leaf().prefix + "pass").children[0]

    @classmethod
    def examples(cls):
        return ()


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        file: Relative to the book's folder.
        kind: Of `KINDS`, or `STATEMENT`.
        definition: The function or class around it, by its name.
        before: The changed line as it is.
        after: The changed line as the mutant has it.
        code: The whole file of the mutant.
    """

    file: str
    kind: str
    definition: str
    before: str
    after: str
    code: str


@dataclass(frozen=True)
class Fate:
    """What became of a mutant.

    Attributes:
        mutant: The mutant.
        word: "killed", "endless", "survived", "equivalent" or "no package", where the package cannot even be imported.
        by: The test that saw it; for an equivalent one, why nothing can.
    """

    mutant: Mutant
    word: str
    by: str = ""


def core() -> list[Path]:
    """The files of the core.

    Raises:
        ValueError: Where an entry of CORE names no file: a module has been renamed.
    """
    files = []
    for name in CORE:
        found = sorted(LIBRARY.glob(f"{name}.py"))
        if not found:
            raise ValueError(
                f"CORE has {name!r}, and resnet_lib/{name}.py is no file: name it anew in tests/mutants.py"
            )
        files += [path for path in found if path.read_text().count("def ")]
    return files


def unseen(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a change is not counted: annotations, decorators, and what an error says."""
    nodes: list[ast.expr | ast.stmt | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            nodes += node.decorator_list
        if isinstance(node, ast.FunctionDef):
            nodes.append(node.returns)
        if isinstance(node, ast.arg | ast.AnnAssign):
            nodes.append(node.annotation)
        if isinstance(node, ast.Raise):
            nodes.append(node)
        if isinstance(node, ast.keyword) and node.arg == "strict":
            nodes.append(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value > LARGEST:
            nodes.append(node)
        if isinstance(node, ast.Assign) and "Literal" in ast.dump(node.value):
            nodes.append(node)
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)) for node in nodes if node
    ]


@cache
def operators(kind: str) -> list[Operator]:
    """The changes of a kind."""
    if kind == STATEMENT:
        return [DropStatement()]
    names = cosmic_ray.plugins.operator_names()
    return [cosmic_ray.plugins.get_operator(name)() for name in names if re.match(f"core/({KINDS[kind]})", name)]


@cache
def places(path: Path, kind: str) -> list[tuple[Operator, int]]:
    """Every change of a kind that counts in a file: the operator, and which of its occurrences."""
    source = path.read_text()
    left_out = unseen(ast.parse(source))
    nodes = list(ast_nodes(get_ast(source)))
    found = []
    for operator in operators(kind):
        positions = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if not any(first <= start and end <= last for first, last in left_out):
                found.append((operator, occurrence))
    return found


def draw(seed: int) -> Iterator[Mutant]:
    """Mutants without end, none twice, in an order that the seed fixes."""
    rng, seen, files = random.Random(seed), set[str](), core()
    while True:
        path, kind = rng.choice(files), rng.choice([*KINDS, STATEMENT])
        if not places(path, kind):
            continue
        operator, occurrence = rng.choice(places(path, kind))
        source = path.read_text()
        code = mutate_code(source, operator, occurrence)
        if code is None or code == source or code in seen or not runs(code):
            continue
        seen.add(code)
        lines = list(unified_diff(source.splitlines(), code.splitlines(), lineterm="", n=0))[2:]
        number = int(re.match(r"@@ -(\d+)", lines[0])[1])  # pyright: ignore[reportOptionalSubscript]
        before, after = (" ".join(line[1:].strip() for line in lines[1:] if line[0] == side) for side in "-+")
        yield Mutant(str(path.relative_to(planted.ROOT)), kind, around(source, number), before, after, code)


def runs(code: str) -> bool:
    """Whether a text is a program of Python."""
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def around(source: str, line: int) -> str:
    """The name of the outermost function or class at a line; empty outside of any."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= line <= (node.end_lineno or 0):
            return node.name
    return ""


@cache
def tests_of(file: str, definition: str) -> tuple[str, ...]:
    """Test files that read what a mutant has changed, the likeliest first.

    Those that import the module or its package come before those that import a module that does. One that bears
    the module's name, in the folder of its room or chapter, comes first, then those that name the definition; among
    equals the shorter one.
    """
    own = parts(Path(file))
    users = [path.relative_to(planted.ROOT) for path in LIBRARY.rglob("*.py") if own & set(used(path))]
    ranked = sorted(importing([Path(file)], definition)) + sorted(importing(users, definition))
    return tuple(dict.fromkeys(name for _, _, name in ranked))[:FILES]


def importing(files: list[Path], definition: str) -> list[tuple[int, int, str]]:
    """The test files that import one of the modules in `files`, each after its rank and its size."""
    ranked = []
    names, homes = {part for file in files for part in parts(file)}, {home(file) for file in files}
    tests = planted.ROOT / "tests"
    built = {*(tests / "pages").rglob("*")}  # what needs the pages, which no mutant has
    for test in sorted({*tests.rglob("test_*.py")} - built):
        text, imported, place = test.read_text(), names & set(used(test)), test.relative_to(tests)
        named = place.stem.removeprefix("test_") in names and place.parent in homes
        if (imported or named) and test.stem != "test_planted":
            says = bool(re.search(rf"\b{definition or '-'}\b", text))
            ranked.append((-(4 * named + 2 * says + len(imported)), len(text), str(place)))
    return ranked


def parts(file: Path) -> set[str]:
    """The names by which a module is known: its own and its room's; the file relative to the book's folder."""
    return {*file.with_suffix("").parts} - {"resnet_lib", "experiments", "__init__"}


def home(file: Path) -> Path:
    """The folder of a module's tests in that of all tests: its room's, or its chapter's."""
    rooms = file.parts[1:-1]
    return Path(*rooms[: 2 if "experiments" in rooms else 1])


@cache
def used(file: Path) -> tuple[str, ...]:
    """The parts of the dotted names that a file imports from the package."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return tuple({part for name in names if name.startswith("resnet_lib") for part in name.split(".")})


def fate(mutant: Mutant) -> Fate:
    """Run the tests of a mutant in a copy of the book of its own, file by file, up to the first that fails."""
    if why := EQUIVALENT.get((mutant.file, mutant.after)):
        return Fate(mutant, "equivalent", why)
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        root = planted.copied(Path(folder) / "book")
        planted.change(root / mutant.file, mutant.code)
        for test in tests_of(mutant.file, mutant.definition):
            status, said = forks.pytested(root, [test], seconds=LIMIT)
            if status is None:
                return Fate(mutant, "endless", test)
            if re.search(
                r"^ERROR tests/\S+\.py$|^ERROR tests/\S+\.py - |ImportError while loading conftest", said, re.M
            ):
                return Fate(mutant, "no package", test)
            if status:
                failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", said, re.M)
                return Fate(mutant, "killed", failed[1] if failed else test)
    return Fate(mutant, "survived", ", ".join(tests_of(mutant.file, mutant.definition)))


def report(number: int, seed: int, workers: int, kept: Path | None) -> list[Fate]:
    """Run mutants until `number` of them are neither equivalent nor without a package, and print each one's fate."""
    fates: list[Fate] = []
    drawn, running = draw(seed), set[Future[Fate]]()

    def counted() -> int:
        return sum(one.word in ("killed", "endless", "survived") for one in fates)

    with ThreadPoolExecutor(workers) as pool:
        while counted() < number:
            running |= {pool.submit(fate, next(drawn)) for _ in range(min(workers, number - counted()) - len(running))}
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in (future.result() for future in done):
                fates.append(one)
                print(
                    f"{counted():3} {one.word:10} {one.mutant.kind:10} {one.mutant.file}  {one.mutant.after}",
                    flush=True,
                )
                if kept:
                    kept.write_text(json.dumps([told(each) for each in fates], indent=1))
    return fates


def told(one: Fate) -> dict[str, Any]:
    """A fate without the mutant's whole file."""
    return {"word": one.word, "by": one.by} | {key: value for key, value in asdict(one.mutant).items() if key != "code"}


def main() -> None:
    """The command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=200, help="How many mutants that are not equivalent.")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.95, help="The score below which the status is 1.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Where the fates are kept while they come in.")
    chosen = parser.parse_args()
    fates = report(chosen.number, chosen.seed, chosen.workers, chosen.json)
    words = Counter(one.word for one in fates)
    dead, counted = words["killed"] + words["endless"], words["killed"] + words["endless"] + words["survived"]
    for one in fates:
        if one.word == "survived":
            print(f"\n{one.mutant.file}, in {one.mutant.definition or 'the module'}: survived {one.by}")
            print(f"  - {one.mutant.before}\n  + {one.mutant.after}")
    print(f"\n{dead} of {counted} mutants die, {dead / counted:.1%}; {dict(words)}")
    sys.exit(dead < chosen.least * counted)


if __name__ == "__main__":
    main()
