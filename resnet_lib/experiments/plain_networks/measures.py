"""What the tables of training say about the claims: one value per seed, and the control."""

import numpy as np
import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.plain_networks import gradients


def values(
    table: pd.DataFrame, variant: str, layers: int, measure: str = "train_error", *, rescaled: bool = False
) -> pd.Series:
    """A measurement of one family, by seed; that after the last epoch it has."""
    chosen = (table["variant"] == variant) & (table["layers"] == layers) & (table["measure"] == measure)
    found = table[chosen & (table["rescaled"] == rescaled)]
    return found[found["epoch"] == found["epoch"].max()].set_index("seed")["value"].sort_index()


def _depths(table: pd.DataFrame, variant: str) -> list[int]:
    return sorted(set(table.loc[table["variant"] == variant, "layers"]))


def _points(values: pd.Series, control: pd.Series) -> Evidence:
    return Evidence(values=values.to_numpy(), control=control.to_numpy(), unit="percentage points")


# plain-degrade


def rise(table: pd.DataFrame, variant: str) -> pd.Series:
    """Training error at the greatest depth minus that at the depth where its mean is lowest, by seed."""
    by_depth = {layers: values(table, variant, layers) for layers in _depths(table, variant)}
    best = min(by_depth, key=lambda layers: by_depth[layers].mean())
    return by_depth[max(by_depth)] - by_depth[best]


def degrade_plain(table: pd.DataFrame) -> Evidence:
    """How far the training error of plain networks rises; control: what they are behind at the least depth."""
    least = _depths(table, "plain")[0]
    return _points(rise(table, "plain"), values(table, "plain", least) - values(table, "original", least))


def degrade_original(table: pd.DataFrame) -> Evidence:
    """How far that of residual networks of original units rises; control: plain networks."""
    return _points(rise(table, "original"), rise(table, "plain"))


def degrade_pre(table: pd.DataFrame) -> Evidence:
    """How far that of residual networks of pre-activation units rises; control: plain networks."""
    return _points(rise(table, "pre"), rise(table, "plain"))


def degrade_bare(table: pd.DataFrame) -> Evidence:
    """How much more the deepest errs than 8 layers, plain without normalisation; control: residual and scaled."""
    found = {}
    for variant in ("bare", "scaled"):
        depths = _depths(table, variant)
        found[variant] = values(table, variant, depths[-1]) - values(table, variant, depths[0])
    return _points(found["bare"], found["scaled"])


# degrade-cause


def _deep(table: pd.DataFrame) -> int:
    return _depths(table, "plain")[-1]


def _ratios(table: pd.DataFrame, variant: str) -> pd.DataFrame:
    """log10 of the first gradient over the last, one row per seed, one column per epoch."""
    found = table[(table["variant"] == variant) & (table["measure"] == "ratio") & ~table["rescaled"]]
    return found.pivot(index="seed", columns="epoch", values="value")


def vanish(table: pd.DataFrame) -> Evidence:
    """log10 of the first gradient over the last one before training; control: sigmoids."""
    found = [_ratios(table, variant)[0].to_numpy() for variant in ("plain", "sigmoid")]
    return Evidence(values=found[0], control=found[1], unit="decades")


def vanish_training(table: pd.DataFrame) -> Evidence:
    """The least of those logarithms over a training; control: sigmoids."""
    found = [_ratios(table, variant).min(axis=1).to_numpy() for variant in ("plain", "sigmoid")]
    return Evidence(values=found[0], control=found[1], unit="decades")


def rates(table: pd.DataFrame, variant: str, width: int) -> np.ndarray:
    """Growth of the gradient per layer towards the input, one value per draw, of the table of untrained networks."""
    mine = table[(table["variant"] == variant) & (table["width"] == width)].sort_values("layer")
    return np.array([gradients.rate(sizes.to_list()) for _, sizes in mine.groupby("seed")["gradient"]])


def rate_bare(table: pd.DataFrame) -> Evidence:
    """Growth per layer towards the input without normalisation; control: with batch normalisation."""
    width = int(table["width"].max())
    return Evidence(values=rates(table, "bare", width), control=rates(table, "plain", width), unit="factor a layer")


def direction(table: pd.DataFrame) -> Evidence:
    """Cosine between two batches' gradients in the middle weight layer before training; control: sigmoids."""
    found = []
    for variant in ("plain", "sigmoid"):
        mine = table[(table["variant"] == variant) & (table["measure"] == "agreement") & (table["epoch"] == 0)]
        middle = mine[mine["layer"] == mine["layer"].max() // 2]
        found.append(middle.set_index("seed")["value"].sort_index().to_numpy())
    return Evidence(values=found[0], control=found[1], unit="cosine")


def recovered(table: pd.DataFrame, variant: str, layers: int) -> pd.Series:
    """What rescaling wins, over what the residual network of original units is ahead, by seed."""
    before, after = (values(table, variant, layers, rescaled=rescaled) for rescaled in (False, True))
    return (before - after) / (before - values(table, "original", _deep(table)))


def rescale(table: pd.DataFrame) -> Evidence:
    """The part of the gap that rescaling closes in plain networks with batch normalisation; control: sigmoids."""
    found = [recovered(table, "plain", _deep(table)), recovered(table, "sigmoid", 8)]
    return Evidence(values=found[0].to_numpy(), control=found[1].to_numpy(), unit="of the gap")


def rescale_bare(table: pd.DataFrame) -> Evidence:
    """The same in plain networks without normalisation; control: sigmoids."""
    found = [recovered(table, "bare", _deep(table)), recovered(table, "sigmoid", 8)]
    return Evidence(values=found[0].to_numpy(), control=found[1].to_numpy(), unit="of the gap")


def sigmoid(table: pd.DataFrame) -> Evidence:
    """Points that rescaling wins with sigmoids; control: with ReLU, where nothing has vanished."""
    found = [
        values(table, variant, 8, rescaled=False) - values(table, variant, 8, rescaled=True)
        for variant in ("sigmoid", "bare")
    ]
    return _points(found[0], found[1])


# plain-fails


def behind(table: pd.DataFrame, variant: str, *, shallow: bool = False, measure: str = "train_error") -> pd.Series:
    """Points that a plain network is behind the residual one of its depth, by seed."""
    layers = _depths(table, "scaled")[0 if shallow else -1]
    return values(table, variant, layers, measure) - values(table, "scaled", layers, measure)


def fails_he(table: pd.DataFrame) -> Evidence:
    """Points behind with weights drawn as usual; control: at 8 layers."""
    return _points(behind(table, "bare"), behind(table, "bare", shallow=True))


def fails_identity(table: pd.DataFrame) -> Evidence:
    """Points behind with weights near the identity; control: drawn as usual."""
    return _points(behind(table, "identity"), behind(table, "bare"))


def fails_looks_linear(table: pd.DataFrame) -> Evidence:
    """Points behind with mirrored orthogonal weights; control: drawn as usual."""
    return _points(behind(table, "looks-linear"), behind(table, "bare"))


def fails_normalised(table: pd.DataFrame) -> Evidence:
    """Points behind with batch normalisation and mirrored orthogonal weights; control: drawn as usual."""
    deep = _deep(table)
    residual = values(table, "original", deep)
    return _points(values(table, "mirrored", deep) - residual, values(table, "plain", deep) - residual)


def fails_test(table: pd.DataFrame) -> Evidence:
    """Points of test accuracy behind with mirrored orthogonal weights; control: drawn as usual."""
    return _points(behind(table, "looks-linear", measure="test_error"), behind(table, "bare", measure="test_error"))


def fails_slope(table: pd.DataFrame) -> Evidence:
    """|log10| of the slope over all blocks after training; control: orthogonal weights before it."""
    trained = values(table, "looks-linear", _depths(table, "looks-linear")[-1], "slope").abs()
    start = table[(table["variant"] == "orthogonal") & (table["measure"] == "slope") & (table["epoch"] == 0)]
    control = start.set_index("seed")["value"].sort_index().abs()
    return Evidence(values=trained.to_numpy(), control=control.to_numpy(), unit="decades")
