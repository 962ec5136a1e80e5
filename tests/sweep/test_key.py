"""Settings as JSON, and the hash that names a trial."""

import itertools
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from setting_classes import Thawed, Unit

from resnet_lib.sweep import Grid, key, provenance
from resnet_lib.sweep.key import as_json


@dataclass(frozen=True)
class Nested:
    unit: Any


def test_a_field_that_is_no_json_is_named():
    for value, kind in [
        (Path("a"), "PosixPath"),
        (np.int64(1), "int64"),
        (float("nan"), "float"),
        ({1}, "set"),
        (int, "type"),
    ]:
        with pytest.raises(
            ValueError, match=rf"settings\[1\]\.unit=.* is a {kind} that a key cannot hold; allowed are bool"
        ):
            Grid((Nested(1), Nested(value)), (0,))
    with pytest.raises(ValueError, match=r"settings\[0\]\.unit\[1\]\.order=b'x' is a bytes"):
        Grid((Nested((1, Unit(b"x"))),), (0,))  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        ValueError, match=r"settings\[0\]\.unit is a Thawed, which can change; use @dataclass\(frozen=True\)"
    ):
        Grid((Nested(Thawed()),), (0,))


def test_classes_with_the_same_fields_have_different_keys():
    @dataclass(frozen=True)
    class Twin:
        order: str

    assert as_json(Twin("a")) != as_json(Unit("a"))


def test_key_depends_on_every_part_and_on_no_order():
    parts = {"a": 1, "b": [1, 2], "c": {"x": 1, "y": 0.1}}
    variants = [parts, parts | {"a": 2}, parts | {"b": [2, 1]}, parts | {"c": {"x": 1, "y": 0.1000001}}, {"a": 1}]
    keys = [key.key(variant) for variant in variants]
    assert all(a != b for a, b in itertools.combinations(keys, 2))
    assert key.key(dict(reversed(parts.items()))) == keys[0]
    assert set(keys[0]) <= set(string.hexdigits)
    assert len(keys[0]) == 64


def test_a_name_depends_on_the_source_the_versions_and_the_kind_of_device():
    known: Any = {"source": "a", "versions": {"torch": "2"}, "device": "cuda"}
    name = key.named({"setting": 1}, **known)
    assert key.named({"setting": 1}, **known | {"device": "cuda:1"}) == name
    others = ({"source": "b"}, {"versions": {"torch": "3"}}, {"device": "cpu"})
    names = {name, key.named({"setting": 2}, **known), *(key.named({"setting": 1}, **known | one) for one in others)}
    assert len(names) == 5


def test_the_versions_in_a_key_are_those_of_a_stamp_but_for_python_s_patch_number(monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: {"python": "3.12.7", "torch": "2.14.1+cpu"})
    assert key.versions() == {"python": "3.12", "torch": "2.14.1+cpu"}
