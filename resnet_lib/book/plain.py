"""The same pages by plain Sphinx, without Jupyter Book, from the same two files: `_config.yml` and `_toc.yml`.

Jupyter Book 1 asks for a Sphinx below 8, and will not follow newer ones. That the book does not hang on it is shown by
making it without: `_config.yml` is read here, key by key, and Sphinx may be any that the extensions go with.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from resnet_lib.book.builders import BookError

SAID = {
    "title": "html_title",
    "author": "author",
    "copyright": "copyright",
    "only_build_toc_files": "external_toc_exclude_missing",
    "execute.execute_notebooks": "nb_execution_mode",
    "parse.myst_enable_extensions": "myst_enable_extensions",
    "html.baseurl": "html_baseurl",
    "html.favicon": "html_favicon",
    "bibtex_bibfiles": "bibtex_bibfiles",
}
"""What Sphinx and its extensions call what stands in `_config.yml`."""
LEFT = {"html.use_multitoc_numbering": False, "latex.use_jupyterbook_latex": False, "repository.url": ""}
"""What is about Jupyter Book alone, with the value that leaves it out."""
OF_JUPYTER_BOOK = ("jupyter_book", "sphinx_comments")
"""Extensions of its list that add nothing to a book without comments."""
ALWAYS = {
    "exclude_patterns": ["**.ipynb_checkpoints", ".DS_Store", "Thumbs.db", "_build"],
    "external_toc_path": "_toc.yml",
    "html_sourcelink_suffix": "",
    "html_theme": "sphinx_book_theme",
    "myst_url_schemes": ["mailto", "http", "https"],
    "numfig": True,
    "pygments_style": "sphinx",
}
"""What Jupyter Book says of itself, and this book relies on."""
# Sphinx in a process of its own, for it keeps global state. It reads what to do from its input.
SPHINX = """
import json, sys
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

source, target, doctrees, extensions, settings = json.load(sys.stdin)
sys.path[:0] = extensions
with patch_docutils(), docutils_namespace():
    app = Sphinx(source, None, target, doctrees, "html", settings, status=None, freshenv=True, warningiserror=True)
    app.build()
    sys.exit(app.statuscode)
"""


def settings(source: Path) -> dict[str, Any]:
    """What `_config.yml` in a folder says, in the words of Sphinx.

    Raises:
        ValueError: It says something of which Sphinx is not told here.
    """
    told = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
    config = dict(told.pop("sphinx", {}))
    made, own = dict(ALWAYS), dict(config.get("config", {}))
    for key, value in _flat(told).items():
        if key in SAID:
            made[SAID[key]] = value
        elif LEFT.get(key, key) != value:
            raise ValueError(
                f"{source / '_config.yml'}: plain Sphinx is not told what {key}: {value!r} is; see SAID in {__file__}"
            )
    static = source / "_static"
    if static.is_dir():
        made["html_static_path"] = ["_static"]
        made["html_css_files"] = sorted(path.relative_to(static).as_posix() for path in static.rglob("*.css"))
        made["html_js_files"] = sorted(path.relative_to(static).as_posix() for path in static.rglob("*.js"))
    own["extensions"] = [name for name in own.get("extensions", ()) if name not in OF_JUPYTER_BOOK]
    return made | own


def extensions(source: Path) -> list[str]:
    """The folders of the book's own extensions, as `_config.yml` names them."""
    told = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
    return sorted({str((source / path).resolve()) for path in told["sphinx"].get("local_extensions", {}).values()})


def render(source: Path, target: Path, *, packages: Path | None = None) -> Path:
    """Make the pages from `source` in the folder `target`, any warning an error, and return the front page.

    Args:
        source: What `resnet-lib book collect` has written.
        target: The folder of the pages; what was there is written over.
        packages: A folder of packages that come before the installed ones, such as a newer Sphinx.

    Raises:
        BookError: Sphinx reported a warning or an error; the message holds its output.
    """
    source, target = source.resolve(), target.resolve()
    doctrees = target.with_name(f".{target.name}-doctrees")
    asked = [str(source), str(target), str(doctrees), extensions(source), settings(source) | {"nitpicky": True}]
    before = [str(packages.resolve())] if packages else []
    found = os.pathsep.join([*before, *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", SPHINX],
        input=json.dumps(asked),
        env=os.environ | {"PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BookError(f"the pages in {source} have warnings or errors:\n{done.stdout}{done.stderr}".rstrip())
    return target / "index.html"


def _flat(told: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The values of nested mappings by their paths, `html.baseurl`.

    Example:
        >>> _flat({"title": "A", "html": {"baseurl": ""}})
        {'title': 'A', 'html.baseurl': ''}
    """
    made: dict[str, Any] = {}
    for key, value in told.items():
        made |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return made
