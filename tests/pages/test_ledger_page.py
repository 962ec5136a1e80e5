"""The page of the ledger in a browser: filters, search, order, address and size; and what it is without scripts."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from resnet_lib.evidence import ledger, rows
from tests.pages.visits import AXE, SIZES, UNFOLD, Visitor

pytestmark = [pytest.mark.book, pytest.mark.browser]
ROOT = Path(__file__).parents[2]
LEDGER = "ledger.html"
TALLEST, MOST_NODES = 12_000, 6_000
SHOWN = "#all-claims > tbody > tr[id]"


@pytest.fixture(scope="module")
def table() -> rows.Table:
    return rows.Table(ledger.read(ROOT))


def shown(page: Page) -> list[str]:
    """The ids of the claims that the table shows."""
    ids = page.locator(SHOWN).evaluate_all("rows => rows.map(row => row.id)")
    return [name.removeprefix("claim-") for name in ids]


def filters(page: Page) -> Locator:
    return page.locator("#ledger-filters select:not([name=sort])")


def test_the_ledger_is_no_longer_than_a_reader_bears(visit: Visitor, address: str):
    page = visit().page
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(address + LEDGER)
    expect(page.locator("#all-claims")).to_have_class(re.compile("rl-ready"))
    assert page.evaluate("document.documentElement.scrollHeight") <= TALLEST
    assert page.evaluate("document.querySelectorAll('*').length") <= MOST_NODES
    assert page.locator("script[src*=mathjax]").count() == 0, "its formulas are set while it is made"


@pytest.mark.parametrize("size", list(SIZES))
def test_every_value_of_every_filter_shows_its_claims_and_no_others(
    visit: Visitor, address: str, table: rows.Table, size: str
):
    page = visit(size).open(f"{address}{LEDGER}?rows=-1")
    assert shown(page) == [row.claim.id for row in table.rows]
    assert [select.get_attribute("name") for select in filters(page).all()] == [facet.name for facet in table.facets]
    for facet in table.facets:
        select = page.locator(f"select[name={facet.name}]")
        for value in facet.values:
            select.select_option(value)
            wanted = [row.claim.id for row in table.rows if value in row.facets[facet.name]]
            assert shown(page) == wanted
            assert f"{facet.name}={value}" in page.url
            assert select.locator("option:checked").inner_text().endswith(f"({len(wanted)})")
        select.select_option("")
    assert len(shown(page)) == len(table.rows)


def test_every_header_sorts_both_ways_and_back(visit: Visitor, address: str):
    page = visit().open(f"{address}{LEDGER}?rows=-1")
    book, sort = shown(page), page.locator("select[name=sort]")
    for header in page.locator("#all-claims > thead th").all():
        name = header.get_attribute("data-name")
        if header.get_attribute("data-orderable") == "false":
            header.click()
            assert shown(page) == book
            continue
        seen = []
        for way in ("ascending", "descending", None):
            header.click()
            if way:
                expect(header).to_have_attribute("aria-sort", way)
            else:
                expect(header).not_to_have_attribute("aria-sort", re.compile("."))
            keys = page.locator(SHOWN).evaluate_all(
                "(rows, at) => rows.map(row => +row.cells[at].dataset.order)",
                header.evaluate("header => header.cellIndex"),
            )
            seen.append(shown(page))
            if way:
                assert keys == sorted(keys, reverse=way == "descending"), name
            expected = {"ascending": name, "descending": f"-{name}", None: ""}[way]
            assert sort.input_value() == ("" if expected == "book" else expected)
        assert seen[-1] == book
    for option in sort.locator("option").all():
        value = option.get_attribute("value") or ""
        sort.select_option(value)
        assert ("sort=" in page.url, sort.input_value()) == (bool(value), value)


def test_filters_work_together_and_say_what_each_would_leave(visit: Visitor, address: str, table: rows.Table):
    page = visit().open(f"{address}{LEDGER}?rows=-1")
    page.locator("select[name=verdict]").select_option("fails")
    page.locator("select[name=kind]").select_option("trained")
    found = [row for row in table.rows if row.verdict == "fails" and row.claim.kind == "trained"]
    assert shown(page) == [row.claim.id for row in found]
    expect(page.locator(".dt-info")).to_have_text(
        f"Claims 1 to {len(found)} of {len(found)} (of {len(table.rows)} in all)"
    )
    for option in page.locator("select[name=chapter] option:not([value=''])").all():
        left = sum(row.statement.chapter == option.get_attribute("value") for row in found)
        assert option.inner_text().endswith(f"({left})")
        assert option.is_disabled() == (left == 0)
    page.locator(".dt-search input").fill("sigmoid")
    assert all("sigmoid" in row.inner_text().lower() or row.locator("dd").count() for row in page.locator(SHOWN).all())
    assert 0 < len(shown(page)) < len(found)
    page.get_by_role("button", name="Show all claims").click()
    expect(page.locator(SHOWN)).to_have_count(len(table.rows))
    assert page.locator(".dt-search input").input_value() == ""
    assert "verdict" not in page.url


def test_what_is_shown_is_in_the_address(visit: Visitor, address: str):
    page = visit().open(address + LEDGER)
    assert page.url == address + LEDGER
    page.locator("select[name=kind]").select_option("trained")
    page.locator("select[name=sort]").select_option("-again")
    page.locator(".dt-search input").fill("normalisation")
    page.locator(".dt-paging-button").filter(has_text=re.compile("^2$")).click()
    before = shown(page)
    for part in ("kind=trained", "sort=-again", "find=normalisation", "page=2"):
        assert part in page.url
    again = visit().open(page.url)
    assert again.url == page.url
    assert shown(again) == before
    assert again.locator(".dt-search input").input_value() == "normalisation"


@pytest.mark.parametrize("query", ["?verdict=nonsense&sort=nothing&rows=3&page=-4", "?page=99&sort=-", "?find=%22"])
def test_an_address_that_says_nonsense_shows_the_table(visit: Visitor, address: str, query: str):
    page = visit().open(f"{address}{LEDGER}{query}")
    expect(page.locator("#all-claims")).to_have_class(re.compile("rl-ready"))
    assert page.locator("#all-claims > tbody > tr").count() > 0


def test_each_question_is_answered_by_one_click(visit: Visitor, address: str, table: rows.Table):
    page = visit().open(address + LEDGER)
    for words, query in table.questions.items():
        page.get_by_role("link", name=words).click()
        page.wait_for_url(f"{address}{LEDGER}{query}")
        expect(page.locator("#all-claims")).to_have_class(re.compile("rl-ready"))
        assert shown(page)
    page.goto(f"{address}{LEDGER}{table.questions['What fails in trained networks?']}&rows=-1")
    wanted = [row.claim.id for row in table.rows if row.verdict == "fails" and row.claim.kind == "trained"]
    assert shown(page) == wanted


@pytest.mark.parametrize("size", list(SIZES))
def test_the_address_of_a_claim_leads_to_its_row_whatever_is_filtered(
    visit: Visitor, address: str, table: rows.Table, size: str
):
    last, holds = table.rows[-1], next(row for row in table.rows if row.verdict == "holds")
    page = visit(size).open(f"{address}{LEDGER}#claim-{last.claim.id}")
    for row in (last, holds):
        found = page.locator(f"[id='claim-{row.claim.id}']")
        expect(found).to_be_in_viewport()
        expect(found).to_have_class(re.compile("rl-sought"))
        page.locator("select[name=verdict]").select_option("fails")
        page.evaluate("hash => { location.hash = hash }", f"claim-{holds.claim.id}")


def test_a_square_of_a_statement_leads_to_the_row_and_the_row_to_the_chapter(visit: Visitor, address: str):
    page = visit().open(address + LEDGER)
    square = page.locator(".rl-statements .rl-square").last
    target = (square.get_attribute("href") or "").removeprefix("#")
    square.click()
    row = page.locator(f"[id='{target}']")
    expect(row).to_be_in_viewport()
    row.locator("a[href*='chapters/']").first.click()
    page.wait_for_url(f"**/chapters/*.html#{target}")
    expect(page.locator(f"[id='{target}']")).to_be_in_viewport()


def test_a_statement_is_found_by_its_address(visit: Visitor, address: str, table: rows.Table):
    statement = table.rows[-1].statement.id
    page = visit().open(f"{address}{LEDGER}#statement-{statement}")
    expect(page.locator(f"#statement-{statement}")).to_be_in_viewport()


def test_the_table_is_worked_from_the_keyboard(visit: Visitor, address: str):
    page = visit().open(address + LEDGER)
    header = page.locator("#all-claims > thead th[data-name=verdict]")
    header.locator("[role=button], button").or_(header).last.focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    page.locator("select[name=verdict]").focus()
    page.keyboard.press("ArrowDown")
    assert "verdict=" in page.url
    summary = page.locator(".rl-rule-of summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".rl-rule-of dl").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_a_filtered_table_is_accessible_and_no_wider_than_the_screen(
    visit: Visitor, address: str, size: str, scheme: Literal["light", "dark"]
):
    for query in ("?verdict=undecided&sort=seeds", "?find=nothing+is+like+this", "#claim-drop-graceful.worst"):
        page = visit(size, scheme).open(f"{address}{LEDGER}{query}")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        page.evaluate(UNFOLD)
        results = Axe().run(page, options=AXE)
        assert results.violations_count == 0, results.generate_report()


def test_on_paper_all_rows_stand(visit: Visitor, address: str, table: rows.Table):
    page = visit().open(f"{address}{LEDGER}?verdict=holds")
    holds = [row.claim.id for row in table.rows if row.verdict == "holds"]
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert shown(page) == holds
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert len(shown(page)) == 25


def test_without_scripts_the_whole_table_stands(browser: Browser, address: str, table: rows.Table):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address + LEDGER)
    assert page.locator(f"{SHOWN} >> visible=true").count() == len(table.rows)
    expect(page.locator("#ledger-filters")).to_be_hidden()
    expect(page.locator("#all-claims > thead th").first).to_be_visible()
    page.close()


def test_where_the_library_does_not_come_the_whole_table_stands(browser: Browser, address: str, table: rows.Table):
    page = browser.new_page()
    page.route("**/dataTables.min.js*", lambda route: route.abort())
    page.goto(address + LEDGER)
    page.wait_for_load_state("networkidle")
    assert page.locator(f"{SHOWN} >> visible=true").count() == len(table.rows)
    expect(page.locator("#ledger-filters")).to_be_hidden()
    page.close()


@pytest.fixture
def said(browser: Browser, built: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page as a file, and what the console said at the end."""
    page, errors = browser.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((built / LEDGER).as_uri())
    page.wait_for_load_state("networkidle")
    yield page, errors
    page.close()


def test_the_table_works_from_a_folder_without_a_server(said: tuple[Page, list[str]]):
    page, errors = said
    expect(page.locator("#all-claims")).to_have_class(re.compile("rl-ready"))
    page.locator("select[name=verdict]").select_option("undecided")
    page.locator("#all-claims > thead th[data-name=p]").click()
    assert "verdict=undecided" in page.url
    page.reload()
    assert page.locator("select[name=verdict]").input_value() == "undecided"
    assert errors == []


def test_the_downloads_lie_beside_the_page(built: Path, table: rows.Table):
    with (built / "ledger.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    told = json.loads((built / "ledger.json").read_text(encoding="utf-8"))
    ids = [row.claim.id for row in table.rows]
    assert [line["id"] for line in lines] == [entry["id"] for entry in told["claims"]] == ids
    assert [line["verdict"] for line in lines] == [row.verdict for row in table.rows]
    assert all((built / line["page"].partition("#")[0]).is_file() for line in lines)
