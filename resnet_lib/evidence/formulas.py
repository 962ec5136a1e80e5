"""This module sets formulas while the pages are made, as MathML by docutils; where it cannot, MathJax does it later.

A page of many formulas is thus there at once, and nothing on it moves when a script has come to its end.
"""

import functools
import re

from docutils.utils.math import MathError, latex2mathml
from markupsafe import Markup

from resnet_lib.evidence import markup

# What docutils does not know, in words that it knows: sizes of brackets, old fonts, fractions of single digits.
OTHERWISE = (
    (re.compile(r"\\[bB]igg?[lrm]?(?![A-Za-z])"), ""),
    (re.compile(r"\{\\rm\s+([^{}]*)\}"), r"\\mathrm{\1}"),
    (re.compile(r"\\[td]?frac\s*(\d)(\d)"), r"\\frac{\1}{\2}"),
)


def static(text: str) -> Markup:
    r"""HTML of a text in which `$...$` is TeX, as of `markup.prose`, with MathML where docutils knows all of a formula.

    Example:
        >>> print(static("a $x$ < b"))
        a <math xmlns="http://www.w3.org/1998/Math/MathML"><mi>x</mi></math> &lt; b
    """
    return markup.prose(text, formula=lambda tex: mathml(tex) or markup.for_mathjax(tex))


@functools.cache
def mathml(tex: str) -> Markup:
    r"""A formula as MathML on one line, or "" where docutils does not know what is in it.

    Example:
        >>> mathml(r"\nonsense")
        Markup('')
    """
    for pattern, known in OTHERWISE:
        tex = pattern.sub(known, tex)
    try:
        told = latex2mathml.tex2mathml(tex)
    except (MathError, IndexError, KeyError):
        return Markup()
    return Markup(re.sub(r">\s+<", "><", told.strip()))  # docutils escapes what stands in it
