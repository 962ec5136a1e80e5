"""What interactive figures are made with besides Altair: inputs with a label, and the words that a chart carries.

This module knows no chart of the book; `charts` says what a page can show of one, and refuses the rest.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import altair as alt

Made = TypeVar("Made", bound=alt.TopLevelMixin)


def slider(name: str, label: str, value: float, span: tuple[float, float], *, step: float) -> alt.Parameter:
    """A number that the reader moves, as the parameter `name` of Vega expressions.

    Args:
        name: Of the parameter.
        label: What the number is, with its unit; it stands before the slider.
        value: Where it begins, a whole number of steps from the least.
        span: The least and the largest.
        step: From one to the next.

    Example:
        >>> slider("angle", "angle of the axis (degrees)", 30, (0, 180), step=1).param.bind.to_dict()["max"]
        180
    """
    least, largest = span
    return alt.param(
        name=name, value=value, bind=alt.binding_range(min=least, max=largest, step=step, name=f"{label} ")
    )


def menu(name: str, label: str, value: Any, options: Sequence[Any] | Mapping[Any, str]) -> alt.Parameter:
    """One of several values that the reader chooses from a menu, as the parameter `name` of Vega expressions.

    Args:
        name: Of the parameter.
        label: What is chosen; it stands before the menu.
        value: The one that is chosen at first.
        options: The values; where they are no words to read, a mapping to these.

    Example:
        >>> menu("length", "weights in depth", 0, {0: "independent", 0.5: "alike"}).param.bind.to_dict()["options"]
        [0, 0.5]
    """
    labels = list(options.values()) if isinstance(options, Mapping) else alt.Undefined
    bind = alt.binding_select(options=list(options), labels=labels, name=f"{label} ")
    return alt.param(name=name, value=value, bind=bind)


def buttons(name: str, label: str, value: str, options: Sequence[str]) -> alt.Parameter:
    """One of a few words that the reader chooses by a button each, as the parameter `name` of Vega expressions.

    Args:
        name: Of the parameter.
        label: What is chosen; it stands before the buttons.
        value: The word that is chosen at first.
        options: The words.

    Example:
        >>> buttons("stage", "stage of training", "before", ("before", "after")).param.bind.to_dict()["options"]
        ['before', 'after']
    """
    return alt.param(name=name, value=value, bind=alt.binding_radio(options=list(options), name=f"{label} "))


def worded(chart: Made, text: str) -> Made:
    """The chart with its words, which stand in three paragraphs: title, caption and description.

    Args:
        chart: What is shown.
        text: The paragraphs, between empty lines; how their lines are broken and indented does not matter.

    Raises:
        ValueError: Where there are not three.

    Example:
        >>> line = alt.Chart(alt.sequence(0, 2, 1, as_="x")).mark_line().encode(x="x:Q")
        >>> shown = worded(line, '''
        ...     a line
        ...
        ...     Nothing can be moved here; it is there
        ...     to show the call.
        ...
        ...     A line from 0 to 1.
        ... ''')
        >>> shown.title.subtitle
        'Nothing can be moved here; it is there to show the call.'
    """
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.cleandoc(text))]
    if len(paragraphs) != 3:
        raise ValueError(
            f"text has {len(paragraphs)} paragraphs and begins {paragraphs[0]!r}; write three, title, caption and "
            "description, with an empty line between them"
        )
    title, caption, description = paragraphs
    return chart.properties(title=alt.Title(title, subtitle=caption), description=description)
