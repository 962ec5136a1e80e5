"""Sphinx extension: the dozen icons of the theme as drawings in the page, instead of a script with two thousand.

The theme loads Font Awesome (Free 6, icons CC BY 4.0) as a script of 1.5 MB, which puts a drawing into every
`<i class="fa-solid fa-bars">` once it has run. Here each gets that drawing, from the same file, when the page is made:
no page loads the script, and no icon appears late.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
import written
from sphinx.application import Sphinx

SCRIPT = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts/fontawesome.js"
LOADED = re.compile(r'\s*<script[^>]*\bsrc="[^"]*/fontawesome\.js[^"]*"[^>]*></script>')
ICON = re.compile(r'<(i|span) class="([^"]*\bfa[sr]?(?:-solid|-regular)? [^"]*)"([^>]*)>\s*</\1>')
STYLES = {"fas", "fa-solid", "far", "fa-regular"}
SIZES = re.compile(r"fa-(?:\d?x[sl]|sm|lg|fw|\d+x)")


@cache
def drawing(name: str) -> tuple[str, str, str]:
    """Width, height and path of a solid icon, as the theme's script has it.

    Raises:
        LookupError: The script has none of that name, or is written in another way than the version this was made for.
    """
    found = re.findall(
        rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]*","([^"]+)"\]', SCRIPT.read_text("utf-8")
    )
    if not found:
        raise LookupError(f"{SCRIPT.name} of pydata-sphinx-theme has no icon {name!r}; see _ext/icons.py")
    return found[-1]  # the regular ones come before the solid ones


def drawn(icon: re.Match[str]) -> str:
    """The element of an icon with its drawing inside, as the script would leave it."""
    (name,) = (
        one[3:] for one in icon[2].split() if one.startswith("fa-") and one not in STYLES and not SIZES.fullmatch(one)
    )
    width, height, path = drawing(name)
    return (
        f'<{icon[1]} class="{icon[2]}"{icon[3]}><svg class="svg-inline--fa" aria-hidden="true" focusable="false" '
        f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"></path></svg></{icon[1]}>'
    )


def without_script(page: str, address: str) -> str:
    """The page with its icons drawn, and without the script that would draw them; the same at every `address`."""
    return ICON.sub(drawn, LOADED.sub("", page))


def remove(app: Sphinx, error: Exception | None) -> None:
    """Remove the script, which no page loads any more."""
    for left in (Path(app.outdir) / "_static/scripts").glob(f"{SCRIPT.name}*"):
        left.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect all of it to Sphinx."""
    written.change(app, without_script)
    app.connect("build-finished", remove)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
