"""One style says how figures look: what a colour and a marker stand for throughout the book, light and dark."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
from matplotlib.colors import to_hex

# What a colour stands for, throughout the book. Matplotlib looks "C0" up in the style sheet when it draws, so that one
# drawing comes out light and dark.
_NAMES = (
    "plain",
    "post",
    "pre",
    "scaled",
    "zero-gamma",
    "bottleneck",
    "theory",
    "reference",
    "control",
)
COLOURS: dict[str, str] = {name: f"C{i}" for i, name in enumerate(_NAMES)}
MARKERS: dict[str, str] = dict(zip(_NAMES, "osD^vP.xX", strict=True))  # colour alone does not reach everyone


def ink(name: str) -> str:
    """The colour of a name in `COLOURS` as `#rrggbb` in the style that is being drawn, for what is not Matplotlib.

    Example:
        >>> with style():
        ...     light = ink("plain")
        >>> with style(dark=True):
        ...     light.startswith("#"), light == ink("plain")
        (True, False)
    """
    return to_hex(COLOURS[name])


@contextmanager
def style(*, dark: bool = False) -> Iterator[None]:
    """Draw in the book's style, whatever the user's settings are, and restore them."""
    sheets = [Path(__file__).with_name(name) for name in ("book.mplstyle", "book-dark.mplstyle")]
    with matplotlib.style.context(sheets if dark else sheets[:1], after_reset=True):
        yield
