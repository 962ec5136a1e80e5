"""The signal through many scaled blocks with random branches, where its size has a closed form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.lipschitz_bounds.stacks import BETA
from resnet_lib.sweep import Experiment


@dataclass(frozen=True)
class Signal:
    """`blocks` blocks `(1 - beta) I + alpha Q`; `kind` says what Q is and how alpha goes with beta.

    `guaranteed`: `alpha = beta`, random rotations; `aligned`: `alpha = beta`, `Q = I`; `preserving`: random rotations
    with `(1 - beta)^2 + alpha^2 = 1`.
    """

    kind: str
    beta: float
    blocks: int = 100
    dimension: int = 16


def signal_trial(setting: Signal, seeds: Sequence[int]) -> pd.DataFrame:
    """log10 of the root-mean-square gain after each block; one row per (seed, depth)."""
    d, beta = setting.dimension, setting.beta
    alpha = (1 - (1 - beta) ** 2) ** 0.5 if setting.kind == "preserving" else beta
    pieces = []
    for seed in seeds:
        generator = runtime.stream(seed, "signal")
        product, size = torch.eye(d, dtype=torch.float64), 0.0
        for depth in range(1, setting.blocks + 1):
            q, r = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
            q = q * r.diagonal().sign()  # else its mean is not zero: Householder's method prefers reflections
            q = torch.eye(d, dtype=torch.float64) if setting.kind == "aligned" else q
            product = (1 - beta) * product + alpha * q @ product
            rms = float(torch.linalg.matrix_norm(product)) / d**0.5
            product, size = product / rms, size + math.log10(rms)
            pieces.append((seed, depth, size))
    return pd.DataFrame(pieces, columns=["seed", "depth", "gain"])


_SIGNALS = (
    *(Signal(kind, BETA) for kind in ("guaranteed", "aligned", "preserving")),
    *(Signal("guaranteed", beta) for beta in (0.02, 0.05, 0.2, 0.5)),
)
SIGNAL = Experiment.repeated("lipschitz-signal", signal_trial, _SIGNALS, quick=range(20), full=range(200), group=50)


def signal_gain(table: pd.DataFrame) -> Evidence:
    """log10 of the gain of 50 blocks, beta = 0.1, one value per draw; control: aligned branches."""
    rows = table[(table["depth"] == 50) & (table["beta"] == BETA)].set_index("kind")["gain"]
    return Evidence(rows["guaranteed"].to_numpy(), rows["aligned"].to_numpy(), "decades")
