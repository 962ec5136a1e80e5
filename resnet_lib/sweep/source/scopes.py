"""This module tells which names of a piece of syntax are looked up in its module, and which are a function's own."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
IMPORTS = ast.Import | ast.ImportFrom
MUTATORS = {"add", "append", "clear", "extend", "insert", "pop", "register", "remove", "setdefault", "sort", "update"}


class Imported(NamedTuple):
    """The meaning of an import: a name of a module, or the module itself (`name` is None)."""

    module: str
    name: str | None


class Lookup(NamedTuple):
    """A name that a statement looks up in its module, and the attributes that follow it.

    Attributes:
        name: As it is written there.
        attributes: `("linalg", "norm")` in `np.linalg.norm`.
        use: `store` where it or something of it is assigned or deleted, `call` where it is called, `effect` where it is
            called for that alone (as a statement, a decorator or a base class), `inside` where a method of something
            that was got from it is called in a way that may change it, `of` in `vars(x)`; else empty.
        now: Whether that happens when the module is imported.
        imported: What it stands for, where an import inside a function binds it.
        maybe: Whether it may be the name of a class body instead.
    """

    name: str
    attributes: tuple[str, ...] = ()
    use: str = ""
    now: bool = False
    imported: Imported | None = None
    maybe: bool = False

    def alters(self, rest: Sequence[str], is_definition: bool) -> bool:
        """Whether that may change what it stands for (a function or class, or a value), whose attributes are `rest`."""
        if is_definition:
            return self.use == "store" or (self.use == "effect" and bool(rest))
        return self.use in ("store", "inside") or _mutates(self.use, rest)


def _mutates(use: str, attributes: Sequence[str]) -> bool:
    """Whether a call of that attribute may change what has it."""
    return bool(attributes) and (use == "effect" or (use == "call" and attributes[-1] in MUTATORS))


def same_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """These nodes and those below them that bind their names in the same place: no bodies of functions and classes."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            todo += _around(node)
        elif isinstance(node, ast.comprehension):
            todo += (node.iter, *node.ifs)
        else:
            todo += ast.iter_child_nodes(node)


def _around(node: Any) -> list[ast.expr]:
    """What a definition evaluates where it stands: what decides on it, defaults, annotations."""
    if isinstance(node, ast.ClassDef):
        return _deciding(node)
    return [*_deciding(node), *node.args.defaults, *filter(None, node.args.kw_defaults), *_annotations(node)]


def _deciding(node: Any) -> list[ast.expr]:
    """Decorators and base classes: code that is handed the definition."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
    return [] if isinstance(node, ast.Lambda) else node.decorator_list


def _annotations(node: Any) -> list[ast.expr]:
    found = [part.annotation for part in _parameters(node)]
    return [part for part in (*found, getattr(node, "returns", None)) if part is not None]


def _parameters(node: Any) -> list[ast.arg]:
    return [part for part in ast.iter_child_nodes(node.args) if isinstance(part, ast.arg)]


def _body(node: Any) -> list[ast.AST]:
    return node.body if isinstance(node.body, list) else [node.body]


def bindings(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Imported | None]]:
    """Names that nodes bind in their own scope, and what they stand for where an import binds them."""
    for node in same_scope(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, None
        elif isinstance(node, ast.Import):
            for alias in node.names:
                whole = Imported(alias.name if alias.asname else alias.name.partition(".")[0], None)
                yield alias.asname or whole.module, whole
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, Imported(node.module or "", alias.name)) for alias in node.names)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest, None
        elif isinstance(node, DEFINITIONS | ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, None


class _Scope(NamedTuple):
    """Names of the functions around a node and of the class body that it stands in, and whether it runs on import."""

    local: Mapping[str, Imported | None] = {}
    body: frozenset[str] = frozenset()
    now: bool = True

    def within(self, node: ast.AST) -> "_Scope":
        """The scope of a function's body."""
        found: dict[str, Imported | None] = {part.arg: None for part in _parameters(node)}
        for name, imported in bindings(_body(node)):
            found[name] = None if name in found else imported
        declared, outer = set(), dict(self.local)
        for part in same_scope(_body(node)):
            if isinstance(part, ast.Global | ast.Nonlocal):
                declared.update(part.names)
            if isinstance(part, ast.Global):
                outer = {name: imported for name, imported in outer.items() if name not in part.names}
        return _Scope({**outer, **{name: found[name] for name in found.keys() - declared}}, now=False)


MODULE = _Scope()
Found = Iterator[tuple[ast.AST, Lookup | None]]


def lookups(node: Any, scope: _Scope = MODULE, use: str = "") -> Found:
    """The nodes that stand for something of the module, and what; None for those whose text does not count."""
    if isinstance(node, FUNCTIONS | ast.ClassDef):
        yield from _defined(node, scope)
    elif isinstance(node, COMPREHENSIONS):
        first = node.generators[0].iter  # the only part that is evaluated outside
        yield from lookups(first, scope)
        parts = [part for each in ast.iter_child_nodes(node) for part in _clauses(each) if part is not first]
        targets = {name: None for each in node.generators for name, _ in bindings([each.target])}
        for part in parts:
            yield from lookups(part, _Scope({**scope.local, **targets}, now=scope.now))
    elif isinstance(node, IMPORTS):
        yield from _inner_import(node, scope)
    elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        stored = not isinstance(node.ctx, ast.Load) and not isinstance(node, ast.Name)
        yield from _chain(node, scope, "store" if stored else use)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from lookups(node.value, scope, "effect")
    elif isinstance(node, ast.Call):
        asked = isinstance(node.func, ast.Name) and node.func.id == "vars" and node.args
        yield from lookups(node.func, scope, "of" if asked else use or "call")
        for part in (*node.args, *node.keywords):
            yield from lookups(part, scope)
    else:
        for part in ast.iter_child_nodes(node):
            yield from lookups(part, scope)


def _defined(node: Any, scope: _Scope) -> Found:
    """Lookups of a function or class."""
    deciding, annotations = _deciding(node), [] if isinstance(node, ast.ClassDef) else _annotations(node)
    for part in _around(node):
        here = scope._replace(now=False) if part in annotations else scope
        yield from lookups(part, here, "effect" if part in deciding else "")
    if isinstance(node, ast.ClassDef):
        here = scope._replace(body=frozenset(name for name, _ in bindings(node.body)))
    else:
        here = scope.within(node)
    for part in _body(node):
        yield from lookups(part, here)


def _clauses(node: ast.AST) -> Iterable[ast.AST]:
    return ast.iter_child_nodes(node) if isinstance(node, ast.comprehension) else [node]


def _chain(node: ast.Name | ast.Attribute | ast.Subscript, scope: _Scope, use: str) -> Found:
    """Lookups of a name with what follows it: `a.b.c`, `a.b[c]`, `f(a).b`."""
    attributes: list[str] = []
    root: ast.AST = node
    while isinstance(root, ast.Attribute):
        attributes.insert(0, root.attr)
        root = root.value
    if isinstance(root, ast.Subscript):
        yield from lookups(root.value, scope, _inside(use, attributes))
        yield from lookups(root.slice, scope)
    elif isinstance(root, ast.Call):
        yield from lookups(root, scope, _inside(use, attributes))
    elif not isinstance(root, ast.Name):
        yield from lookups(root, scope)
    elif root.id in scope.body:
        if isinstance(root.ctx, ast.Load):
            yield node, Lookup(root.id, tuple(attributes), maybe=True)
    elif root.id in scope.local:
        if (imported := scope.local[root.id]) is not None:
            yield node, Lookup(root.id, tuple(attributes), use, scope.now, imported)
    elif isinstance(root.ctx, ast.Load):
        yield node, Lookup(root.id, tuple(attributes), use, scope.now)
    elif not scope.now:  # declared global in a function
        yield node, Lookup(root.id, use="store", maybe=True)


def _inside(use: str, attributes: Sequence[str]) -> str:
    """The use of what something was got from, of which an attribute is used."""
    return "store" if use == "store" else "inside" if use == "inside" or _mutates(use, attributes) else ""


def _inner_import(node: ast.Import | ast.ImportFrom, scope: _Scope) -> Found:
    """What an import below a statement binds, where its uses do not say it already."""
    silent = []
    for alias, (name, imported) in zip(node.names, bindings([node]), strict=True):
        silent.append(scope.local.get(name) is not None)
        yield alias, None if silent[-1] else Lookup(name, imported=imported, maybe=True)
    if all(silent):
        yield node, None
