"""Verdicts as text and as HTML: what a notebook shows, the same on every machine, and what the pages show."""

import json
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup, Tag
from judged import NEAR_ONE, measure, result

from resnet_lib.evidence import cards, claims, statements


def shown(check: claims.Check) -> tuple[dict[str, str], dict]:
    data, metadata = check._repr_mimebundle_()
    json.dumps(metadata, allow_nan=False)
    assert metadata["resnet_lib"]["kind"] == "verdict"
    return data, metadata["resnet_lib"]["record"]


def cell(html: str, row: int, column: int) -> str:
    body = BeautifulSoup(html, "html.parser").find("tbody")
    assert isinstance(body, Tag)
    return body.find_all("tr")[row].find_all(["th", "td"])[column].get_text(" ", strip=True)


def test_what_a_notebook_shows(ledger: statements.Ledger) -> None:
    check = claims.check("shift.values", measure, result(value=[0.1, 0.123456], control=[3.0, 4.0]), ledger=ledger)
    data, record = shown(check)
    assert data["text/plain"] == (
        "shift.values: holds\n  rule   every < 1\n"
        "  QUICK  holds; 2 of 2 values; control: 2 of 2 values, as it must\n  FULL   not yet computed"
    )
    card = BeautifulSoup(data["text/html"], "html.parser").find("article")
    assert isinstance(card, Tag)
    assert card["class"] == ["rl-card", "rl-holds"]
    assert "Every \\(a<b\\) & <b>all</b>." in card.get_text()
    assert card.find("b") is None
    assert len(card.find_all("span", class_="math")) == 2
    assert cell(data["text/html"], 0, 1) == "✓ holds"
    assert cell(data["text/html"], 1, 1) == "not yet computed"
    assert "Expected" not in card.get_text()
    assert record["quick"]["effect"] == 0.123456
    assert cell(cards.card(record), 0, 2) == "2 of 2 values, worst 0.1235"


def test_what_a_notebook_shows_is_the_same_on_every_machine(ledger: statements.Ledger) -> None:
    one, other = (
        claims.check(
            "shift.size", measure, replace(table, stamp=replace(table.stamp, seconds=s, device=d)), ledger=ledger
        )
        for table, s, d in (
            (result(value=NEAR_ONE, control=[3.0] * 5), 1.0, "cpu"),
            (result(value=[x + 1e-7 for x in NEAR_ONE], control=[3.0 - 1e-7] * 5), 2.0, "gpu"),
        )
    )
    assert shown(one)[0] == shown(other)[0]
    assert shown(one)[1] != shown(other)[1]
    assert cell(shown(one)[0]["text/html"], 0, 2) == "mean 1.0, n = 5"


def test_the_page_shows_all_digits_and_where_they_come_from(ledger: statements.Ledger) -> None:
    check = claims.check("shift.size", measure, result(value=NEAR_ONE, control=[3.5] * 5), ledger=ledger)
    html = cards.card(shown(check)[1])
    assert cell(html, 0, 2).startswith("mean 1.000 (95%: 0.98")
    assert cell(html, 0, 3) == "mean 3.500 (95%: 3.500 to 3.500), n = 5; as it must"
    text = BeautifulSoup(html, "html.parser").get_text()
    assert "resnet-lib run shift" in text
    assert "0123456789abcdef" in text
    assert "0–4" in text


def test_the_card_says_what_is_not_as_expected(ledger: statements.Ledger) -> None:
    good = result(value=NEAR_ONE, control=[3.0] * 5)
    surprising = shown(claims.check("shift.size", measure, good, ledger=ledger))
    assert "Expected: fails" in BeautifulSoup(surprising[0]["text/html"], "html.parser").get_text()
    assert surprising[0]["text/plain"].startswith("shift.size: holds (expected: fails)")
    full = replace(result("full", value=[x + 1 for x in NEAR_ONE], control=[3.0] * 5), stale=True)
    mixed = shown(claims.check("shift.size", measure, replace(good, full=full), ledger=ledger))
    assert "Expected: fails" in BeautifulSoup(mixed[0]["text/html"], "html.parser").get_text()  # QUICK differs
    assert "older: the code has changed since commit 0123456789ab" in cell(cards.card(mixed[1]), 1, 1)
    refuted = shown(claims.check("shift.size", measure, full, ledger=ledger))
    assert "Expected" not in refuted[0]["text/html"]


def test_the_card_gives_the_reason_of_what_is_open(ledger: statements.Ledger) -> None:
    few = shown(claims.check("shift.middle", measure, result(value=[1.0] * 3, control=[-1.0] * 3), ledger=ledger))
    assert cell(few[0]["text/html"], 0, 1) == "? undecided n = 3, and a median needs at least 5 values"
    assert cell(cards.card(few[1]), 0, 2) == "median 1.000, n = 3"
    invalid = shown(claims.check("shift.middle", measure, result(value=[1.0] * 5, control=[1.0] * 5), ledger=ledger))
    assert cell(invalid[0]["text/html"], 0, 1).startswith("! invalid the control did not come out as every < 0")
    assert cell(invalid[0]["text/html"], 0, 3) == "0 of 5 values; not as it must"


def test_the_row_tells_what_was_measured_and_by_whom_it_is_said(ledger: statements.Ledger) -> None:
    check = claims.check("shift.size", measure, result(value=NEAR_ONE, control=[3.5] * 5), ledger=ledger)
    record = shown(check)[1] | {"unit": "percentage points"}
    row = BeautifulSoup(cards.card(record), "html.parser").select_one(".rl-row")
    assert isinstance(row, Tag)
    assert row.select(".rl-effect")[0].get_text(" ") == "1.000 (0.982 to 1.018) points QUICK;  0.9 < mean < 1.1"
    assert row.find("svg") is not None
    assert "Said by the sources" in " ".join(BeautifulSoup(cards.card(record), "html.parser").get_text(" ").split())
    foil = BeautifulSoup(cards.card(record | {"role": "foil"}), "html.parser")
    assert [role.get_text() for role in foil.select(".rl-role")] == ["foil"]
    assert BeautifulSoup(cards.card(record, exact=False), "html.parser").find("svg") is None


def test_a_unit_that_the_measure_names_is_not_told_twice(ledger: statements.Ledger) -> None:
    check = claims.check("shift.size", measure, result(value=NEAR_ONE, control=[3.5] * 5), ledger=ledger)
    record = shown(check)[1] | {"unit": "points"}
    assert "size (points)" in cards.card(record)
    assert "(points)" not in cards.card(record | {"measure": "size in points"})


def test_the_row_tells_what_comes_out_under_other_choices(ledger: statements.Ledger) -> None:
    table = result(value=NEAR_ONE, control=[3.5] * 5)
    others = {"three times the rate": [2.0] * 5, "twice the epochs": [0.95, 1.0, 1.05, 1.0, 1.0]}
    varied = {name: replace(table, table=table.table.assign(value=values)) for name, values in others.items()}
    varied["twice the epochs"] = replace(varied["twice the epochs"], stale=True)
    check = claims.check("shift.size", measure, table, varied=varied, ledger=ledger)
    assert check.status == "holds"  # the claim's own verdict
    record = shown(check)[1]
    assert [(each["choice"], each["status"], each["effect"]) for each in record["varied"]] == [
        ("three times the rate", "fails", 2.0),
        ("twice the epochs", "holds", 1.0),
    ]
    assert cards.turned(record) == ["three times the rate"]
    page = BeautifulSoup(cards.card(record), "html.parser").select(".rl-choices")
    assert "✗ fails three times the rate: 2.0, n = 5 ✓ holds twice the epochs" in " ".join(
        page[0].get_text(" ").split()
    )
    assert page[0].get_text().rstrip().endswith("(older)")
    (strip,) = BeautifulSoup(cards.card(record), "html.parser").select(".rl-choice-squares")
    assert strip["aria-label"] == "Under other choices: three times the rate fails, twice the epochs holds"
    squares = [(one.get_text(), str(one["title"]).partition(",")[0]) for one in strip.select(".rl-square")]
    assert squares == [("✗", "three times the rate: fails"), ("✓", "twice the epochs: holds")]
    assert cards.card(record).count(f"Other choices: <code>{table.stamp.command}</code>") == 1
    assert not BeautifulSoup(cards.card(record, exact=False), "html.parser").select(".rl-choices")
    alone = shown(claims.check("shift.size", measure, table, ledger=ledger))[1]
    assert "varied" not in alone


def test_a_choice_under_which_trainings_diverge_leaves_a_claim_undecided(ledger: statements.Ledger) -> None:
    table = result(value=NEAR_ONE, control=[3.5] * 5)
    lost = replace(table, table=table.table.assign(value=[1.0, 1.0, float("nan"), 1.0, 1.0]))
    record = shown(claims.check("shift.size", measure, table, varied={"three times the rate": lost}, ledger=ledger))[1]
    (told,) = record["varied"]
    assert (told["status"], told["effect"], told["n"]) == ("undecided", None, None)
    assert cards.turned(record) == []
    (page,) = BeautifulSoup(cards.card(record), "html.parser").select(".rl-choice")
    assert " ".join(page.get_text(" ").split()) == "? undecided three times the rate: trainings diverge"
    with pytest.raises(ValueError, match="1 of 5 are NaN or infinite"):  # of its own result a claim is not forgiven it
        claims.check("shift.size", measure, lost, ledger=ledger)


def test_a_claim_without_other_choices_has_no_strip(ledger: statements.Ledger) -> None:
    table = result(value=NEAR_ONE, control=[3.5] * 5)
    alone = shown(claims.check("shift.size", measure, table, ledger=ledger))[1]
    assert cards.turned(alone) == []
    assert not BeautifulSoup(cards.card(alone), "html.parser").select(".rl-choices, .rl-choice-squares")
