r"""One table says how each variant of a network is shown: name, meaning, title, colour, marker and line.

A colour says how a signal gets past a block, a line what else keeps it in size: solid as a rule, dotted where nothing
does. This module builds no network, and is in no trial's source.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from resnet_lib.evidence import style
from resnet_lib.nets.units import unknown

Word = TypeVar("Word", bound=Hashable)


@dataclass(frozen=True)
class Variant:
    """The look of a variant, wherever it is drawn.

    Attributes:
        name: What it is called in this table; in a chapter's settings it may have a shorter name.
        meaning: What the network is made of.
        title: What a legend calls it.
        colour: A key of `style.COLOURS`.
        marker: Of Matplotlib.
        line: Of Matplotlib.
    """

    name: str
    meaning: str
    title: str
    colour: str
    marker: str
    line: str = "-"

    @property
    def look(self) -> dict[str, Any]:
        """Colour, marker, line and label, as `Axes.plot` takes them."""
        colour = style.COLOURS[self.colour]
        return {"color": colour, "marker": self.marker, "linestyle": self.line, "label": self.title}

    @property
    def ink(self) -> str:
        """Its colour in the style that is being drawn, for what is not Matplotlib."""
        return style.ink(self.colour)


_ALL = (
    Variant("residual", "pre-activation units with batch normalisation", "residual, batch norm", "pre", "D"),
    Variant("original", "original units, batch normalisation, ReLU after sum", "residual, original unit", "post", "s"),
    Variant("bottleneck", "`original`, of 1x1, 3x3 and 1x1 layers", "residual, bottleneck", "bottleneck", "D"),
    Variant("residual-bare", "shortcuts alone, no normalisation, no scale", "residual, unscaled", "pre", "d", ":"),
    Variant(
        "residual-small",
        "`residual-bare`, last weights of branches / 4 at first",
        "residual, small start",
        "pre",
        "8",
        "--",
    ),
    Variant("scaled", "branches times 1/sqrt(L), no normalisation", r"residual, $1/\sqrt{L}$", "scaled", "^"),
    Variant(
        "scaled-less", "branches times L^(-1/4), no normalisation", "residual, $L^{-1/4}$", "bottleneck", "P", "-."
    ),
    Variant("scaled-more", "branches times 1/L, no normalisation", "residual, $1/L$", "scaled", ">", "-."),
    Variant("tied", "one branch times 1/L for all blocks", "residual, $1/L$, shared weights", "control", "X", "--"),
    Variant("highway", "gates that share branch and shortcut, no normalisation", "highway", "post", "v"),
    Variant("gated", "gates on the shortcut alone, branches times 1/sqrt(L)", "gate on the shortcut", "post", "o", ":"),
    Variant("constrained", "weights of norm at most 1/sqrt(L)", "residual, constrained", "scaled", "H", "--"),
    Variant("zero-gamma", "`residual` whose branches start at zero", "residual, zero-gamma", "zero-gamma", "v"),
    Variant("orthogonal", "linear orthogonal branches", "orthogonal, linear", "reference", "x"),
    # Without shortcuts it makes no difference where in the sequence of layers a block begins.
    Variant("plain", "no shortcuts, batch normalisation", "plain, batch norm", "plain", "o"),
    Variant("plain-bare", "layers and ReLUs alone, He's initialisation", "plain, He", "plain", "p", ":"),
    Variant("plain-kept", "two layers a block that keep the mean square", "plain, size kept", "plain", "d", "-."),
    Variant(
        "plain-scaled", "`plain-bare`, last weights of blocks / sqrt(L)", r"plain, $1/\sqrt{L}$", "plain", "h", "--"
    ),
    Variant("plain-identity", "one layer a block, at first the identity", "plain, started as identity", "control", "X"),
    Variant("plain-near", "two layers a block, near the identity", "plain, near the identity", "control", "*", "-."),
    Variant("plain-mirrored", "`plain`, looks-linear", "plain, looks-linear, batch norm", "zero-gamma", "<", "--"),
    Variant("plain-looks-linear", "`plain-bare`, looks-linear", "plain, looks-linear", "zero-gamma", "<"),
    Variant("plain-orthogonal", "`plain-bare`, orthogonal weights", "plain, orthogonal", "reference", "+", "--"),
    Variant("plain-sigmoid", "sigmoids for ReLUs, no normalisation", "plain, sigmoids", "bottleneck", "P"),
)
VARIANTS: dict[str, Variant] = {variant.name: variant for variant in _ALL}


def find(name: str) -> Variant:
    """The variant of that name.

    Raises:
        ValueError: Where the table has none.

    Example:
        >>> find("residual-bare").title
        'residual, unscaled'
    """
    if name not in VARIANTS:
        raise unknown("variant", name, tuple(VARIANTS), " (a new one is a line in evidence/variants.py)")
    return VARIANTS[name]


def shown(names: Mapping[Word, str]) -> dict[Word, Variant]:
    """The variants that a chapter's own words for its networks stand for.

    Raises:
        ValueError: Where one of them is not in the table.

    Example:
        >>> shown({"bare": "residual-bare"})["bare"].title
        'residual, unscaled'
    """
    return {word: find(name) for word, name in names.items()}
