"""Every measure that a notebook checks a claim with is named in a unit test of its chapter, which knows its value."""

import ast
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def checked(notebook: dict) -> Iterator[str]:
    """Names of the measures that the code cells of a notebook give to `claims.check`."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).splitlines()
        for node in ast.walk(ast.parse("\n".join(line for line in lines if not line.startswith(("%", "!"))))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "claims.check":
                measure = node.args[1]
                yield measure.attr if isinstance(measure, ast.Attribute) else ast.unparse(measure)


def named(source: str) -> set[str]:
    """Names and attributes that a test uses."""
    nodes = list(ast.walk(ast.parse(source)))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {
        node.id for node in nodes if isinstance(node, ast.Name)
    }


def unnamed(measures: Iterable[str], sources: Iterable[str]) -> set[str]:
    return set(measures).difference(*map(named, sources))


NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_measure_of_a_claim_has_a_unit_test(path):
    chapter = path.stem.partition("_")[2]
    here = Path(__file__).parent
    files = (*here.glob(f"{chapter}/test_*.py"), *here.glob(f"test_{chapter}.py"))
    tests = [file.read_text() for file in files]
    missing = unnamed(checked(json.loads(path.read_text())), tests)
    assert not missing, f"no test of {chapter} names {', '.join(sorted(missing))}: add its value on a table by hand"


def test_a_measure_that_no_test_names_is_found():
    cell = {
        "cell_type": "code",
        "source": ["claims.check('a.b', measures.one, found)\n", "claims.check('a.c', two, found)"],
    }
    notebook = {"cells": [cell, {"cell_type": "markdown", "source": ["claims.check('a.d', three, x)"]}]}
    assert list(checked(notebook)) == ["one", "two"]
    assert unnamed(checked(notebook), ["assert measures.one(table) == 1  # two"]) == {"two"}
    assert unnamed(checked(notebook), ["x = [two]", "name = 'one'"]) == {"one"}
    assert unnamed(checked(notebook), ["x = [two]", "a.one(table)"]) == set()
