"""Sphinx extension of the book: works are cited by author and year, and those without a year by their `key` field."""

from dataclasses import dataclass, field
from typing import Any

import sphinxcontrib.bibtex.plugin
from pybtex.plugin import register_plugin
from pybtex.style import template
from pybtex.style.formatting import toplevel
from pybtex.style.formatting.plain import Style
from pybtex.style.sorting.author_year_title import SortingStyle
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle
from sphinxcontrib.bibtex.style.referencing.basic_author_year import (
    BasicAuthorYearParentheticalReferenceStyle,
    BasicAuthorYearTextualReferenceStyle,
)
from sphinxcontrib.bibtex.style.template import reference


@template.node
def dated_or_named(children: list[Any], data: dict[str, Any]) -> Any:
    """The first child for a work with a year, the second for one without."""
    dated, named = children
    return (dated if "year" in data["entry"].fields else named).format_data(data)


NAME = reference[template.first_of[template.optional[template.field("key")], template.field("title")]]


class Parenthetical(BasicAuthorYearParentheticalReferenceStyle):
    """`(Hesterberg, 2015)`, `(Text A)`."""

    def inner(self, role_name: str) -> Any:
        """The text between the brackets, or all of it."""
        return dated_or_named[super().inner(role_name), NAME]


class Textual(BasicAuthorYearTextualReferenceStyle):
    """`Hesterberg (2015)`, `Text A`."""

    def inner(self, role_name: str) -> Any:
        """The text between the brackets, or all of it."""
        return dated_or_named[super().inner(role_name), NAME]


def round_brackets() -> BracketStyle:
    """What stands around a citation."""
    return BracketStyle(left="(", right=")")


@dataclass
class Citations(AuthorYearReferenceStyle):
    """Author and year in round brackets, or the name of a work that has neither."""

    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)

    def __post_init__(self) -> None:
        super().__post_init__()
        for style in (Parenthetical(bracket=self.bracket_parenthetical), Textual(bracket=self.bracket_textual)):
            self.role_style.update(dict.fromkeys(style.role_names(), style))


class ByAuthorOrKey(SortingStyle):
    """By author, year and title; works without an author first, by their key."""

    def sorting_key(self, entry: Any) -> tuple[str, str, str]:
        """What a work is sorted by."""
        author, year, title = super().sorting_key(entry)
        return author, year, entry.fields.get("key", title)


class Bibliography(Style):
    """The plain style, with the key in front of a work that is cited by it."""

    default_sorting_style = "book"

    def get_misc_template(self, e: Any) -> Any:
        """The layout of a `@misc` entry."""
        name = template.optional[template.sentence[template.tag("strong")[template.field("key")]]]
        return toplevel[name, super().get_misc_template(e)]

    def format_web_refs(self, e: Any) -> Any:
        """Where the work can be opened, and how much of it was: the field `read`."""
        links = template.sentence[
            template.optional[self.format_eprint(e)],
            template.optional[self.format_doi(e)],
            template.optional[self.format_url(e)],
        ]
        read = template.optional[template.sentence[template.join["Read: ", template.field("read")]]]
        return template.join(sep=" ")[links, read]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the three styles under the name `book`."""
    sphinxcontrib.bibtex.plugin.register_plugin("sphinxcontrib.bibtex.style.referencing", "book", Citations)
    register_plugin("pybtex.style.formatting", "book", Bibliography)
    register_plugin("pybtex.style.sorting", "book", ByAuthorOrKey)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
