"""An interactive figure is an Altair chart with native inputs, as a script that a page loads without kernel or network.

This module knows charts; which table they show, and where the script lies, is decided in `figures`. The pages embed it
with Vega, whose JavaScript comes with the package vl-convert (`_ext/book_pages.py`, `_static/interactive.js`).
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import matplotlib as mpl
from matplotlib.colors import to_hex

LIMIT = 600_000  # bytes of one script; a reader on a phone waits for it
DIGITS = 5  # of numbers in the script: finer than a pixel, and equal on machines that differ in the last bits

# Altair numbers what has no name through the whole process; here the numbers begin with every chart.
_NUMBERED = re.compile(r"\b(view|param|concat|layer)_\d+\b")


@runtime_checkable
class Chart(Protocol):
    """A chart of Altair, or anything else with a Vega-Lite specification."""

    def to_dict(self) -> dict[str, Any]:
        """The specification."""
        ...


def specification(id: str, chart: object) -> dict[str, Any]:
    """The Vega-Lite specification of a chart in the style that Matplotlib has now, checked and with stable names.

    Args:
        id: Of the figure, for errors.
        chart: An Altair chart whose data are inline and which has at least one input.

    Raises:
        TypeError: `chart` is no chart.
        ValueError: Its data are fetched from an address, or no parameter is bound to an input.
    """
    if not isinstance(chart, Chart):
        raise TypeError(f"interactive of {id} returned {type(chart).__name__}; return an altair chart")
    spec = _rounded(chart.to_dict())
    for name in ("$schema", "usermeta"):
        spec.pop(name, None)
    if (text := json.dumps(spec)) and (remote := re.search(r'"url": "([^"]*)"', text)):
        raise ValueError(f"interactive of {id} fetches {remote[1]}; a page has no network: make the chart of the table")
    if not inputs(spec):
        raise ValueError(
            f"interactive of {id} has no input; bind a parameter: alt.param(..., bind=alt.binding_range(...))"
        )
    spec["config"] = {**_config(), **spec.get("config", {}), "aria": False}
    names: dict[str, str] = {}

    def stable(match: re.Match[str]) -> str:
        kind = match[1]
        return names.setdefault(match[0], f"{kind}_{1 + sum(name.startswith(kind) for name in names.values())}")

    return json.loads(_NUMBERED.sub(stable, json.dumps(spec)))


def inputs(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The inputs of a specification, by the names of their parameters: what kind, and its range or options."""
    found: dict[str, dict[str, Any]] = {}

    def search(part: Any) -> None:
        if isinstance(part, dict):
            for parameter in part.get("params", []) if isinstance(part.get("params"), list) else []:
                if isinstance(parameter.get("bind"), dict):
                    found[parameter["name"]] = parameter["bind"]
            for value in part.values():
                search(value)
        elif isinstance(part, list):
            for value in part:
                search(value)

    search(spec)
    return found


def script(id: str, light: dict[str, Any], dark: dict[str, Any]) -> bytes:
    """The file that a page loads: both specifications, with the data once.

    Raises:
        ValueError: It is larger than `LIMIT`.
    """
    shared = light.get("datasets", {})
    if shared != dark.get("datasets", {}):
        raise ValueError(f"interactive of {id} has other data on a dark page; only colours may differ")
    themes = {
        theme: {name: part for name, part in spec.items() if name != "datasets"}
        for theme, spec in (("light", light), ("dark", dark))
    }
    text = json.dumps(themes | {"datasets": shared}, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    data = f'(window.rlInteractive ??= {{}})["{id}"] = {text};\n'.encode()
    if len(data) > LIMIT:
        raise ValueError(
            f"interactive of {id} has {len(data):,} bytes, more than {LIMIT:,}; publish a smaller table, or compute in "
            "Vega expressions (transform_calculate, alt.sequence) what it need not hold"
        )
    return data


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value


def _config() -> dict[str, Any]:
    """Vega-Lite's configuration that looks like the book's Matplotlib style, light or dark."""
    ink, quiet, grid = (to_hex(mpl.rcParams[name]) for name in ("text.color", "axes.edgecolor", "grid.color"))
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": "system-ui, 'DejaVu Sans', sans-serif",
        "view": {"stroke": None},
        "axis": {**text, "domainColor": quiet, "tickColor": quiet, "gridColor": grid},
        "legend": text,
        "header": text,
        "title": {"color": ink, "fontSize": 12, "anchor": "start"},
        "text": {"color": ink},
        "rule": {"color": quiet},
        "range": {
            "category": [f"#{colour.lstrip('#')}" for colour in mpl.rcParams["axes.prop_cycle"].by_key()["color"]]
        },
    }
