"""A drawing that is published can be read on its page: its words are large enough, and nothing is cut off.

It knows Matplotlib figures; what they show is none of its business.
"""

from matplotlib.figure import Figure
from matplotlib.text import Text

COLUMN = 8.0  # inches at 96 pixels: how wide a page shows a figure at most
SMALLEST = 9.0  # points, which are 12 pixels
HAIR = 0.03  # inches: the blank around a letter, or half of a line, may lie beyond the edge


def refuse_small_text(id: str, figure: Figure) -> None:
    """A page shows a figure no wider than its column, and shrinks the words of a wider one with it."""
    width = figure.get_figwidth()
    scale = min(1.0, COLUMN / width)
    for words in figure.findobj(Text):
        size = float(words.get_fontsize())
        if words.get_visible() and words.get_text().strip() and size * scale < SMALLEST - 0.01:
            raise ValueError(
                f"{id}: a page would show {words.get_text()!r} at {size * scale:.3g} points, for it is "
                f"set at {size:.3g} in a figure {width:.3g} inches wide; at least {SMALLEST:g} can be "
                f"read: let the figure be at most {COLUMN:g} inches wide, and leave out the fontsize"
            )


def refuse_cut_off(id: str, figure: Figure) -> None:
    """What is laid out beyond the edge of a figure is in none of its files."""
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    beyond = {"left": -drawn.x0, "right": drawn.x1 - width, "lower": -drawn.y0, "upper": drawn.y1 - height}
    if cut := [f"{72 * over:.0f} points at the {side} edge" for side, over in beyond.items() if over > HAIR]:
        raise ValueError(
            f"{id}: something is drawn beyond the figure and would be cut off, {' and '.join(cut)}; shorten the label "
            "or the legend there, or give it fewer columns"
        )
