"""Where a result comes from: the checkout, the source code a trial reaches, and the stamp that a result carries.

Knows files and syntax trees; runs no experiment, and does not know what a setting means.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

PACKAGE = __name__.partition(".")[0]
LEDGER = "claims.yml"
CHAPTERS = "experiments"
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
IMPORTS = ast.Import | ast.ImportFrom
DYNAMIC = {"globals", "vars", "eval", "exec", "__import__"}  # what these reach cannot be read off the syntax tree


def root(start: Path | None = None) -> Path:
    """Folder of the book: the nearest of `start` (default: the working folder) and its parents that holds claims.yml.

    Raises:
        FileNotFoundError: Where there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / LEDGER).is_file():
            return folder
    raise FileNotFoundError(
        f"no {LEDGER} in {start} or above it; change to the book's folder (a clone of its repository)"
    )


def commit() -> tuple[str, bool]:
    """Git commit of the checkout that this package lies in, and whether a Python file in it differs from that commit.

    Only Python files count: a notebook's outputs change while it runs. `("unknown", False)` outside a checkout.
    """
    here = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    try:
        if not git("ls-files", here.name):  # installed into a folder that is itself inside some other checkout
            return "unknown", False
        lines = git("status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", ":/*.py").splitlines()
    except (OSError, subprocess.SubprocessError):
        return "unknown", False
    oid = next(line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid "))
    return oid, any(not line.startswith("#") for line in lines)


def versions() -> dict[str, str]:
    """Versions of what can change a number: Python, torch, NumPy, SciPy."""
    found = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy")}
    return {"python": platform.python_version()} | found


@dataclass(frozen=True)
class Stamp:
    """All that is needed to judge a result and to compute it again.

    Attributes:
        experiment: Its name, e.g. `eigenvalues-random`.
        preset: `quick` or `full`.
        command: What computes it again.
        commit: Git commit of the checkout that ran, or `unknown`.
        dirty: Whether Python files differed from that commit.
        source: `source_hash` of the trial.
        data: SHA-256 of each dataset by its name.
        settings: The grid's settings, as dictionaries.
        seeds: The grid's seeds.
        device: Name of the hardware.
        versions: `versions()` at that time.
        seconds: Time that the trials took, summed over all of them, whenever each was computed.
        created: When the last trial was computed: ISO 8601, UTC.
        peak_memory: Largest resident memory of a process that computed trials, in bytes.
    """

    experiment: str
    preset: str
    command: str
    commit: str
    dirty: bool
    source: str
    data: dict[str, str]
    settings: list[dict[str, Any]]
    seeds: list[int]
    device: str
    versions: dict[str, str]
    seconds: float
    created: str
    peak_memory: int

    def as_dict(self) -> dict[str, Any]:
        """The stamp as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Stamp":
        """The stamp that `as_dict` has written.

        Raises:
            ValueError: Where a field is missing or unknown.
        """
        if wrong := {field.name for field in fields(cls)} ^ set(record):
            raise ValueError(
                f"stamp: missing or unknown {', '.join(sorted(wrong))}; run the experiment again to renew it"
            )
        return cls(**record)


@dataclass(frozen=True, eq=False)
class Result:
    """A table with its stamp and, where one is stored, the same experiment at publication size.

    Attributes:
        table: One row a measurement.
        stamp: Where it comes from.
        full: The stored FULL result of the same experiment.
        stale: Whether the source that the trial reaches has changed since; shown as older, with its commit.
    """

    table: pd.DataFrame
    stamp: Stamp
    full: "Result | None" = None
    stale: bool = False

    def of(self, select: Callable[[pd.DataFrame], Any]) -> "Result":
        """The result with `select(table)` for its table, here and in `full`."""
        full = self.full
        if full is not None:
            try:
                full = full.of(select)
            except Exception as error:
                older = ", older than the code" if full.stale else ""
                error.add_note(f"while selecting from the stored FULL result of {full.stamp.experiment}{older}")
                raise
        return replace(self, table=select(self.table), full=full)


def modules(*roots: Callable) -> tuple[str, ...]:
    """Modules of this package, and of the roots' own, whose source `source_hash` covers, sorted by name."""
    return tuple(sorted(name for name, statements in _reach(roots).items() if statements))


def source_hash(*roots: Callable) -> str:
    """SHA-256 over the syntax trees that functions or classes reach by static imports, transitively.

    Docstrings, comments and formatting are free. A library module counts whole, with everything that it imports. A
    chapter's module (below `experiments`, or the root's own) holds trials, measures and drawings side by side and so
    counts by definition: what the root names, what that names, and so on. So does the `__init__` of a package.
    Statements that act on import always count. Other packages count by `versions()`, not here.

    Import from a chapter's module by name (`from ...spectra import trained`): `spectra.trained` makes it count whole.

    Raises:
        ValueError: Where a root is not importable by its name: a lambda, a closure, or defined in a notebook.
    """
    digest = hashlib.sha256()
    for name, statements in sorted(_reach(roots).items()):
        digest.update("\n".join((f"module {name}", *(statements[i] for i in sorted(statements)), "")).encode())
    return digest.hexdigest()


@functools.cache
def loaded_source(*roots: Callable) -> str:
    """`source_hash` at the first call for these objects: called right after their import, that of what is loaded."""
    return source_hash(*roots)


def _reach(roots: Sequence[Callable]) -> dict[str, dict[int, str]]:
    """Canonical text of the statements that count, by module and position."""
    todo = [_origin(root) for root in roots]
    own, packages = {name for name, _ in todo}, {PACKAGE, *(name.partition(".")[0] for name, _ in todo)}
    reached: dict[str, dict[int, str]] = {}
    done = set()
    while todo:
        if (task := todo.pop()) in done:
            continue
        done.add(task)
        name, wanted = task
        module = _find(name) if name.partition(".")[0] in packages else None
        if module is None:
            continue
        todo.append((name.rpartition(".")[0], ""))  # importing a module runs the `__init__` above it
        by_definition = module.package or CHAPTERS in name.split(".") or name in own
        statements = reached.setdefault(name, {})
        for i in module.select(wanted if by_definition else "*"):
            if i not in statements:
                statements[i] = module.text(i)
                for base, imported in module.imports(i):
                    inner = f"{base}.{imported}"
                    todo.append((inner, "*") if imported != "*" and _find(inner) else (base, imported))
    return reached


def _origin(root: Callable) -> tuple[str, str]:
    """Module of a function or class, and the top-level name that holds it there."""
    name, path = getattr(root, "__module__", "__main__"), getattr(root, "__qualname__", "")
    found: Any = sys.modules.get(name)
    for part in path.split("."):
        found = getattr(found, part, None)
    if name == "__main__" or found is not root:
        raise ValueError(
            f"{root!r} cannot be imported by its name, so neither another process nor a later run would find the same "
            f"code; define it at the top level of a module, such as those of {PACKAGE}.{CHAPTERS}"
        )
    return name, path.partition(".")[0]


def _find(name: str) -> "_Module | None":
    """A module's syntax tree, or None where there is no such Python file."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top) if top else None  # only the top level: finding more would import packages
    if spec is None:
        return None
    folders = spec.submodule_search_locations or ()
    found = (Path(folder, *rest, "__init__.py") for folder in folders)
    files = [*found, *(Path(folder, *rest).with_suffix(".py") for folder in folders if rest)]
    for path in files or ([Path(spec.origin)] if spec.origin and not rest else []):
        if path.is_file():
            status = path.stat()
            return _parse(path, status.st_mtime_ns, status.st_size, name)
    return None


@functools.lru_cache(maxsize=1024)
def _parse(path: Path, modified: int, size: int, name: str) -> "_Module":
    return _Module(name, path)  # time and size are there to read a file again that has changed


class _Module:
    """Syntax tree of one module, cut into top-level statements: what each binds, names, imports and does."""

    def __init__(self, name: str, path: Path):
        self.name, self.package = name, path.name == "__init__.py"
        self.body: list[ast.stmt] = []
        for statement in ast.parse(path.read_bytes()).body:
            if isinstance(statement, ast.Import):  # one name each, so that each counts by itself
                self.body += (ast.Import([alias]) for alias in statement.names)
            elif isinstance(statement, ast.ImportFrom):
                self.body += (ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names)
            elif not _is_text(statement):
                self.body.append(statement)
        self.binds: dict[str, list[int]] = {}
        for i, statement in enumerate(self.body):
            for bound in _bound(statement):
                self.binds.setdefault(bound, []).append(i)
        self.text = functools.cache(lambda i: _canonical(self.body[i]))
        self.names = functools.cache(
            lambda i: {node.id for node in ast.walk(self.body[i]) if isinstance(node, ast.Name)}
        )
        self.imports = functools.cache(lambda i: list(self._imports(self.body[i])))

    def select(self, name: str) -> Iterable[int]:
        """Statements that a name reaches within the module (all for `*`), and those that act on import."""
        everything = range(len(self.body))
        if name == "*" or "*" in self.binds:  # a star import binds names that only running it would show
            return everything
        chosen, todo = set(), [*self.binds.get(name, ()), *(i for i in everything if _acts(self.body[i]))]
        while todo:
            if (i := todo.pop()) not in chosen:
                chosen.add(i)
                todo += (j for used in self.names(i) for j in self.binds.get(used, ()))
        return everything if any(DYNAMIC & self.names(i) for i in chosen) else chosen

    def _imports(self, statement: ast.stmt) -> Iterator[tuple[str, str]]:
        """(module, name) of every import below a statement, `*` for all of it; relative ones resolved."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "*") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = self.name.split(".")
                above = above[: len(above) - node.level + self.package] if node.level else []
                base = ".".join((*above, *([node.module] if node.module else [])))
                yield from ((base, alias.name) for alias in node.names)


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement binds, or more; `*` for a star import."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    bound = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, DEFINITIONS):
            bound.add(node.name)
        elif isinstance(node, IMPORTS):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return bound


def _acts(statement: ast.stmt) -> bool:
    """Whether a top-level statement does more than define, import, or assign to plain names."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(isinstance(part, ast.Attribute | ast.Subscript) for target in targets for part in ast.walk(target))
    return not isinstance(statement, DEFINITIONS | IMPORTS)


def _is_text(node: Any) -> bool:
    """Whether a statement is only a string: a docstring, of whatever it stands below."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _canonical(node: Any) -> str:
    """Text of a syntax tree, the same for Python 3.11 to 3.13: `ast.dump` and `ast.unparse` differ between them."""
    if isinstance(node, list):
        return f"[{','.join(_canonical(child) for child in node if not _is_text(child))}]"
    if isinstance(node, ast.JoinedStr):  # Python 3.12 puts empty pieces into f-strings
        return f"JoinedStr[{','.join(_canonical(piece) for piece in node.values if not _is_empty(piece))}]"
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!r}"
    if isinstance(node, ast.AST):
        children = (
            (name, child) for name, child in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment")
        )
        parts = (f"{name}={_canonical(child)}" for name, child in children if child is not None and child != [])
        return f"{type(node).__name__}({','.join(parts)})"
    return repr(node)
