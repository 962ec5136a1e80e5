"""What the changelog tells of each claim: by its id, in short forms, by its statement; and as HTML."""

from pathlib import Path

from resnet_lib.evidence import changes, statements

ROOT = Path(__file__).parents[2]
CLAIMS = ("a.one", "a.two", "a.twofold", "b.one", "ab.one")
GONE = {
    *("erf-depth.published", "erf-hierarchy.first", "drop-graceful.half", "drop-bound.residual", "drop-bound.scaled"),
    *("lip-block.bound", "ens-claim.gain", "ens-claim.calibration", "pde-schroedinger.rounding"),
    *("scal-common.directions", "scal-common.gradient", "pde-accelerate.unitary", "tv-general.generalises-large"),
}
"""Claims that were given up or renamed, and that the changelog still names."""


def test_entries_are_the_items_of_the_lists(tmp_path: Path):
    assert changes.read(tmp_path) == []
    (tmp_path / changes.FILE).write_text("# Changelog\n\nProse.\n\n## 1\n\n- One,\n  two.\n- Three.\n\nMore prose.\n")
    assert changes.read(tmp_path) == ["One, two.", "Three."]


def test_a_claim_has_the_entries_that_name_it_and_those_of_its_statement():
    told = ["`a.one` and `.two`: both.", "Of `a`, more draws.", "`a.two*`", "`b.one` and a.one without its marks."]
    found = changes.histories(told, CLAIMS)
    assert found["a.one"] == changes.History(own=(told[0],), shared=(told[1],))
    assert found["a.two"] == changes.History(own=(told[0], told[2]), shared=(told[1],))
    assert found["a.twofold"] == changes.History(own=(told[2],), shared=(told[1],))
    assert found["b.one"] == changes.History(own=(told[3],))
    assert found["ab.one"] == changes.History()


def test_an_entry_is_html_with_formulas_and_links():
    html = changes.told(r"*Added* `a.one`, `.two`: $x$ < 1, `2 * 3 * 4`.", {"a.two": "../a.two/"}.get)
    assert html.startswith('<em>Added</em> <code>a.one</code>, <a href="../a.two/"><code>.two</code></a>: <math')
    assert html.endswith("&lt; 1, <code>2 * 3 * 4</code>.")


def test_the_changelog_of_the_book_names_claims_that_there_are():
    """A name with a slip in it would leave the page of its claim saying that nothing has changed."""
    ledger = statements.load(ROOT / "claims.yml")
    of = {statement.id for statement in ledger.statements}
    told = changes.read(ROOT)
    named = {name for entry in told for name in changes.named(entry) if "." in name and name.partition(".")[0] in of}
    begun = {name for name in named if name.endswith("*")}
    assert named - begun - set(ledger.claims) == GONE
    assert all(any(claim.startswith(name[:-1]) for claim in ledger.claims) for name in begun)


def test_every_entry_of_the_changelog_can_be_shown():
    for entry in changes.read(ROOT):
        html = changes.told(entry)
        assert "`" not in html
        assert "\\(" not in html, "a formula that docutils does not know; the pages of claims have no MathJax"
