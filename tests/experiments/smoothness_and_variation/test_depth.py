"""The measure of the deep networks on a table whose values are known."""

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.smoothness_and_variation import depth, rates


def test_twelve_blocks_are_compared_seed_by_seed():
    rows = [
        (kind, again, seed, size * (1 + seed), reached)
        for seed in range(3)
        for kind, again, size, reached in (
            ("plain", False, 2.0, seed != 1),
            ("residual", False, 6.0, True),
            ("plain", True, 3.0, True),
        )
    ]
    found = depth.rougher(pd.DataFrame(rows, columns=["kind", "again", "seed", "variation", "reached"]))
    np.testing.assert_allclose(found.values, [np.log(3)] * 2)
    np.testing.assert_allclose(found.control, [np.log(1.5)] * 2)


def test_the_networks_are_those_of_the_page():
    found = depth.DEPTH.full.settings
    assert {(each.blocks, each.width, each.gain) for each in found} == {(12, 24, 1.0)}
    assert [(each.kind, each.again) for each in found] == [("plain", False), ("plain", True), ("residual", False)]
    assert [each.lr for each in found] == [rates.DEEP_BEST[each.kind] for each in found]
    ways = depth.CHOICES.ways
    assert {each.lr for each in ways["the same rate for all"]} == {0.002}
    assert {each.gain for each in ways["branches that start at a quarter"]} == {0.25}
    more = depth.MORE.ways
    assert {each.lr for each in more["the plain network's rate for both"]} == {rates.DEEP_BEST["plain"]}
    gains = {each.gain for each in more["branches that start at 1 over the root of 12"]}
    assert [gain**2 * 12 for gain in gains] == [pytest.approx(1)]  # of twelve branches together
    assert not {*depth.MORE.experiment.full.seeds} & {*depth.SEEDS, *depth.MANY_SEEDS}
