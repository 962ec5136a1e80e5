"""The pages that citations name, in a browser: a figure's and a claim's, without the theme of the others."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.pages.visits import AXE, SIZES, Visitor

pytestmark = [pytest.mark.book, pytest.mark.browser]
PAGES = (
    "figures/published-lesions/index.html",
    "claims/drop-graceful.half-anew/index.html",
    "claims/ode-limit.smooth/",
)


def sideways(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_stands_alone(visit: Visitor, address: str, name: str, size: str, scheme: Literal["light", "dark"]):
    page = visit(size, scheme).open(address + name)
    assert sideways(page) <= 0
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink == {"light": "rgb(0, 0, 0)", "dark": "rgb(255, 255, 255)"}[scheme]
    for image in page.locator("main img").all():
        assert image.evaluate("image => image.naturalWidth") > 0
        assert image.evaluate("image => image.currentSrc").endswith("-dark.svg") == (scheme == "dark")
    results = Axe().run(page, options=AXE)
    assert results.violations_count == 0, results.generate_report()


def test_a_citation_can_be_copied(visit: Visitor, address: str):
    page = visit().open(address + PAGES[1])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy BibTeX").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("@misc{rnt2026-drop-graceful.half-anew,")
