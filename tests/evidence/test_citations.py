"""Entries of BibTeX, read by a parser of that form."""

from pybtex.database import parse_string

from resnet_lib.evidence import citations


def test_an_entry_is_read_back_with_its_fields() -> None:
    fields = {"title": "{Residual Networks, Tested}: figure disc", "year": "2026", "url": "https://example.org/disc/"}
    entries = parse_string(citations.entry(citations.key("disc", "2026"), fields), "bibtex").entries
    assert list(entries) == ["rnt2026-disc"]
    assert dict(entries["rnt2026-disc"].fields) == fields
    assert entries["rnt2026-disc"].type == "misc"


def test_a_key_without_a_year_is_one_still() -> None:
    assert citations.key("disc", "") == "rnt-disc"
