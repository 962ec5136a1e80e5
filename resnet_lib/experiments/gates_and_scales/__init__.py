"""Chapter "Gates, scales and 1x1s on the shortcut": what happens to a network whose shortcut is not the identity."""

from resnet_lib.experiments.gates_and_scales.carry import CARRY
from resnet_lib.experiments.gates_and_scales.digits import CHOICES, DIGITS, DIVIDED, LONGER
from resnet_lib.experiments.gates_and_scales.paces import CHOICES as PACES_CHOICES
from resnet_lib.experiments.gates_and_scales.paces import DIVIDED as PACES_DIVIDED
from resnet_lib.experiments.gates_and_scales.paces import PACES
from resnet_lib.experiments.gates_and_scales.rates import TUNING

EXPERIMENTS = (
    *(CARRY, DIGITS, PACES, TUNING),
    *(part.experiment for part in (CHOICES, LONGER, DIVIDED, PACES_CHOICES, PACES_DIVIDED)),
)
