"""Sphinx extension: what the search of the book finds besides the words of its pages, and in which order.

- A page that uses a word of the book is found under other names of the thing as well: *batchnorm*, *skip connection*.
- Every claim and every figure is an entry, under its id and its sentence; the entry leads to the page of its own.
- Its index, a tenth of a megabyte, comes with the page that searches and with no other.
- Sections of chapters come first, then chapters, the other pages, claims and figures last, but for one that is named.
"""

import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import written
from docutils import nodes, utils
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.config import Config

OTHERWISE = {
    "batch normalisation": ["batchnorm", "BN"],
    "normalis": ["normalization", "normalize", "normalized"],
    "regularis": ["regularization", "regularize"],
    "initialis": ["initialization", "initialize"],
    "optimis": ["optimization", "optimizer", "optimize"],
    "shortcut": ["skip", "connection"],
    "residual network": ["resnet"],
    "stochastic depth": ["droppath", "layerdrop"],
    "ODEs?\\b": ["neural", "differential", "equation"],
    "lesion": ["ablation"],
    "learning rate": ["lr"],
    "pre-activation": ["preact", "preactivation"],
}
"""Beginnings of words of the book, as patterns, and what else readers call the thing."""
LANDING = ("claims", "figures")
TAG = re.compile(r"<[^>]*>")
TITLE = re.compile(r'<meta name="citation_title" content="([^"]*)"')
SAID = re.compile(r'<meta name="description" content="([^"]*)"')


def name_otherwise(app: Sphinx, doctree: nodes.document) -> None:
    """Add the other names of what a page speaks of to its keywords, which the index reads like its text."""
    text = TAG.sub(" ", doctree.astext())  # what notebooks display is HTML
    names = [
        name for word, others in OTHERWISE.items() if re.search(rf"\b{word}", text, re.IGNORECASE) for name in others
    ]
    if names:
        doctree.insert(0, nodes.meta(name="keywords", content=", ".join(dict.fromkeys(names))))


def enter(app: Sphinx) -> list[Any]:
    """Enter the pages of single claims and figures, which Sphinx does not write, into the index."""
    if not isinstance(app.builder, StandaloneHTMLBuilder) or (indexer := app.builder.indexer) is None:
        return []
    entered = set[str]()
    for path in sorted(path for kind in LANDING for path in Path(app.srcdir, "_extra", kind).glob("*/index.html")):
        page = path.read_text("utf-8")
        title, said = (html.unescape(found[1]) if (found := part.search(page)) else "" for part in (TITLE, SAID))
        name = path.relative_to(Path(app.srcdir, "_extra")).with_suffix("").as_posix()
        document = utils.new_document(str(path))
        document += [nodes.title("", title), nodes.paragraph("", said)]
        indexer.feed(name, f"{name}.html", title, document)
        entered.add(name)
    of_sphinx = indexer.prune

    def prune(docnames: Iterable[str]) -> None:
        of_sphinx({*docnames, *entered})  # Sphinx takes out what it has not written itself

    indexer.prune = prune
    return []


def order(app: Sphinx, config: Config) -> None:
    """Say in which order results are shown."""
    config.html_search_scorer = str(Path(__file__).with_name("scorer.js"))


SCRIPTS = re.compile(
    r'\s*<script\b[^>]*\bsrc="[^"]*(?:searchindex|_static/searchtools|_static/language_data)\.js[^"]*"[^>]*></script>'
)
"""What the theme loads on every page for results below the field while one types, which this book does not have."""


def without_index(page: str, address: str) -> str:
    """The page without the scripts of the search; the page of results keeps them."""
    return page if address == "search.html" else SCRIPTS.sub("", page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect all of it to Sphinx."""
    app.connect("config-inited", order)
    app.connect("doctree-read", name_otherwise)
    app.connect("html-collect-pages", enter)
    written.change(app, without_index)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
