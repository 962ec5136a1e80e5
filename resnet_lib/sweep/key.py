"""Finished trials and trained networks are named by a key: the hash of all that decides them, with settings as JSON.

This module knows no trial and no network. The lock that goes with a key is `files.alone` for one file, and `turns`
for a folder.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from resnet_lib.sweep import provenance

FORMAT = 1  # part of every key; raise it where the way in which trials are run or kept changes their numbers


def key(parts: Mapping[str, Any]) -> str:
    """SHA-256 of JSON values and the format of the files, whatever the order of their keys.

    Example:
        >>> key({"seed": 0, "depth": 20}) == key({"depth": 20, "seed": 0})
        True
    """
    text = json.dumps({"format": FORMAT, "parts": parts}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def named(parts: Mapping[str, Any], *, source: str, versions: Mapping[str, str], device: str) -> str:
    """The key of what is computed: of what it is, and of all that decides its numbers besides.

    Args:
        parts: What it is: setting, seeds, checksums of the data.
        source: `source.digest` of what computes it.
        versions: As `versions` gives them.
        device: To compute on, as torch writes it; only its kind counts.
    """
    kind = device.partition(":")[0]
    return key({**parts, "source": source, "versions": dict(versions), "device": kind})


def versions() -> dict[str, str]:
    """`provenance.versions`, that of Python without its patch number, which changes no number."""
    found = provenance.versions()
    return found | {"python": found["python"].rpartition(".")[0]}


SCALARS = (bool, int, float, str, type(None))


def as_json(value: Any, where: str = "setting") -> Any:
    """A setting as JSON knows it, with the name of its class (no field can be called `class`).

    Args:
        value: A frozen dataclass, or what its fields may hold.
        where: What to call it in an error.

    Raises:
        ValueError: Where a field cannot be written as JSON, with its name.
    """
    if is_dataclass(value) and not isinstance(value, type):
        if not value.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError(f"{where} is a {type(value).__name__}, which can change; use @dataclass(frozen=True)")
        inner = {field.name: as_json(getattr(value, field.name), f"{where}.{field.name}") for field in fields(value)}
        return {"class": type(value).__qualname__} | inner
    if isinstance(value, tuple | list):
        return [as_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, SCALARS) and not (isinstance(value, float) and not np.isfinite(value)):
        return value
    raise ValueError(
        f"{where}={value!r} is a {type(value).__name__} that a key cannot hold; allowed are bool, int, finite float, "
        "str, None, and tuples and frozen dataclasses of these; name it by a str and look it up in the trial"
    )
