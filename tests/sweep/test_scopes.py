"""Which names a piece of syntax looks up in its module, by examples of every kind of scope that Python has."""

import ast
import textwrap

import pytest

from resnet_lib.sweep.source import scopes
from resnet_lib.sweep.source.scopes import Imported, Lookup


def lookups(text: str) -> list[Lookup]:
    """What the first statement of a text looks up."""
    (node, *_) = ast.parse(textwrap.dedent(text)).body
    return [found for _, found in scopes.lookups(node) if found is not None]


def names(text: str) -> set[tuple[str, ...]]:
    return {(found.name, *found.attributes) for found in lookups(text)}


@pytest.mark.parametrize(
    ("text", "looked_up"),
    [
        ("X = Y + 1", {("Y",)}),
        ("def f(a, b=DEFAULT): return a + b + GLOBAL", {("DEFAULT",), ("GLOBAL",)}),
        ("def f(a: Kind) -> np.ndarray: ...", {("Kind",), ("np", "ndarray")}),
        ("def f(x):\n    y = np.linalg.norm(x)\n    return y.item()", {("np", "linalg", "norm")}),
        ("def f():\n    def g(): return x + Y\n    x = 1\n    return g", {("Y",)}),
        ("X = [x * SCALE for x in DATA if x > LEAST]", {("SCALE",), ("DATA",), ("LEAST",)}),
        ("X = [y for x in DATA for y in x]", {("DATA",)}),
        ("f = lambda x, y=Z: x + y + W", {("Z",), ("W",)}),
        ("def f():\n    with OPEN as a, B: return a", {("OPEN",), ("B",)}),
        ("def f(p):\n    match p:\n        case {'k': v, **rest} | [v, *rest]: return v, rest, W", {("W",)}),
        ("def f():\n    try: G()\n    except E as error: raise error", {("G",), ("E",)}),
        (
            "class A(Base, metaclass=Meta):\n    def f(self): return y\n    y = W",
            {("Base",), ("Meta",), ("y",), ("W",)},
        ),
        ("@decorate(X)\ndef f(): ...", {("decorate",), ("X",)}),
        ("def f():\n    if (n := len(DATA)) > 1: return n", {("len",), ("DATA",)}),
    ],
)
def test_what_is_a_function_s_own_is_not_looked_up(text: str, looked_up: set[tuple[str, ...]]):
    assert names(text) == looked_up


def test_defaults_and_decorators_are_looked_up_on_import_and_bodies_later():
    found = {lookup.name: lookup.now for lookup in lookups("@now\ndef f(a=now_too, b: later = 1): return later_too")}
    assert found == {"now": True, "now_too": True, "later": False, "later_too": False}


@pytest.mark.parametrize(
    ("text", "name", "use"),
    [
        ("T['a'] = 1", "T", "store"),
        ("T.a = 1", "T", "store"),
        ("del T['a']", "T", "store"),
        ("T.append(1)", "T", "effect"),
        ("x = T.pop()", "T", "call"),
        ("x = f(1)", "f", "call"),
        ("T['a'].append(1)", "T", "inside"),
        ("@register\ndef f(): ...", "register", "effect"),
        ("x = vars(T)", "vars", "of"),
        ("x = T", "T", ""),
    ],
)
def test_how_a_name_is_used(text: str, name: str, use: str):
    assert [lookup.use for lookup in lookups(text) if lookup.name == name] == [use]


def test_a_name_of_a_class_body_may_be_the_module_s():
    (found,) = (lookup for lookup in lookups("class A:\n    y = 1\n    z = y") if lookup.name == "y")
    assert found.maybe


def test_a_global_name_is_stored_into_the_module():
    assert lookups("def f():\n    global X\n    X = 1") == [Lookup("X", use="store", maybe=True)]


def test_an_import_in_a_function_says_what_its_uses_mean():
    (found,) = lookups("def f():\n    from m import g as h\n    return h.a()")
    assert (found.name, found.attributes, found.imported) == ("h", ("a",), Imported("m", "g"))
    (unused,) = lookups("def f():\n    import m.n\n    m = 1")  # bound twice: which of them is meant is not known
    assert unused.imported == Imported("m", None)


def test_what_statements_bind():
    text = (
        "import a.b, c.d as e\nfrom f import g as h\nx, (y, *z) = 1, (2, 3)\nfor i in (): j: int = 1\nclass K: l = 1\n"
    )
    assert dict(scopes.bindings(ast.parse(text).body)) == {
        "a": Imported("a", None),
        "e": Imported("c.d", None),
        "h": Imported("f", "g"),
        **dict.fromkeys(("x", "y", "z", "i", "j", "K")),
    }


@pytest.mark.parametrize(
    ("lookup", "rest", "of_a_value", "of_a_definition"),
    [
        (Lookup("T", use="store"), (), True, True),
        (Lookup("T", use="inside"), (), True, False),
        (Lookup("T", ("append",), "call"), ("append",), True, False),
        (Lookup("T", ("index",), "call"), ("index",), False, False),
        (Lookup("T", ("index",), "effect"), ("index",), True, True),
        (Lookup("T", (), "effect"), (), False, False),
        (Lookup("T", ("append",)), ("append",), False, False),
    ],
)
def test_which_uses_may_change_what_a_name_stands_for(lookup, rest, of_a_value, of_a_definition):
    assert lookup.alters(rest, is_definition=False) is of_a_value
    assert lookup.alters(rest, is_definition=True) is of_a_definition
