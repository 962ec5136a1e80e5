"""This module writes what people read as HTML: prose with $mathematics$, numbers to a few digits, and templates."""

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from markupsafe import Markup, escape

# A dollar behind a backslash is a dollar; all others come in pairs around TeX.
MATHEMATICS = re.compile(r"(?<!\\)\$((?:[^$\\]|\\.)+)\$", re.DOTALL)
MINUS = "−"
LONE_DOLLAR = re.compile(r"(?<!\\)\$")


def for_mathjax(tex: str) -> Markup:
    r"""A formula as Sphinx writes it, `<span class="math notranslate nohighlight">\(...\)</span>`, which MathJax sets.

    Example:
        >>> print(for_mathjax("a<b"))
        <span class="math notranslate nohighlight">\(a&lt;b\)</span>
    """
    return Markup('<span class="math notranslate nohighlight">\\({}\\)</span>').format(tex)


def prose(text: str, formula: Callable[[str], Markup] = for_mathjax) -> Markup:
    r"""HTML of a text in which `$...$` is TeX (and `\$` a dollar); everything else is escaped.

    Args:
        text: The text.
        formula: Makes HTML of the TeX between two dollars.

    Raises:
        ValueError: A `$` has no partner, or nothing stands between two.

    Example:
        >>> print(prose("a < b"))
        a &lt; b
    """
    html, end = Markup(), 0
    for match in MATHEMATICS.finditer(text):
        html += _plain(text, end, match.start())
        html += formula(match[1])
        end = match.end()
    return html + _plain(text, end, len(text))


def _plain(text: str, start: int, end: int) -> Markup:
    if LONE_DOLLAR.search(text, start, end):
        raise ValueError(
            rf"{text!r} has a $ that does not delimit mathematics; pair it ($x$), or write \$ for the character"
        )
    # In an element of its own, so that MathJax takes it for no delimiter.
    return escape(text[start:end]).replace(r"\$", Markup("<span>$</span>"))


def breakable(name: str) -> Markup:
    """An id that a narrow column may break behind its dot and hyphens.

    Example:
        >>> print(breakable("drop-graceful.worst"))
        drop-<wbr>graceful.<wbr>worst
    """
    return Markup(re.sub("([-.])", r"\1<wbr>", str(escape(name))))


def number(value: float, digits: int = 2) -> str:
    """A number rounded to significant digits, trailing zeros kept: 0.98, 1.0, 120, 3.1e-15.

    Example:
        >>> number(0.98432), number(120.4), number(3.14e-15)
        ('0.98', '120', '3.1e-15')
    """
    if value == 0:
        return f"{0:.{digits - 1}f}"
    text = f"{value:.{digits - 1}e}"
    exponent = int(text.partition("e")[2])
    return f"{float(text):.{max(digits - 1 - exponent, 0)}f}" if -4 <= exponent < 6 else text


def interval(effect: float, low: float | None, high: float | None) -> str:
    """A number and its interval, to two digits of what the interval leaves open: `0.12 (−0.50 to 0.50)`.

    An interval of no width is not shown, and a number without one has two digits.

    Example:
        >>> interval(0.1183, -0.5, 0.496), interval(33.9, 33.9, 33.9), interval(3.14e-15, None, None)
        ('0.12 (−0.50 to 0.50)', '34', '3.1e-15')
    """
    if low is None or high is None or high <= low:
        return _minus(number(effect))
    half = math.floor(math.log10((high - low) / 2))
    if not -5 <= half < 6:
        told = [number(x) for x in (effect, low, high)]
    else:
        told = [f"{round(x, 1 - half):.{max(1 - half, 0)}f}" for x in (effect, low, high)]
    return "{} ({} to {})".format(*map(_minus, told))


def _minus(text: str) -> str:
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text


def listed(values: np.ndarray) -> str:
    """Numbers as one line of text that `numbers` reads back exactly; a list would take a line of a notebook for each.

    Example:
        >>> listed(np.array([0.5, 3.0])), numbers(listed(np.array([0.5, 3.0])))
        ('0.5 3.0', array([0.5, 3. ]))
    """
    return " ".join(map(repr, np.asarray(values, dtype=np.float64).tolist()))


def numbers(text: str) -> np.ndarray:
    """The numbers that `listed` wrote.

    Raises:
        ValueError: The text holds something else.
    """
    return np.array(text.split(), dtype=np.float64)


def ranges(integers: Iterable[int]) -> str:
    """Integers as text, runs of three and more joined: `0–19, 30, 31`.

    Example:
        >>> ranges([0, 1, 2, 3, 30, 31])
        '0–3, 30, 31'
    """
    runs: list[list[int]] = []
    for i in integers:
        if runs and i == runs[-1][-1] + 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def grid(settings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """For each field of the settings, the values that it takes, in their order: `{"scale": "0.1, 0.5"}`."""
    values: dict[str, dict[str, None]] = {}
    for setting in settings:
        for field, value in setting.items():
            values.setdefault(field, {})[str(value)] = None
    return {field: ", ".join(taken) for field, taken in values.items()}


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("resnet_lib.evidence"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "breakable": breakable, "number": number, "ranges": ranges, "grid": grid}
    return environment


def render(template: str, **values: Any) -> str:
    """The HTML of one of the templates; a value that one names and does not get is an error."""
    return _templates().get_template(template).render(**values).strip()


def listing(*functions: Callable[..., Any]) -> Markdown:
    """The source of functions, for a notebook to show: what the reader sees is what ran.

    Example:
        >>> print(listing(listed).data.splitlines()[1])
        def listed(values: np.ndarray) -> str:
    """
    return Markdown(
        "```python\n" + "\n\n".join(inspect.getsource(function).rstrip() for function in functions) + "\n```"
    )


def table(label: str, frame: pd.DataFrame, *, folded: str = "") -> HTML:
    """A table without its index for a notebook to show; `label` is its name for those who cannot see it.

    On a phone the table scrolls, not the page; it stands in the tab order, so that keyboards reach it. With `folded`,
    the words that stand for it, it unfolds only when a reader asks.

    Example:
        >>> "<td>20</td>" in table("Depths", pd.DataFrame({"depth": [20]})).data
        True
    """
    box = f'<div style="overflow-x: auto" tabindex="0" role="region" aria-label="{escape(label)}">'
    whole = f"{box}{frame.to_html(index=False, border=0, classes='table', justify='left', na_rep='–')}</div>"
    return HTML(f"<details><summary>{escape(folded)}</summary>{whole}</details>" if folded else whole)
