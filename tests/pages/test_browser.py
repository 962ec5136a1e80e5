"""The built pages in headless Chromium, cut off from the network: wide and on a phone, light and dark."""

import re
import statistics
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.pages.conftest import page_names
from tests.pages.visits import ALL_BUT_CONTRAST, CONTRAST, INTERACTIVE, SETTLED, SIZES, UNFOLD, Visitor, come_alive

pytestmark = [pytest.mark.book, pytest.mark.browser]

RAW_TEX = r"""() => {
  const main = document.querySelector('main').cloneNode(true);
  main.querySelectorAll('pre, code, script, style, mjx-container, math').forEach(e => e.remove());
  const tex = /\\[(\[][^]{0,60}|\$[^$\n]{1,60}\$|\\(?:frac|lambda|sigma|lVert|sqrt|prod|max)\b/g;
  return main.textContent.match(tex) || [];
}"""

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# One page of each kind: no rule for narrow screens gives a colour that wide ones do not have.
ALIKE_ON_A_PHONE = ("index.html", "ledger.html", "chapters/04_eigenvalue_clustering.html")

# A formula that scrolls sideways is a need on a phone, and hides its end elsewhere.
CUT_OFF = """() => {
  const hides = part => part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 8
    && getComputedStyle(part).overflowX !== 'visible';
  return [...document.querySelectorAll('main div.math, main .rl-formula')]
    .filter(box => [box, ...box.querySelectorAll('*')].some(hides))
    .map(box => box.id || box.textContent.slice(0, 60));
}"""


# Rows in which fewer than four pixels are between the verdict and the sentence.
CROWDED = """rows => rows.filter(row =>
  row.querySelector('.rl-statement').getBoundingClientRect().left
  < row.querySelector('summary .rl-verdict').getBoundingClientRect().right + 4).map(row => row.id)"""
# Rows of which something lies beyond their lower edge, where the next one covers it.
COVERED = """rows => rows.filter(row => [...row.querySelectorAll('.rl-head, .rl-row *')].some(part =>
  part.getBoundingClientRect().bottom > row.getBoundingClientRect().bottom + 1)).map(row => row.id)"""


def turn(page: Page, scheme: Scheme) -> None:
    """Show the page in `scheme`, as if its screen had changed."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)


def accessible(page: Page, options: dict[str, object]) -> None:
    """Nothing on the page violates the rules of axe that `options` leave."""
    results = Axe().run(page, options=options)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("size", list(SIZES))
def test_page(visit: Visitor, address: str, page_name: str, size: str):
    """In both schemes, one after the other, for a page turns dark with its screen."""
    page = visit(size, "light").open(address + page_name)

    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert sideways <= 0, f"{page_name} is {sideways} pixels wider than the {size} screen"

    if size == "wide":
        assert page.evaluate(CUT_OFF) == [], "formulas wider than their column; break them"
    assert (
        page.locator("mjx-container").count() >= page.locator(".math").count()
    )  # what is not set while pages are made
    assert page.locator("mjx-merror, [data-mjx-error]").all_inner_texts() == []
    assert page.evaluate(RAW_TEX) == []

    for figure in page.locator(INTERACTIVE).all():
        come_alive(figure)

    for scheme in SCHEMES:
        turn(page, scheme)
        for image in page.locator("main img").all():
            if image.is_visible():
                image.scroll_into_view_if_needed()
                image.evaluate("image => image.decode()")
                assert image.evaluate("image => image.naturalWidth") > 0, image.get_attribute("src")

    page.evaluate(UNFOLD)
    accessible(page, ALL_BUT_CONTRAST)
    if size == "wide" or page_name in ALIKE_ON_A_PHONE:
        for scheme in reversed(SCHEMES):
            turn(page, scheme)
            accessible(page, CONTRAST)


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("vanishing gradient", "chapters/02_plain_networks.html"),
        ("batchnorm", "chapters/"),
        ("skip connection", "chapters/"),
        ("drop-graceful.worst", "claims/drop-graceful.worst/index.html"),
        ("drop-subsets", "figures/drop-subsets/index.html"),
    ],
)
def test_search_knows_other_names_and_leads_to_sections_claims_and_figures(
    visit: Visitor, address: str, asked: str, first: str
):
    page = visit().open(f"{address}search.html?q={asked}")
    found = page.locator("#search-results ul.search li a").first
    expect(found).to_have_attribute("href", re.compile(f"^{re.escape(first)}"))
    expect(page.locator("#search-results ul.search li").first.locator("p.context")).not_to_be_empty()
    response = page.request.get(address + (found.get_attribute("href") or "").partition("#")[0])
    assert response.ok


def test_search_finds_a_word_and_leads_to_its_page(visit: Visitor, address: str):
    page = visit().open(address)
    page.keyboard.press("Control+k")
    field = page.locator("#pst-search-dialog input[type=search]")
    expect(field).to_be_visible()
    field.fill("verdict")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=verdict*")
    results = page.locator("#search-results ul.search li a")
    expect(results.first).to_be_visible()
    results.first.click()
    page.wait_for_load_state("networkidle")
    assert "verdict" in page.locator("main").inner_text().lower()


def test_a_word_that_is_nowhere_is_not_found(visit: Visitor, address: str):
    page = visit().open(address + "search.html?q=zzyzzyva")
    expect(page.locator("#search-results")).to_contain_text("did not match any documents")


def test_the_switch_turns_the_page_dark_and_the_choice_stays(visit: Visitor, address: str):
    page = visit("wide", "light").open(address + "figure-index.html")
    light, dark = page.locator("img.only-light").first, page.locator("img.only-dark").first
    expect(light).to_be_visible()
    expect(dark).to_be_hidden()
    for _ in range(3):  # auto, light, dark in the order that the theme likes
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
        page.locator("button.theme-switch-button:visible").first.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(dark).to_be_visible()
    expect(light).to_be_hidden()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_menu_of_a_phone_opens_and_leads_on(visit: Visitor, address: str):
    page = visit("phone").open(address)
    link = page.locator(".bd-sidebar-primary a", has_text="Figures").first
    expect(link).to_be_hidden()
    page.locator("button.primary-toggle:visible").first.click()
    expect(page.locator("a:visible", has_text="Figures").first).to_be_visible()
    page.locator("a:visible", has_text="Figures").first.click()
    page.wait_for_url("**/figure-index.html")


def test_pages_work_from_a_folder_without_a_server(browser: Browser, built):
    """What `make book` names at its end is a file; mathematics has to work there too."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((built / "chapters/18_euler_and_its_limit.html").as_uri())
    page.evaluate(SETTLED)
    assert page.locator("math").count() > 0
    assert said == []
    page.close()


@pytest.mark.parametrize(("size", "most"), [("wide", 88), ("phone", 150)])
def test_a_claim_is_a_row_and_no_card(visit: Visitor, address: str, pytestconfig, size: str, most: int):
    """The median height of a claim, folded: more would hold more words than the argument around it."""
    heights = []
    for page_name in page_names(pytestconfig):
        if page_name.startswith("chapters/"):
            page = visit(size).open(address + page_name)
            if size == "wide":
                page.set_viewport_size({"width": 1400, "height": 900})
            heights += page.locator(".rl-card").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
            crowded = page.locator(".rl-card").evaluate_all(CROWDED) if size == "wide" else []
            assert crowded == [], f"{page_name}: a verdict touches the sentence beside it"
            covered = page.locator(".rl-card").evaluate_all(COVERED)
            assert covered == [], f"{page_name}: the row below covers a part of a row"
    assert len(heights) > 100
    assert statistics.median(heights) <= most


def test_the_front_page_is_short_and_says_more_where_it_is_unfolded(visit: Visitor, address: str):
    page = visit().open(address + "index.html")
    page.set_viewport_size({"width": 1400, "height": 900})
    assert page.evaluate("document.documentElement.scrollHeight") <= 2500
    chapter = page.locator(".rl-finding").first
    cut = "said => said.scrollHeight - said.clientHeight"
    assert chapter.locator(".rl-statement").evaluate(cut) > 2
    chapter.locator("summary").click()
    assert chapter.locator(".rl-statement").evaluate(cut) <= 2
    expect(page.locator(".rl-rests")).to_be_hidden()
    page.locator(".rl-fold > summary").click()
    expect(page.locator(".rl-rests")).to_be_visible()


def test_a_row_unfolds_to_its_rule_its_control_and_its_runs(visit: Visitor, address: str):
    page = visit().open(address + "chapters/04_eigenvalue_clustering.html")
    row = page.locator(".rl-card").first
    expect(row.locator(".rl-rule")).to_be_hidden()
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    for part in (".rl-rule", ".rl-results", ".rl-provenance"):
        expect(row.locator(part).first).to_be_visible()
    again = page.locator(".rl-card", has_text="provenance").locator("a[href^='#provenance-']").first
    again.evaluate("link => link.closest('details').open = true")
    page.locator(".rl-card").first.evaluate("row => row.querySelector('details').open = false")
    again.click()  # the browser opens what the anchor is in
    expect(page.locator(again.get_attribute("href") or "")).to_be_visible()
