"""Chapter "What actually breaks in plain networks": what depth does to signals, gradients and training."""

from resnet_lib.experiments.plain_networks.deep_images import DEEP
from resnet_lib.experiments.plain_networks.deep_images import TUNING as DEEP_TUNING
from resnet_lib.experiments.plain_networks.degradation import (
    CAUSE,
    CAUSE_CHOICES,
    CAUSE_DIVIDED,
    DEGRADE,
    DEGRADE_CHOICES,
    DEGRADE_DIVIDED,
    RESCUE,
    RESCUE_CHOICES,
    RESCUE_DIVIDED,
)
from resnet_lib.experiments.plain_networks.depths import CHOICES as DEPTH_CHOICES
from resnet_lib.experiments.plain_networks.depths import DEPTHS
from resnet_lib.experiments.plain_networks.depths import DIVIDED as DEPTH_DIVIDED
from resnet_lib.experiments.plain_networks.depths import TUNING as DEPTH_TUNING
from resnet_lib.experiments.plain_networks.drift import DRIFT, JACOBIANS
from resnet_lib.experiments.plain_networks.families import CIFAR_TUNING, TUNING
from resnet_lib.experiments.plain_networks.gradients import GRADIENTS
from resnet_lib.experiments.plain_networks.photographs import PHOTOGRAPHS
from resnet_lib.experiments.plain_networks.photographs import TUNING as PHOTOGRAPHS_TUNING
from resnet_lib.experiments.plain_networks.published import HE_TABLE
from resnet_lib.experiments.plain_networks.signals import SIGNALS

EXPERIMENTS = (
    *(DEGRADE, CAUSE, GRADIENTS, RESCUE, TUNING, CIFAR_TUNING, HE_TABLE),
    *(DRIFT, JACOBIANS, SIGNALS, DEPTHS, DEPTH_TUNING, DEEP, DEEP_TUNING),
    *(PHOTOGRAPHS, PHOTOGRAPHS_TUNING),
    *(part.experiment for part in (DEGRADE_CHOICES, CAUSE_CHOICES, RESCUE_CHOICES, DEPTH_CHOICES)),
    *(part.experiment for part in (DEGRADE_DIVIDED, CAUSE_DIVIDED, RESCUE_DIVIDED, DEPTH_DIVIDED)),
)
