"""Hash of the definitions that a function reaches, so that an outdated result is recognised.

This package reads syntax trees. It runs nothing of what it reads, and knows no experiment.
"""

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from resnet_lib.sweep.source.definitions import Definition, SourceFile, Sources, Text, files
from resnet_lib.sweep.source.scopes import Lookup
from resnet_lib.sweep.source.syntax import TopLevel

PACKAGE = __name__.partition(".")[0]
CHAPTERS = "experiments"
OPAQUE = "__import__", "importlib.import_module", "sys.modules"  # nobody can say what these reach

_ROOMS = {
    "sweep": "cache experiment key progress provenance results runner signals spent table trial turns workers",
    "sweep.source": "definitions scopes syntax",
    "training": "checkpoints kept",
    "data": "downloads official releases shelf sources store",
}
_INNER = (f"{room}.{name}" for room, names in _ROOMS.items() for name in names.split())
PLUMBING = frozenset(f"{PACKAGE}.{name}" for name in ("files", "sweep.source", *_INNER))
"""How trials are started, kept and stamped, and how data are fetched: moves tables and computes none. In every key
`key.FORMAT` stands for the one, and the checksums of the data for the other."""


def digest(*roots: Callable) -> str:
    """SHA-256 of the definitions that functions or classes reach: what they name, what that names, and so on.

    A definition counts with its text, in which each name is the digest of what it stands for. So the path of a module,
    an alias, the text of an import, a docstring, a comment and what nobody reaches have no part in it. Two things count
    besides, in each module that is imported: a statement that, run on import, may change what is reached
    (`TABLE["a"] = f`, `@TABLE.append`), and one whose effect its text does not tell (`print()`). A module that is used
    other than by its attributes (`getattr(module, name)`) counts whole, and so does one with `globals()` or a star
    import. Of `PLUMBING` and of other packages only the names count; their versions are in every key.

    Not seen is what an assignment changes by handing it to a function (`X = fill(TABLE)`), or what a function that an
    assignment calls changes under another name (`table = TABLE; table["a"] = f`).

    Raises:
        ValueError: Where a root is not importable by its name: a lambda, a closure, or defined in a notebook. Where
            what it reaches looks up modules or subclasses by text.
    """
    origins = [_origin(root) for root in roots]
    return _now(origins).of(*origins)


def remember(*roots: Callable) -> None:
    """Remember the files as they are now for `digest_as_imported`; called right after the objects' import.

    It reads files and no syntax, which takes a hundred times as long, and which an import alone does not need.

    Raises:
        ValueError: Where a root is not importable by its name.
    """
    if roots not in _imported:
        _imported[roots] = _found([_origin(root) for root in roots])
        for file in _imported[roots]:
            file.keep()


@functools.cache
def digest_as_imported(*roots: Callable) -> str:
    """`digest` of the files as they were at the first `remember` or call for these objects."""
    remember(*roots)
    return _digests(_imported[roots]).of(*map(_origin, roots))


_imported: dict[tuple[Callable, ...], tuple[SourceFile, ...]] = {}


def reached(*roots: Callable) -> set[Definition]:
    """The definitions that `digest` covers, besides what acts on them on import."""
    origins = [_origin(root) for root in roots]
    return _now(origins).sources.reach(origins)


def _origin(root: Callable) -> Definition:
    """The top-level definition that holds a function or class."""
    name, path = getattr(root, "__module__", "__main__"), getattr(root, "__qualname__", "")
    found: Any = sys.modules.get(name)
    for part in path.split("."):
        found = getattr(found, part, None)
    if name == "__main__" or found is not root:
        raise ValueError(
            f"{root!r} cannot be imported by its name, so neither another process nor a later run would find the same "
            f"code; define it at the top level of a module, such as those of {PACKAGE}.{CHAPTERS}"
        )
    return Definition(name, path.partition(".")[0])


def _now(origins: Iterable[Definition]) -> "Digests":
    return _digests(_found(origins))


def _found(origins: Iterable[Definition]) -> tuple[SourceFile, ...]:
    """The files, as they are now, of this package and of those that definitions are in."""
    tops = sorted({PACKAGE, *(origin.module.partition(".")[0] for origin in origins)})
    return tuple(file for top in tops for file in _files(top))


def _files(top: str) -> Iterator[SourceFile]:
    spec = importlib.util.find_spec(top)
    if spec and spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            yield from files(folder, top)
    elif spec and spec.origin and Path(spec.origin).is_file():
        yield SourceFile.of(top, spec.origin)


@functools.lru_cache(maxsize=4)
def _digests(found: tuple[SourceFile, ...]) -> "Digests":
    return Digests(Sources(found, PLUMBING))


class Digests:
    """Digests of definitions with what they reach, and with what acts on that on import."""

    def __init__(self, sources: Sources):
        self.sources = sources
        self.of = functools.cache(self._of)
        self._known: dict[Definition, str] = {}
        self._acts, self._changes = functools.cache(self._find_acts), functools.cache(self._find_changes)

    def _of(self, *roots: Definition) -> str:
        acts = {
            at: [piece for i in sorted(chosen) for piece in ("\n", *self.sources.statement(at, i))]
            for at, chosen in self._acting(roots).items()
        }
        counted = {*roots, *(piece for text in acts.values() for piece in text if isinstance(piece, Definition))}
        for definition in self.sources.reach(counted):
            self._require_plain(definition)
        for definition in counted:
            self._learn(definition)
        return self._hash([*sorted(self._known[root] for root in roots), *sorted(map(self._hash, acts.values()))])

    def _require_plain(self, definition: Definition) -> None:
        texts = [piece for piece in self.sources.text(definition) if isinstance(piece, str)]
        if opaque := [text for text in texts if text.startswith(OPAQUE) or "__subclasses__" in text]:
            what = "__subclasses__" if "__subclasses__" in opaque[0] else opaque[0]
            raise ValueError(
                f"{definition.name} in {definition.module} uses {what}, and what that reaches cannot be told; name "
                "what is meant, by an import statement or in a table"
            )

    def _learn(self, root: Definition) -> None:
        """Find the digest of a definition, after those of what it reaches."""
        for circle in circles(root, self.sources.references, self._known):
            found = dict.fromkeys(circle, "circle")
            for _ in range(2 * len(circle)):  # as far as two circles of that size can look alike and yet differ
                found = {each: self._hash(self.sources.text(each), found) for each in circle}
            self._known |= found

    def _hash(self, text: Text, circle: Mapping[Definition, str] | None = None) -> str:
        near = circle or {}
        parts = (piece if isinstance(piece, str) else near.get(piece) or self._known[piece] for piece in text)
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def _acting(self, roots: Iterable[Definition]) -> dict[str, set[int]]:
        """The statements, by module, whose running on import may change what is reached, or anything."""
        reached, acting = self.sources.reach(roots), {}
        while True:
            loaded = self._loaded({definition.module for definition in reached})
            acts = ((at, i, changed) for at in loaded for i, changed in self._acts(at))
            new = [(at, i) for at, i, changed in acts if changed is None or changed & reached]
            new = [(at, i) for at, i in new if i not in acting.get(at, ())]
            if not new:
                return acting
            for at, i in new:
                acting.setdefault(at, set()).add(i)
                named = (piece for piece in self.sources.statement(at, i) if isinstance(piece, Definition))
                reached |= self.sources.reach(named)

    def _loaded(self, modules: Iterable[str]) -> set[str]:
        """The modules that are imported with some modules, and the packages that they are in."""
        found, todo = set(), list(modules)
        while todo:
            name = todo.pop()
            module = None if name in found or name in self.sources.plumbing else self.sources.module(name)
            if module is not None:
                found.add(name)
                todo += (name.rpartition(".")[0], *module.loads)
        return found

    def _find_acts(self, at: str) -> list[tuple[int, frozenset[Definition] | None]]:
        """The statements of a module that do something on import, and what they may change; None for anything."""
        module = self.sources.module(at)
        found = [(i, self._changed_by(at, each)) for i, each in enumerate(module.statements if module else ())]
        return [(i, None if changed is None else frozenset(changed)) for i, changed in found if changed != set()]

    def _changed_by(self, at: str, statement: TopLevel) -> set[Definition] | None:
        """What running a statement on import may change; None for anything."""
        if statement.imported:
            return set()
        if statement.binds == {"_"} or not all(lookup and self._altered(at, lookup) for lookup in statement.effects):
            return None  # a result that nobody wants is there for its effect
        named = [(self.sources.meaning(at, lookup)[0], lookup) for lookup in statement.lookups if lookup.now]
        texts = [(meaning, lookup) for meaning, lookup in named if isinstance(meaning, str)]
        if any(lookup.use == "store" and not lookup.maybe for _, lookup in texts):
            return None  # something of another package
        plumbing = any(meaning.startswith("plumbing") for meaning, _ in texts)  # which calls nothing that it is handed
        changed, own = set(), {meaning for meaning, _ in named if isinstance(meaning, Definition)}
        for meaning, lookup in named:
            if isinstance(meaning, Definition):
                changed |= self._altered(at, lookup)
                handed = not statement.is_definition and not plumbing and self._is_definition(meaning)
                changed |= self._changes(meaning) if lookup.use or handed else set()
        through = any(each.module == at and each.name in statement.binds for each in changed)  # the variable of a loop
        return changed | own if through else changed

    def _find_changes(self, definition: Definition) -> frozenset[Definition]:
        """What calling a definition may change."""
        found: set[Definition] = set()
        for each in self.sources.reach([definition]):
            lookups = (lookup for statement in self.sources.bound(each) for lookup in statement.lookups)
            found.update(*(self._altered(each.module, lookup) for lookup in lookups))
        return frozenset(found)

    def _altered(self, at: str, lookup: Lookup) -> set[Definition]:
        """What a lookup may change: what it stands for, and what that is another name of."""
        meaning, rest = self.sources.meaning(at, lookup)
        if not isinstance(meaning, Definition) or not lookup.alters(rest, self._is_definition(meaning)):
            return set()
        aliases = (statement for statement in self.sources.bound(meaning) if statement.is_alias)
        inner = (found._replace(use="store") for statement in aliases for found in statement.lookups)
        return {meaning}.union(*(self._altered(meaning.module, found) for found in inner))

    def _is_definition(self, definition: Definition) -> bool:
        return any(statement.is_definition for statement in self.sources.bound(definition))


def circles(
    root: Definition, after: Callable[[Definition], Iterable[Definition]], done: Container[Definition]
) -> Iterator[list[Definition]]:
    """What a definition reaches, those together that reach each other, and before them what they reach (Tarjan 1972).

    Args:
        root: Where to start.
        after: What a definition refers to.
        done: What is not asked for; each list has to be in it before the next one is asked for.
    """
    number: dict[Definition, int] = {}
    lowest: dict[Definition, int] = {}
    path: list[tuple[Definition, Iterator[Definition]]] = []
    unfinished: list[Definition] = []

    def enter(definition: Definition) -> None:
        number[definition] = lowest[definition] = len(number)
        unfinished.append(definition)
        path.append((definition, iter(after(definition))))

    if root not in done:
        enter(root)
    while path:
        here, rest = path[-1]
        for other in rest:
            if other in done:
                continue
            if other not in number:
                enter(other)
                break
            lowest[here] = min(lowest[here], number[other])
        else:
            path.pop()
            if path:
                lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[here])
            if lowest[here] == number[here]:
                start = unfinished.index(here)
                yield unfinished[start:]
                del unfinished[start:]
