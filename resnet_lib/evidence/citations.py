"""Entries by which others cite a figure or a claim of the book, in the form of BibTeX."""

from collections.abc import Mapping


def key(id: str, year: str) -> str:
    """The key of a BibTeX entry of this book, which no other source of a reader's file has.

    Example:
        >>> key("drop-one", "2026")
        'rnt2026-drop-one'
    """
    return f"rnt{year}-{id}"


def entry(key: str, fields: Mapping[str, str]) -> str:
    """A BibTeX entry, a line for each of its fields."""
    lines = [f"  {name:12} = {{{value}}}" for name, value in fields.items()]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}\n"
