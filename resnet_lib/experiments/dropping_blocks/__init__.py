"""Chapter "Dropping blocks": what a network loses without some of its blocks, and what training for it gains."""

from resnet_lib.experiments.dropping_blocks.lesions import CIFAR10, DEPTH, DIGITS
from resnet_lib.experiments.dropping_blocks.linear import LINEAR
from resnet_lib.experiments.dropping_blocks.networks import TUNING

EXPERIMENTS = (LINEAR, DIGITS, DEPTH, TUNING, CIFAR10)
