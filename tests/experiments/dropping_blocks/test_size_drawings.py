"""What the figure of sizes draws of a table with known sizes and losses."""

import numpy as np
import pandas as pd

from resnet_lib.experiments.dropping_blocks import drawings, size_drawings
from tests.experiments.dropping_blocks.made_tables import sized


def test_points_are_the_size_and_the_loss_of_each_block():
    made = sized(lambda variant, block: 2 * block if variant == "residual" else 1, size=lambda block: (block + 1) / 10)
    bare = made[made["variant"] == "scaled"].assign(variant="bare", lr=0.01)
    selected = size_drawings.by_size(pd.concat([made, bare]))
    assert selected.groupby("variant").size().to_dict() == dict.fromkeys(size_drawings.NETWORKS, 50)
    (axis,) = size_drawings.sizes(selected).axes
    points = {line.get_label(): line for line in axis.get_lines()}
    drawn = points[drawings.SHOWN["residual"].title]
    x, y = (np.asarray(drawn.get_data()[i], dtype=float).reshape(5, 10) for i in (0, 1))
    np.testing.assert_allclose(np.sort(x), np.tile(np.arange(1, 11) / 10, (5, 1)))
    np.testing.assert_allclose(y, 20 * x - 2, atol=1e-9)
    assert points[drawings.SHOWN["bare"].title].get_markerfacecolor() == "none"
