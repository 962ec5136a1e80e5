"""What the tables say about the chapter's claims: one value per seed, and the control."""

from typing import Literal

import numpy as np
import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.dropping_blocks import lesions

Measure = Literal["removed", "removed-anew"]
"""With the statistics of batch normalisation as they were trained, or estimated anew on the training images."""


def rows(table: pd.DataFrame, variant: str, measure: str, *, blocks: int = 10, last: float = 1.0) -> pd.DataFrame:
    """The rows of one network and measure; stochastic depth is that of linear decay."""
    chosen = (table["variant"] == variant) & (table["measure"] == measure) & (table["blocks"] == blocks)
    return table[chosen & (table["last"] == last) & (table["decay"] == "linear")]


def losses(table: pd.DataFrame, variant: str, measure: str = "removed", **network: float) -> pd.DataFrame:
    """Those rows with a column `loss`: points of accuracy below the whole network."""
    whole = rows(table, variant, "removed", **network).query("removed == 0").set_index("seed")["value"]  # pyright: ignore[reportArgumentType]
    chosen = rows(table, variant, measure, **network)  # pyright: ignore[reportArgumentType]
    return chosen.assign(loss=100 * (chosen["seed"].map(whole) - chosen["value"]))


def single(table: pd.DataFrame, variant: str, statistic: str = "median", measure: Measure = "removed") -> np.ndarray:
    """Points lost without one block: a statistic over the blocks, one value per seed."""
    return losses(table, variant, measure).query("removed == 1").groupby("seed")["loss"].agg(statistic).to_numpy()


def _evidence(values: np.ndarray, control: np.ndarray) -> Evidence:
    return Evidence(values=values, control=control, unit="percentage points")


def graceful_residual(table: pd.DataFrame) -> Evidence:
    """Points lost without one block, median over blocks, one value per seed; control: the plain twin."""
    return _evidence(single(table, "residual"), single(table, "plain"))


def graceful_scaled(table: pd.DataFrame) -> Evidence:
    """The same for scaled branches; control: the plain twin without normalisation."""
    return _evidence(single(table, "scaled"), single(table, "plain-bare"))


def graceful_bare(table: pd.DataFrame) -> Evidence:
    """The same for the bare sum; control: the plain twin without normalisation."""
    return _evidence(single(table, "bare"), single(table, "plain-bare"))


def graceful_worst(table: pd.DataFrame) -> Evidence:
    """Points lost without the block that is missed most, one value per seed; control: the plain twin."""
    return _evidence(single(table, "residual", "max"), single(table, "plain", "max"))


def graceful_worst_anew(table: pd.DataFrame) -> Evidence:
    """The same with statistics of batch normalisation that are estimated anew; control: the plain twin, as well."""
    return _evidence(*(single(table, variant, "max", "removed-anew") for variant in ("residual", "plain")))


def graceful_rate(table: pd.DataFrame) -> Evidence:
    """The same for the residual network at a third of its learning rate; control: with nothing removed."""
    slow = np.isclose(table["lr"], lesions.THIRD)
    found = losses(
        table[slow] if slow.any() else table, "residual", "removed-anew"
    )  # under another choice there is one
    whole = found.query("removed == 0").groupby("seed")["loss"].first()
    return _evidence(found.query("removed == 1").groupby("seed")["loss"].max().to_numpy(), whole.to_numpy())


def graceful_half(table: pd.DataFrame) -> Evidence:
    """Points lost without 5 of 10 blocks, mean over the choices, one value per seed; control: against other seeds."""
    found = half(table)
    return _evidence(found, _against_others(found))


def half(
    table: pd.DataFrame, measure: Measure = "removed", *, variant: str = "residual", last: float = 1
) -> np.ndarray:
    """Points lost without 5 of 10 blocks: the mean over the choices, one value per seed."""
    return losses(table, variant, measure, last=last).query("removed == 5").groupby("seed")["loss"].mean().to_numpy()


def _against_others(values: np.ndarray) -> np.ndarray:
    """Each value minus the mean of the other seeds: zero on average, whatever the values."""
    return values - (values.sum() - values) / (len(values) - 1)


def graceful_half_anew(table: pd.DataFrame) -> Evidence:
    """The same with statistics of batch normalisation that are estimated anew; control: the plain twin, as well."""
    return _evidence(*(half(table, "removed-anew", variant=variant) for variant in ("residual", "plain")))


def graceful_order(table: pd.DataFrame) -> Evidence:
    """Points lost when two random blocks change places, mean, one value per seed; control: the plain twin."""
    variants = ("residual", "plain")
    found = [losses(table, v, "exchanged").query("removed == 1").groupby("seed")["loss"].mean() for v in variants]
    return _evidence(*(part.to_numpy() for part in found))


def graceful_wire(table: pd.DataFrame) -> Evidence:
    """Points lost without one block of a plain network that started as the identity; control: the residual one."""
    return _evidence(single(table, "plain-identity"), single(table, "residual"))


def _by_block(table: pd.DataFrame, variant: str, measure: str) -> pd.DataFrame:
    return rows(table, variant, measure).pivot(index="seed", columns="block", values="value")


def _term(variant: str):
    def measure(table: pd.DataFrame) -> Evidence:
        ratio = _by_block(table, variant, "ratio").map(np.log2).abs()
        return Evidence(values=ratio.max(axis=1).to_numpy(), control=ratio.iloc[:, -1].to_numpy(), unit="octaves")

    measure.__doc__ = f"Largest |log2| over blocks of change over term, {variant}, one value per seed; control: last."
    return measure


def _bound(variant: str):
    def measure(table: pd.DataFrame) -> Evidence:
        found = [_by_block(table, variant, name).iloc[:, :-1].max(axis=1).to_numpy() for name in ("bound", "naive")]
        return Evidence(values=found[0], control=found[1], unit="decades")

    measure.__doc__ = f"Largest log10 of change over bound but at the last block, {variant}; control: without product."
    return measure


term_residual, term_scaled = _term("residual"), _term("scaled")
bound_residual, bound_scaled = _bound("residual"), _bound("scaled")


def bound_tight(table: pd.DataFrame) -> Evidence:
    """log10 of bound over change, median over the blocks but the last, one value per seed; control: the last block."""
    slack = _by_block(table, "scaled", "slack")
    return Evidence(
        values=slack.iloc[:, :-1].median(axis=1).to_numpy(), control=slack.iloc[:, -1].to_numpy(), unit="decades"
    )


def depth_robust(table: pd.DataFrame) -> Evidence:
    """Points kept by stochastic depth without 5 of 10 blocks, one value per seed; control: without it, other seeds."""
    return _evidence(_gain(table, removed=5), 100 * _against_others(_kept(table, removed=5)))


def depth_accuracy(table: pd.DataFrame) -> Evidence:
    """Points that stochastic depth gains for the whole network, one value per seed; control: without it, other seeds.

    The control is each network's accuracy minus the mean of the other seeds' networks. It is zero on average, whatever
    the networks, so that its interval says whether the spread between seeds leaves a third of a point to be seen.
    It varies by n/(n-1) times the spread of single networks, the difference of two seeds by the root of two.
    """
    return _evidence(_gain(table, removed=0), 100 * _against_others(_kept(table, removed=0)))


def depth_robust_anew(table: pd.DataFrame) -> Evidence:
    """The same with statistics of batch normalisation that are estimated anew."""
    control = 100 * _against_others(_kept(table, removed=5, measure="removed-anew"))
    return _evidence(_gain(table, removed=5, measure="removed-anew"), control)


def depth_share(table: pd.DataFrame, measure: Measure = "removed") -> Evidence:
    """Percent of what half of the blocks cost that stochastic depth takes away; control: seeds against each other.

    One value per seed: what it loses less than the same seed trained without, over the mean loss of all those. The mean
    of the values is the share of the mean loss.
    """
    with_, without = (half(table, measure, last=last) for last in (0.5, 1.0))
    values, control = 100 / without.mean() * np.stack([without - with_, _against_others(without)])
    return Evidence(values=values, control=control, unit="percent of the loss")


def depth_share_anew(table: pd.DataFrame) -> Evidence:
    """The same with statistics of batch normalisation that are estimated anew."""
    return depth_share(table, "removed-anew")


def _gain(table: pd.DataFrame, *, removed: int, measure: Measure = "removed") -> np.ndarray:
    """Points kept with minus without stochastic depth, mean over the choices of removed blocks, one value per seed."""
    with_, without = (_kept(table, removed=removed, measure=measure, last=last) for last in (0.5, 1.0))
    return 100 * (with_ - without)


def _kept(table: pd.DataFrame, *, removed: int, measure: Measure = "removed", last: float = 1.0) -> np.ndarray:
    """Accuracy that is left, mean over the choices of removed blocks, one value per seed."""
    found = rows(table, "residual", measure, last=last)
    return found[found["removed"] == removed].groupby("seed")["value"].mean().to_numpy()


def term_linear(table: pd.DataFrame) -> Evidence:
    """Mismatch of deletion with the paths past the block, linear branches, one value per draw; control: ReLU."""
    return _linear(table, "deletion")


def depth_rule(table: pd.DataFrame) -> Evidence:
    """Mismatch of the rule with the mean over all depths, linear branches, one value per draw; control: ReLU."""
    return _linear(table, "rule")


def _linear(table: pd.DataFrame, column: str) -> Evidence:
    found = table.set_index("branch")[column]
    return Evidence(values=found["linear"].to_numpy(), control=found["relu"].to_numpy())
