"""Shortcuts as matrices: what they do to norms, and how near to orthonormal rows they can come."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.analysis import shortcuts
from resnet_lib.evidence.claims import Evidence
from resnet_lib.linalg import stiefel
from resnet_lib.nets import initialisation, projections
from resnet_lib.sweep import Experiment, Grid

DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))
VECTORS = 100  # signals and gradients of each draw


@dataclass(frozen=True)
class Map:
    """A shortcut (`units.SHORTCUTS`) from ``c_in`` channels to ``c_out`` on ``size x size`` pixels.

    ``weights``: ``orthonormal`` as the layer has them, or ``torch`` for a free layer as PyTorch draws it.
    """

    shortcut: str
    c_in: int
    c_out: int
    size: int = 1
    stride: int = 1
    weights: str = "orthonormal"


def matrix_of(setting: Map, seed: int) -> Tensor:
    """The true matrix of one draw, in float64."""
    layer = projections.build(setting.shortcut, setting.c_in, setting.c_out, stride=setting.stride)
    assert isinstance(layer, projections.Patches)
    layer = layer.double()
    path = ("map", setting.shortcut, setting.c_in, setting.c_out)
    if setting.weights == "torch":
        layer_free = projections.Patches(
            setting.c_in, setting.c_out, setting.stride, kernel=layer.kernel_size[0]
        ).double()
        nn.init.kaiming_uniform_(layer_free.weight, a=5**0.5, generator=runtime.stream(seed, *path))  # nn.Conv2d's own
        layer = layer_free
    else:
        initialisation.initialise(layer, runtime.stream(seed, *path), "orthogonal")
    return shortcuts.matrix(layer, (setting.c_in, setting.size, setting.size))


def norms_trial(setting: Map, seeds: Sequence[int]) -> pd.DataFrame:
    """Ratios of norms of 100 Gaussian signals and gradients; one row per (seed, vector), with the matrix's size."""
    pieces = []
    for seed in seeds:
        a = matrix_of(setting, seed)
        random = runtime.stream(seed, "vectors", *a.shape)
        x, g = (torch.randn(VECTORS, n, generator=random, dtype=torch.float64) for n in (a.shape[1], a.shape[0]))
        ratios = {"forward": shortcuts.ratios(a, x).numpy(), "gradient": shortcuts.ratios(a.mT, g).numpy()}
        pieces.append(pd.DataFrame({"seed": seed, "rows": a.shape[0], "columns": a.shape[1], **ratios}))
    return pd.concat(pieces, ignore_index=True)


_ROWS = (Map("rows", 16, 8), Map("rows", 32, 16), Map("rows", 64, 32), Map("rows", 16, 8, size=8, stride=2))
_PATCHES = (Map("2x2", 4, 8, size=8, stride=2), Map("2x2", 8, 16, size=8, stride=2))
_SQUARE = (Map("2x2", 4, 16, size=4, stride=2), Map("2x2", 8, 32, size=4, stride=2))
_COLUMNS = (Map("columns", 8, 16), Map("columns", 16, 32), Map("columns", 32, 64))
_COLUMNS_STRIDED = (Map("columns", 4, 8, size=8, stride=2), Map("columns", 8, 16, size=8, stride=2))
_FREE = tuple(Map(m.shortcut, m.c_in, m.c_out, m.size, m.stride, "torch") for m in (*_ROWS, *_PATCHES, *_COLUMNS))
_MAPS = (*_ROWS, *_PATCHES, *_SQUARE, *_COLUMNS, *_COLUMNS_STRIDED, *_FREE)
NORMS = Experiment.repeated("shortcuts-norms", norms_trial, _MAPS, DRAWS, MANY_DRAWS, group=20)


def _worst(table: pd.DataFrame, way: str) -> np.ndarray:
    deviation = (table[way] - 1).abs()
    return deviation.groupby([table["shortcut"], table["c_in"], table["rows"], table["seed"]]).max().to_numpy()


def _mean(table: pd.DataFrame, way: str) -> np.ndarray:
    return table.groupby(["shortcut", "c_in", "rows", "seed"])[way].mean().to_numpy()


def _kept(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    return table[(table["weights"] == "orthonormal") & table["shortcut"].isin(names)]


def orth_gradient(table: pd.DataFrame) -> Evidence:
    """Largest deviation of a gradient's norm, orthonormal rows, one value per (draw, map); control: torch's weights."""
    free = table[(table["weights"] == "torch") & table["shortcut"].isin(["rows", "2x2"])]
    return Evidence(values=_worst(_kept(table, "rows", "2x2"), "gradient"), control=_worst(free, "gradient"))


def orth_forward(table: pd.DataFrame) -> Evidence:
    """Mean ratio of a signal's norm, half as many rows as columns, one value per (draw, map); control: square."""
    rows = _kept(table, "rows", "2x2")
    half = rows[rows["columns"] == 2 * rows["rows"]]
    return Evidence(values=_mean(half, "forward"), control=_mean(rows[rows["columns"] == rows["rows"]], "forward"))


def dim_gradient(table: pd.DataFrame) -> Evidence:
    """Mean ratio of a gradient's norm, orthonormal columns, one value per (draw, map); control: 2x2 stride-2."""
    patches = _kept(table, "2x2")
    return Evidence(
        values=_mean(_kept(table, "columns"), "gradient"),
        control=_mean(patches[patches["columns"] == 2 * patches["rows"]], "gradient"),
    )


def dim_columns(table: pd.DataFrame) -> Evidence:
    """Largest deviation of a signal's norm, orthonormal columns, one value per (draw, map); control: transposes."""
    columns = _kept(table, "columns")
    columns = columns[columns["size"] == 1]
    return Evidence(values=_worst(columns, "forward"), control=_worst(columns, "gradient"))


@dataclass(frozen=True)
class Defects:
    """Shapes (c_in, c_out) whose least defect an optimiser looks for.

    ``kind``: ``matrix``, or a stride-2 convolution with a ``1x1`` or ``2x2`` kernel on ``size x size`` pixels, whose
    true matrix is optimised over the kernel.
    """

    kind: str
    shapes: tuple[tuple[int, int], ...]
    size: int = 1


def defects_trial(setting: Defects, seeds: Sequence[int]) -> pd.DataFrame:
    """The least defect that is found from a random start and the predicted one; one row per (seed, shape)."""
    records = []
    for c_in, c_out in setting.shapes:
        kernel = 2 if setting.kind == "2x2" else 1
        eye = torch.eye(c_in * setting.size**2, dtype=torch.float64).view(-1, c_in, setting.size, setting.size)
        stride = 1 if setting.kind == "matrix" else 2

        def matrix(weight: Tensor, eye: Tensor = eye, stride: int = stride) -> Tensor:
            return nn.functional.conv2d(eye, weight, stride=stride).flatten(1).mT

        places = (setting.size // stride) ** 2
        rank = min(c_out, c_in * kernel**2) * places
        for seed in seeds:
            random = runtime.stream(seed, "defect", setting.kind, c_in, c_out)
            start = torch.randn(c_out, c_in, kernel, kernel, generator=random, dtype=torch.float64)
            found = stiefel.minimise_defect(start, matrix)
            free = nn.init.kaiming_uniform_(torch.empty_like(start), a=5**0.5, generator=random)
            records.append(
                {
                    "seed": seed,
                    "c_in": c_in,
                    "c_out": c_out,
                    "rows": c_out * places,
                    "rank": shortcuts.rank(matrix(found.point)).value,
                    "found": found.value,
                    "predicted": stiefel.least_defect(c_out * places, rank),
                    "as_drawn": float(stiefel.defect(matrix(free))),
                    "residual": found.residual,
                    "steps": found.steps,
                    "converged": found.converged,
                }
            )
    return pd.DataFrame(records)


def _square(largest: int) -> tuple[tuple[int, int], ...]:
    return tuple((d_in, d_out) for d_in in range(1, largest + 1) for d_out in range(1, largest + 1))


_RESNET = ((8, 16), (16, 32), (32, 64), (16, 8), (32, 16), (64, 32))
_STRIDED = (Defects("1x1", ((2, 4), (4, 8)), size=8), Defects("2x2", ((2, 4), (4, 8)), size=8))
DEFECTS = Experiment(
    name="shortcuts-defects",
    trial=defects_trial,
    quick=Grid(settings=(Defects("matrix", _square(8)), Defects("matrix", _RESNET), *_STRIDED), seeds=tuple(range(5))),
    full=Grid(
        settings=(Defects("matrix", _square(16)), Defects("matrix", _RESNET), *_STRIDED),
        seeds=tuple(range(50)),
        group=10,
    ),
)


def _matrices(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["kind"] == "matrix"]


def dim_narrowing(table: pd.DataFrame) -> Evidence:
    """Least defect found, d_out <= d_in, one value per (draw, shape); control: d_out = d_in + 1."""
    rows = _matrices(table)
    return Evidence(
        values=rows.loc[rows["c_out"] <= rows["c_in"], "found"].to_numpy(),
        control=rows.loc[rows["c_out"] == rows["c_in"] + 1, "found"].to_numpy(),
    )


def dim_widening(table: pd.DataFrame) -> Evidence:
    """Least defect found, d_out = 2 d_in, one value per (draw, shape); control: d_in = 2 d_out."""
    rows = _matrices(table)
    return Evidence(
        values=rows.loc[rows["c_out"] == 2 * rows["c_in"], "found"].to_numpy(),
        control=rows.loc[rows["c_in"] == 2 * rows["c_out"], "found"].to_numpy(),
    )


def dim_strided(table: pd.DataFrame) -> Evidence:
    """Least defect found of 1x1 stride-2 convolutions, one value per (draw, shape); control: 2x2 stride-2."""
    return Evidence(
        values=table.loc[table["kind"] == "1x1", "found"].to_numpy(),
        control=table.loc[table["kind"] == "2x2", "found"].to_numpy(),
    )


def dim_least(table: pd.DataFrame) -> Evidence:
    """Relative error of the prediction where it is not 0, one value per (draw, shape); control: PyTorch's weights."""
    rows = table[table["predicted"] > 0]
    return Evidence(
        values=(rows["found"] / rows["predicted"] - 1).abs().to_numpy(),
        control=(rows["as_drawn"] / rows["predicted"] - 1).abs().to_numpy(),
    )
