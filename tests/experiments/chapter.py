"""What a chapter's page says, for the tests that hold its words to the tables they were taken from."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from resnet_lib import sweep

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "chapters"


def stored(experiment: sweep.Experiment) -> pd.DataFrame:
    """The table of its stored result, which is there and not older than the code."""
    found = sweep.stored(experiment, ROOT)
    assert found is not None
    assert not found.stale
    return found.table


def cells(name: str) -> list[dict[str, Any]]:
    """The cells of a chapter, by the name of its notebook without suffix."""
    return json.loads((CHAPTERS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def words(name: str) -> str:
    """The sources of all its cells in one line."""
    return " ".join(" ".join("".join(cell["source"]) for cell in cells(name)).split())


def quick(name: str, claim: str, preset: str = "quick") -> dict[str, Any]:
    """What the page's own run measured for a claim, or what is stored of its `full` one.

    Raises:
        KeyError: The chapter judges no such claim.
    """
    for cell in cells(name):
        for output in cell.get("outputs", ()):
            record = output.get("metadata", {}).get("resnet_lib", {}).get("record", {})
            if record.get("id") == claim:
                return record[preset]
    raise KeyError(claim)
