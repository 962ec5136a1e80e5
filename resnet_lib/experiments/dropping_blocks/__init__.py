"""Chapter "Dropping blocks": what a network loses without some of its blocks, and what training for it gains."""

from resnet_lib.experiments.dropping_blocks.common import COMMON
from resnet_lib.experiments.dropping_blocks.few import FEW
from resnet_lib.experiments.dropping_blocks.lesions import (
    AT_RATES,
    CIFAR10,
    DEPTH,
    DEPTH_CHOICES,
    DEPTH_DIVIDED,
    DIGITS,
    DIGITS_CHOICES,
    DIGITS_DIVIDED,
    RATES_CHOICES,
    RATES_DIVIDED,
)
from resnet_lib.experiments.dropping_blocks.linear import LINEAR
from resnet_lib.experiments.dropping_blocks.networks import TUNING
from resnet_lib.experiments.dropping_blocks.sizes import CHOICES, SIZES

EXPERIMENTS = (
    LINEAR,
    DIGITS,
    DEPTH,
    AT_RATES,
    SIZES,
    TUNING,
    DIGITS_CHOICES.experiment,
    DEPTH_CHOICES.experiment,
    DEPTH_DIVIDED.experiment,
    RATES_CHOICES.experiment,
    DIGITS_DIVIDED.experiment,
    RATES_DIVIDED.experiment,
    CHOICES.experiment,
    COMMON,
    FEW,
    CIFAR10,
)
