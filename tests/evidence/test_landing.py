"""The pages that a citation names: what stands on them, what programs read of them, and the archives beside."""

import io
import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from resnet_lib.evidence import landing, ledger, manuscript
from resnet_lib.evidence.texts import TextError
from tests import books

FIGURE, CLAIM = "figures/fixture-radius/index.html", "claims/fixture-disc.radius/index.html"


@pytest.fixture
def contents(root: Path) -> dict[str, bytes]:
    files = [path for path in root.glob("figures/**/*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def page(root: Path, contents: dict[str, bytes], path: str, base: str = "") -> str:
    return landing.pages(ledger.read(root), contents, base)[path].decode()


def meta(html: str, name: str) -> str:
    found = re.search(rf'<meta name="{name}" content="([^"]*)">', html)
    assert found, name
    return found[1]


def test_a_figure_has_a_page_with_what_a_citer_needs(root: Path, contents: dict[str, bytes]):
    html = page(root, contents, FIGURE)
    record = json.loads(contents["figures/fixture-radius/meta.json"])
    assert record["alt"] in html
    assert "<h1>Figure 1.1 <code>fixture-radius</code></h1>" in html
    assert meta(html, "citation_title").startswith("Figure 1.1 (fixture-radius): ")
    # On a phone it scrolls, as in the chapters: its words stay legible.
    width = int(re.search(r'width="(\d+)"', html)[1])  # pyright: ignore[reportOptionalSubscript]
    assert f'style="min-width: {int(0.75 * width)}px"' in html
    for part in ('src="fixture-radius.svg"', 'href="data.csv"', 'href="fixture-radius.zip"', "@misc{", "TY  - GEN"):
        assert part in html
    assert 'href="../../chapters/01_fixture.html#fig-fixture-radius"' in html
    assert record["stamp"]["command"] in html
    for column in record["columns"]:
        assert f"<code>{column}</code>" in html
    for claim in record["claims"]:
        assert f'href="../../claims/{claim}/index.html"' in html


def test_a_claim_has_a_page_with_rule_verdict_and_command(root: Path, contents: dict[str, bytes]):
    html = page(root, contents, CLAIM)
    claim = ledger.read(root).ledger.claim("fixture-disc.radius")
    assert '<span class="status">holds</span>' in html
    assert claim.holds_if.replace("<", "&lt;") in html
    assert books.STAMP.command in html
    assert "<math" in html
    assert '<a href="../../figures/fixture-radius/index.html">Figure 1.1</a>' in html
    books.write(root, books.figure(root))
    assert '<span class="status">not checked</span>' in page(root, contents, CLAIM)


def test_pages_tell_what_has_changed(root: Path, contents: dict[str, bytes]):
    evidence = ledger.read(root)
    assert "History" not in page(root, contents, CLAIM) + page(root, contents, FIGURE)  # there is no changelog
    made = landing.pages(evidence, contents, told=["`fixture-disc.radius`, its control, for $x$."])
    for path in (CLAIM, FIGURE):
        (entry,) = re.findall(r'<h2 id="history">History</h2>.*?<li>(.*?)</li>', made[path].decode(), re.DOTALL)
        assert entry.endswith("</math>.</span>")
        assert ('href="../../claims/fixture-disc.radius/index.html"' in entry) == (path == FIGURE)
    made = landing.pages(evidence, contents, told=["Nothing of interest."])
    assert "Unchanged since first published" in made[CLAIM].decode()
    assert "are unchanged since first published" in made[FIGURE].decode()


def test_programs_read_title_author_day_and_address(root: Path, contents: dict[str, bytes]):
    for path in (FIGURE, CLAIM):
        bare, placed = page(root, contents, path), page(root, contents, path, "https://example.org/book/")
        assert "$" not in meta(bare, "citation_title")
        assert meta(bare, "citation_author") == "The authors of Residual Networks, Tested"
        assert meta(bare, "citation_publication_date") == "2025/01/01"
        assert "canonical" not in bare
        address = f"https://example.org/book/{path.removesuffix('index.html')}"
        assert f'<link rel="canonical" href="{address}">' in placed
        assert f"url          = {{{address}}}" in placed
        assert f"UR  - {address}" in placed
        assert re.search(r"@misc\{rnt2025-fixture-\S+,", placed)
        said = json.loads(re.findall(r'<script type="application/ld\+json">(.*?)</script>', bare)[0])
        assert said["@type"] in ("Dataset", "ClaimReview")


def test_an_archive_holds_the_figure_and_says_what_it_is(root: Path, contents: dict[str, bytes]):
    made = landing.pages(ledger.read(root), contents)["figures/fixture-radius/fixture-radius.zip"]
    again = landing.pages(ledger.read(root), contents)["figures/fixture-radius/fixture-radius.zip"]
    assert made == again
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        names = {Path(name).name for name in file.namelist()}
        assert {"README.txt", "data.csv", "cite.bib", "meta.json", "fixture-radius.svg"} <= names
        assert "interactive.js" not in names
        assert file.read("fixture-radius/data.csv") == contents["figures/fixture-radius/data.csv"]
        assert books.STAMP.command in file.read("fixture-radius/README.txt").decode()


def test_a_dictionary_of_columns_names_values_or_their_range():
    table = pd.DataFrame({"name": ["a", "b"] * 10, "n": range(20), "x": [i / 10 for i in range(20)], "on": [True] * 20})
    assert list(landing.dictionary(table)) == [
        ("name", "text", "a, b"),
        ("n", "whole number", "0 to 19"),
        ("x", "number", "0 to 1.9"),
        ("on", "true or false", "True"),
    ]


def test_the_address_of_the_book_is_one_setting(tmp_path: Path):
    path = tmp_path / "_config.yml"
    assert manuscript.address(path) == ""
    for text, found in (("title: x\n", ""), ("html:\n  baseurl: https://example.org/b\n", "https://example.org/b")):
        path.write_text(text)
        assert manuscript.address(path) == found
    path.write_text("html:\n  baseurl: example.org\n")
    with pytest.raises(TextError, match=r"has html: baseurl: 'example.org'; write the book's address, https://..."):
        manuscript.address(path)
