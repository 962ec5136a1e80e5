"""Images weighted alike and by their gradients, on two images whose paths are known."""

import numpy as np
import pandas as pd

from resnet_lib import runtime
from resnet_lib.analysis import paths
from resnet_lib.experiments.counting_paths import images
from resnet_lib.experiments.counting_paths.gradients import Flow


def test_images_weighted_alike_are_told_from_images_weighted_by_their_gradients():
    """Two images whose paths lose a half and a quarter a branch: the larger gradient decides, or both do."""
    counts = np.array(paths.counts(4), dtype=float)
    rows = pd.DataFrame({"seed": 0, "blocks": 4, "length": range(5), "count": counts})
    along = np.array([0.5, 0.25])[:, None] ** np.arange(5)
    rows = rows.assign(path=(np.array([[9.0], [1.0]]) * along).mean(0), path_alike=along.mean(0))
    rows = rows.assign(exact=rows["path"] * counts, exact_alike=rows["path_alike"] * counts)
    by, alike = (images.lengths(rows, alike=each) for each in (False, True))
    assert 0.48 < by["factor"][0] < 0.5
    assert by["factor"][0] > alike["factor"][0] > 0.25
    np.testing.assert_allclose(by["sampled"], by["exact"])
    weights = counts * along.mean(0)
    np.testing.assert_allclose(alike["sampled"], (weights * np.arange(5)).sum() / weights.sum() / 4)


def test_before_training_batch_normalisation_has_the_statistics_of_the_training_images():
    with runtime.numerics():
        table = images.images_trial(Flow("residual", images=10, paths=5, epochs=0), (0,))
    assert table["few"].between(0.5, 1).all()  # five of ten
    assert images.lengths(table.assign(blocks=16), alike=True)["factor"][0] < 0.7  # with none it is about 1
