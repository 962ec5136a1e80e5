"""This module sets formulas while the pages are made, as MathML by docutils; where it cannot, MathJax does it later.

A page of many formulas is thus there at once, and nothing on it moves when a script has come to its end.
"""

import functools
import html
import re

from docutils.utils.math import MathError, latex2mathml
from markupsafe import Markup

from resnet_lib.evidence import markup

# What docutils does not know, in words that it knows: sizes of brackets, old fonts, fractions of single digits.
OTHERWISE = (
    (re.compile(r"\\[bB]igg?[lrm]?(?![A-Za-z])"), ""),
    (re.compile(r"\{\\rm\s+([^{}]*)\}"), r"\\mathrm{\1}"),
    (re.compile(r"\\[td]?frac\s*(\d)(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\begin\{split\}(.*)\\end\{split\}", re.DOTALL), lambda found: _one_row(found[1]) or found[0]),
    (re.compile(r"\\dots(?![A-Za-z])"), r"\\ldots "),
    (re.compile("°"), r"^\\circ "),
    (re.compile(r"\\iff(?![A-Za-z])"), r"\\Leftrightarrow "),
)
_INSIDE = re.compile(r"\\begin\{(\w+)\}.*?\\end\{\1\}", re.DOTALL)
BRACKETS = re.compile(r"(?<!<mrow>)<mo((?:(?! stretchy)[^>])*)>([|∣‖∥{}⌊⌋⌈⌉⟨⟩])</mo>(?!</mrow>)")
r"""Brackets that are not the first or the last of a row, as those of `\left` and `\right` are, and so have one size. A
browser stretches all of them, and centres what it stretches: of a squared norm it would lower the second bar."""
OPENED = '<mo class="mathopen">'
r"""A bracket that is no `\left`, and so has one size, wherever it stands: as the first of a numerator, too."""
BARS = re.compile("<mo([^>]*)>([|∣‖∥])</mo>")
"""Of an absolute value or a norm; a browser takes them for operators between two terms, and moves them apart."""
_NAME = "<mi[^>]*>[A-Za-z]{2,}</mi>"
THIN = (
    re.compile(r"(<mo>&ApplyFunction;</mo>)(?!<mo)"),
    re.compile(rf"(</m(?:i|n|sup|sub|subsup|frac|sqrt)>)(?={_NAME}<mo>&ApplyFunction;)"),
    re.compile(rf"(<(msub|msup)>{_NAME}(?:(?!<m(?:sub|sup)>).)*?</\2>)(?=<m[in]>)"),
)
"""Where TeX has a thin space: around the name of a function, unless a bracket or an operator stands there."""
TOUCHED = re.compile(r"([(\[“‘]*)(<math(?![^>]* display)[^>]*>.*?</math>)([.,;:!?)\]”’…%]*)", re.DOTALL)
"""A formula in a line and the marks that touch it; a browser would begin a line with the full stop behind it."""
INLINE = re.compile(r'<span class="math notranslate nohighlight">\\\((.*?)\\\)</span>', re.DOTALL)
DISPLAY = re.compile(
    r'<div class="math notranslate nohighlight"( id="[^"]*")?>\s*(<span class="eqno">.*?</span>)?\s*'
    r"\\\[(.*?)\\\]\s*</div>",
    re.DOTALL,
)


def static(text: str) -> Markup:
    r"""HTML of a text in which `$...$` is TeX, as of `markup.prose`, with MathML where docutils knows all of a formula.

    Example:
        >>> print(static("a $x$ < b"))
        a <math xmlns="http://www.w3.org/1998/Math/MathML"><mi>x</mi></math> &lt; b
    """
    return Markup(_together(markup.prose(text, formula=lambda tex: mathml(tex) or markup.for_mathjax(tex))))


def typeset(body: str) -> str:
    r"""The body of a page with MathML in the place of all formulas that docutils knows; the others stay for MathJax.

    Args:
        body: HTML, in which formulas stand as Sphinx and `markup.for_mathjax` write them: in spans between `\(` and
            `\)`, and in divisions, with a number or none, between `\[` and `\]`.

    Example:
        >>> "<mi>x</mi>" in typeset(markup.for_mathjax("x"))
        True
    """

    def inline(found: re.Match[str]) -> str:
        return str(mathml(html.unescape(found[1]).strip())) or found[0]

    def display(found: re.Match[str]) -> str:
        made = mathml(html.unescape(found[3]).strip(), display=True)
        # On a phone it scrolls, so that a keyboard has to reach it: by the link of its number, or by itself.
        reached = "" if found[2] else ' tabindex="0"'
        return f'<div class="rl-formula"{found[1] or ""}{reached}>{made}{found[2] or ""}</div>' if made else found[0]

    return DISPLAY.sub(display, _together(INLINE.sub(inline, body)))


def _one_row(tex: str) -> str:
    """What Sphinx has put between `split` because rows end in it, where they are those of a matrix inside; else ""."""
    return "" if re.search(r"\\\\|&", _INSIDE.sub("", tex)) else tex


def _together(body: str) -> str:
    """The body with each formula on the line of the marks that touch it."""

    def kept(found: re.Match[str]) -> str:
        return f'<span class="rl-together">{found[0]}</span>' if found[1] or found[3] else found[0]

    return TOUCHED.sub(kept, body)


@functools.cache
def mathml(tex: str, display: bool = False) -> Markup:
    r"""A formula as MathML on one line, or "" where docutils does not know what is in it.

    Args:
        tex: Its TeX.
        display: Whether it stands on a line of its own.

    Example:
        >>> mathml(r"\nonsense")
        Markup('')
    """
    for pattern, known in OTHERWISE:
        tex = pattern.sub(known, tex)
    try:
        told = latex2mathml.tex2mathml(tex, as_block=display)
    except (MathError, IndexError, KeyError):
        return Markup()
    told = re.sub(r">\s+<", "><", told.strip()).replace(OPENED, f'{OPENED[:-1]} stretchy="false">')
    told = BRACKETS.sub(r'<mo\1 stretchy="false">\2</mo>', told)
    told = BARS.sub(r'<mo\1 lspace="0" rspace="0">\2</mo>', told)
    for pattern in THIN:
        told = pattern.sub(r'\1<mspace width="0.1667em"></mspace>', told)
    return Markup(told)  # docutils escapes what stands in it
