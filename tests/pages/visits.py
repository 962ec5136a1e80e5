"""What the tests of the built pages share: a page in a browser that is cut off from the network, and its charts."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    Route,
    expect,
    sync_playwright,
)

# Seconds after which a page hangs: whole runs end before it does, so it is long, and a run in which one hangs ends.
PATIENCE = 300.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = "apt-get install chromium (Debian), or name one: --chromium PATH, or RESNET_LIB_CHROMIUM=PATH"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
# Axe would fetch style sheets again to look into them, and resolves their imports against the page.
AXE = {"resultTypes": ["violations"], "preload": False}
# What depends on the scheme, and takes five sixths of the time that all of axe takes: a page has it in both schemes,
# and the same colours on a phone.
CONTRAST = {**AXE, "runOnly": ["color-contrast"]}
ALL_BUT_CONTRAST = {**AXE, "rules": {"color-contrast": {"enabled": False}}}
# What a reader opens has to be accessible too: provenance, solutions, hidden cells.
UNFOLD = """() => {
  const still = document.createElement('style');  // what fades in has no contrast on the way
  still.textContent = '* { transition: none !important; animation: none !important; }';
  document.head.append(still);
  document.querySelectorAll('details').forEach(d => { d.open = true });
  document.querySelectorAll('.toggle-hidden').forEach(d => d.classList.remove('toggle-hidden'));
}"""
SETTLED = """async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
}"""


def names(folder: Path) -> list[str]:
    """Addresses of the pages in a folder, relative to its front page, but for those of single figures and claims."""
    found = (path.relative_to(folder) for path in folder.rglob("*.html"))
    return sorted(path.as_posix() for path in found if not path.parts[0].startswith(("_", "figures", "claims")))


def installed(named: str | None = None) -> str | None:
    """The browser to take: the one that is named, by an option or by the environment, or the first that is found."""
    return named or os.environ.get("RESNET_LIB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A headless browser that does nothing of its own: no updates, no first run, no telemetry."""
    quiet = ("background-networking", "component-update", "sync", "default-apps", "extensions", "gpu")
    # Containers have no sandbox.
    arguments = ["--no-sandbox", "--no-first-run", "--disable-dev-shm-usage", *(f"--disable-{name}" for name in quiet)]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page in a browser, with all that went wrong while it was looked at."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def watch(self, address: str) -> "Visit":
        """Note all that goes wrong, and let nothing through that is not below `address`."""

        def keep_inside(route: Route, request: Request) -> None:
            if request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                self.wrong.append(f"request to another host: {request.url}")
                route.abort()

        def note_status(response: Response) -> None:
            if response.status >= 400:
                self.wrong.append(f"status {response.status}: {response.url}")

        def note_failure(request: Request) -> None:
            # What a page still fetches when its reader follows a link is given up, which is no failure.
            if request.failure != "net::ERR_ABORTED":
                self.wrong.append(f"request failed: {request.url} ({request.failure})")

        def note_message(said: ConsoleMessage) -> None:
            if said.type in ("error", "warning"):
                self.wrong.append(f"console {said.type}: {said.text}")

        self.page.context.route("**/*", keep_inside)
        self.page.on("response", note_status)
        self.page.on("requestfailed", note_failure)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script error: {error}"))
        self.page.on("console", note_message)
        return self

    def open(self, url: str) -> Page:
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate(SETTLED)
        return self.page


Visitor = Callable[..., Visit]
"""Begins a visit, given a name of `SIZES` and a colour scheme."""

INTERACTIVE = ".rl-interactive"


def come_alive(figure: Locator) -> Locator:
    """Unfold an interactive figure, scroll there and wait for its chart; the drawing stays in view."""
    expect(figure).to_be_hidden()
    figure.evaluate("figure => { figure.closest('details').open = true; figure.scrollIntoView({block: 'center'}) }")
    expect(figure).to_have_class(re.compile("rl-alive"))
    expect(figure.locator(".rl-chart svg")).to_be_visible()
    expect(drawing(figure)).to_be_visible()
    return figure


def drawing(figure: Locator) -> Locator:
    """The drawing that an interactive figure belongs to, in the version for the theme."""
    around = figure.locator("xpath=ancestor::div[contains(@class, 'rl-figure')]")
    return around.locator(".rl-images img").locator("visible=true").first
