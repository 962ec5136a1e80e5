"""Propagators that are learned from waves, for one long step: inside the waves they were fitted on, and outside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.choices import Choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.solvers_as_networks.heat import DRAWS, MANY_DRAWS
from resnet_lib.experiments.solvers_as_networks.waves import hamiltonian, packet
from resnet_lib.linalg.grids import Line
from resnet_lib.ode import propagators
from resnet_lib.sweep import Columns, Experiment

LINE = Line(128)
STEPS, PACKETS, TESTED = 20, 64, 32
WIDTH = 8.0
SUBSTEPS = 25
"""Cayley steps that cost as many complex multiplications as one dense map: 128^2 over five for each of 128 points."""
TERMS, FEW = 40, 10
"""Terms of the Chebyshev sum: at three products a point and term 40 cost less than a dense map, and 10 are too few."""
RIDGE = 1e-8
PENALTIES = tuple(10.0**-power for power in range(2, 11))
HELD = 16
"""Packets besides, on which penalties are chosen."""
CAP = 1e6
TEST = {"like": (0.2, 0.5), "back": (-0.5, -0.2), "fast": (0.8, 1.1)}
"""Momenta of the test packets; those of `like` are the training packets' momenta."""


@dataclass(frozen=True)
class Propagation:
    """A learned step of length `time`, on a ring that is `free` or has a `well`, from outcomes with noise of a size."""

    potential: str
    time: float = 10.0
    noise: float = 0.0
    ridge: float = RIDGE
    packets: int = PACKETS


def potential_of(name: str) -> Tensor:
    """None, or a smooth well of depth 0.4."""
    if name == "free":
        return torch.zeros(LINE.points, dtype=torch.float64)
    angle = 2 * torch.pi * torch.arange(LINE.points, dtype=torch.float64) / LINE.points
    return 0.2 * (1 - torch.cos(angle))


def packets(number: int, momenta: tuple[float, float], generator: torch.Generator) -> Complex[Tensor, "number n"]:
    """Packets at random places with random momenta, a row each."""
    drawn = torch.rand(number, 2, generator=generator, dtype=torch.float64)
    low, high = momenta
    return packet(LINE, LINE.points * drawn[:, 0], low + (high - low) * drawn[:, 1], WIDTH)


def ridge(x: Complex[Tensor, "p n"], y: Complex[Tensor, "kinds p n"], size: float) -> Complex[Tensor, "kinds n n"]:
    """The matrices `W` with `y = W x` that are least in squares, with the penalty `size` on their entries' squares."""
    gram = x.mH @ x + size * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.linalg.solve(gram, x.mH @ y).mT


def rotation(x: Complex[Tensor, "p n"], y: Complex[Tensor, "p n"]) -> Complex[Tensor, "n n"]:
    """The unitary matrix with `y = W x` that is least in squares: the polar factor of `y^T conj(x)` (Procrustes)."""
    left, _, right = torch.linalg.svd(y.mT @ x.conj())
    return left @ right


def propagation_trial(setting: Propagation, seeds: Sequence[int]) -> pd.DataFrame:
    """Errors after 20 steps of the learned maps, of Cayley's steps, Chebyshev sums and the exponential; a row each.

    The maps called `tuned` have the penalty with the least error of one step on packets held out, others the setting's.
    `error` is the root mean square over test packets of the distance from the true wave, at most 1e6.
    """
    energies, modes = torch.linalg.eigh(hamiltonian(LINE, potential_of(setting.potential)))
    eye, basis = torch.eye(LINE.points, dtype=torch.complex128), modes.to(torch.complex128)

    def function(values: Tensor) -> Tensor:
        return (basis * values) @ basis.mH

    true = function(torch.polar(torch.ones_like(energies), -setting.time * energies))
    end = function(torch.polar(torch.ones_like(energies), -STEPS * setting.time * energies))
    half = 0.5j * setting.time / SUBSTEPS * energies
    energy = hamiltonian(LINE, potential_of(setting.potential))
    bounds = (0.0, 2.0 + float(potential_of(setting.potential).max()))
    known = {
        "cayley": function(((1 - half) / (1 + half)) ** SUBSTEPS),
        "exponential": torch.linalg.matrix_exp(-1j * setting.time * energy),
        "chebyshev": propagators.chebyshev(energy, setting.time, TERMS, bounds),
        "chebyshev-few": propagators.chebyshev(energy, setting.time, FEW, bounds),
    }
    known = {name: torch.linalg.matrix_power(found, STEPS) - end for name, found in known.items()}
    rows = []
    for seed in seeds:
        generator = runtime.stream(seed, "packets")
        x = packets(setting.packets, TEST["like"], generator)
        parts = torch.randn(2, *x.shape, generator=generator, dtype=torch.float64) / (2 * LINE.points) ** 0.5
        y = x @ true.mT + setting.noise * torch.complex(parts[0], parts[1])
        other = y[torch.randperm(len(y), generator=generator)]
        plain, residual, shuffled = ridge(x, torch.stack([y, y - x, other - x]), setting.ridge)
        maps = {"plain": plain, "residual": eye + residual, "shuffled": eye + shuffled}
        maps |= {"unitary": rotation(x, y), "unitary-shuffled": rotation(x, other)}
        held = packets(HELD, TEST["like"], runtime.stream(seed, "held"))
        noise = torch.randn(2, *held.shape, generator=runtime.stream(seed, "held", "noise"), dtype=torch.float64)
        after = held @ true.mT + setting.noise / (2 * LINE.points) ** 0.5 * torch.complex(noise[0], noise[1])
        gram = x @ x.mH + torch.tensor(PENALTIES)[:, None, None] * torch.eye(len(x), dtype=x.dtype)
        given = torch.stack([y, y - x])[:, None]
        after = torch.stack([after, after - held])[:, None]
        found = held @ x.mH @ torch.linalg.solve(gram, given)
        sizes = [PENALTIES[int(best)] for best in (found - after).flatten(2).norm(dim=-1).argmin(-1)]
        maps["plain-tuned"] = ridge(x, y[None], sizes[0])[0]
        maps["residual-tuned"] = eye + ridge(x, (y - x)[None], sizes[1])[0]
        far = known | {name: torch.linalg.matrix_power(found, STEPS) - end for name, found in maps.items()}
        for test, momenta in TEST.items():
            fresh = packets(TESTED, momenta, runtime.stream(seed, "test", test))
            for name, apart in far.items():
                wrong = float((fresh @ apart.mT).norm()) / TESTED**0.5
                rows.append((seed, test, name, min(wrong, CAP) if np.isfinite(wrong) else CAP))
    return pd.DataFrame(rows, columns=["seed", "test", "map", "error"])


_SETTINGS = (
    Propagation("free"),
    Propagation("free", noise=1e-3),
    Propagation("free", time=0.1),
    Propagation("well"),
)
PROPAGATION = Experiment.repeated(
    "solvers-propagation",
    propagation_trial,
    _SETTINGS,
    quick=DRAWS,
    full=MANY_DRAWS[:50],
    group=10,
    agrees=Columns("rounded", {"error": "noise"}),
)


_WAYS = {
    "a penalty of 1e-10": {"ridge": 1e-10},
    "a penalty of 1e-6": {"ridge": 1e-6},
    "32 packets": {"packets": 32},
    "256 packets": {"packets": 256},
}
CHOICES = Choices(
    PROPAGATION,
    {words: tuple(replace(setting, **way) for setting in _SETTINGS) for words, way in _WAYS.items()},
)


def _errors(
    table: pd.DataFrame, name: str, test: str, potential: str = "free", noise: float = 0.0, time: float = 10.0
) -> np.ndarray:
    """log10 of the errors of a map, one for each draw."""
    rows = table[(table["potential"] == potential) & (table["noise"] == noise) & (table["time"] == time)]
    mine = rows[(rows["map"] == name) & (rows["test"] == test)].sort_values("seed")
    return np.log10(mine["error"].to_numpy())


def accelerated(table: pd.DataFrame) -> Evidence:
    """log10 of the learned error over Cayley's, packets like the training ones; control: outcomes shuffled."""
    cayley = _errors(table, "cayley", "like")
    return Evidence(_errors(table, "residual", "like") - cayley, _errors(table, "shuffled", "like") - cayley, "decades")


def _beside_cayley(test: str, potential: str):
    def measure(table: pd.DataFrame) -> Evidence:
        learned, cayley, exact = (
            _errors(table, name, test, potential) for name in ("residual", "cayley", "exponential")
        )
        return Evidence(learned - cayley, exact - cayley, "decades")

    measure.__doc__ = f"log10 of the learned error over Cayley's, test {test}, {potential}; control: the exponential."
    return measure


transfer = _beside_cayley("back", "free")
well = _beside_cayley("like", "well")


def exponential(table: pd.DataFrame) -> Evidence:
    """log10 of the learned error over the exponential's, packets like the training ones; control: outcomes shuffled."""
    exact = _errors(table, "exponential", "like")
    return Evidence(_errors(table, "residual", "like") - exact, _errors(table, "shuffled", "like") - exact, "decades")


def shortcut(table: pd.DataFrame) -> Evidence:
    """log10 of the residual error over the plain one, packets that run back; control: steps a hundred times shorter."""

    def apart(time: float) -> np.ndarray:
        return _errors(table, "residual", "back", time=time) - _errors(table, "plain", "back", time=time)

    return Evidence(apart(10.0), apart(0.1), "decades")


def chebyshev(table: pd.DataFrame) -> Evidence:
    """log10 of the learned error over that of 40 Chebyshev terms; control: over that of 10, which are too few."""
    learned = _errors(table, "residual", "like")
    enough, few = (learned - _errors(table, name, "like") for name in ("chebyshev", "chebyshev-few"))
    return Evidence(enough, few, "decades")


def noisy(table: pd.DataFrame) -> Evidence:
    """log10 of the learned error over Cayley's, noise, tuned penalty; control: the same without noise in the data."""
    found = [
        _errors(table, "residual-tuned", "like", noise=noise) - _errors(table, "cayley", "like", noise=noise)
        for noise in (1e-3, 0.0)
    ]
    return Evidence(found[0], found[1], "decades")


def turning(table: pd.DataFrame) -> Evidence:
    """log10 of the unitary map's error over a free one's, tuned, the better; control: shuffled, untuned, no noise."""
    free = [_errors(table, name, "like", noise=1e-3) for name in ("plain-tuned", "residual-tuned")]
    noisy = _errors(table, "unitary", "like", noise=1e-3) - np.minimum(*free)
    shuffled = _errors(table, "unitary-shuffled", "like") - _errors(table, "residual", "like")
    return Evidence(noisy, shuffled, "decades")
