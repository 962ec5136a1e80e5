"""Chapter "What actually breaks in plain networks": what depth does to signals, gradients and training."""

from resnet_lib.experiments.plain_networks.deep_images import DEEP
from resnet_lib.experiments.plain_networks.deep_images import TUNING as DEEP_TUNING
from resnet_lib.experiments.plain_networks.depths import DEPTHS, TUNING
from resnet_lib.experiments.plain_networks.drift import DRIFT, JACOBIANS
from resnet_lib.experiments.plain_networks.signals import SIGNALS

EXPERIMENTS = (DRIFT, JACOBIANS, SIGNALS, DEPTHS, TUNING, DEEP, DEEP_TUNING)
