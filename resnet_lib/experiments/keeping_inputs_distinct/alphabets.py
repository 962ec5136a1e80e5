r"""Blocks on a finite alphabet, where the information that a state holds on a label is counted exactly.

With a joint law $p(x,y)$ of state and label, $I(x;y)=\sum p\log_2\frac{p}{p_xp_y}$ bits. A block is a map of states, so
that its output's joint law is a sum over the states that it merges; a branch that also reads the label is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import special

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Columns, Experiment

DRAWS, MANY_DRAWS = tuple(range(50)), tuple(range(500))


@dataclass(frozen=True)
class Alphabet:
    """Blocks `x + f(x)` on the numbers modulo `states`, one after the other.

    Attributes:
        kind: Of `f`: `drawn` at random; `bijective`, drawn so that `x + f(x)` is a permutation; `informed`, `f(x, y)`,
            which also reads the label, and starts from a state that knows nothing of it.
        states: How many.
        labels: How many.
        blocks: How many.
    """

    kind: str
    states: int = 16
    labels: int = 4
    blocks: int = 8


def information(joint: Float[np.ndarray, "state label"]) -> float:
    """Mutual information of the rows' and the columns' variable, in bits, of a joint law."""
    return float(
        (special.entr(joint.sum(1)).sum() + special.entr(joint.sum(0)).sum() - special.entr(joint).sum()) / np.log(2)
    )


def pushed(
    joint: Float[np.ndarray, "state label"], to: Int[np.ndarray, "state label"]
) -> Float[np.ndarray, "state label"]:
    """The joint law behind a block that sends state `x` with label `y` to the state `to[x, y]`."""
    out = np.zeros_like(joint)
    np.add.at(out, (to, np.broadcast_to(np.arange(joint.shape[1]), to.shape)), joint)
    return out


def branch(setting: Alphabet, rng: np.random.Generator) -> Int[np.ndarray, "state label"]:
    """`f` as a table: a row a state, a column a label.

    Raises:
        ValueError: Where the kind is not known.
    """
    n, x = setting.states, np.arange(setting.states)
    if setting.kind == "bijective":
        column = (rng.permutation(n) - x) % n
    elif setting.kind == "drawn":
        column = rng.integers(n, size=n)
    elif setting.kind == "informed":
        return rng.integers(n, size=(n, setting.labels))
    else:
        raise ValueError(f"kind={setting.kind!r} is unknown; known: drawn, bijective, informed")
    return np.repeat(column[:, None], setting.labels, axis=1)


def trial(setting: Alphabet, seeds: Sequence[int]) -> pd.DataFrame:
    """Bits on the label in the state after 0, 1, ... blocks; one row per (draw, block)."""
    records = []
    for seed in seeds:
        rng = runtime.rng(seed, "alphabet", setting.kind)
        joint = rng.dirichlet(np.full(setting.states * setting.labels, 0.3)).reshape(setting.states, setting.labels)
        if setting.kind == "informed":
            joint = joint.sum(1, keepdims=True) * joint.sum(0)
        for block in range(setting.blocks + 1):
            records.append({"seed": seed, "block": block, "bits": information(joint)})
            to = (np.arange(setting.states)[:, None] + branch(setting, rng)) % setting.states
            joint = pushed(joint, to)
    return pd.DataFrame(records)


ALPHABETS = Experiment.repeated(
    "distinct-alphabets",
    trial,
    tuple(Alphabet(kind) for kind in ("drawn", "bijective", "informed")),
    DRAWS,
    MANY_DRAWS,
    agrees=Columns("exact"),
)


def changes(table: pd.DataFrame, kind: str) -> np.ndarray:
    """Bits behind the first block minus before it, one value per draw."""
    bits = table[table["kind"] == kind].pivot(index="seed", columns="block", values="bits")
    return (bits[1] - bits[0]).to_numpy()


def adds(table: pd.DataFrame) -> Evidence:
    """Bits that a random block adds, one value per draw; control: a block that reads the label."""
    return Evidence(changes(table, "drawn"), changes(table, "informed"), "bits")


def keeps(table: pd.DataFrame) -> Evidence:
    """Bits that a random block adds, which are negative where it loses some; control: bijective blocks."""
    return Evidence(changes(table, "drawn"), changes(table, "bijective"), "bits")


def never(table: pd.DataFrame) -> Evidence:
    """The largest rise by one of eight blocks, one value per draw, random or bijective; control: informed ones."""
    bits = table.pivot(index=["kind", "seed"], columns="block", values="bits")
    rise = bits.diff(axis=1).iloc[:, 1:].max(axis=1)
    return Evidence(np.concatenate([rise["drawn"], rise["bijective"]]), rise["informed"].to_numpy(), "bits")
