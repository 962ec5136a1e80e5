"""Sphinx extension: docstrings of the library as pages, by autodoc and napoleon, with what these lack.

Docstrings write mathematics between dollars, as the chapters do, and code between single backticks. What a docstring
says of an attribute in `Attributes:` is not said once more for the attribute itself.
"""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

DISPLAY = re.compile(r"^([ \t]*)\$\$\s*(.+?)\s*\$\$[ \t]*([.,;]?)[ \t]*(\(eq-[\w-]+\))?", re.DOTALL | re.MULTILINE)
BAR = re.compile(r"\|(?=[^`]*(?:`[^`]*`[^`]*)*$)")
"""Of an absolute value, outside of code; here it would begin a substitution."""
CODE = re.compile(r"\s*(?:>>>|\.\.\. |\.\. math)")
INLINE = re.compile(r"(?<![\\$`])\$([^$`]+?)\$(?!\$)")


def formulas(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Write what stands between dollars as mathematics of reStructuredText."""
    text = DISPLAY.sub(lambda found: f"\n{found[1]}.. math:: {' '.join(found[2].split())}\n", "\n".join(lines))
    text = INLINE.sub(lambda found: f":math:`{' '.join(found[1].split())}`", text)
    lines[:] = [BAR.sub(r"\\|", line) if not CODE.match(line) else line for line in text.split("\n")]


def configure(app: Sphinx, config: Config) -> None:
    """Set what autodoc and napoleon do; one place, beside the extension that needs it."""
    config.autodoc_member_order = "bysource"
    config.autodoc_default_options = {"no-value": True, "exclude-members": "__init__, __new__"}
    config.autodoc_typehints = "signature"
    config.autodoc_typehints_format = "short"
    config.autodoc_preserve_defaults = True
    config.add_module_names = False
    config.codeautolink_concat_default = True  # a cell knows what the cells above have imported
    config.napoleon_use_ivar = True
    config.napoleon_attr_annotations = False
    config.napoleon_use_rtype = False
    config.default_role = "code"
    config.autodoc_class_signature = "separated"  # what a class takes is said below `Attributes:`
    config.html_domain_indices = False
    config.toc_object_entries = False  # which all pages would have in their list of pages
    # Names in signatures are those of many packages, and `Stack` that of two classes of this one.
    config.nitpick_ignore_regex = [("py:.*", ".*")]
    config.suppress_warnings = [*config.suppress_warnings, "ref.python"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect all of it to Sphinx, with the extensions that it needs."""
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_codeautolink"):
        app.setup_extension(extension)
    app.connect("config-inited", configure, priority=100)
    app.connect("autodoc-process-docstring", formulas, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
