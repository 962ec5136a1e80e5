"""This module reads one Python file as hashes need it: what each statement binds, looks up, and does on import.

It follows no name beyond the file, and runs nothing.
"""

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from resnet_lib.sweep.source.scopes import DEFINITIONS, IMPORTS, Lookup, bindings, lookups, same_scope

ASSIGNMENTS = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Delete
BRANCHES = ast.If | ast.For | ast.While | ast.Try | ast.TryStar | ast.Match | ast.Pass | ast.Break | ast.Continue


class Module:
    """A file: its top-level statements in their order, and which of them bind a name (`*` for a star import)."""

    def __init__(self, name: str, text: bytes, *, is_package: bool):
        tree = ast.parse(text)
        _make_absolute(tree, name if is_package else name.rpartition(".")[0])
        self.statements = [TopLevel(node, typing) for node, typing in _split(tree.body)]
        self.binds: dict[str, list[int]] = {}
        for i, statement in enumerate(self.statements):
            for bound in statement.binds:
                self.binds.setdefault(bound, []).append(i)

    @functools.cached_property
    def loads(self) -> set[str]:
        """The modules that it imports when it is imported."""
        return {name for statement in self.statements for name in statement.loads}

    @functools.cached_property
    def touched(self) -> dict[str, list[int]]:
        """The statements, by name, that bind it or, run on import, may change what it stands for."""
        found = {name: set(positions) for name, positions in self.binds.items()}
        for i, statement in enumerate(self.statements):
            for lookup in statement.lookups:
                if lookup.now and lookup.name in found:
                    defined = any(self.statements[k].is_definition for k in self.binds[lookup.name])
                    found[lookup.name] |= {i} if lookup.alters(lookup.attributes, defined) else set()
        return {name: sorted(positions) for name, positions in found.items()}


class TopLevel:
    """A top-level statement.

    Attributes:
        node: Its syntax tree; imports in it are absolute.
        binds: Names that it binds.
        imported: What it binds, where it is an import.
        loads: Modules that it imports, those that only type checkers see left out.
    """

    def __init__(self, node: ast.stmt, typing: bool):
        self.node = node
        bound = dict(bindings([node]))
        self.binds = frozenset(bound)
        self.imported = next(iter(bound.values())) if isinstance(node, IMPORTS) else None
        inner = () if typing else (part for part in same_scope([node]) if isinstance(part, IMPORTS))
        self.loads = tuple(module for part in inner for module in _loaded(part))

    @functools.cached_property
    def pieces(self) -> Sequence[Any]:
        """Its canonical text, cut where it looks something up: text, `Lookup`, text, ..., `Lookup`, text."""
        found = list(lookups(self.node))
        marks = {id(at): f"\0{i}\0" if lookup else "" for i, (at, lookup) in enumerate(found)}
        texts = canonical(self.node, marks).split("\0")
        return [found[int(text)][1] if i % 2 else text for i, text in enumerate(texts)]

    @property
    def lookups(self) -> Sequence[Lookup]:
        """What it looks up in its module."""
        return self.pieces[1::2]

    @property
    def is_definition(self) -> bool:
        """Whether it is a function or a class."""
        return isinstance(self.node, DEFINITIONS)

    @property
    def is_alias(self) -> bool:
        """Whether it gives one more name to something."""
        return isinstance(self.node, ast.Assign) and isinstance(self.node.value, ast.Name | ast.Attribute)

    @functools.cached_property
    def effects(self) -> Sequence[Lookup | None]:
        """What it does on import besides binding names and assigning: what each bare call calls; None for all else."""
        parts = [part for part in same_scope([self.node]) if isinstance(part, ast.stmt) and not _is_text(part)]
        others = [part for part in parts if not isinstance(part, DEFINITIONS | IMPORTS | ASSIGNMENTS | BRANCHES)]
        calls = [lookups(part) if isinstance(part, ast.Expr) else iter(()) for part in others]
        return [next((lookup for _, lookup in found), None) for found in calls]


def _make_absolute(tree: ast.Module, package: str) -> None:
    """Write the modules of relative imports in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package.split(".")[: package.count(".") + 2 - node.level]
            node.module, node.level = ".".join((*above, *filter(None, [node.module]))), 0


def _split(body: Iterable[ast.stmt], typing: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Statements that bind one name each, as far as that can be, and whether only type checkers see them."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((ast.Import([alias]), typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((ast.ImportFrom(node.module, [alias], 0), typing) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from _split(node.body, typing=True)
            yield from _split(node.orelse, typing)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            yield from _split(node.orelse, typing)
        elif isinstance(node, ast.Assign):
            yield from ((part, typing) for part in _single(node))
        elif not _is_text(node):
            yield node, typing


def _single(node: ast.Assign) -> list[ast.Assign]:
    """`A, B = 1, 2` as its two assignments, where none of them could see the other."""
    target, value = node.targets[0], node.value
    if len(node.targets) > 1 or not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple):
        return [node]
    bound = {part.id for part in target.elts if isinstance(part, ast.Name)}
    inner = list(ast.walk(value))
    apart = len(bound) == len(target.elts) == len(value.elts)
    apart &= not bound & {part.id for part in inner if isinstance(part, ast.Name)}
    if not apart or any(isinstance(part, ast.Starred | ast.NamedExpr) for part in inner):
        return [node]
    return [ast.Assign([name], part) for name, part in zip(target.elts, value.elts, strict=True)]


def _loaded(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Modules that an import may load: of `from a import b` a, and a.b, which may be a name of a instead."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.name
        else:
            yield from (node.module or "", f"{node.module}.{alias.name}")


def canonical(node: Any, marks: Mapping[int, str] | None = None) -> str:
    """Text of a syntax tree, the same for Python 3.11 to 3.13: `ast.dump` and `ast.unparse` differ between them.

    Args:
        node: The tree, or a part of it.
        marks: What to write instead of some nodes, by their `id`; the text of imports then holds no module.
    """
    if marks and id(node) in marks:
        return marks[id(node)]
    if isinstance(node, list):
        texts = (canonical(child, marks) for child in node if not _is_text(child))
        return f"[{','.join(filter(None, texts))}]"
    if isinstance(node, ast.JoinedStr):  # Python 3.12 puts empty pieces into f-strings
        return f"JoinedStr[{','.join(canonical(piece, marks) for piece in node.values if not _is_empty(piece))}]"
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!r}"
    if isinstance(node, ast.AST):
        free = {"ctx", "kind", "type_comment"} | ({"module"} if marks is not None else set())
        children = ((name, child) for name, child in ast.iter_fields(node) if name not in free)
        parts = (f"{name}={canonical(child, marks)}" for name, child in children if child is not None and child != [])
        return f"{type(node).__name__}({','.join(parts)})"
    return repr(node)


def _is_text(node: Any) -> bool:
    """Whether a statement is only a string: a docstring, of whatever it stands below."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""
