"""Chapter "Counting paths": the sum over paths, the lengths along which gradient flows, the marks of an ensemble."""

from resnet_lib.experiments.counting_paths.gradients import CHOICES, CIFAR10, GRADIENTS, TUNING
from resnet_lib.experiments.counting_paths.images import IMAGES
from resnet_lib.experiments.counting_paths.members import CHOICES as MEMBERS_CHOICES
from resnet_lib.experiments.counting_paths.members import DIVIDED as MEMBERS_DIVIDED
from resnet_lib.experiments.counting_paths.members import MEMBERS
from resnet_lib.experiments.counting_paths.shares import CHOICES as SHARES_CHOICES
from resnet_lib.experiments.counting_paths.shares import DIVIDED as SHARES_DIVIDED
from resnet_lib.experiments.counting_paths.shares import SHARES
from resnet_lib.experiments.counting_paths.unrolling import UNROLLED

EXPERIMENTS = (
    UNROLLED,
    GRADIENTS,
    IMAGES,
    MEMBERS,
    SHARES,
    TUNING,
    CHOICES.experiment,
    MEMBERS_CHOICES.experiment,
    SHARES_CHOICES.experiment,
    MEMBERS_DIVIDED.experiment,
    SHARES_DIVIDED.experiment,
    CIFAR10,
)
