"""The picture of a verdict: what was measured, as an interval on an axis, and shaded what its rule allows.

One bar a run, FULL above QUICK, and below them in grey the control. The module draws records, and judges nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnet_lib.evidence import markup
from resnet_lib.evidence.rules import Rule
from resnet_lib.evidence.statements import PRESETS

WIDTH, HEIGHT = 160, 30
"""Of the picture, in pixels of the page."""
MARGIN = 6
LARGEST = 1e300
"""Numbers that differ by more have no picture: their axis would end beyond what a float holds."""
WIDEST = 3.0
"""A control that would make the axis longer than this many times is drawn as an arrow at its end."""


@dataclass(frozen=True)
class Bar:
    """A bar of the picture, with a dot at what was measured.

    Attributes:
        kind: `quick`, `full` or `control`.
        low: Its left end in pixels.
        dot: Its dot.
        high: Its right end.
        y: Its height.
        beyond: "<" or ">" where it lies beyond an end of the axis, else "".
    """

    kind: str
    low: float
    dot: float
    high: float
    y: float
    beyond: str = ""


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, in the unit of what is measured."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        """Where a value lies, in pixels; what is beyond an end lies on it."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)


def picture(record: Mapping[str, Any]) -> str:
    """A verdict as SVG, from `Check.record`; "" where its numbers differ by too little, or too much, for an axis.

    Its colours are classes of the page's style. It is hidden from screen readers: the words beside it say the same.
    """
    rule = Rule.parse(record["rule"])
    runs = {preset: record[preset] for preset in PRESETS if record[preset]}
    ends = [x for run in runs.values() for x in _ends(run, "")] + [x for x in (rule.low, rule.high) if math.isfinite(x)]
    low, high = min(ends), max(ends)
    largest = next(reversed(runs.values()))
    control = _ends(largest, "control_")
    wide = max(high, *control) - min(low, *control)
    if high == low or wide <= WIDEST * (high - low):
        low, high = min(low, *control), max(high, *control)
    if not 0 < high - low < LARGEST:
        return ""
    axis = Axis(low - 0.06 * (high - low), high + 0.06 * (high - low))
    rows = dict(zip(reversed(runs), (7, 14), strict=False))
    bars = [_bar(axis, preset, run, "", rows[preset]) for preset, run in runs.items()]
    bars.append(_bar(axis, "control", largest, "control_", 24))
    left, right = (axis(x) if math.isfinite(x) else end for x, end in ((rule.low, 0), (rule.high, WIDTH)))
    bounds = [axis(x) for x in (rule.low, rule.high) if math.isfinite(x)]
    return markup.render("picture.svg", bars=bars, allowed=(left, right), bounds=bounds, width=WIDTH, height=HEIGHT)


def _ends(run: Mapping[str, Any], part: str) -> tuple[float, float, float]:
    """What a bar spans: its left end, its dot, its right end; without an interval all are the dot."""
    low, effect, high = (run[f"{part}{name}"] for name in ("low", "effect", "high"))
    return (effect, effect, effect) if low is None else (low, effect, high)


def _bar(axis: Axis, kind: str, run: Mapping[str, Any], part: str, y: float) -> Bar:
    low, dot, high = _ends(run, part)
    beyond = "<" if dot < axis.low else ">" if dot > axis.high else ""
    return Bar(kind, axis(low), axis(dot), axis(high), y, beyond)
