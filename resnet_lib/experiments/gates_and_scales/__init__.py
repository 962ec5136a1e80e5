"""Chapter "Gates, scales and 1x1s on the shortcut": what happens to a network whose shortcut is not the identity."""

from resnet_lib.experiments.gates_and_scales.carry import CARRY
from resnet_lib.experiments.gates_and_scales.digits import CHOICES, DIGITS, LONGER
from resnet_lib.experiments.gates_and_scales.paces import CHOICES as PACES_CHOICES
from resnet_lib.experiments.gates_and_scales.paces import PACES
from resnet_lib.experiments.gates_and_scales.rates import TUNING

EXPERIMENTS = (CARRY, DIGITS, TUNING, CHOICES.experiment, LONGER.experiment, PACES, PACES_CHOICES.experiment)
