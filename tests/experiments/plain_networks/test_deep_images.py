"""Deep networks for images have the blocks and scales that they say."""

import pytest

from resnet_lib import nets, runtime
from resnet_lib.experiments.plain_networks import deep_images, stacks


def test_networks_for_images_have_the_blocks_and_scales_that_they_say() -> None:
    setting = deep_images.Deep("scaled", 50, 0.1)
    made_ = stacks.recipe("scaled", setting.blocks)
    net = nets.cifar_resnet(50, unit=made_.unit, width=2, generator=runtime.stream(0, "deep"))
    assert len(net.blocks) == setting.blocks == 24
    assert made_.unit.alpha == pytest.approx(24**-0.5)
    assert all((depth - 2) % 6 == 0 for depth in deep_images.DEPTHS)
    assert all(stacks.recipe(each.variant, each.blocks).factor == 1 for each in deep_images.DEEP.full.settings)
