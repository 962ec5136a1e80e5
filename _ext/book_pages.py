"""Sphinx extension of the book: MathJax and Vega from packages instead of a CDN, scripts only where a page needs them.

It also repairs what a screen reader would stumble over.
"""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import vl_convert
import written
from myst_nb.sphinx_ext import add_global_html_resources
from sphinx.application import Sphinx

from resnet_lib.evidence import formulas

# What tex-chtml.js loads at run time; the package holds ten other bundles besides (24 MB).
MATHJAX = (
    "tex-chtml.js",
    "input/tex/extensions",
    "output/chtml/fonts/woff-v2",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)
# A formula that is still TeX: `formulas.typeset` has set all that it knows.
FORMULAS = re.compile(r'class="math notranslate')
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


def copy_vega(app: Sphinx) -> None:
    """Put Vega, which interactive figures load when they are looked at, beside the pages.

    In a function of its own, so that the names of the bundle do not become those of the page.
    """
    target = Path(app.outdir) / "_static/vega.js"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        target.write_text(f"(() => {{{bundle}}})();\n", encoding="utf-8")


def copy_style_of_notebooks(app: Sphinx) -> None:
    """Put the style of notebooks beside the pages, before Sphinx computes the checksums of the styles.

    MyST-NB does it after the last page: the pages of a first build would name it otherwise than those of the next.
    """
    add_global_html_resources(app, None)


def repair(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Correct what a screen reader would stumble over.

    The entries of a bibliography get the role that their list may hold (docutils gives them a deprecated one), and a
    table whose head is empty, for Markdown knows no table without one, loses it.
    """
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        context["body"] = EMPTY_HEAD.sub("", body)


def named(page: str, address: str) -> str:
    """The page with a name for the arrow that unfolds an entry of the list of pages; the theme gives it no text."""
    return page.replace(
        '<summary><span class="toctree-toggle"', '<summary aria-label="Pages"><span class="toctree-toggle"'
    )


def copy_ledger(app: Sphinx) -> None:
    """Put the scripts of the ledger's table beside the pages: DataTables 3.1.5 as its npm package has it, and our own.

    Jupyter Book would load whatever lies in `_static` on every page.
    """
    origin, target = Path(__file__).parent / "ledger", Path(app.outdir) / "_static/ledger"
    target.mkdir(parents=True, exist_ok=True)
    for path in origin.iterdir():
        if not (target / path.name).exists():
            shutil.copyfile(path, target / path.name)


def load_what_is_needed(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Set the formulas; load the scripts of the table with the ledger alone, and MathJax where a formula is left."""
    if page == "ledger":
        app.add_css_file("ledger/ledger.css")
        for name in ("dataTables.min.js", "ledger.js"):
            app.add_js_file(f"ledger/{name}", loading_method="defer")
    context["body"] = formulas.typeset(context.get("body", ""))
    if not FORMULAS.search(context["body"]):
        kept = [script for script in context["script_files"] if "mathjax" not in str(script).lower()]
        context["script_files"] = kept


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect all of it to Sphinx."""
    app.set_html_assets_policy("always")  # verdicts are HTML, and Sphinx does not see that there is mathematics in it
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", copy_vega)
    app.connect("builder-inited", copy_style_of_notebooks)
    app.connect("builder-inited", copy_ledger)
    app.connect("html-page-context", repair)
    written.change(app, named)
    app.connect("html-page-context", load_what_is_needed, priority=900)  # behind what adds scripts
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
