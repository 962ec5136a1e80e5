"""A recipe is data: it says what a residual block is made of, and its plain twin. Nothing is built here.

A variant of a recipe is `dataclasses.replace(unit, ...)`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

ORDERS = {
    "post": "WNAWN+A",
    "pre": "NAWNAW+",
    "pre-norm": "NAWNAWN+",
    "inside": "WNAWN+",
    "one-layer": "WNA+",
    "norm-after": "WNAW+NA",
    "act-before": "WNAWNA+",
    "act-pre": "AWNAWN+",
}
"""Named orders of weight layers (W), normalisations (N) and activations (A); `+` is where the shortcut joins.

`post` is the original unit (he2016deep, sec. 3.4), `pre` full pre-activation; `norm-after`, `act-before`, `act-pre` are
"BN after addition", "ReLU before addition" and "ReLU-only pre-activation" of he2016identity, Fig. 4.
`pre-norm` is `pre` with a normalisation at the end of the branch. `inside` has activations in the branch alone: without
normalisation it is `x + W2 relu(W1 x)`; `one-layer` is `x + relu(W x)`.
"""

SHORTCUTS = ("A", "B", "C", "identity", "none", "rows", "columns", "2x2", "pca", "pool")
"""Where a block changes shape (he2016deep, sec. 4.1), A pads with zeros and B projects by a 1x1 convolution; C projects
in every block. `identity` changes nothing, so it fails there; `none` leaves the shortcut of such a block out.

`rows` and `columns` are 1x1 convolutions whose matrix has orthonormal rows or columns; `2x2` is a convolution with a
kernel of the stride's size, so that every pixel is read once, and orthonormal rows. All three stay so through training.
`pca` is that kernel with the principal directions of what it reads (`shortcuts.pca_`), free to learn from there.
`pool` averages and then projects by a 1x1 convolution (ResNet-D, he2019bag).
"""

ACTIVATIONS = ("relu", "tanh", "sigmoid")
"""What the letter A stands for."""

SCHEMES = ("he", "lecun", "orthogonal", "identity", "looks-linear")
"""How the weights of a network are drawn (`weights.draw`).

Gaussian of variance 2 / fan_in (`he`, he2015delving, for ReLU) or 1 / fan_in (`lecun`), or `orthogonal`.

`identity` is the identity (in a convolution a Dirac kernel, as in zagoruyko2017diracnets) plus a hundredth of `he`, in
every layer that keeps the number of channels, except the first and the last of a network. Those, and the layers that
change it, are drawn as in `he`.

`looks-linear` is `[[A, -A], [-A, A]]` with an orthogonal A (balduzzi2017shattered): ReLU keeps `z` of the pair (z, -z)
as its positive and its negative part, and the next layer puts them together. The first layer is `[A; -A]`, the last
`[A, -A]`. So a plain network, each of whose layers but the first reads what comes out of a ReLU, starts as a linear
map. In convolutions but the first only the central pixel of A is not zero.
"""


def unknown(field: str, value: object, known: Sequence[str], also: str = "") -> ValueError:
    """The error for a name that is not known; it lists the known ones and the closest of them.

    Example:
        >>> print(unknown("unit", "pots", ("post", "pre")))
        unit='pots' is unknown; known: post, pre; closest: 'post'
    """
    close = difflib.get_close_matches(str(value), known, n=1, cutoff=0)[0]
    return ValueError(f"{field}={value!r} is unknown; known: {', '.join(known)}{also}; closest: {close!r}")


@dataclass(frozen=True)
class Unit:
    """Recipe of a residual block, or of its plain twin.

    Attributes:
        order: A name in `ORDERS`, or a pattern like them: `WNAWN+A` is weight, normalisation, activation, weight,
            normalisation in the branch, and an activation after the addition.
        residual: Whether there is a shortcut. Without one the block is plain.
        norm: `batch` or `none`; `none` leaves the N out of the order and gives the weight layers of the branch a bias.
        alpha: Factor of the branch.
        beta: What the shortcut loses: `y = (1 - beta) shortcut(x) + alpha branch(x)`.
        zero_gamma: Whether the scale of the branch's last normalisation, and with it the branch, starts at zero
            (Goyal et al. 2017).
        bottleneck: Whether the branch is 1x1, 3x3, 1x1 with a quarter of the width inside. None: what the published
            network of that depth has, two 3x3 layers elsewhere.
        shortcut: One of `SHORTCUTS`. None: what the published network of that depth has; B for a single block.
        activation: One of `ACTIVATIONS`, for the stem and the head too.
        scheme: One of `SCHEMES`: how the weights of a network of such blocks are drawn, its stem and head included.

    Raises:
        ValueError: Where a field has a value that is not allowed, or two fields contradict each other.
    """

    order: str = "post"
    residual: bool = True
    norm: str = "batch"
    alpha: float = 1.0
    beta: float = 0.0
    zero_gamma: bool = False
    bottleneck: bool | None = None
    shortcut: str | None = None
    activation: str = "relu"
    scheme: str = "he"

    def __post_init__(self):
        if self.order not in ORDERS and not re.fullmatch(r"[NA]*W[WNA]*\+[NA]*", self.order):
            raise unknown("order", self.order, tuple(ORDERS), ", or a pattern like 'WNAWN+A'")
        if self.norm not in ("batch", "none"):
            raise unknown("norm", self.norm, ("batch", "none"))
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", self.activation, ACTIVATIONS)
        if self.scheme not in SCHEMES:
            raise unknown("scheme", self.scheme, SCHEMES)
        if self.shortcut is not None and self.shortcut not in SHORTCUTS:
            raise unknown("shortcut", self.shortcut, SHORTCUTS, " and None for the published one")
        if not math.isfinite(self.alpha):
            raise ValueError(f"alpha={self.alpha} must be finite")
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta={self.beta} must lie between 0 and 1; y = (1 - beta) shortcut(x) + alpha branch(x)")
        if not self.residual and (self.alpha, self.beta) != (1, 0):
            raise ValueError(
                f"alpha={self.alpha}, beta={self.beta} weigh a branch against a shortcut, but residual=False has none; "
                "use unit.plain(), which sets alpha=1 and beta=0"
            )
        if self.bottleneck and self.branch.count("W") != 2:
            raise ValueError(
                f"bottleneck=True needs an order with two weight layers, of which the first is split in two; "
                f"order={self.order!r} has {self.branch.count('W')}"
            )
        if self.zero_gamma and not self.branch.endswith("N"):
            raise ValueError(
                f"zero_gamma=True needs a branch that ends in a normalisation; order={self.order!r} with "
                f"norm={self.norm!r} gives {self.branch!r}, which would learn through a ReLU that is stuck at 0; "
                "use norm='batch' and order='post' or 'pre-norm'"
            )

    def _pattern(self) -> list[str]:
        pattern = ORDERS.get(self.order, self.order)
        return (pattern if self.norm == "batch" else pattern.replace("N", "")).split("+")

    @property
    def branch(self) -> str:
        """The layers of the branch, e.g. `WNAWN`."""
        return self._pattern()[0]

    @property
    def after(self) -> str:
        """The layers after the addition, e.g. `A`."""
        return self._pattern()[1]

    @property
    def entry(self) -> str:
        """The layers of the branch before its first weight layer, e.g. `NA` for pre-activation."""
        return self.branch.partition("W")[0]

    def plain(self) -> Unit:
        """The plain twin: the same layers without a shortcut (and so without the scaling of a sum)."""
        return dataclasses.replace(self, residual=False, alpha=1.0, beta=0.0)


UNITS = {
    "post": Unit(),
    "pre": Unit(order="pre"),
    "inside": Unit(order="inside"),
    "one-layer": Unit(order="one-layer"),
    "plain": Unit(residual=False),
    "plain-pre": Unit(order="pre", residual=False),
    "scaled": Unit(order="pre", alpha=0.1, beta=0.1),
    "zero-gamma": Unit(order="pre-norm", zero_gamma=True),
    "bottleneck": Unit(bottleneck=True),
    "pre-bottleneck": Unit(order="pre", bottleneck=True),
}
"""Recipes by name."""


def unit(name: str | Unit) -> Unit:
    """The recipe of that name; a recipe is returned as it is.

    Raises:
        ValueError: Where the name is not in `UNITS`.

    Example:
        >>> unit("pre").branch, unit("pre").plain().residual
        ('NAWNAW', False)
    """
    if isinstance(name, Unit):
        return name
    if name not in UNITS:
        raise unknown("unit", name, tuple(UNITS), ", or a blocks.Unit")
    return UNITS[name]
