"""Sphinx extension: where a chapter first uses a word of the glossary, the word leads there and says what it means.

Words with one sense are taken: those of two words or joined by a hyphen, and a few that stand alone. A *gap* or a
*gain* may be any, and what the page then said of it might be wrong.
"""

import re
from collections.abc import Iterator
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from resnet_lib.evidence import formulas

GLOSSARY = "glossary"
ALONE = {"branch", "shortcut", "stem", "lesion", "Jacobian", "pseudospectrum", "propagator", "tableau"}
OF_ANY_SENSE = {"other choices"}
LEFT = (nodes.reference, nodes.literal, nodes.math, nodes.raw, nodes.title, addnodes.pending_xref)


def plain(definition: nodes.Element) -> str:
    """The text of a definition for a hint, in which there are no formulas: what they show, in a line."""
    parts = []
    for node in definition.findall():
        if isinstance(node, nodes.math):
            parts.append(BeautifulSoup(formulas.mathml(node.astext()), "html.parser").get_text() or node.astext())
        elif isinstance(node, nodes.Text) and not isinstance(node.parent, nodes.math):
            parts.append(node.astext())
    return " ".join("".join(parts).split())


def words(env: BuildEnvironment) -> Iterator[tuple[str, str, str]]:
    """Each word that is explained on the pages of chapters: the word, its anchor in the glossary, what it means."""
    if GLOSSARY not in env.found_docs:
        return
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        told = plain(next(item.findall(nodes.definition)))
        for term in item.findall(nodes.term):
            word = term.astext()
            if "," not in word and word not in OF_ANY_SENSE and (word in ALONE or re.search(r"[ -]", word)):
                yield word, term["ids"][0], told


def explain(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Link the first use of each word in the prose of a chapter."""
    if not page.startswith("chapters/"):
        return
    for word, anchor, told in words(app.env):
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}s?(?![\w-])", re.IGNORECASE)
        for text in doctree.findall(nodes.Text):
            found = pattern.search(text.astext())
            above = list(lineage(text))
            if not found or any(isinstance(one, LEFT) for one in above):
                continue
            if not any(isinstance(one, nodes.paragraph) for one in above):
                continue
            address = f"{app.builder.get_relative_uri(page, GLOSSARY)}#{anchor}"
            link = nodes.reference("", found[0], internal=True, refuri=address, reftitle=told, classes=["rl-word"])
            whole = text.astext()
            text.parent.replace(text, [nodes.Text(whole[: found.start()]), link, nodes.Text(whole[found.end() :])])
            break


def lineage(node: nodes.Node) -> Iterator[nodes.Node]:
    """What a node stands in, from the nearest on."""
    while node.parent is not None:
        node = node.parent
        yield node


def setup(app: Sphinx) -> dict[str, Any]:
    """Explain words on the pages of chapters."""
    app.connect("doctree-resolved", explain)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
