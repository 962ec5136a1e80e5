"""Chapter "Euler and its limit": is a residual network a solver, what is its limit, and are trained networks flows?"""

from resnet_lib.experiments.euler_and_its_limit.limits import LIMITS, TRAJECTORIES
from resnet_lib.experiments.euler_and_its_limit.orders import ORDERS, STEP
from resnet_lib.experiments.euler_and_its_limit.points import FIXED_POINTS
from resnet_lib.experiments.euler_and_its_limit.topology import CHOICES as TOPOLOGY_CHOICES
from resnet_lib.experiments.euler_and_its_limit.topology import TOPOLOGY
from resnet_lib.experiments.euler_and_its_limit.trained import CHOICES, CIFAR, DIVIDED, LONGER, TRAINED, TUNING

EXPERIMENTS = (
    STEP,
    ORDERS,
    LIMITS,
    TRAJECTORIES,
    FIXED_POINTS,
    TOPOLOGY,
    TRAINED,
    CIFAR,
    TUNING,
    CHOICES.experiment,
    LONGER.experiment,
    DIVIDED.experiment,
    TOPOLOGY_CHOICES.experiment,
)
