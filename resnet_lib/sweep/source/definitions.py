"""This module finds what the names in some packages stand for, through whatever files, imports and aliases."""

import functools
import os
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from resnet_lib.sweep.source.scopes import Imported, Lookup
from resnet_lib.sweep.source.syntax import Module, TopLevel

DYNAMIC = {"globals", "locals", "vars", "eval", "exec"}  # they may reach all of their module, so it counts whole


class Definition(NamedTuple):
    """A name in a module, with all statements that bind it, in their order; `*` is all of the module."""

    module: str
    name: str


Text = Sequence[str | Definition]  # a canonical text, with definitions in the place of names
Meaning = tuple[str | Definition, tuple[str, ...]]  # what a name stands for, and the attributes of it that are left


class SourceFile(NamedTuple):
    """A module's file at one moment."""

    name: str
    path: str
    modified: int
    size: int

    @classmethod
    def of(cls, name: str, path: str) -> "SourceFile":
        """A file as it is now."""
        status = os.stat(path)
        return cls(name, path, status.st_mtime_ns, status.st_size)

    def keep(self) -> None:
        """Read it, so that its syntax can be told when there is another file in its place."""
        if self not in _kept:
            _kept[self] = Path(self.path).read_bytes()


_kept: dict[SourceFile, bytes] = {}


def files(folder: str | Path, name: str) -> Iterator[SourceFile]:
    """The modules in a package's folder and below it."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            stem, dot, kind = entry.name.partition(".")
            if kind == "py":
                yield SourceFile.of(name if stem == "__init__" else f"{name}.{stem}", entry.path)
            elif not dot and stem != "__pycache__" and entry.is_dir():
                yield from files(entry.path, f"{name}.{stem}")


@functools.lru_cache(maxsize=2048)
def _parsed(file: SourceFile) -> Module:
    # Time and size are there to read a file again that has changed.
    text = _kept[file] if file in _kept else Path(file.path).read_bytes()
    return Module(file.name, text, is_package=Path(file.path).name == "__init__.py")


class Sources:
    """The modules of some packages as they are at one moment.

    Args:
        found: Their files.
        plumbing: Modules of which only the names count.
    """

    def __init__(self, found: Iterable[SourceFile], plumbing: Collection[str] = ()):
        self.files = {file.name: file for file in found}
        self.packages = {name.partition(".")[0] for name in self.files}
        self.folders = {name[:i] for name in self.files for i, letter in enumerate(name) if letter == "."}
        self.plumbing = plumbing
        self.text = functools.cache(self._text)
        self.references = functools.cache(self._references)

    def module(self, name: str) -> Module | None:
        """The syntax of a module; None where there is no such file."""
        return _parsed(self.files[name]) if name in self.files else None

    def bound(self, definition: Definition) -> list[TopLevel]:
        """The statements of a definition."""
        at, name = definition
        module = self.module(at)
        if module is None and at in self.folders:  # a package without `__init__`
            return []
        if module is None:
            raise ValueError(f"{at} is in no Python file, so nobody can tell when {name} changes; write it into one")
        return module.statements if name == "*" else [module.statements[i] for i in module.binds.get(name, ())]

    def reach(self, roots: Iterable[Definition]) -> set[Definition]:
        """Definitions, and all that they reach: what they name, what that names, and so on."""
        found, todo = set(), list(roots)
        while todo:
            if (definition := todo.pop()) not in found:
                found.add(definition)
                todo += self.references(definition)
        return found

    def follow(self, at: str, name: str, rest: tuple[str, ...] = ()) -> Meaning:
        """What a name with attributes stands for in a module, through all imports, and the attributes that are left."""
        module = self.module(at)
        if module is None or "*" in module.binds:
            return Definition(at, "*"), (name, *rest)
        imports = {module.statements[i].imported for i in module.binds.get(name, ())}
        if len(imports) == 1 and (imported := next(iter(imports))):
            return self.imported(imported, rest)
        if imports:
            return Definition(at, name), rest
        return (Definition(at, "*"), (name, *rest)) if name in DYNAMIC else (".".join((name, *rest)), ())

    def imported(self, imported: Imported, rest: tuple[str, ...] = ()) -> Meaning:
        """What an import stands for, with attributes of it."""
        base, name = imported
        rest = rest if name is None else (name, *rest)
        return self._within(base, rest) if base.partition(".")[0] in self.packages else (".".join((base, *rest)), ())

    def _within(self, base: str, rest: tuple[str, ...]) -> Meaning:
        """What attributes of a module stand for: its names before its submodules, as Python has it."""
        module = self.module(base)
        if base in self.plumbing or not (module or base in self.folders):
            return " ".join(("plumbing" if module else "absent", *rest[:1])), rest[1:]
        if not rest or rest[0] == "*":
            return Definition(base, "*"), ()
        inner = f"{base}.{rest[0]}"
        imports = {module.statements[i].imported for i in module.binds.get(rest[0], ())} if module else set()
        if imports and imports != {Imported(base, rest[0])}:  # which is `from . import submodule`
            return self.follow(base, rest[0], rest[1:])
        if inner in self.files or inner in self.folders:
            return self._within(inner, rest[1:])
        return Definition(base, "*"), rest

    def meaning(self, at: str, lookup: Lookup) -> Meaning:
        """What a lookup stands for in a module, and the attributes that are left."""
        if lookup.imported:
            return self.imported(lookup.imported, lookup.attributes)
        meaning, rest = self.follow(at, lookup.name, lookup.attributes)
        own = meaning == Definition(at, "*") and lookup.use == "of"  # `vars` with an argument asks that, not the module
        return (lookup.name, ()) if own else (meaning, rest)

    def statement(self, at: str, i: int) -> Text:
        """The text of a statement of a module, its names followed."""
        module = self.module(at)
        assert module is not None
        statement = module.statements[i]
        if statement.imported:
            return [*statement.binds, " is ", self.imported(statement.imported)[0]]
        text: list[str | Definition] = []
        for piece in statement.pieces:
            if isinstance(piece, str):
                text.append(piece)
                continue
            meaning, rest = self.meaning(at, piece)
            text += [f"{piece.name}|" * piece.maybe, meaning, *(f".{attribute}" for attribute in rest)]
            if isinstance(meaning, Definition) and meaning.module == at:
                text.append(_order(module.touched.get(meaning.name, ()), i))
        return text

    def _text(self, definition: Definition) -> Text:
        """The text of all statements of a definition."""
        at, name = definition
        statements, module = self.bound(definition), self.module(at)
        chosen = range(len(statements)) if name == "*" or module is None else module.binds.get(name, ())
        text = [name, *(piece for i in chosen for piece in ("\n", *self.statement(at, i)))]
        if name == "*":  # a package's submodules are attributes of it
            inner = sorted(file for file in self.files if file.rpartition(".")[0] == at and file not in self.plumbing)
            text += [piece for file in inner for piece in (f"\n{file.rpartition('.')[2]} is ", Definition(file, "*"))]
        return text

    def _references(self, definition: Definition) -> set[Definition]:
        return {piece for piece in self.text(definition) if isinstance(piece, Definition)}


def _order(touched: Sequence[int], i: int) -> str:
    """How many of the statements that bind or change a name come before statement `i`, where not all of them do."""
    before = bisect_left(touched, i)
    return f"#{before}" if 1 < len(touched) != before else ""
