"""One file as hashes need it: statements that bind one name each, and a text that no formatting changes."""

import ast
import textwrap

import pytest

from resnet_lib.sweep.source import syntax
from resnet_lib.sweep.source.scopes import Imported


def test_an_empty_piece_of_an_f_string_is_nothing():
    plain, padded = ast.parse("f'{x}'"), ast.parse("f'{x}'")
    padded.body[0].value.values.append(ast.Constant(""))  # pyright: ignore[reportAttributeAccessIssue]
    assert syntax.canonical(padded) == syntax.canonical(plain)


def module(text: str, name: str = "pack.inner.mod") -> syntax.Module:
    return syntax.Module(name, textwrap.dedent(text).encode(), is_package=False)


def test_a_statement_binds_one_name_where_that_can_be():
    found = module(
        """
        import a, b as c
        from d import e, f as g
        X, Y = 1, 2
        P, Q = swap()
        def h(): ...
        """,
    )
    bound = [sorted(statement.binds) for statement in found.statements]
    assert bound == [["a"], ["c"], ["e"], ["g"], ["X"], ["Y"], ["P", "Q"], ["h"]]
    assert [statement.imported for statement in found.statements[:4]] == [
        Imported("a", None),
        Imported("b", None),
        Imported("d", "e"),
        Imported("d", "f"),
    ]
    assert found.binds["Q"] == [6]
    assert [statement.is_definition for statement in found.statements] == [False] * 7 + [True]


def test_relative_imports_are_written_in_full():
    found = module("from . import sibling\nfrom ..other import x\n")
    assert [s.imported for s in found.statements] == [Imported("pack.inner", "sibling"), Imported("pack.other", "x")]
    assert found.loads == {"pack.inner", "pack.inner.sibling", "pack.other", "pack.other.x"}


def test_what_a_module_does_as_a_program_and_for_type_checkers_is_no_part_of_its_import():
    found = module(
        """
        'A module.'
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from a import b
        if __name__ == '__main__':
            run()
        """,
    )
    assert set(found.binds) == {"TYPE_CHECKING", "b"}
    assert found.loads == {"typing", "typing.TYPE_CHECKING"}


def test_statements_that_may_change_a_name_on_import_touch_it():
    found = module(
        """
        TABLE, LIST = {}, []
        TABLE["a"] = 1
        LIST.append(2)
        def later():
            TABLE["b"] = 2
        print(TABLE)
        """,
    )
    assert found.touched["TABLE"] == [0, 2]
    assert found.touched["LIST"] == [1, 3]
    assert [bool(statement.effects) for statement in found.statements] == [False, False, False, True, False, True]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def f(x):\n    'Doc.'\n    return x + 1", "def f(x): return (x + 1)  # why", True),
        ("X = 1_000", "X = 1000", True),
        ("X = 1", "X = 1.0", False),
        ("X = a + b", "X = a - b", False),
        ("X = 'a'", 'X = "a"', True),
        ("X = b'a'", "X = 'a'", False),
        ("def f(x, y=1): ...", "def f(x, y=2): ...", False),
        ("X = [1, 2]", "X = (1, 2)", False),
    ],
)
def test_the_text_of_a_tree_is_what_it_computes_and_not_how_it_is_written(one: str, other: str, same: bool):
    texts = [syntax.canonical(ast.parse(text)) for text in (one, other)]
    assert (texts[0] == texts[1]) is same
