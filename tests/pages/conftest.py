"""The built book: where it is, a server for it, and a browser that can reach nothing else."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Error, expect

from tests import servers
from tests.pages import visits
from tests.pages.visits import PATIENCE, SIZES, Visit, Visitor

ROOT = Path(__file__).parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("book")
    group.addoption("--built", default=str(ROOT / "_build/html"), help="folder of the built pages")
    group.addoption("--plain", help="folder of the pages that plain Sphinx has made, to be compared with these")
    group.addoption("--chromium", help="browser for the tests of the built pages")


def built_folder(config: pytest.Config) -> Path:
    return Path(str(config.getoption("--built", ROOT / "_build/html"))).resolve()


def page_names(config: pytest.Config) -> list[str]:
    """Addresses of the pages of the book, relative to its front page, but for those of single figures and claims."""
    return visits.names(built_folder(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", page_names(metafunc.config))


@pytest.fixture(scope="session")
def built(pytestconfig: pytest.Config) -> Path:
    folder = built_folder(pytestconfig)
    if not (folder / "index.html").is_file():
        pytest.skip(f"no built book in {folder}; `make html` builds it, and `make test` does so before these tests")
    return folder


@pytest.fixture(scope="session")
def address(built: Path) -> Iterator[str]:
    """Address of a server of the built book on this machine, which ends with a slash."""
    with servers.serving(servers.Server(functools.partial(servers.Files, directory=str(built)))) as server:
        yield server.address


@pytest.fixture(scope="session")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    found = visits.installed(pytestconfig.getoption("--chromium", None))
    if found is None:
        pytest.skip(f"no Chromium, so the pages are not tested in a browser: {visits.INSTALL}")
    expect.set_options(timeout=1000 * PATIENCE)
    with contextlib.ExitStack() as stack:
        try:
            launched = stack.enter_context(visits.chromium(found))
        except Error as error:
            pytest.fail(f"{found} does not start; {visits.INSTALL}\n{error}")
        yield launched


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visitor]:
    """Opens a context of a size and a colour scheme; at the end nothing may have gone wrong in any."""
    visits: list[Visit] = []

    def begin(size: str = "wide", scheme: Literal["light", "dark"] = "light") -> Visit:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(1000 * PATIENCE)
        visits.append(Visit(context.new_page()).watch(address))
        return visits[-1]

    yield begin
    wrong = [f"{seen.page.url}: {what}" for seen in visits for what in seen.wrong]
    for seen in visits:
        seen.page.context.close()
    assert not wrong, "\n" + "\n".join(wrong)
