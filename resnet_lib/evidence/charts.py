"""An interactive figure is an Altair chart with native inputs, as a script that a page loads without kernel or network.

This module knows charts; which table they show, and where the script lies, is decided in `figures`. The pages embed it
with Vega, whose JavaScript comes with the package vl-convert (`_ext/book_pages.py`, `_static/interactive.js`).

A chart carries its own words, as `interactive.worded` gives them to it: Altair's title, its subtitle as the caption,
and the description. The page shows title and caption as text around the chart, and the description stands for it where
nobody sees it. A parameter `told` with an expression is a sentence that the page shows beside the inputs. The page
makes panels as wide as the column; one whose name is `plane` keeps its proportions.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex

from resnet_lib.evidence.style import style

LIMIT = 600_000  # bytes of one script; a reader on a phone waits for it
SHORT = 60  # characters of a title; it stands on the line that unfolds the chart
FEWEST = 6  # words of a caption or description
SIZE = 13  # pixels of all text in a chart
WORDED = re.compile(r"[^\W\d_]{4}")  # what an input's label has at least: a word
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
        ValueError: Its data are fetched from an address, no parameter is bound to an input, or an input has no label.
    """
    spec = _rounded(_of(id, chart))
    for name in ("$schema", "usermeta", "title", "description"):  # `words` has the last two
        spec.pop(name, None)
    if (text := json.dumps(spec)) and (remote := re.search(r'"url": "([^"]*)"', text)):
        raise ValueError(f"interactive of {id} fetches {remote[1]}; a page has no network: make the chart of the table")
    if not inputs(spec):
        raise ValueError(
            f"interactive of {id} has no input; bind a parameter: alt.param(..., bind=alt.binding_range(...))"
        )
    for name, bind in inputs(spec).items():
        _refuse_unlabelled(id, name, bind)
    spec["config"] = {**_config(), **spec.get("config", {}), "aria": False}
    names: dict[str, str] = {}

    def stable(match: re.Match[str]) -> str:
        kind = match[1]
        return names.setdefault(match[0], f"{kind}_{1 + sum(name.startswith(kind) for name in names.values())}")

    return json.loads(_NUMBERED.sub(stable, json.dumps(spec)))


def words(id: str, chart: object) -> dict[str, str]:
    """What a chart says of itself: its `title`, its `caption` and its `description`, all plain text.

    Raises:
        TypeError: `chart` is no chart.
        ValueError: One of the three is missing or too short to say anything, or the title too long for its line.
    """
    spec = _of(id, chart)
    title = spec.get("title") or {}
    title = {"text": title} if isinstance(title, str) else title
    found = {"title": title.get("text"), "caption": title.get("subtitle"), "description": spec.get("description")}
    way_out = "chart.properties(title=alt.Title('its title', subtitle='its caption'), description='...')"
    for name, text in found.items():
        fewest = 1 if name == "title" else FEWEST
        if not isinstance(text, str) or len(text.split()) < fewest or "$" in text:
            raise ValueError(
                f"interactive of {id} has the {name} {text!r}; say in plain words, at least {fewest}, without TeX, "
                f"what one does and sees: {way_out}"
            )
    if len(found["title"]) > SHORT:
        raise ValueError(f"interactive of {id} has a title of {len(found['title'])} characters; {SHORT} fit its line")
    if found["caption"] == found["description"]:
        raise ValueError(f"interactive of {id} has its caption as description; say what is seen to who cannot see it")
    return found


def _of(id: str, chart: object) -> dict[str, Any]:
    if not isinstance(chart, Chart):
        raise TypeError(f"interactive of {id} returned {type(chart).__name__}; return an altair chart")
    return chart.to_dict()


def _refuse_unlabelled(id: str, name: str, bind: Mapping[str, Any]) -> None:
    label, options, labels = (bind.get(part) for part in ("name", "options", "labels"))
    if not isinstance(label, str) or not WORDED.search(label) or label.strip() == name:
        raise ValueError(
            f"input {name} of {id} has the label {label!r}; say in words what is chosen, with its unit: "
            f"alt.binding_{bind['input']}(..., name='turn from block to block (degrees) ')"
        )
    if labels and len(labels) != len(options or ()):
        raise ValueError(
            f"input {name} of {id} has {len(labels)} labels for {len(options or ())} options; give each one"
        )
    missing = [part for part in ("min", "max", "step") if part not in bind] if bind["input"] == "range" else []
    if missing:
        raise ValueError(f"input {name} of {id} has no {missing[0]}; a slider has min, max and step")


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


def published(id: str, chart: Callable[[pd.DataFrame], Chart], table: pd.DataFrame) -> tuple[bytes, dict[str, str]]:
    """The script of a chart of a table, in both styles of the book, and what the chart says of itself.

    Raises:
        TypeError: What is made is no chart.
        ValueError: A page could not show it, or it says too little of itself.
    """
    made = []
    for dark in (False, True):
        with style(dark=dark):
            made.append(chart(table.copy()))
            made[-1] = words(id, made[-1]), specification(id, made[-1])
    (told, light), (_, other) = made
    return script(id, light, other), told


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
    text = {"labelColor": ink, "titleColor": ink, "titleFontWeight": "normal"}
    text |= {"labelFontSize": SIZE, "titleFontSize": SIZE}
    return {
        "background": None,
        "font": "system-ui, 'DejaVu Sans', sans-serif",
        "view": {"stroke": None},
        "axis": {**text, "domainColor": quiet, "tickColor": quiet, "gridColor": grid, "labelFlush": False},
        "legend": {**text, "labelLimit": 320, "symbolOpacity": 1, "columns": 3},
        "header": text,
        "title": {"color": ink, "fontSize": SIZE, "anchor": "start"},
        "text": {"color": ink, "fontSize": SIZE},
        "rule": {"color": quiet},
        "range": {
            "category": [f"#{colour.lstrip('#')}" for colour in mpl.rcParams["axes.prop_cycle"].by_key()["color"]]
        },
    }
