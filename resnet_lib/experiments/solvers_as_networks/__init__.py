"""Chapter "Solvers as networks": steps of the heat and Schroedinger equations as blocks, and learned ones."""

from resnet_lib.experiments.solvers_as_networks.conservation import TOTAL
from resnet_lib.experiments.solvers_as_networks.explorer import EXPLORER
from resnet_lib.experiments.solvers_as_networks.heat import BARS, SHOWN
from resnet_lib.experiments.solvers_as_networks.learning import CHOICES as LEARNED_CHOICES
from resnet_lib.experiments.solvers_as_networks.learning import LEARNED
from resnet_lib.experiments.solvers_as_networks.propagation import CHOICES, PROPAGATION
from resnet_lib.experiments.solvers_as_networks.rounding import ROUNDING
from resnet_lib.experiments.solvers_as_networks.waves import LIMITS, WAVES

EXPERIMENTS = (
    *(BARS, SHOWN, TOTAL, LEARNED, WAVES, LIMITS, ROUNDING, EXPLORER, PROPAGATION),
    *(CHOICES.experiment, LEARNED_CHOICES.experiment),
)
