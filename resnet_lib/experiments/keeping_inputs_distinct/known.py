"""Maps of digits' first states that keep a known share of them: controls of what is read back out of networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from resnet_lib import data, nets, runtime
from resnet_lib.experiments.keeping_inputs_distinct.trained import BARE, KNOWN, copied
from resnet_lib.sweep import ROUNDED, Experiment, Grid, Result

LITTLE, MUCH = 0.6, 0.9
"""Shares of the variance that the leading principal components hold, which are all that two maps keep."""


@dataclass(frozen=True)
class Known:
    """A random stem on digits, and two linear maps of its state behind it."""

    width: int = 64


def known_trial(setting: Known, seeds: Sequence[int]) -> pd.DataFrame:
    """The shares that are read back behind both maps, `little` and `much`; one row per draw."""
    digits = data.load("digits", flat=True)
    records = []
    for seed in seeds:
        stem = nets.mlp(1, setting.width, unit=BARE, generator=runtime.stream(seed, "known", "stem")).stem
        with torch.no_grad():
            first = tuple(stem(part.x).double() for part in (digits.train, digits.validation, digits.test))
        turn = torch.randn(setting.width, setting.width, generator=runtime.stream(seed, "known", "turn")).double()
        kept = leading(first[0])
        shares = {"little": LITTLE, "much": MUCH}
        maps = {name: kept(share) @ torch.linalg.qr(turn).Q for name, share in shares.items()}
        records.append({"seed": seed} | {name: copied([x @ map_ for x in first], first) for name, map_ in maps.items()})
    return pd.DataFrame(records)


def leading(x: Tensor) -> Callable[[float], Tensor]:
    """From a share of the variance of `x` to the projection onto the leading components that come nearest to it."""
    values, vectors = torch.linalg.eigh(torch.cov(x.mT))
    shares = values.flip(0).cumsum(0) / values.sum()

    def projection(share: float) -> Tensor:
        count = int((shares - share).abs().argmin()) + 1
        return vectors[:, -count:] @ vectors[:, -count:].mT

    return projection


DRAWS = Experiment(
    "distinct-known", known_trial, Grid((Known(),), range(5)), Grid((Known(),), range(20)), ("digits",), ROUNDED
)


def beside(result: Result, known: Result) -> Result:
    """A result of trained networks with the draws of both maps in the rows below, which are the control of some claims.

    Each preset gets its own draws, and FULL without any those of QUICK.
    """

    def below(table: pd.DataFrame, draws: pd.DataFrame) -> pd.DataFrame:
        rows = draws[["seed", "little", "much"]].assign(part=KNOWN, variant="known")
        return pd.concat([table, rows], ignore_index=True)

    full = result.full
    if full is not None:
        full = replace(full, table=below(full.table, (known.full or known).table))
    return replace(result, table=below(result.table, known.table), full=full)


def each_beside(results: Mapping[str, Result], known: Result) -> dict[str, Result]:
    """Results under other choices, by the words that name them, each as `beside` makes it."""
    return {choice: beside(result, known) for choice, result in results.items()}
