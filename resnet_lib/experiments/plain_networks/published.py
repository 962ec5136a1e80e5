"""The table of He et al. for CIFAR-10, and the experiment that computes it again with their recipe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from IPython.display import HTML

from resnet_lib import files, sweep
from resnet_lib.evidence import markup
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import recipes, zoo
from resnet_lib.training.zoo import Network

PUBLISHED = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43}
"""Test error of residual networks in percent, he2016deep, Table 6; at 110 layers the best of five trainings."""

MEAN_110 = 6.61
"""Their mean, of the same table; the standard deviation is 0.16."""

TOLERANCE = 0.4  # points; fixed before any network was trained, for a mean over seeds against one training
JUDGED = f"within {TOLERANCE}, or better"
SEEDS = tuple(range(5))


@dataclass(frozen=True)
class Published:
    """A network of He et al. on CIFAR-10, trained as they did; ``epochs`` is less than theirs in tests alone."""

    residual: bool
    layers: int
    epochs: int = recipes.HE.epochs


def network(setting: Published) -> Network:
    """It, as it is trained and kept."""
    base = recipes.HE_110 if setting.layers >= 110 else recipes.HE
    unit = None if setting.residual else "plain"
    return Network("cifar-resnet", setting.layers, "cifar10", replace(base, epochs=setting.epochs), unit=unit)


def trial(setting: Published, seeds: Sequence[int], device: torch.device | str = "cpu") -> pd.DataFrame:
    """Training and test error in percent after the last epoch, one row per seed; of lost networks 90."""
    history = zoo.train(network(setting), seeds, device=device).history
    last = history[history["epoch"] == setting.epochs].set_index("seed")
    errors = 100 * (1 - last[["train_accuracy", "test_accuracy"]].fillna(0.1))
    return errors.set_axis(["train_error", "test_error"], axis=1).reset_index()


# Needs CIFAR-10 and, in FULL, a GPU; no page runs it.
HE_TABLE = Experiment(
    name="he-table",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=(Published(True, 8, epochs=1), Published(False, 8, epochs=1)), seeds=(0,), group=1),
    full=Grid(settings=tuple(Published(r, n) for n in PUBLISHED for r in (True, False)), seeds=SEEDS, group=1),
    data=("cifar10",),
)


def beside(table: pd.DataFrame | None) -> pd.DataFrame:
    """The published errors beside ours, one row per depth; `not yet computed` where there is none.

    Args:
        table: Of the stored FULL result, or None.
    """
    rows = []
    for layers, error in PUBLISHED.items():
        shown = MEAN_110 if layers == 110 else error
        row = {"layers": layers, "residual, published": f"{shown:.2f}"}
        for name, residual in (("residual, here", True), ("plain, here", False)):
            row[name] = "not yet computed"
            if table is not None:
                mine = table[(table["layers"] == layers) & (table["residual"] == residual)]["test_error"]
                row[name] = f"{mine.mean():.2f} ± {mine.std():.2f}"
                if residual:
                    row[JUDGED] = "yes" if mine.mean() < shown + TOLERANCE else "no"
        row.setdefault(JUDGED, "not yet computed")
        rows.append(row)
    return pd.DataFrame(rows)


def show() -> HTML:
    """That table for the notebook, with the stored result where there is one."""
    ours = sweep.stored(HE_TABLE, files.root())
    return markup.table("Test error on CIFAR-10 in percent", beside(None if ours is None else ours.table))
