"""Copies of the package for the tests of `source`: changed, and moved out of the rooms."""

import ast
import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import resnet_lib
from resnet_lib.cli import catalogue
from resnet_lib.sweep import source
from resnet_lib.sweep.source import Digests
from resnet_lib.sweep.source.definitions import Sources, files

TICKS = itertools.count(1)


def roots() -> dict[str, list[source.Definition]]:
    """What the source of each experiment of the book starts from."""
    return {each.name: [source._origin(root) for root in each.roots] for each in catalogue.find(None)}


class Copy:
    """The package in a folder of its own; nothing of it is imported."""

    def __init__(self, folder: Path):
        self.folder, self.plumbing = folder / "resnet_lib", source.PLUMBING
        original = Path(resnet_lib.__file__).parent
        shutil.copytree(original, self.folder, ignore=lambda _, names: {n for n in names if n == "__pycache__"})

    @property
    def sources(self) -> Sources:
        """The modules as they are now."""
        return Sources(files(self.folder, "resnet_lib"), self.plumbing)

    def digests(self, origins: Mapping[str, list[source.Definition]]) -> dict[str, str]:
        """The digest of each experiment."""
        found = Digests(self.sources)
        return {name: found.of(*definitions) for name, definitions in origins.items()}

    @contextlib.contextmanager
    def changed(self, texts: Mapping[Path, str]) -> Iterator[None]:
        """Change files, and change them back, with their times: what was read of them before is still right then."""
        before = {path: (path.read_text(), path.stat()) for path in texts}
        for path, text in texts.items():
            path.write_text(text)
            now = before[path][1].st_mtime_ns + next(TICKS)  # another time, even where the clock is coarse
            os.utime(path, ns=(now, now))
        try:
            yield
        finally:
            for path, (text, status) in before.items():
                path.write_text(text)
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def move(self) -> int:
        """Move all modules out of their rooms, under other names, and rewrite all imports; how many were moved."""
        files = (path for path in self.folder.glob("*/*") if path.suffix == ".py" or (path / "__init__.py").exists())
        inner = [path for path in files if path.parent.name != "experiments" and path.stem[:2] != "__"]
        moved = {f"{path.parent.name}.{path.stem}": f"{path.parent.name}_{path.stem}" for path in inner}
        for path in sorted(self.folder.rglob("*.py")):
            path.write_text(_rewritten(path.read_text(), moved))
        for path in inner:
            path.rename(self.folder / f"{path.parent.name}_{path.name}")
        self.plumbing = frozenset(f"resnet_lib.{_moved(name.split('.', 1)[1], moved)}" for name in source.PLUMBING)
        return len(moved)


def _moved(name: str, moved: Mapping[str, str]) -> str:
    """Where a module is now, by its name below the package."""
    found = next((old for old in moved if f"{name}.".startswith(f"{old}.")), None)
    return name if found is None else moved[found] + name.removeprefix(found)


def _rewritten(text: str, moved: Mapping[str, str]) -> str:
    """The text of a module, its imports from where they were moved."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "resnet_lib":
            new = []
            for alias in node.names:
                full = ".".join((node.module or "", alias.name)).partition(".")[2]
                base, _, name = f"resnet_lib.{_moved(full, moved)}".rpartition(".")
                new.append(f"from {base} import {name} as {alias.asname or alias.name}")
            lines[node.lineno - 1] = " " * node.col_offset + "; ".join(new)
            for i in range(node.lineno, node.end_lineno or node.lineno):
                lines[i] = ""
    return "\n".join(lines)
