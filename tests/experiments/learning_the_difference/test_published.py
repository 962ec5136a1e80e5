"""Measures of the published networks, on a table whose values are known, and groups of images."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import nets
from resnet_lib.data import Split
from resnet_lib.experiments.learning_the_difference import published
from tests.networks import generator


def table() -> pd.DataFrame:
    """Sizes of 9 over the number of blocks; cosines of a hundredth of the block's number, 0.2 at the last one."""
    rows = []
    for depth in published.DEPTHS:
        blocks = (depth - 2) // 2
        places = [i for i in range(blocks) if i not in (blocks // 3, 2 * blocks // 3)]
        for seed in range(2):
            for block in places:
                own = 0.2 if block == blocks - 1 else block / 100
                rows.append((depth, seed, block, 9 / blocks, 1.0, own, 0.01, 0.03))
    columns = ["depth", "seed", "block", "size", "placebo", "own", "other", "another"]
    return pd.DataFrame(rows, columns=columns)


def test_measures():
    found = published.smaller(table())
    np.testing.assert_allclose(found.values, [-1.0] * 2)
    np.testing.assert_allclose(found.control, [0.0] * 2, atol=1e-12)
    found = published.small(table())
    np.testing.assert_allclose(found.values, [1 / 3] * 2)
    np.testing.assert_allclose(found.control, [1.0] * 2)
    found = published.last(table())
    np.testing.assert_allclose(found.values, [0.19] * 2)
    np.testing.assert_allclose(found.control, [0.02] * 2)
    found = published.aligned(table())
    np.testing.assert_allclose(found.values, [0.08 - 0.01] * 2)  # the 17th largest of 25: 0.2, 0.25, .., 0.19, 0.17, ..
    np.testing.assert_allclose(found.control, [0.02] * 2)


def test_a_trial_measures_the_blocks_that_keep_the_shape(monkeypatch: pytest.MonkeyPatch):
    net = nets.cifar_resnet(14, width=4, generator=generator()).eval()
    images = Split(torch.randn(30, 3, 8, 8, generator=generator("images")), torch.arange(30) % 10)
    monkeypatch.setattr(published.data, "published", lambda depth: net)
    monkeypatch.setattr(published, "images", lambda: images)
    found = published.trial(published.Published(14, 10), (0, 2))
    assert found["block"].tolist() == [0, 1, 3, 5] * 2
    part = published.group(2, 10)
    assert torch.equal(part.x, images.x[20:])
    with torch.no_grad():
        states = net.states(part.x)
        added = net.blocks[1].branch(states[1])  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    sizes = added.flatten(1).norm(dim=1) / states[1].flatten(1).norm(dim=1)
    row = found[(found["seed"] == 2) & (found["block"] == 1)].iloc[0]
    assert row["size"] == pytest.approx(sizes.median().item(), rel=1e-4)
    with pytest.raises(ValueError, match="group 3 of size=10 needs 40 images; there are 30"):
        published.group(3, 10)
