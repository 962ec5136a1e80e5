"""Changes of pages that are written: of what comes from the theme's templates, for which Sphinx has no event."""

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx

from resnet_lib.files import write_atomically


def change(app: Sphinx, to: Callable[[str, str], str]) -> None:
    """Have all pages changed at the end of a build.

    Args:
        app: Of the extension.
        to: From a page and its address in the book to the page as it shall be. A page that an earlier build has
            changed comes again, and has to stay as it is.
    """

    def all_pages(app: Sphinx, error: Exception | None) -> None:
        if error or app.builder.format != "html":
            return
        for path in Path(app.outdir).rglob("*.html"):
            page = path.read_text("utf-8")
            if (new := to(page, path.relative_to(app.outdir).as_posix())) != page:
                write_atomically(path, new.encode())

    app.connect("build-finished", all_pages)
