"""Copies of the package for the tests of `source`: changed, and moved into rooms."""

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
ROOMS = {
    "linalg": {"roots": "newton", "stiefel": "stiefel", "information": "subspaces"},
    "ode": {"tableaus": "methods", "steppers": "step", "ode": "solve", "convergence": "order"},
    "nets": {
        "units": "units",
        "schemes": "weights",
        "projections": "projections",
        "blocks": "blocks",
        "dynamics": "time_steps",
        "nets": "networks",
        "stochastic_depth": "stochastic_depth",
    },
    "data": {
        "data": "datasets",
        "values": "values",
        "distributions": "official",
        "collection": "store",
        "archives": "downloads",
        "augmentation": "augmentation",
    },
    "sweep": {"grid": "experiment", "cache": "cache", "provenance": "stamp", "results": "stored", "sweep": "run"},
    "training": {
        "recipes": "recipes",
        "optimizers": "optimizers",
        "stacked": "stacked",
        "parallel": "ranks",
        "fits": "fits",
        "training": "loop",
        "checkpoints": "checkpoints",
        "trained": "zoo",
    },
    "analysis": {
        "jacobian": "jacobian",
        "shortcuts": "shortcuts",
        "costs": "costs",
        "lesion": "lesion",
        "lesion_runs": "lesion_scores",
        "paths": "paths",
        "ensembles": "ensembles",
        "flow": "flow",
        "lipschitz": "lipschitz",
    },
    "evidence": {"claims": "claims", "rules": "rules", "figures": "figures", "vega": "charts", "markup": "markup"},
}
"""Where modules could stand, by what they are called today; `sources` of a package tells the hash apart from it."""


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
        """Move modules into rooms, and rewrite all imports; how many were moved."""
        moved = {old: f"{room}.{new}" for room, names in ROOMS.items() for old, new in names.items()}
        texts = {path: _rewritten(path.read_text(), moved) for path in sorted(self.folder.rglob("*.py"))}
        shutil.rmtree(self.folder)
        for path, text in texts.items():
            first, *rest = path.relative_to(self.folder).parts
            old = first.removesuffix(".py")
            target = self.folder / Path(*moved[old].split("."), *rest) if old in moved else path
            target = target.with_suffix(".py")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        for room in ROOMS:
            if not (face := self.folder / room / "__init__.py").exists():
                face.write_text(f'"""The room {room}."""\n')
        names = {name.split(".", 1)[1] for name in source.PLUMBING}
        self.plumbing = frozenset(f"resnet_lib.{moved.get(name, name)}" for name in names)
        return len(moved)


def _rewritten(text: str, moved: Mapping[str, str]) -> str:
    """The text of a module, its imports from where they were moved."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "resnet_lib":
            first, new = node.lineno - 1, []
            _, _, inner = (node.module or "").partition(".")
            for alias in node.names:
                bound = alias.asname or alias.name
                if inner:
                    top, _, rest = inner.partition(".")
                    base = ".".join(filter(None, (moved.get(top, top), rest)))
                    new.append(f"from resnet_lib.{base} import {alias.name} as {bound}")
                elif alias.name in moved:
                    base, _, name = moved[alias.name].rpartition(".")
                    new.append(f"from resnet_lib.{base} import {name} as {bound}")
                else:
                    new.append(f"from resnet_lib import {alias.name} as {bound}")
            lines[first] = " " * node.col_offset + "; ".join(new)
            for i in range(node.lineno, node.end_lineno or node.lineno):
                lines[i] = ""
    return "\n".join(lines)
