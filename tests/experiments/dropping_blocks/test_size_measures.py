"""The measures of sizes on tables with known sizes and losses."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.dropping_blocks import size_measures, sizes
from tests.experiments.dropping_blocks.made_tables import sized


def test_measures_of_sizes_by_hand():
    made = sized(lambda variant, block: 70 if variant == sizes.ONE else block**2)
    other = made[made["variant"] == "residual"].assign(lr=0.11, value=0.0)
    made = pd.concat([made, other])
    np.testing.assert_allclose(size_measures.graceful_drawn(made).values, 70)
    np.testing.assert_allclose(size_measures.graceful_drawn(made).control, 20.5)
    np.testing.assert_allclose(size_measures.graceful_size(made).values, 1)
    assert abs(size_measures.graceful_size(made).control).max() < 0.15
    falling = sized(lambda variant, block: 50 - block)
    np.testing.assert_allclose(size_measures.graceful_size(falling).values, -1)
    for measure in (size_measures.rest_residual, size_measures.rest_scaled):
        np.testing.assert_allclose(measure(made).values, 9)
        np.testing.assert_allclose(measure(made).control, 0)
