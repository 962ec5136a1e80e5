"""Matrices of the shortcuts are what they say, and their norms and defects decide as the mathematics says."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.projection_shortcuts import matrices
from tests.experiments.verdicts import status


@pytest.fixture(scope="module")
def norms() -> pd.DataFrame:
    experiment = matrices.NORMS
    with runtime.numerics():
        pieces = [experiment.trial(setting, (0, 1, 2)) for setting in experiment.quick.settings]
    fields = ("shortcut", "c_in", "c_out", "size", "stride", "weights")
    settings = experiment.quick.settings
    return pd.concat(
        [p.assign(**{f: getattr(s, f) for f in fields}) for s, p in zip(settings, pieces, strict=True)],
        ignore_index=True,
    )


def test_matrices_of_the_maps_have_their_sizes_and_are_what_they_say():
    with runtime.numerics():
        rows = matrices.matrix_of(matrices.Map("rows", 16, 8), 0)
        patches = matrices.matrix_of(matrices.Map("2x2", 4, 8, size=8, stride=2), 0)
        free = matrices.matrix_of(matrices.Map("columns", 16, 32, weights="torch"), 0)
    assert (rows.shape, patches.shape, free.shape) == ((8, 16), (128, 256), (32, 16))
    for a in (rows, patches):
        torch.testing.assert_close(a @ a.mT, torch.eye(len(a), dtype=a.dtype), atol=1e-12, rtol=0)
    assert free.abs().max() <= 16**-0.5  # nn.Conv2d draws evenly between -1/sqrt(fan_in) and 1/sqrt(fan_in)
    assert free.std() == pytest.approx(48**-0.5, rel=0.1)


def test_norms_decide_as_the_mathematics_says(norms):
    assert status("proj-orth.gradient", matrices.orth_gradient(norms)) == "holds"
    assert status("proj-orth.forward", matrices.orth_forward(norms)) == "fails"
    assert status("proj-dim.columns", matrices.dim_columns(norms)) == "holds"
    evidence = matrices.dim_gradient(norms)
    assert status("proj-dim.gradient", evidence) == "fails"
    assert evidence.values.mean() == pytest.approx(0.5**0.5, abs=0.02)  # sqrt(d_in / d_out)
    assert len(evidence.values) == 3 * 5


def test_a_layer_that_is_not_orthonormal_would_be_noticed(norms):
    off = norms.assign(gradient=norms["gradient"] * (1 + 1e-9), forward=norms["forward"] * (1 + 1e-9))
    assert status("proj-orth.gradient", matrices.orth_gradient(off)) == "fails"
    assert status("proj-dim.columns", matrices.dim_columns(off)) == "fails"
    same = norms.assign(gradient=1.0)  # a control that does not break
    assert status("proj-orth.gradient", matrices.orth_gradient(same)) == "invalid"


@pytest.fixture(scope="module")
def defects() -> pd.DataFrame:
    settings = (
        matrices.Defects("matrix", ((1, 2), (2, 3), (2, 4), (4, 2), (3, 3))),
        matrices.Defects("1x1", ((2, 4),), size=4),
        matrices.Defects("2x2", ((2, 4),), size=4),
    )
    with runtime.numerics():
        pieces = [matrices.defects_trial(s, (0, 1)).assign(kind=s.kind, size=s.size) for s in settings]
    return pd.concat(pieces, ignore_index=True)


def test_defects_are_found_where_theory_puts_them(defects):
    assert status("proj-dim.narrowing", matrices.dim_narrowing(defects)) == "holds"
    assert status("proj-dim.widening", matrices.dim_widening(defects)) == "fails"
    assert status("proj-dim.strided", matrices.dim_strided(defects)) == "fails"
    assert status("proj-dim.least", matrices.dim_least(defects)) == "holds"
    strided = defects[defects["kind"] == "1x1"]
    # C H W / 4 directions are missing: rank C H W / 4 of C H W / 2 rows.
    assert (strided["rows"].tolist(), strided["rank"].tolist()) == ([16, 16], [8, 8])
    np.testing.assert_allclose(strided["found"], 8**0.5, atol=1e-6)
    wrong = defects.assign(predicted=defects["predicted"] * 1.001)
    assert status("proj-dim.least", matrices.dim_least(wrong)) == "fails"
