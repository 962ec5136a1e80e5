"""Residual blocks that keep inputs apart by theorem, blocks that attain its bound, and blocks that cannot keep it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, func, nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import collisions, inverses, jacobian, lipschitz
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Block
from resnet_lib.nets.blocks import linear_block
from resnet_lib.nets.initialisation import initialise
from resnet_lib.nets.merges import Add
from resnet_lib.sweep import Columns, Experiment

DRAWS, MANY_DRAWS = tuple(range(10)), tuple(range(100))
WIDTH, SAMPLED, SEARCHES, STEPS = 32, 256, 8, 100
"""Coordinates; pairs that are drawn, and that are searched for; steps of the search."""
TIMES = (1, 2, 4, 8, 16)
"""Iterations of the inverse after which its error is read."""
INSIDE = nets.Unit(order="inside", norm="none")
ORIGINAL = nets.Unit(order="post", norm="none")


@dataclass(frozen=True)
class Bounded:
    """A block of `WIDTH` coordinates whose branch has the Lipschitz constant `constant`.

    Attributes:
        kind: `drawn` has a branch `W2 relu(W1 x + b)` of random weights, spectrally normalised. `attained` has
            `-c relu(v.x) v` with a unit vector `v`: the least that is possible, in one direction of one half space.
            `shrinking` has `-c x`.
        constant: Below 1.
    """

    kind: str
    constant: float


@dataclass(frozen=True)
class Original:
    """A random block `relu(x + F(x))` with He's weights, as the original unit is without normalisation."""

    width: int


def block_of(setting: Bounded, seed: int) -> Block:
    """The block, in float64 and evaluation mode.

    Raises:
        ValueError: Where the kind is not known.
    """
    stream = runtime.stream(seed, "bounded", setting.kind, WIDTH)
    if setting.kind == "drawn":
        block = initialise(linear_block(INSIDE, WIDTH), stream).double()
        with torch.no_grad():
            for layer in (block.branch.weight1, block.branch.weight2):
                layer.bias.normal_(generator=stream)  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
        return lipschitz.release(inverses.contracting(block, setting.constant)).eval()
    v = torch.randn(WIDTH, generator=stream, dtype=torch.float64)
    v = v / v.norm()
    if setting.kind == "attained":
        up, down = nn.Linear(WIDTH, 1, bias=False), nn.Linear(1, WIDTH, bias=False)
        weights = v[None], -setting.constant * v[:, None]
        branch = nn.Sequential(up, nn.ReLU(), down)
    elif setting.kind == "shrinking":
        up = down = nn.Linear(WIDTH, WIDTH, bias=False)
        weights = (-setting.constant * torch.eye(WIDTH, dtype=torch.float64),) * 2
        branch = nn.Sequential(up)
    else:
        raise ValueError(f"kind={setting.kind!r} is unknown; known: drawn, attained, shrinking")
    branch.double()
    with torch.no_grad():
        up.weight.copy_(weights[0])
        down.weight.copy_(weights[1])
    return Block(branch, nn.Identity(), Add()).eval()


def distances_trial(setting: Bounded, seeds: Sequence[int]) -> pd.DataFrame:
    """The least ratio of distances behind and before a block, of pairs drawn and searched for; a row a draw."""
    blocks = [block_of(setting, seed) for seed in seeds]
    state, template = func.stack_module_state(blocks), blocks[0]  # pyright: ignore[reportArgumentType]

    def together(x: Tensor) -> Tensor:
        """Every block at inputs of its own, one block after the other."""
        each = func.vmap(lambda params, buffers, z: func.functional_call(template, (params, buffers), (z,)))
        return each(*state, x.unflatten(0, (len(seeds), -1))).flatten(0, 1)

    least, starts = [], []
    for block, seed in zip(blocks, seeds, strict=True):
        stream = runtime.stream(seed, "pairs")
        x, towards = torch.randn(2, SAMPLED, WIDTH, generator=stream, dtype=torch.float64)
        reach = 2 ** (6 * torch.rand(SAMPLED, generator=stream, dtype=torch.float64) - 3)
        with torch.no_grad():
            least.append(float(lipschitz.stretch(block, x, x + reach[:, None] * towards).min()))
        values, vectors = torch.linalg.svd(jacobian.dense(block, x[: 4 * SEARCHES]))[1:]
        chosen = values[:, -1].argsort()[:SEARCHES]
        starts.append((x[chosen], vectors[chosen, -1], reach[chosen]))
    found = collisions.collide(together, *(torch.cat(part) for part in zip(*starts, strict=True)), steps=STEPS)
    searched = found.ratio.reshape(len(seeds), SEARCHES).amin(1)
    return pd.DataFrame({"seed": list(seeds), "sampled": least, "searched": searched.numpy()})


def inverses_trial(setting: Bounded, seeds: Sequence[int]) -> pd.DataFrame:
    """Error of the inverse after some iterations, and the bound of it; one row per (draw, iterations).

    `share` is the largest ratio of error and bound over 16 inputs, `error` and `bound` are medians over these.
    """
    records = []
    for seed in seeds:
        block = block_of(setting, seed)
        x = 3 * torch.randn(16, WIDTH, generator=runtime.stream(seed, "inputs"), dtype=torch.float64)
        with torch.no_grad():
            y = block(x)
            first = block.branch(y).norm(dim=1)
        c = setting.constant
        for times in TIMES:
            found = inverses.invert(block, y, constant=c, tol=0.0, iterations=times)
            error, bound = (found.value - x).norm(dim=1), c**times / (1 - c) * first
            records.append(
                {
                    "seed": seed,
                    "times": times,
                    "error": float(error.median()),
                    "bound": float(bound.median()),
                    "share": float((error / bound).max()),
                }
            )
    return pd.DataFrame(records)


def original_trial(setting: Original, seeds: Sequence[int]) -> pd.DataFrame:
    """The ratio of distances of a pair that a block with a ReLU behind the addition merges; a row a draw.

    At an input, let `D` be the units that the last ReLU leaves on. A direction that `D (I + J)` sends to zero moves the
    input along a line on which nothing comes out changed, up to where a unit switches. `apart` is the length of that,
    relative to the input. `before` is the least ratio of the same branch with the constant 0.5, and no ReLU behind.
    """
    records = []
    for seed in seeds:
        block = initialise(linear_block(ORIGINAL, setting.width), runtime.stream(seed, "original")).double().eval()
        stream = runtime.stream(seed, "original", "input")
        x = torch.randn(setting.width, generator=stream, dtype=torch.float64)
        direction = null_direction(block, x)
        length = reach_of(block, x, direction)
        pair = x[None], (x + length * direction)[None]
        with torch.no_grad():
            merged = lipschitz.stretch(block, *pair)
        tamed = Block(inverses.contracting(block, 0.5).branch, nn.Identity(), Add()).eval()
        others = torch.linalg.svd(jacobian.dense(tamed, x[None]))[2][0, -1]
        with torch.no_grad():
            kept = lipschitz.stretch(tamed, pair[0], pair[0] + length * others)
        record = {"seed": seed, "ratio": float(merged), "apart": float(length / x.norm()), "before": float(kept)}
        records.append(record)
    return pd.DataFrame(records)


def null_direction(block: Block, x: Tensor) -> Tensor:
    """A unit vector that the Jacobian of a block at `x` sends to zero: its last right singular vector."""
    return torch.linalg.svd(jacobian.dense(block, x[None]))[2][0, -1]


def reach_of(block: Block, x: Tensor, direction: Tensor, *, halvings: int = 40) -> Tensor:
    """Half of a length up to which the block is the same along a direction, by halving a length of that of `x`."""
    with torch.no_grad():
        at, length = block(x[None]), x.norm()
        for _ in range(halvings):
            if (block((x + length * direction)[None]) - at).norm() <= 1e-12 * x.norm():
                break
            length = length / 2
    return length / 2


CONSTANTS = (0.5, 0.9)
DISTANCES = Experiment.repeated(
    "distinct-blocks",
    distances_trial,
    tuple(Bounded(kind, c) for kind in ("drawn", "attained") for c in CONSTANTS),
    DRAWS,
    MANY_DRAWS,
    group=20,
    agrees=Columns("exact", {"searched": "sampled"}),
)
INVERSES = Experiment.repeated(
    "distinct-inverses",
    inverses_trial,
    tuple(Bounded(kind, c) for kind in ("drawn", "shrinking") for c in CONSTANTS),
    DRAWS,
    MANY_DRAWS,
    group=20,
    agrees=Columns("rounded"),
)
ORIGINALS = Experiment.repeated(
    "distinct-original",
    original_trial,
    (Original(64),),
    DRAWS,
    MANY_DRAWS,
    agrees=Columns("sampled", {"ratio": "noise"}),
)


def contraction(table: pd.DataFrame) -> Evidence:
    """Least ratio of distances minus 1 - c, one value per draw and constant; control: blocks that attain it."""
    least = table[["sampled", "searched"]].min(axis=1) - (1 - table["constant"])
    return Evidence(least[table["kind"] == "drawn"].to_numpy(), least[table["kind"] == "attained"].to_numpy())


def inverse(table: pd.DataFrame) -> Evidence:
    """Largest ratio of error and bound over the iterations, one value per draw and constant; control: F = -cx."""
    share = table.groupby(["kind", "constant", "seed"])["share"].max()
    return Evidence(share["drawn"].to_numpy(), share["shrinking"].to_numpy())


def behind(table: pd.DataFrame) -> Evidence:
    """Least ratio behind a block that ends in a ReLU, one value per draw; control: no ReLU, constant 0.5."""
    return Evidence(table["ratio"].to_numpy(), table["before"].to_numpy())
