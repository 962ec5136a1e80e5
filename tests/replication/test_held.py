"""What this machine found, held against what is published."""

from pathlib import Path

from resnet_lib import runtime
from resnet_lib.evidence import cards
from resnet_lib.replication import held
from tests import books


def test_the_pages_show_what_is_published_and_where_this_machine_differs(tmp_path: Path):
    root, here = tmp_path / "published", tmp_path / "here"
    for place, radii in ((root, books.RADII), (here, [r + 0.19 for r in books.RADII])):
        books.copy(place)
        books.write(place, books.verdict(place, books.result(radii)), books.figure(place))
    found = held.hold(here, root)
    record = found.shown.verdicts[books.CLAIM].record
    assert (record["quick"]["status"], record["here"]["status"]) == ("holds", "undecided")
    card = cards.card(record)
    assert "QUICK, here" in card
    assert "mean 1.005" in card
    assert found.elsewhere
    line = held.told(found, "fixture")
    assert line.startswith(
        f"This copy was computed on {runtime.processor()}. The text speaks of the reference, from cpu"
    )
    assert "0 of 1 verdicts of this chapter came out the same here; otherwise came out `fixture-disc.radius`" in line


def test_stored_outputs_are_held_against_themselves_without_a_word(tmp_path: Path):
    root = books.copy(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    found = held.hold(root, root)
    assert not found.elsewhere
    assert held.told(found, "fixture") == ""
    assert found.report.errors == ()


def test_a_claim_under_another_rule_is_shown_as_this_run_has_it(tmp_path: Path):
    root, here = tmp_path / "published", tmp_path / "here"
    for place in (root, here):
        books.copy(place)
    claims_yml = here / "claims.yml"
    claims_yml.write_text(claims_yml.read_text().replace("0.8 < mean < 1.2", "0.7 < mean < 1.3"))
    for place in (root, here):
        books.write(place, books.verdict(place), books.figure(place))
    assert held.hold(here, root).shown.verdicts[books.CLAIM].record["rule"] == "0.7 < mean < 1.3"
