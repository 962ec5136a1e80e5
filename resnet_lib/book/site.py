"""What a static host needs besides the pages: an answer to a wrong address, and what search engines ask for.

It takes pages that have been built, and knows neither notebooks nor claims.
"""

import shutil
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from resnet_lib.files import write_atomically

MOVED: Mapping[str, str] = {}
"""Addresses that pages once had, by those that they have now: no link to the book ever breaks."""
HIDDEN = ("_static", "_sources", "_images")
"""Folders whose pages are no pages of the book."""


def publish(pages: Path, target: Path, address: str = "") -> list[Path]:
    """Copy the built pages to a folder that can be served as it is, and add what a host needs; what was there is gone.

    Added are `404.html`, `robots.txt`, `.nojekyll` (a host that makes pages of Markdown leaves these alone), a page
    for each address in `MOVED`, and, where the book has an address, `sitemap.xml`.

    Args:
        pages: The folder of the built pages.
        target: The folder that is made.
        address: The book's address, such as `https://example.org/book`; empty where it has none.

    Returns:
        The pages of the book, relative to the folder.

    Raises:
        ValueError: Where there are no built pages, the folders lie in one another, or the target holds something else.
    """
    pages, target = pages.resolve(), target.resolve()
    if not (pages / "index.html").is_file():
        raise ValueError(f"{pages} holds no built pages; run: resnet-lib book")
    if pages == target or pages in target.parents or target in pages.parents:
        raise ValueError(f"target={target} and the pages in {pages} must lie apart")
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / ".nojekyll").exists())):
        raise ValueError(f"target={target} holds something that is no earlier site; name another folder, or empty it")
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(pages, target)
    found = sorted(path.relative_to(target) for path in target.rglob("*.html") if _is_page(path.relative_to(target)))
    for old, new in MOVED.items():
        if not (target / new).is_file():
            raise ValueError(f"MOVED sends {old} to {new}, which is no page of the book")
        write_atomically(target / old, _sent_on(old, new).encode())
    write_atomically(target / "404.html", _missing(address).encode())
    write_atomically(target / ".nojekyll", b"")
    told = "User-agent: *\nAllow: /\n"
    if address:
        told += f"Sitemap: {address.rstrip('/')}/sitemap.xml\n"
        write_atomically(target / "sitemap.xml", "\n".join(_sitemap(found, address)).encode())
    write_atomically(target / "robots.txt", told.encode())
    return found


def _is_page(path: Path) -> bool:
    return path.parts[0] not in HIDDEN and path.name not in ("search.html", "genindex.html", "404.html")


def _sitemap(found: list[Path], address: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    for path in found:
        name = path.as_posix().removesuffix("index.html")
        yield f"<url><loc>{escape(address.rstrip('/') + '/' + name)}</loc></url>"
    yield "</urlset>\n"


def _sent_on(old: str, new: str) -> str:
    where = escape("../" * (len(Path(old).parts) - 1) + new)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Moved</title>'
        f'<meta http-equiv="refresh" content="0; url={where}"><link rel="canonical" href="{where}"></head>'
        f'<body><p>This page has moved to <a href="{where}">{where}</a>.</p></body></html>\n'
    )


def _missing(address: str) -> str:
    home = escape(f"{address.rstrip('/')}/" if address else "/")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>There is no such page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<style>body{max-width:38rem;margin:4rem auto;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif}</style></head>"
        f'<body><h1>There is no such page</h1><p>The book begins on its <a href="{home}">front page</a>; '
        f'<a href="{home}ledger.html">the ledger</a> lists every claim, '
        f'<a href="{home}figure-index.html">Figures</a> every figure. Their addresses stay.</p></body></html>\n'
    )
