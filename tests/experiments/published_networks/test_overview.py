"""The table of everything has a row a quantity and a column a depth."""

import pandas as pd

from resnet_lib.experiments.published_networks import overview
from resnet_lib.experiments.published_networks.networks import DEPTHS


def test_the_table_of_everything_has_a_row_a_quantity_and_a_column_a_depth(
    error: pd.DataFrame, lesion: pd.DataFrame, step: pd.DataFrame, spectrum: pd.DataFrame
):
    found = overview.table(error, lesion, step, spectrum).set_index("measured")
    assert list(found) == [f"ResNet-{depth}" for depth in DEPTHS]
    cells = {(row, depth): str(found.loc[row, f"ResNet-{depth}"]) for row in found.index for depth in DEPTHS}
    assert cells["points lost without the median block", 20].startswith("20.0 (")
    assert cells["points lost without the block that is missed most", 20].startswith("40.0 (")
    assert cells["points lost by 8 steps a block", 56].startswith("12.5 (")
    assert cells["spectral norm of the branch, median block of the last stage", 32] == "2.0 (2.0 to 2.0)"
