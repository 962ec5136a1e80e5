"""The book for paper and for readers of e-books: one PDF, printed by a browser, and one ePub, made by Sphinx.

Both are made from the same source as the pages; drawings stand where the pages have charts, and nothing waits for a
click. This module needs a Chromium or Chrome for the PDF.
"""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from resnet_lib.book import builders, library
from resnet_lib.files import write_atomically

NAME = "residual-networks-tested"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS = 60_000
"""The browser waits so long, of its own clock, for what a page still loads."""
CHARTS = re.compile(r'<details class="rl-details rl-try">.*?</details>', re.DOTALL)
STYLE = """
<style>
@page { size: A4; margin: 18mm 16mm; }
html { font-size: 13px; }
h1 { break-before: page; }
h1, h2, h3, figcaption { break-after: avoid; }
figure, .rl-card, .rl-said, tr, .rl-formula { break-inside: avoid; }
.rl-downloads, .rl-details, .rl-filters, .rl-claims details, .cell_input, .toggle-button, .headerlink,
.bd-header, .bd-sidebar-primary, .bd-sidebar-secondary, .header-article, .prev-next-footer { display: none !important; }
.rl-claims :is(th, td):nth-child(n+4) { display: none; }
.rl-claims :is(th, td) { break-inside: avoid; font-weight: normal; }
details.hide > summary { display: none !important; }
</style>
"""


def browser() -> str:
    """The browser that prints.

    Raises:
        BookError: None of `BROWSERS` is installed.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise builders.BookError(
            f"the PDF is printed by a browser, and none of {', '.join(BROWSERS)} is here; install one of them"
        )
    return found


def pdf(source: Path) -> Path:
    """Make one PDF of the whole book, beside the folder `source`.

    Raises:
        BookError: No browser is installed, or Sphinx or the browser failed.
    """
    program, build = browser(), source.parent
    builders.sphinx(source, "print", "--builder", "singlehtml", "--keep-going", "--toc", str(contents(source)))
    folder = build / "print/_build/singlehtml"
    page = folder / "print.html"
    write_atomically(page, for_paper((folder / "index.html").read_text(encoding="utf-8")).encode())
    target = build / f"{NAME}.pdf"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    options += [f"--virtual-time-budget={PATIENCE_MS}", f"--print-to-pdf={target}", page.as_uri()]
    printed = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    if printed.returncode or not target.is_file():
        raise builders.BookError(f"{program} did not print the book:\n{printed.stderr}".rstrip())
    return target


def contents(source: Path) -> Path:
    """A list of contents without the pages of the library, which are for a screen; beside the folder `source`."""
    listed = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
    for part in listed.get("parts", [listed]):
        part["chapters"] = [page for page in part.get("chapters", []) if page.get("file") != library.FOLDER]
    target = source.parent / "printed.yml"
    write_atomically(target, yaml.safe_dump(listed, sort_keys=False).encode())
    return target


def for_paper(page: str) -> str:
    """The page of the whole book as it is printed: without charts and what only a screen needs, with all drawings.

    Example:
        >>> print(for_paper('<head></head><img src="../figures/a/a.svg" loading="lazy">').splitlines()[-1])
        </head><img src="figures/a/a.svg">
    """
    page = CHARTS.sub("", page).replace(' loading="lazy"', "")
    page = re.sub(r'(["(])(?:\.\./)+figures/', r"\1figures/", page)
    return page.replace("</head>", f"{STYLE}</head>", 1)


def epub(source: Path) -> Path:
    """Make one ePub of the whole book, beside the folder `source`.

    Raises:
        BookError: Sphinx failed.
    """
    builder = ("--builder", "custom", "--custom-builder", "epub")
    builders.sphinx(source, "epub", *builder, "--keep-going", "--toc", str(contents(source)))
    (made,) = (source.parent / "epub/_build/epub").glob("*.epub")
    target = source.parent / f"{NAME}.epub"
    write_atomically(target, made.read_bytes())
    return target
