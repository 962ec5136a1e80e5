"""A wave packet before a hill: the steps of five methods as residual blocks, and what each makes of the norm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from resnet_lib import nets, runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.solvers_as_networks.heat import DRAWS, MANY_DRAWS
from resnet_lib.linalg.grids import Line
from resnet_lib.nets.blocks import Absent
from resnet_lib.nets.merges import Add, BranchOnly
from resnet_lib.ode import propagators
from resnet_lib.sweep import Columns, Experiment

LINE = Line(96, "periodic", 1 / 3)
"""Where the waves move: 32 units of length."""
STEPS, STEP = 1000, 0.03
Number = float | Tensor
METHODS = ("euler", "implicit-euler", "implicit-midpoint", "leapfrog", "split")


def hill(line: Line, height: float) -> Float[Tensor, " n"]:
    """A potential with one hill, of width 1, in the middle of the line."""
    x = (torch.arange(line.points, dtype=torch.float64) - line.points // 2) * line.spacing
    return height * torch.exp(-(x**2))


def hamiltonian(line: Line, potential: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
    r"""The energy $-\tfrac12\Delta+V$ on a line, a symmetric matrix."""
    return torch.diag(potential) - line.laplacian() / 2


def packet(line: Line, centre: Number, momentum: Number, width: Number) -> Complex[Tensor, "*batch n"]:
    """A packet of norm 1 at a place, with a momentum and a width (the deviation of its density), around the ring.

    What reaches beyond an end comes in at the other one, so that the packet is smooth all around. Tensors of places,
    momenta or widths make as many packets.
    """
    at, turn, size = (torch.as_tensor(each, dtype=torch.float64)[..., None, None] for each in (centre, momentum, width))
    length = line.points * line.spacing
    turns = length * torch.arange(-2, 3, dtype=torch.float64)[:, None]
    x = torch.arange(line.points, dtype=torch.float64) * line.spacing - at + turns
    psi = torch.polar(torch.exp(-((x / size) ** 2) / 4), turn * x).sum(-2)
    return psi / psi.norm(dim=-1, keepdim=True)


def step_of(method: str, line: Line, potential: Float[Tensor, " n"], step: float) -> Float[Tensor, "d d"]:
    """The matrix of one step, in real coordinates: of a method of `ode`, of the split step, or the exact one."""
    kinetic, hilly = (propagators.turning(part) for part in (-line.laplacian() / 2, torch.diag(potential)))
    if method == "split":
        return propagators.strang(hilly, kinetic, step)
    if method == "exact":
        return propagators.exponential(kinetic + hilly, step)
    return propagators.propagator(method, kinetic + hilly, step)


def block(step: Float[Tensor, "d d"], *, skip: bool = True) -> nets.Block:
    """The residual block of a step, whose branch is the step minus the identity; or that branch alone."""
    branch = nn.Linear(len(step), len(step), bias=False, dtype=step.dtype)
    branch.weight = nn.Parameter(step - torch.eye(len(step), dtype=step.dtype), requires_grad=False)
    return nets.Block(branch, nn.Identity(), Add()) if skip else nets.Block(branch, Absent(), BranchOnly())


def drawn(seeds: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Places, momenta and widths of the packets of some draws."""
    parts = [torch.rand(3, generator=runtime.stream(seed, "packet"), dtype=torch.float64) for seed in seeds]
    centre, momentum, width = torch.stack(parts, 1)
    return 4 + 6 * centre, 1 + momentum, 1 + width


@dataclass(frozen=True)
class Wave:
    """Packets of random place, momentum and width before a hill, under `steps` steps of a method."""

    method: str
    step: float = STEP
    steps: int = STEPS
    height: float = 1.0


def wave_trial(setting: Wave, seeds: Sequence[int]) -> pd.DataFrame:
    """What a method makes of packets and of single modes; one row per draw.

    `drift` is the relative change of the norm after all steps, `grown` its log10. `one_step` is the
    growth of the norm of a random mode in a step, of energy `energy`; `form` the relative difference of the residual
    block from the step, `bare` of its branch alone; `error` that from the exact wave after a tenth of the steps.
    """
    potential = hill(LINE, setting.height)
    step = step_of(setting.method, LINE, potential, setting.step)
    energies, modes = torch.linalg.eigh(hamiltonian(LINE, potential))
    psi = packet(LINE, *drawn(seeds))
    x = start = propagators.joined(psi)
    early, tenth = start, setting.steps // 10
    for n in range(setting.steps):
        x = x @ step.mT
        early = x if n + 1 == tenth else early
    exact = start @ propagators.exponential(propagators.turning(hamiltonian(LINE, potential)), setting.step * tenth).mT
    chosen = [int(torch.randint(len(modes) // 4, len(modes), (), generator=runtime.stream(s, "mode"))) for s in seeds]
    mode = torch.cat([modes[:, chosen].mT, torch.zeros(len(seeds), len(modes), dtype=modes.dtype)], 1)
    moved = start @ step.mT

    def off(found: Tensor) -> np.ndarray:
        return ((found - moved).norm(dim=1) / moved.norm(dim=1)).numpy()

    size = x.norm(dim=1).clamp(max=1e300)
    return pd.DataFrame(
        {
            "seed": list(seeds),
            "drift": (size - 1).abs().clamp(max=1e100).numpy(),
            "grown": size.log10().numpy(),
            "one_step": (mode @ step.mT).norm(dim=1).numpy(),
            "energy": energies[chosen].numpy(),
            "form": off(block(step)(start)),
            "bare": off(block(step, skip=False)(start)),
            "error": ((early - exact).norm(dim=1)).clamp(max=1e100).numpy(),
        }
    )


_LOOSE = Columns("exact", {"drift": "noise", "grown": "sampled", "form": "noise", "error": "rounded"})
_WAVES = (*map(Wave, METHODS), Wave("implicit-midpoint", step=1.0, steps=100), Wave("exact", step=1.0, steps=100))
WAVES = Experiment.repeated("solvers-waves", wave_trial, _WAVES, quick=DRAWS, full=MANY_DRAWS, group=50, agrees=_LOOSE)


def _of(table: pd.DataFrame, method: str, step: float = STEP) -> pd.DataFrame:
    return table[(table["method"] == method) & (table["step"] == step)]


def form(table: pd.DataFrame) -> Evidence:
    """Relative difference of block and step, one value per method and draw; control: the branch without shortcut."""
    rows = table[table["step"] == STEP]
    return Evidence(rows["form"].to_numpy(), rows["bare"].to_numpy())


def euler(table: pd.DataFrame) -> Evidence:
    """Change of the norm under Euler's method, one value per draw; control: under the implicit midpoint method."""
    return Evidence(_of(table, "euler")["drift"].to_numpy(), _of(table, "implicit-midpoint")["drift"].to_numpy())


def unitary(table: pd.DataFrame) -> Evidence:
    """Change of the norm under the Cayley and the split step; control: under implicit Euler."""
    kept = pd.concat([_of(table, "implicit-midpoint"), _of(table, "split")])
    return Evidence(kept["drift"].to_numpy(), _of(table, "implicit-euler")["drift"].to_numpy())


def growth(table: pd.DataFrame) -> Evidence:
    """Growth of a mode in a step minus the formula's, both Euler methods; control: of the Cayley step."""

    def beyond(method: str, power: float) -> np.ndarray:
        rows = _of(table, method)
        return (rows["one_step"] - (1 + (STEP * rows["energy"]) ** 2) ** power).to_numpy()

    values = np.concatenate([beyond("euler", 0.5), beyond("implicit-euler", -0.5)])
    return Evidence(values, beyond("implicit-midpoint", 0.5))


def faithful(table: pd.DataFrame) -> Evidence:
    """Error of Cayley steps of length 1 after ten of them, one value per draw; control: of exact steps."""
    return Evidence(
        _of(table, "implicit-midpoint", 1.0)["error"].to_numpy(), _of(table, "exact", 1.0)["error"].to_numpy()
    )


@dataclass(frozen=True)
class Limit:
    """The largest stable step of the staggered leapfrog and of the one of two steps, on a small line with any hills."""

    points: int = 8


def blows_up(step: Float[Tensor, "d d"], doublings: int = 12) -> bool:
    """Whether 4,096 steps make some state grow by 1,000 and more: by taking them, each as many as all before."""
    power, size = step, 0.0
    for _ in range(doublings):
        power = power @ power
        norm = float(torch.linalg.matrix_norm(power))
        power, size = power / norm, 2 * size + math.log(norm)
    return size > math.log(1000)


def limit_trial(setting: Limit, seeds: Sequence[int]) -> pd.DataFrame:
    """The largest stable step times the largest energy, of both leapfrogs, by bisection; one row per draw."""
    line = Line(setting.points)
    rows = []
    for seed in seeds:
        hills = torch.rand(setting.points, generator=runtime.stream(seed, "hills"), dtype=torch.float64)
        energy = hamiltonian(line, hills)
        largest = float(torch.linalg.eigvalsh(energy)[-1])
        field = propagators.turning(energy)
        found: dict[str, float] = {"seed": seed}
        for name, make in (
            ("staggered", lambda h, a=field: propagators.propagator("leapfrog", a, h)),
            ("two_step", lambda h, a=field: propagators.two_step(a, h)),
        ):
            low, high = 0.1 / largest, 10 / largest
            for _ in range(14):
                middle = (low + high) / 2
                low, high = (low, middle) if blows_up(make(middle)) else (middle, high)
            found[name] = middle * largest
        rows.append(found)
    return pd.DataFrame(rows)


LIMITS = Experiment.repeated(
    "solvers-leapfrog", limit_trial, (Limit(),), quick=DRAWS, full=MANY_DRAWS, group=50, agrees=Columns("rounded")
)


def leapfrog(table: pd.DataFrame) -> Evidence:
    """Largest stable step times largest energy of the staggered leapfrog over 2; control: of the one of two steps."""
    return Evidence(table["staggered"].to_numpy() / 2, table["two_step"].to_numpy() / 2)
