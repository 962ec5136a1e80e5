"""Sphinx extension: what unfolds a cell's code or output is called by the words that one sees on it.

MyST-NB gives all of them the one name "Toggle hidden content" for those who hear a page, and so a page of forty parts
that unfold would have forty of one name.
"""

from typing import Any

import written
from sphinx.application import Sphinx

UNNAMED = '<summary aria-label="Toggle hidden content">'


def named(page: str, address: str) -> str:
    """The page without that name, so that the words inside count."""
    return page.replace(UNNAMED, "<summary>")


def setup(app: Sphinx) -> dict[str, Any]:
    """Name what unfolds on all pages."""
    written.change(app, named)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
