"""What code a function reaches, and the hash of it: whether a result that is kept is still that of the code.

Reads syntax trees; runs nothing of what it reads, and knows no experiment.
"""

import ast
import functools
import hashlib
import importlib.util
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
CHAPTERS = "experiments"
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
IMPORTS = ast.Import | ast.ImportFrom
DYNAMIC = {"globals", "vars", "eval", "exec", "__import__"}  # what these reach cannot be read off the syntax tree

_KEPT = ("cache", "checkpoints", "grid", "progress", "provenance", "results", "source", "sweep", "trial", "workers")
_FETCHED = ("archives", "collection", "distributions")
PLUMBING = frozenset(f"{PACKAGE}.{name}" for name in (*_KEPT, *_FETCHED))
"""How trials are started, kept and stamped, and how data are fetched: moves tables and computes none. In every key
`cache.FORMAT` stands for the one, and the checksums of the data for the other."""


def modules(*roots: Callable) -> tuple[str, ...]:
    """Modules of this package, and of the roots' own, whose source `digest` covers, sorted by name."""
    return tuple(sorted(name for name, statements in _reach(roots).items() if statements))


def digest(*roots: Callable) -> str:
    """SHA-256 over the syntax trees that functions or classes reach by static imports, transitively.

    Docstrings, comments and formatting are free. A library module counts whole, with everything that it imports. A
    chapter's module (below `experiments`, or the root's own) holds trials, measures and drawings side by side and so
    counts by definition: what the root names, what that names, and so on. So does the `__init__` of a package.
    Statements that act on import always count. `PLUMBING` does not count, nor do other packages, which count by their
    versions.

    Import from a chapter's module by name (`from ...spectra import trained`): `spectra.trained` makes it count whole.

    Raises:
        ValueError: Where a root is not importable by its name: a lambda, a closure, or defined in a notebook.
    """
    found = hashlib.sha256()
    for name, statements in sorted(_reach(roots).items()):
        found.update("\n".join((f"module {name}", *(statements[i] for i in sorted(statements)), "")).encode())
    return found.hexdigest()


@functools.cache
def digest_as_imported(*roots: Callable) -> str:
    """`digest` at the first call for these objects: called right after their import, that of what is loaded."""
    return digest(*roots)


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
        if module is None or name in PLUMBING:
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
        self.names = functools.cache(lambda i: _named(self.body[i]))
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


def _named(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement looks up in its module, those of functions' own variables left out."""
    tables, names = [symtable.symtable(ast.unparse(statement), "<statement>", "exec")], set()
    for table in tables:
        tables += table.get_children()
        outermost = table.get_type() == "module"
        names |= {s.get_name() for s in table.get_symbols() if s.is_global() or (outermost and s.is_referenced())}
    return names


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
