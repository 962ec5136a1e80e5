"""Chapter "Lipschitz bounds and scaled residuals": what bounds prove, how loose they are, what enforcing them costs."""

from resnet_lib.experiments.lipschitz_bounds import comparisons
from resnet_lib.experiments.lipschitz_bounds.signals import SIGNAL
from resnet_lib.experiments.lipschitz_bounds.single import BLOCK, CONDITION, SCALED
from resnet_lib.experiments.lipschitz_bounds.stacks import CHOICES, DIVIDED, NETWORKS, TUNING

EXPERIMENTS = (
    *(BLOCK, SCALED, CONDITION, NETWORKS, SIGNAL, TUNING, CHOICES.experiment, DIVIDED.experiment),
    *(comparisons.COMPARED, comparisons.TUNING, comparisons.CHOICES.experiment, comparisons.DIVIDED.experiment),
)
