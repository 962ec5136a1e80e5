"""Measures of the networks on digits, on a table whose values are known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.learning_the_difference import measures

NETWORKS = (
    # blocks, labels, lr, gain, size before and after training
    (3, "true", 0.5, 1.0, 9.0, 0.9),
    (9, "true", 0.2, 1.0, 9.0, 0.3),
    (9, "linear", 0.1, 1.0, 9.0, 0.24),
    (3, "true", 0.0, 1.0, 1.0, None),
    (9, "true", 0.0, 1.0, 1.0, None),
    (9, "true", 0.0, 0.05, 0.05, None),
    (0, "true", 0.0, 1.0, None, None),
)


def table(*, labels: tuple[str, ...] = ("true", "linear")) -> pd.DataFrame:
    """Sizes of the middle block as above; cosines of 0.1 times the block's number, and twice that after training."""
    rows = []
    for blocks, name, lr, gain, before, after in NETWORKS:
        if name not in labels:
            continue
        for seed in range(2):
            for epoch, size in ((0, before), (8, after)):
                for block in range(blocks):
                    if size is None:
                        continue
                    own = 0.1 * block * (2 if epoch else 1)
                    rows.append((blocks, name, lr, gain, 8, seed, epoch, block, size + (block - blocks // 2), own))
            if not blocks:
                rows += [(0, name, 0.0, 1.0, 8, seed, 0, block, size, np.nan) for block, size in ((0, 0.2), (1, 2.0))]
    columns = ["blocks", "labels", "lr", "gain", "epochs", "seed", "epoch", "block", "size", "own"]
    return pd.DataFrame(rows, columns=columns).assign(other=0.01, another=0.02)


def test_two_thirds_of_the_blocks_exceed_the_sixth_largest_of_nine():
    found = measures.aligned(table())
    np.testing.assert_allclose(found.values, [0.6 - 0.01] * 2)
    np.testing.assert_allclose(found.control, [0.01] * 2)


def test_training_raises_the_mean_over_the_blocks():
    found = measures.turns(table())
    np.testing.assert_allclose(found.values, [0.4] * 2)
    np.testing.assert_allclose(found.control, [0.0] * 2, atol=1e-12)


def test_slopes_and_sizes_are_of_the_median_block():
    sizes = table(labels=("true",))
    found = measures.smaller(sizes)
    np.testing.assert_allclose(found.values, [-1.0] * 2)
    np.testing.assert_allclose(found.control, [0.0] * 2, atol=1e-12)
    found = measures.small(sizes)
    np.testing.assert_allclose(found.values, [0.3] * 2)
    np.testing.assert_allclose(found.control, [0.05] * 2)


def test_sizes_are_compared_between_labels():
    found = measures.demand(table())
    np.testing.assert_allclose(found.values, [0.8] * 2)
    np.testing.assert_allclose(found.control, [0.1] * 2)


@pytest.mark.parametrize(("count", "place"), [(3, 1), (9, 5), (25, 16), (2, 1)])
def test_what_two_thirds_exceed(count: int, place: int):
    rows = pd.DataFrame({"seed": 0, "block": range(count), "own": np.arange(count)[::-1] / 10, "other": 0.0})
    assert measures.exceeded(rows, "own", "other").tolist() == [pytest.approx((count - 1 - place) / 10)]
