"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.when_eigenvalues_mislead import drawings, stacks
from tests.experiments.artists import drawn, labels, line, lines


def test_the_chart_holds_what_its_inputs_choose():
    setting = stacks.Turning(0.2, stacks.ANGLES, 400)
    rows = drawings.turning_rows(stacks.turning_trial(setting, (0,)).assign(gamma=0.2))
    assert set(rows["angle"]) == {float(a) for a in (*range(31), *range(35, 91, 5))}
    chart = drawings.turning_chart(rows).to_dict()
    assert {param["name"] for param in chart["params"] if "bind" in param} == {"turn", "each"}


def test_growth_is_drawn_beyond_the_eigenvalues():
    """Shears grow by their size a block, Jordan blocks by a decade in as many as they have dimensions, others not."""
    kinds = [("shears", size, 2, size) for size in stacks.SHEARS]
    kinds += [("jordan", 0.5, d, 1 / d) for d in stacks.JORDAN]
    kinds += [("symmetric", 0.3, 8, 0.0), ("gaussian", 0.3, 8, 9.0)]
    rows = [
        (kind, size, d, seed, depth, (rate + 1 / 50 + seed) * depth, depth / 50)
        for kind, size, d, rate in kinds
        for seed in (0, 1)
        for depth in (1, 50, 100, 200)
    ]
    table = pd.DataFrame(rows, columns=["kind", "size", "dimension", "seed", "depth", "norm", "radii"])
    (axis,) = drawn(drawings.growth, drawings.growth_rows(table)).axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("blocks", "decades beyond the eigenvalues")
    expected = {f"shears of size {size:g}": size for size in stacks.SHEARS}
    expected |= {f"one Jordan block, $d={d}$": 1 / d for d in (4, 16)} | {"symmetric, all different": 0.0}
    assert labels(axis) == list(expected)
    for label, rate in expected.items():
        x, y = line(axis, label)
        assert x.tolist() == [1, 50, 100]
        np.testing.assert_allclose(y, rate * x, atol=1e-5)


def test_trained_blocks_are_drawn_norm_against_radius_and_their_products_beside():
    rows = [
        (alpha, seed, epoch, block, image, norm * scale, 10.0 * scale, 1.5)
        for alpha, scale in ((1.0, 1.0), (10**-0.5, 0.1))
        for seed in (0, 1)
        for epoch, norm in ((0, 5.0), (20, 100.0))
        for block in (0, 1)
        for image in (0, 1)
    ]
    columns = ["alpha", "seed", "epoch", "block", "image", "norm", "radius", "product"]
    table = pd.DataFrame(rows, columns=columns).assign(kind="mlp", departure=0.0, branch_departure=0.0)
    left, right = drawn(drawings.trained, drawings.trained_rows(table)).axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("spectral radius of a block", "norm of a block")
    assert [text.get_text() for text in right.get_xticklabels()] == [
        "norms,\nmultiplied",
        "norm of the\nproduct",
        "radii,\nmultiplied",
    ]
    for label, radius in ((drawings.SHOWN[1.0].title, 10), (drawings.SHOWN[10**-0.5].title, 1)):
        x, y = line(left, label)
        assert len(x) == 4  # two blocks of two seeds, after training
        np.testing.assert_allclose(x, radius)
        np.testing.assert_allclose(y, 10 * radius)
    heights = [np.unique(y.round(9)).tolist() for _, y in lines(right)]
    assert heights == [[4.0], [1.5], [2.0], [2.0], [1.5], [0.0]]  # of two blocks: unscaled, then scaled
