"""Sphinx extension: chapters have their numbers in the list of chapters, in headings, and beside what comes next.

The number of a chapter is the one with which the name of its file begins. Figures and equations count within it
(Figure 16.2, equation 16.1), and chapters that are not written yet have theirs, so that Sphinx, which counts what is
there, cannot give them.
"""

import re
from typing import Any

import written
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

CHAPTER = re.compile(r"(?:^|/)(\d\d)_\w+\.html$")
HEADING = re.compile(r"<h1>(?!<span)")
ENTRY = re.compile(r'(<li class="toctree-l1[^"]*"><a class="[^"]*" href="([^"#]*)#?">)(?!<span)')
NEIGHBOUR = re.compile(
    r'(<a class="(?:left-prev|right-next)"\s+href="([^"]*)"(?:(?!</a>).)*?<p class="prev-next-title">)(?!<span)', re.S
)


def mark(address: str) -> str:
    """The number of the chapter at an address, as an element; empty for another page."""
    found = CHAPTER.search(address)
    return f'<span class="rl-number">{int(found[1])}</span> ' if found else ""


def numbered(page: str, address: str) -> str:
    """The page with numbers before the names of chapters, its own and those that it leads to."""
    page = HEADING.sub(lambda found: found[0] + mark(address), page)
    for pattern in (ENTRY, NEIGHBOUR):
        page = pattern.sub(lambda found: found[1] + mark(found[2] or address), page)
    return page


def within_chapters(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Count the equations of each chapter by themselves, where Sphinx has counted those of the book; the pages of both.

    An equation that is added then renumbers those behind it in its chapter, and no others.
    """
    told = []
    for page, counted in env.toc_fignumbers.items():
        chapter, equations = CHAPTER.search(f"{page}.html"), counted.get("displaymath")
        if chapter and equations:
            counted["displaymath"] = {id: (int(chapter[1]), n) for n, id in enumerate(equations, start=1)}
            told.append(page)
    return told


def setup(app: Sphinx) -> dict[str, Any]:
    """Number the chapters on all pages, and the equations of each."""
    app.connect("env-get-updated", within_chapters, priority=900)  # after Sphinx has counted
    written.change(app, numbered)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
