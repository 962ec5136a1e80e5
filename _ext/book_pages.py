"""Sphinx extension of the book: MathJax from a package instead of a CDN, and repairs that screen readers need."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# What tex-chtml.js loads at run time; the package holds ten other bundles besides (24 MB).
MATHJAX = (
    "tex-chtml.js",
    "input/tex/extensions",
    "output/chtml/fonts/woff-v2",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)
EMPTY_HEAD = re.compile(r"<thead>\s*<tr[^>]*>(?:\s*<th[^>]*>\s*(?:<p>\s*</p>)?\s*</th>)+\s*</tr>\s*</thead>")


def copy_mathjax(app: Sphinx) -> None:
    """Put MathJax beside the pages, before Sphinx computes the checksums of the scripts."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("sphinx-mathjax-offline is missing; python -m pip install -r requirements.txt")
    origin, target = Path(spec.origin).parent / "static/mathjax", Path(app.outdir) / "_static/mathjax"
    for name in MATHJAX:
        for path in [origin / name] if (origin / name).is_file() else sorted((origin / name).rglob("*.*")):
            copy = target / path.relative_to(origin)
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


def repair(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Correct what a screen reader would stumble over.

    The entries of a bibliography get the role that their list may hold (docutils gives them a deprecated one), and a
    table whose head is empty, for Markdown knows no table without one, loses it.
    """
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        context["body"] = EMPTY_HEAD.sub("", body)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect both to Sphinx."""
    app.set_html_assets_policy("always")  # verdicts are HTML, and Sphinx does not see that there is mathematics in it
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", repair)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
