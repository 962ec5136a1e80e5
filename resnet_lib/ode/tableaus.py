"""One-step methods are data: Butcher tableaus and splittings, from which their stability follows."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike

ROUNDING = 1e-13
"""Coefficients of a stability polynomial that are smaller, relative to the largest, are rounding errors of zero."""


@dataclass(frozen=True)
class Tableau:
    r"""A Runge-Kutta method: $k_i = f(t + c_i h, x + h\sum_j a_{ij} k_j)$, then $x + h\sum_i b_i k_i$.

    Attributes:
        name: What `method` calls it.
        a: Rows of $a_{ij}$; strictly lower triangular where the method is explicit.
        b: Weights of the step.
        order: Order of the global error.
        embedded: Weights of the second, less accurate solution whose distance estimates the error; empty without one.
        embedded_order: Its order.

    Raises:
        ValueError: Where the sizes differ, or the weights do not add up to 1.
    """

    name: str
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    order: int
    embedded: tuple[float, ...] = ()
    embedded_order: int = 0

    def __post_init__(self):
        s = len(self.b)
        if len(self.a) != s or any(len(row) != s for row in self.a) or len(self.embedded) not in (0, s):
            raise ValueError(
                f"tableau {self.name!r} has {s} weights; a must be {s} x {s}, and embedded empty or of {s}"
            )
        for name, weights in (("b", self.b), ("embedded", self.embedded)):
            if weights and abs(sum(weights) - 1) > 1e-12:
                raise ValueError(
                    f"{name} of tableau {self.name!r} adds up to {sum(weights)}; a consistent method needs 1"
                )

    @property
    def c(self) -> tuple[float, ...]:
        """When the stages are evaluated: the sums of the rows."""
        return tuple(sum(row) for row in self.a)

    @property
    def explicit(self) -> bool:
        """Whether each stage needs the ones before it only."""
        return all(value == 0 for i, row in enumerate(self.a) for value in row[i:])

    @property
    def first_same_as_last(self) -> bool:
        """Whether the last stage of a step is the first of the next, so that it costs nothing."""
        return self.explicit and len(self.b) > 1 and self.a[-1] == self.b and self.b[-1] == 0

    def polynomials(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Coefficients, the constant first, of $P$ and $Q$ in $R = P/Q$.

        $$ R(z) = 1 + z b^T(I - zA)^{-1}1 = \det(I - zA + z 1 b^T)/\det(I - zA) . $$
        """
        a, b = np.array(self.a, dtype=float), np.array(self.b, dtype=float)
        # np.poly gives det(x I - M), the leading coefficient first: that of det(I - z M) with the constant first.
        top, bottom = np.poly(a - np.outer(np.ones(len(b)), b)), np.poly(a)
        return _clean(np.real(top)), _clean(np.real(bottom))

    def stability(self, z: ArrayLike) -> np.ndarray:
        """`R(z)`, by which one step multiplies `x` where `x' = lambda x` and `z = h lambda`; infinite at a pole."""
        p, q = self.polynomials()
        z = np.asarray(z, dtype=complex)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = polynomial.polyval(z, p) / polynomial.polyval(z, q)
        return np.where(np.isnan(value), np.inf, value)


@dataclass(frozen=True)
class Splitting:
    """A symplectic composition for `q' = v(p), p' = f(q)`: alternately `p += kick h f(q)` and `q += drift h v(p)`.

    Attributes:
        name: What `method` calls it.
        kicks: Fractions of the step.
        drifts: As many; the last may be 0.
        order: Order of the global error.
    """

    name: str
    kicks: tuple[float, ...]
    drifts: tuple[float, ...]
    order: int

    def __post_init__(self):
        if len(self.kicks) != len(self.drifts) or abs(sum(self.kicks) - 1) + abs(sum(self.drifts) - 1) > 1e-12:
            raise ValueError(f"splitting {self.name!r} needs as many kicks as drifts, and each have to add up to 1")

    def matrix(self, z: float) -> np.ndarray:
        """One step on the oscillator `q' = p, p' = -q` with `z = h omega`."""
        step = np.eye(2)
        for kick, drift in zip(self.kicks, self.drifts, strict=True):
            step = np.array([[1, drift * z], [0, 1]]) @ np.array([[1, 0], [-kick * z, 1]]) @ step
        return step


Method = Tableau | Splitting


@dataclass(frozen=True)
class StepLimit:
    """The largest `h` for which all steps from 0 to `h` are stable, `|R(h lambda)| <= 1` for every eigenvalue.

    Attributes:
        value: The step; 0 where every small step is unstable, infinite where none is.
        eigenvalue: The one that limits it; None where `value` is infinite.
        residual: `||R(value * eigenvalue)| - 1|`, 0 where the step is 0 or infinite.
    """

    value: float
    eigenvalue: complex | None
    residual: float


def largest_step(name: str | Method, eigenvalues: ArrayLike) -> StepLimit:
    """The largest stable step of a method on `x' = A x`, from its tableau and the eigenvalues of `A` (or one of them).

    Along the ray of an eigenvalue `|P|^2 - |Q|^2` is a polynomial in the step, whose first root with a change to
    positive values is the limit. A splitting is asked about the oscillator, so its eigenvalues have to be imaginary.

    Raises:
        ValueError: Where an eigenvalue is not finite, or a splitting is asked about damping.

    Example:
        >>> round(largest_step("euler", -10.0).value, 6), largest_step("implicit-euler", -10.0).value
        (0.2, inf)
    """
    chosen = method(name)
    values = np.atleast_1d(np.asarray(eigenvalues, dtype=complex)).ravel()
    if not np.isfinite(values).all():
        raise ValueError("eigenvalues holds NaN or infinite values; remove them")
    best = StepLimit(math.inf, None, 0.0)
    for value in values[values != 0]:
        unit = value / abs(value)
        reach = (_oscillator_reach(chosen, unit) if isinstance(chosen, Splitting) else _reach(chosen, unit)) / abs(
            value
        )
        if reach < best.value:
            residual = 0.0
            if isinstance(chosen, Tableau) and reach > 0:
                residual = abs(abs(complex(chosen.stability(reach * value))) - 1)
            best = StepLimit(float(reach), complex(value), float(residual))
    return best


def _reach(tableau: Tableau, unit: complex) -> float:
    """How far from 0 the ray of `unit` stays in the region of stability."""
    sizes = []
    for coefficients in tableau.polynomials():
        turned = coefficients * unit ** np.arange(len(coefficients))
        sizes.append(np.real(polynomial.polymul(turned, turned.conj())))
    return _first_rise(_clean(polynomial.polysub(*sizes), scale=max(np.abs(size).max() for size in sizes)))


def _oscillator_reach(splitting: Splitting, unit: complex) -> float:
    """Half the trace of a step has to stay within 1: then its eigenvalues lie on the unit circle."""
    if abs(unit.real) > 1e-12:
        raise ValueError(
            f"method={splitting.name!r} is stable on fields that split, such as the oscillator, whose eigenvalues are "
            f"imaginary; got the direction {unit:.3g}; use a Runge-Kutta method for damped fields"
        )
    degree = 2 * len(splitting.kicks)
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    trace = polynomial.polyfit(points, [np.trace(splitting.matrix(z)) / 2 for z in points], degree)
    return _first_rise(_clean(polynomial.polysub(polynomial.polymul(trace, trace), [1.0]), scale=1.0))


def _first_rise(coefficients: np.ndarray) -> float:
    """Where a polynomial that vanishes at 0 first turns positive on the positive axis; infinite if nowhere."""
    nonzero = np.flatnonzero(coefficients)
    if not len(nonzero):
        return math.inf
    rest = coefficients[nonzero[0] :]
    if rest[0] > 0:
        return 0.0
    roots = polynomial.polyroots(rest)
    real = np.sort(roots.real[(np.abs(roots.imag) < 1e-6 * np.abs(roots)) & (roots.real > 0)])
    for i, root in enumerate(real):
        behind = (root + real[i + 1]) / 2 if i + 1 < len(real) else 2 * root
        if polynomial.polyval(behind, rest) > 0:
            return float(root)
    return math.inf


def _clean(coefficients: np.ndarray, scale: float | None = None) -> np.ndarray:
    limit = ROUNDING * (np.abs(coefficients).max() if scale is None else scale)
    return np.where(np.abs(coefficients) > limit, coefficients, 0.0)


_DORMAND_PRINCE = (
    (0.0,) * 7,
    (1 / 5, *(0.0,) * 6),
    (3 / 40, 9 / 40, *(0.0,) * 5),
    (44 / 45, -56 / 15, 32 / 9, *(0.0,) * 4),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, *(0.0,) * 3),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0.0, 0.0),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
)

METHODS: dict[str, Method] = {
    entry.name: entry
    for entry in (
        Tableau("euler", ((0.0,),), (1.0,), 1),
        Tableau("midpoint", ((0.0, 0.0), (0.5, 0.0)), (0.0, 1.0), 2),
        Tableau("heun", ((0.0, 0.0), (1.0, 0.0)), (0.5, 0.5), 2),
        Tableau(
            "rk4",
            ((0.0, 0.0, 0.0, 0.0), (0.5, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
            (1 / 6, 1 / 3, 1 / 3, 1 / 6),
            4,
        ),
        Tableau(
            "bogacki-shampine",
            ((0.0,) * 4, (1 / 2, 0.0, 0.0, 0.0), (0.0, 3 / 4, 0.0, 0.0), (2 / 9, 1 / 3, 4 / 9, 0.0)),
            (2 / 9, 1 / 3, 4 / 9, 0.0),
            3,
            embedded=(7 / 24, 1 / 4, 1 / 3, 1 / 8),
            embedded_order=2,
        ),
        Tableau(
            "dormand-prince",
            _DORMAND_PRINCE,
            _DORMAND_PRINCE[-1],
            5,
            embedded=(5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40),
            embedded_order=4,
        ),
        Tableau("implicit-euler", ((1.0,),), (1.0,), 1),
        Tableau("implicit-midpoint", ((0.5,),), (1.0,), 2),
        Tableau("crank-nicolson", ((0.0, 0.0), (0.5, 0.5)), (0.5, 0.5), 2),
        Splitting("symplectic-euler", (1.0,), (1.0,), 1),
        Splitting("leapfrog", (0.5, 0.5), (1.0, 0.0), 2),
    )
}
"""Methods by name (hairer1993solving, ch. II; hairer1996solving, ch. IV; hairer2006geometric, ch. I)."""


def method(name: str | Method) -> Method:
    """The method of that name; a method is returned as it is.

    Raises:
        ValueError: Where the name is not in `METHODS`.

    Example:
        >>> method("rk4").order, method("leapfrog").kicks
        (4, (0.5, 0.5))
    """
    if not isinstance(name, str):
        return name
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=1, cutoff=0)[0]
        raise ValueError(
            f"method={name!r} is unknown; known: {', '.join(METHODS)}, or a tableaus.Tableau; closest: {close!r}"
        )
    return METHODS[name]


def explicit() -> tuple[Tableau, ...]:
    """The explicit Runge-Kutta methods of `METHODS`.

    Example:
        >>> [entry.name for entry in explicit()]
        ['euler', 'midpoint', 'heun', 'rk4', 'bogacki-shampine', 'dormand-prince']
    """
    return tuple(entry for entry in METHODS.values() if isinstance(entry, Tableau) and entry.explicit)


def implicit() -> tuple[Tableau, ...]:
    """The implicit Runge-Kutta methods of `METHODS`."""
    return tuple(entry for entry in METHODS.values() if isinstance(entry, Tableau) and not entry.explicit)
