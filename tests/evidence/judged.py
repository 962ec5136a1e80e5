"""A ledger of three claims and tables that they are judged on, for the tests of this room."""

import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Result, Stamp

LEDGER = """
- id: shift
  chapter: eigenvalue-clustering
  title: A title
  statement: The eigenvalues.
  sources: [text-a]
  when: Where they are.
  claims:
    - id: shift.values
      statement: Every $a<b$ & <b>all</b>.
      role: as-said
      kind: drawn
      measure: distance
      holds_if: every < 1
      control: {measure: distance for $2$, must: every > 2}
      expected: holds
    - id: shift.size
      statement: The size.
      role: as-said
      kind: drawn
      measure: size
      holds_if: 0.9 < mean < 1.1
      control: {measure: size elsewhere, must: mean > 2}
      expected: fails
    - id: shift.middle
      statement: The middle.
      role: as-said
      kind: drawn
      measure: size
      holds_if: median > 0
      control: {measure: size elsewhere, must: every < 0}
      expected: holds
"""

NEAR_ONE = [0.98, 1.0, 1.01, 1.02, 0.99]
"""Values whose mean is 1 within its interval."""


def result(preset: str = "quick", **columns: list[float]) -> Result:
    stamp = Stamp(
        experiment="shift",
        preset=preset,
        command="resnet-lib run shift",
        commit="0123456789abcdef",
        dirty=False,
        source="f" * 64,
        data={"digits": "e" * 64},
        settings=[{"scale": 0.1}, {"scale": 0.5}],
        seeds=[0, 1, 2, 3, 4],
        device="a processor",
        versions={"python": "3.11.1"},
        seconds=12.5,
        created="2025-01-02T03:04:05+00:00",
        peak_memory=10**8,
    )
    return Result(pd.DataFrame(columns), stamp)


def measure(table: pd.DataFrame) -> Evidence:
    return Evidence(values=table["value"].to_numpy(), control=table["control"].to_numpy())
