"""Determinants, labels in principal coordinates, and the ellipse, against closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resnet_lib import runtime
from resnet_lib.experiments.projection_shortcuts import determinants
from tests.experiments.verdicts import status


def test_determinants_decide_as_the_mathematics_says():
    with runtime.numerics():
        table = determinants.determinant_trial(determinants.Size(8, 2), (0, 1, 2))
    assert status("proj-det.constrained", determinants.det_constrained(table)) == "holds"
    assert status("proj-det.unconstrained", determinants.det_unconstrained(table)) == "fails"
    assert status("proj-det.widening", determinants.det_widening(table)) == "fails"
    assert status("proj-det.constrained", determinants.det_constrained(table.assign(constrained=0.99))) == "fails"


def test_pca_loses_the_label_where_it_lies_in_the_least_variance_and_keeps_it_where_it_lies_in_the_most():
    with runtime.numerics():
        table = pd.concat(
            [
                determinants.labels_trial(determinants.Labels(w), tuple(range(6))).assign(where=w)
                for w in ("least", "most")
            ]
        )
    assert status("proj-det.labels", determinants.det_labels(table)) == "fails"
    means = table.groupby("where").mean(numeric_only=True)
    best = 100 * stats.norm.cdf(2)
    assert means["all"].to_numpy() == pytest.approx(best, abs=1)
    assert means.loc["least", "pca"] == pytest.approx(50, abs=4)
    assert means["discriminant"].to_numpy() == pytest.approx(best, abs=1)
    assert means["variance_discriminant"]["least"] < 0.05


def test_digits_keep_their_label_in_principal_coordinates():
    with runtime.numerics():
        table = determinants.pixels_trial(determinants.Pixels(10), tuple(range(6))).assign(k=10)
    assert status("proj-det.digits", determinants.det_digits(table)) == "holds"
    swapped = table.assign(way=table["way"].replace({"pca": "random", "random": "pca"}))
    assert status("proj-det.digits", determinants.det_digits(swapped)) in ("fails", "invalid")


@pytest.mark.parametrize("case", ["short", "long"])
def test_the_ellipse_is_that_of_its_points(case):
    setting = determinants.Ellipse(case, points=40_000)
    table = determinants.ellipse_trial(setting, (0,))
    points = table[table["part"] == "point"]
    xy, label = points[["x", "y"]].to_numpy(), points["label"].to_numpy()
    total, _, _ = determinants.moments(setting)
    np.testing.assert_allclose(np.cov(xy.T), total, atol=0.06)
    axis = table[table["part"] == "axis"]
    for degrees in (0, 30, 90):
        row = axis[axis["degrees"] == degrees].iloc[0]
        w = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        along = xy @ w * np.sign(w @ (xy[label == 1].mean(0) - xy[label == 0].mean(0)))
        assert row["det"] == pytest.approx(along.var(), rel=0.03)
        assert row["accuracy"] == pytest.approx(100 * ((along > 0) == (label == 1)).mean(), abs=1)
